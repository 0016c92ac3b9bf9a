"""Configuration mistakes, found by Django's system checks."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning, register

from lockgate import policy
from lockgate.errors import ConfigurationError


@register("lockgate")
def check_settings(app_configs: Sequence[Any] | None, **kwargs: Any) -> list[CheckMessage]:
    """lockgate.E001: LOCKGATE, or a variable that overrides it, cannot be read."""
    try:
        policy.resolve(getattr(settings, "LOCKGATE", {}), os.environ)
    except ConfigurationError as error:
        return [Error(error.what, hint=error.next_step or None, id="lockgate.E001")]
    return []


@register("lockgate")
def check_order(app_configs: Sequence[Any] | None, **kwargs: Any) -> list[CheckMessage]:
    """lockgate.W001: an app before lockgate brings a ``migrate`` of its own, which wins."""
    from django.core.management import get_commands  # noqa: PLC0415  reads the installed apps

    owner = get_commands().get("migrate")
    if owner == "lockgate":
        return []
    return [
        Warning(
            f"manage.py migrate is {owner}'s, not Lockgate's",
            hint='Put "lockgate" before it in INSTALLED_APPS.',
            id="lockgate.W001",
        )
    ]
