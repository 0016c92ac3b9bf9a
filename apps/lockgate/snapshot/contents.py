"""What a database holds, as far as a dump of it, or one to be loaded into it, is concerned. Reads only."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

from django.db.backends.base.base import BaseDatabaseWrapper
from psycopg import sql
from psycopg.rows import class_row

from lockgate.database.session import raw
from lockgate.database.sql import read


class DatabaseProperties(NamedTuple):
    """schema: where new objects go. settings: those of ``ALTER DATABASE … SET``."""

    schema: str | None
    encoding: str
    collation: str
    settings: list[str]


class Extension(NamedTuple):
    name: str
    version: str
    schema: str


class Column(NamedTuple):
    """A column of a table, both qualified by names as the catalog has them. is_temporal: a date, a time or both."""

    schema: str
    table: str
    name: str
    is_temporal: bool

    @property
    def label(self) -> str:
        return f"{self.schema}.{self.table}.{self.name}"


def database_properties(connection: BaseDatabaseWrapper) -> DatabaseProperties:
    row = raw(connection).execute(read("database_nature")).fetchone()
    assert row is not None  # noqa: S101  a SELECT without FROM has one row
    return DatabaseProperties(*row)


def own_objects(connection: BaseDatabaseWrapper) -> list[str]:
    """The first few things in it that neither initdb nor an extension made, each as ``table "x"``."""
    return [f'{kind} "{name}"' for kind, name in raw(connection).execute(read("own_objects"))]


def extensions(connection: BaseDatabaseWrapper) -> list[Extension]:
    """The extensions that are there, oldest first."""
    with raw(connection).cursor(row_factory=class_row(Extension)) as cursor:
        return cursor.execute(read("extension_versions")).fetchall()


def creatable_versions(connection: BaseDatabaseWrapper, names: Collection[str]) -> dict[str, str]:
    """The version that each of these extensions would get if it were created now; none that the server lacks."""
    return dict(raw(connection).execute(read("available_extensions"), {"names": sorted(names)}).fetchall())


def digests(connection: BaseDatabaseWrapper) -> dict[Column, str]:
    """Of every column of every table: a digest of its values, row after row as they were put in."""
    columns = [Column(*row) for row in raw(connection).execute(read("own_columns")).fetchall()]
    return {column: _digest(connection, column) for column in columns}


def _digest(connection: BaseDatabaseWrapper, column: Column) -> str:
    query = sql.SQL(
        "SELECT pg_catalog.md5(coalesce(pg_catalog.string_agg("
        "coalesce(pg_catalog.md5({}::pg_catalog.text), '-'), '' ORDER BY ctid), '')) FROM {}"
    )
    statement = query.format(sql.Identifier(column.name), sql.Identifier(column.schema, column.table))
    row = raw(connection).execute(statement).fetchone()
    assert row is not None  # noqa: S101  an aggregate has one row
    return str(row[0])
