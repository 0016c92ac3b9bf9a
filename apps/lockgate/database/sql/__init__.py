"""The SQL that Lockgate itself sends, one statement a file.

A ``%(name)s`` is a parameter; with a value in its place each file runs in psql as it stands. Those
that are sent without psycopg have PostgreSQL's own (``$1``): ``current``, ``own_rights``, ``snapshot_loaded``,
``other_extensions``.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files


@cache
def read(name: str) -> str:
    """The statement in ``<name>.sql``."""
    return (files(__name__) / f"{name}.sql").read_text(encoding="utf-8")
