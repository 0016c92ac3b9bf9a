"""Single things in the catalog, by name: what recovery goes by beside the journal. Reads only."""

from __future__ import annotations

from typing import NamedTuple

from django.db.backends.base.base import BaseDatabaseWrapper

from lockgate.database.session import raw
from lockgate.database.sql import read


class IndexState(NamedTuple):
    """An index that is there. valid: it is complete, and queries use it."""

    table: str
    valid: bool
    schema: str


def index(connection: BaseDatabaseWrapper, table: str, name: str) -> IndexState | None:
    """The index of a name in the schema of the table that an unqualified name finds; None where there is none."""
    row = raw(connection).execute(read("index_state"), {"name": name, "table": table}).fetchone()
    return IndexState(*row) if row else None


def constraint(connection: BaseDatabaseWrapper, table: str, name: str) -> bool | None:
    """Whether a table's constraint is validated; None where there is none of that name."""
    row = raw(connection).execute(read("constraint_state"), {"table": table, "name": name}).fetchone()
    return bool(row[0]) if row else None


def taken(connection: BaseDatabaseWrapper, table: str, name: str) -> tuple[bool, bool]:
    """Whether a relation in the table's schema has this name; and whether another table's constraint has."""
    row = raw(connection).execute(read("name_taken"), {"name": name, "table": table}).fetchone()
    return (bool(row[0]), bool(row[1])) if row else (False, False)


def column_default(connection: BaseDatabaseWrapper, table: str, column: str) -> str | None:
    """The expression of a column's default; None where the column, or its default, is not there."""
    row = raw(connection).execute(read("column_default"), {"table": table, "column": column}).fetchone()
    return str(row[0]) if row and row[0] is not None else None


def tables(connection: BaseDatabaseWrapper) -> set[str]:
    """The names of the tables that an unqualified name finds."""
    return {row[0] for row in raw(connection).execute(read("visible_tables"))}
