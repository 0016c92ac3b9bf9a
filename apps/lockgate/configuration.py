"""Reads the Policy in force: flags beat the environment, which beats LOCKGATE, which beats the defaults.

For each field of Policy there is one setting.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import timedelta
from typing import Any, get_args

from lockgate.errors import ConfigurationError
from lockgate.policy import LONGEST, RELEASE_LENGTH, OnAhead, OnEdited, OnHazard, Policy, Pooler


@dataclass(frozen=True)
class Option:
    """One setting: its key in LOCKGATE, its field in Policy, and its variable where the environment may set it."""

    key: str
    attribute: str
    variable: str = ""
    choices: tuple[str, ...] = field(default=())


OPTIONS = (
    Option("WAIT_SECONDS", "wait_for_server", "LOCKGATE_WAIT_SECONDS"),
    Option("CONNECT_TIMEOUT_SECONDS", "connect_timeout", "LOCKGATE_CONNECT_TIMEOUT_SECONDS"),
    Option("LOCK_WAIT_SECONDS", "wait_for_lock", "LOCKGATE_LOCK_WAIT_SECONDS"),
    Option("LOCK_REPORT_SECONDS", "report_lock_wait", "LOCKGATE_LOCK_REPORT_SECONDS"),
    Option("WAIT_FOR_MIGRATIONS_SECONDS", "wait_for_migrations", "LOCKGATE_WAIT_FOR_MIGRATIONS_SECONDS"),
    Option("FAILURE_STANDS_SECONDS", "failure_stands", "LOCKGATE_FAILURE_STANDS_SECONDS"),
    Option("EXTENSIONS", "extensions"),
    Option("ON_AHEAD", "on_ahead", "LOCKGATE_ON_AHEAD", get_args(OnAhead)),
    Option("ON_EDITED", "on_edited", "LOCKGATE_ON_EDITED", get_args(OnEdited)),
    Option("ON_HAZARD", "on_hazard", "LOCKGATE_ON_HAZARD", get_args(OnHazard)),
    Option("LARGE_TABLE_BYTES", "large_table_bytes", "LOCKGATE_LARGE_TABLE_BYTES"),
    Option("SIZE_BUDGET_BYTES", "size_budget_bytes", "LOCKGATE_SIZE_BUDGET_BYTES"),
    Option("POOLER", "pooler", "LOCKGATE_POOLER", get_args(Pooler)),
    Option("ONLINE", "online", "LOCKGATE_ONLINE"),
    Option("LAZY_RENDERING", "lazy_rendering", "LOCKGATE_LAZY_RENDERING"),
    Option("LOCK_TIMEOUT_SECONDS", "lock_timeout", "LOCKGATE_LOCK_TIMEOUT_SECONDS"),
    Option("LOCK_ATTEMPTS_SECONDS", "lock_attempts", "LOCKGATE_LOCK_ATTEMPTS_SECONDS"),
    Option("ONLINE_WAIT_SECONDS", "wait_for_others", "LOCKGATE_ONLINE_WAIT_SECONDS"),
    Option("MANIFEST_IGNORES", "manifest_ignores"),
    Option("MANIFEST_VARIABLES", "manifest_variables"),
    Option("SNAPSHOT_SETTINGS", "snapshot_settings"),
    Option("SHOW_VALUES", "show_values", "LOCKGATE_SHOW_VALUES"),
    Option("LINT_START_AFTER", "lint_start_after"),
    Option("LISTENERS", "listeners"),
    Option("RULES", "rules"),
    Option("RELEASE", "release", "LOCKGATE_RELEASE"),
    Option("SNAPSHOT", "snapshot", "LOCKGATE_SNAPSHOT"),
)


def resolve(settings: Mapping[str, Any], environ: Mapping[str, str], **flags: Any) -> Policy:
    """The policy in force: LOCKGATE, overridden by the environment, overridden by flags that are not None.

    flags: Policy attributes; durations in seconds.
    Raises ConfigurationError, naming where the value came from, for an unknown key or a value of the wrong kind.
    """
    if not isinstance(settings, Mapping):
        raise ConfigurationError(
            "LOCKGATE is not a dict", next_step='write  LOCKGATE = {"WAIT_SECONDS": 60}  or leave it out'
        )
    known = {option.key: option for option in OPTIONS}
    if unknown := sorted(set(settings) - set(known)):
        raise ConfigurationError(
            f"LOCKGATE has unknown settings: {', '.join(unknown)}",
            next_step=f"use one of: {', '.join(sorted(known))}",
        )
    values: dict[str, Any] = {}
    for option in OPTIONS:
        for source, value in _given(option, settings, environ, flags):
            values[option.attribute] = _read(option, source, value)
    return Policy(**values)


def in_force(**flags: Any) -> Policy:
    """LOCKGATE, the environment and the flags, in that order of strength. Raises ConfigurationError.

    The environment is read here directly, because the migrating settings are free of any configuration layer.
    """
    from django.conf import settings  # noqa: PLC0415  they need not be loaded yet when this module is

    return resolve(getattr(settings, "LOCKGATE", {}), os.environ, **flags)


def _given(
    option: Option, settings: Mapping[str, Any], environ: Mapping[str, str], flags: Mapping[str, Any]
) -> list[tuple[str, Any]]:
    """The places that set an option, weakest first."""
    options: list[tuple[str, Any]] = []
    if option.key in settings:
        options.append((f'LOCKGATE["{option.key}"]', settings[option.key]))
    if environ.get(option.variable):
        options.append((option.variable, environ[option.variable]))
    if flags.get(option.attribute) is not None:
        options.append((f"the flag for {option.key}", flags[option.attribute]))
    return options


def _read(option: Option, source: str, value: Any) -> Any:
    default = _DEFAULTS[option.attribute]
    if isinstance(default, timedelta):
        return _seconds(source, value)
    if isinstance(default, bool):
        return _truth(source, value)
    if isinstance(default, int):
        return _whole_number(source, value)
    if isinstance(default, tuple):
        listed = isinstance(value, list | tuple | set | frozenset)
        if not listed or not all(isinstance(item, str) for item in value):
            raise ConfigurationError(f"{source} is not a list of names")
        return tuple(value)
    if not isinstance(value, str):
        raise ConfigurationError(f"{source} is not text")
    if option.attribute == "release":  # the end of a long name is what tells builds apart: a tag, a digest
        return "-".join(value.split())[-RELEASE_LENGTH:]
    if option.choices and value not in option.choices:
        raise ConfigurationError(f"{source} is {value!r}", next_step=f"use one of: {', '.join(option.choices)}")
    return value


def _truth(source: str, value: Any) -> bool:
    words = {"true": True, "1": True, "on": True, "false": False, "0": False, "off": False}
    truth = words.get(str(value).lower())
    if truth is None:
        raise ConfigurationError(f"{source} is {value!r}", next_step="give true or false")
    return truth


def _whole_number(source: str, value: Any) -> int:
    try:
        number = -1 if isinstance(value, bool) else int(str(value))
    except ValueError:
        number = -1
    if number < 0:
        raise ConfigurationError(f"{source} is {value!r}", next_step="give a whole number, 0 or more")
    return number


def _seconds(source: str, value: Any) -> timedelta:
    try:
        seconds = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        seconds = math.nan
    if not 0 <= seconds <= LONGEST.total_seconds():
        raise ConfigurationError(
            f"{source} is {value!r}", next_step="give a number of seconds, 0 or more, at most a year"
        )
    return timedelta(seconds=seconds)


_DEFAULTS = {item.name: item.default for item in fields(Policy)}
