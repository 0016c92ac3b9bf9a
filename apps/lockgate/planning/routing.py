"""Where an operation runs: what the project's routers say of it for one database."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from django.contrib.postgres.operations import CreateExtension
from django.db import router
from django.db.migrations.operations import RunPython, RunSQL
from django.db.migrations.operations.base import Operation

# A plan does not call these to know what they do, so it asks in their place, as they do themselves.
_ASKS = RunPython | RunSQL | CreateExtension


def allowed(alias: str, app_label: str, operation: Operation) -> bool:
    """Whether an operation of code or SQL runs there; one on models asks by itself. Raises what a router raises."""
    hints = getattr(operation, "hints", {})
    return not isinstance(operation, _ASKS) or bool(router.allow_migrate(alias, app_label, **hints))


@contextlib.contextmanager
def answers() -> Iterator[list[bool]]:
    """What routers are asked and say within the block; nothing is noted where none has a say.

    Django's operations ask ``router.allow_migrate_model``, which asks ``router.allow_migrate`` (5.2, 6.0).
    """
    heard: list[bool] = []
    asking: Any = router
    if not any(hasattr(asked_router, "allow_migrate") for asked_router in asking.routers):
        yield heard
        return
    asked, before = asking.allow_migrate, vars(asking).get("allow_migrate")

    def allow(db: str, label: str, **hints: Any) -> bool:
        heard.append(bool(asked(db, label, **hints)))
        return heard[-1]

    asking.allow_migrate = allow  # on this object alone, in front of its class's
    try:
        yield heard
    finally:
        del asking.allow_migrate
        if before is not None:  # somebody stands in front of it already
            asking.allow_migrate = before
