"""Connections for planning: one that is never opened, and a block in which none of the thread's is used."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.postgresql.base import DatabaseWrapper

from lockgate.errors import LockgateError


def offline_connection(alias: str, version: int) -> BaseDatabaseWrapper:
    """A connection that is never opened, as if to a server of this version (160004): for planning without one.

    It is of the alias's own class where that speaks PostgreSQL (PostGIS, say), else of Django's.
    """
    offline: Any = connections.create_connection(alias)
    if offline.vendor != "postgresql":
        offline = DatabaseWrapper({**offline.settings_dict, "ENGINE": "django.db.backends.postgresql"}, alias)
    offline.pg_version = version
    offline.connect = _never
    return offline  # type: ignore[no-any-return]


@contextlib.contextmanager
def unplugged() -> Iterator[None]:
    """No connection of this thread is opened or used in the block.

    A field's default may be a function that asks the server, and an operation may go past the schema editor and write.
    """
    doors = [(connection, name) for connection in connections.all() for name in ("connect", "cursor", "chunked_cursor")]
    for open_connection, name in doors:
        setattr(open_connection, name, _never)
    try:
        yield
    finally:
        for open_connection, name in doors:
            delattr(open_connection, name)


def _never() -> None:
    raise LockgateError("an operation asks the server, and planning is offline")
