"""Indexes that a concurrent build has left invalid: of no use to queries, kept up by every write, their names taken."""

from __future__ import annotations

import time
from typing import NamedTuple

from django.db.backends.base.base import BaseDatabaseWrapper
from psycopg import sql

from lockgate import policy
from lockgate.database.session import raw
from lockgate.database.sql import read as read_sql


class InvalidIndex(NamedTuple):
    """One that nobody is building now."""

    oid: int
    schema: str
    name: str
    table: str

    def __str__(self) -> str:
        return f'{self.qualified} of "{self.table}"'

    @property
    def qualified(self) -> str:
        return f'"{self.schema}"."{self.name}"'

    @property
    def drop(self) -> str:
        statement = sql.SQL("DROP INDEX CONCURRENTLY {};").format(sql.Identifier(self.schema, self.name))
        return statement.as_string(None)


def oids(connection: BaseDatabaseWrapper) -> set[int]:
    """Of all that are invalid now, also of those that somebody is building."""
    query = "SELECT indexrelid::pg_catalog.int8 FROM pg_catalog.pg_index WHERE NOT indisvalid"
    return {oid for (oid,) in raw(connection).execute(query)}


def read(connection: BaseDatabaseWrapper) -> list[InvalidIndex]:
    """Those that are invalid and stay so: a build ends in the progress view a moment before its index is valid."""
    indexes = _read(connection)
    if not indexes:
        return []
    time.sleep(policy.BUILD_ENDS_WITHIN.total_seconds())
    again = _read(connection)
    return [index for index in indexes if index in again]


def _read(connection: BaseDatabaseWrapper) -> list[InvalidIndex]:
    return [InvalidIndex(*row) for row in raw(connection).execute(read_sql("invalid_indexes"))]
