"""Configuration mistakes, found by Django's system checks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from django.core.checks import CheckMessage, Error, Warning, register

from lockgate import configuration, policy
from lockgate.database import driver
from lockgate.errors import ConfigurationError


@register("lockgate")
def check_settings(app_configs: Sequence[Any] | None, **kwargs: Any) -> list[CheckMessage]:
    """lockgate.E001: LOCKGATE, or a variable that overrides it, cannot be read."""
    try:
        configuration.in_force()
    except ConfigurationError as error:
        return [Error(error.what, hint=error.next_step or None, id="lockgate.E001")]
    return []


@register("lockgate")
def check_listeners(app_configs: Sequence[Any] | None, **kwargs: Any) -> list[CheckMessage]:
    """lockgate.E004: LOCKGATE["LISTENERS"] names what cannot be imported or called."""
    return _told("lockgate.E004", _listeners)


def _listeners(limits: policy.Policy) -> None:
    if limits.listeners:
        from lockgate.gate import listeners  # noqa: PLC0415  most projects have none

        for path in limits.listeners:
            listeners.load(path)


@register("lockgate")
def check_rules(app_configs: Sequence[Any] | None, **kwargs: Any) -> list[CheckMessage]:
    """lockgate.E005: LOCKGATE["RULES"] names what cannot be imported, or has no rule that can be one."""
    return _told("lockgate.E005", _rules)


def _rules(limits: policy.Policy) -> None:
    if limits.rules:
        from lockgate.linting import own_rules  # noqa: PLC0415  likewise

        own_rules.of(limits.rules)


def _told(identity: str, load: Callable[[policy.Policy], object]) -> list[CheckMessage]:
    """What is wrong with what settings name; nothing where the settings are (lockgate.E001)."""
    try:
        limits = configuration.in_force()
    except ConfigurationError:
        return []
    try:
        load(limits)
    except ConfigurationError as error:
        return [Error(error.what, hint=". NEXT: ".join(filter(None, (error.why, error.next_step))), id=identity)]
    return []


@register("lockgate")
def check_driver(app_configs: Sequence[Any] | None, **kwargs: Any) -> list[CheckMessage]:
    """lockgate.E003: psycopg is too old."""
    try:
        driver.require()
    except ConfigurationError as error:
        return [Error(error.what, hint=f"{error.why}. NEXT: {error.next_step}", id="lockgate.E003")]
    return []


@register("lockgate")
def check_commands(app_configs: Sequence[Any] | None, **kwargs: Any) -> list[CheckMessage]:
    """lockgate.E002: one of Django's commands is both Lockgate's and another app's, and one hides the other.

    lockgate.W001: the same of a command that is not Django's.
    """
    from lockgate import command_conflicts  # noqa: PLC0415  reads the installed apps

    return [
        Error(conflict.what, hint=f"{conflict.why}. NEXT: {conflict.next_step}", id="lockgate.E002")
        if conflict.command in command_conflicts.OVERRIDING
        else Warning(conflict.what, hint=conflict.next_step, id="lockgate.W001")
        for conflict in command_conflicts.hidden()
    ]
