"""Single things in the catalog: what recovery goes by beside the journal. Reads only.

A name is not an identity: what is there is told by its oid, and by its definition, which the server itself has put into
one form.
"""

from __future__ import annotations

import re
from typing import NamedTuple

import psycopg
from django.db.backends.base.base import BaseDatabaseWrapper
from psycopg import sql

from lockgate import policy
from lockgate.database import locks
from lockgate.database.session import raw
from lockgate.database.sql import read


class IndexState(NamedTuple):
    """An index that is there. valid: it is complete, and queries use it. definition: all of it but names."""

    table: str
    valid: bool
    schema: str
    oid: int
    definition: str


class ConstraintState(NamedTuple):
    """A table's constraint that is there. definition: as PostgreSQL writes it, without NOT VALID."""

    oid: int
    validated: bool
    definition: str


class DefaultState(NamedTuple):
    """A column's default that is there. oid: of its row, another after each SET DEFAULT, also to the same."""

    oid: int
    expression: str
    schema: str
    table: str
    column: str


_CONCURRENT_BUILD = re.compile(r"(CREATE (?:UNIQUE )?INDEX) CONCURRENTLY ")


def index(connection: BaseDatabaseWrapper, table: str, name: str) -> IndexState | None:
    """The index of a name in the schema of the table that an unqualified name finds; None where there is none."""
    row = raw(connection).execute(read("index_state"), {"name": name, "table": table}).fetchone()
    return IndexState(*row) if row else None


def defined(connection: BaseDatabaseWrapper, table: str, name: str, statement: str) -> str | None:
    """What ``index`` would say is the definition of the index that this statement builds concurrently.

    It is built for a moment, on an empty temporary table of the same columns and the same name, and rolled back. None
    where that cannot be known: the statement is of another form, the table is not there, the role may have no
    temporary tables. Outside a transaction. Raises LockNotAvailable where somebody has the table to himself.
    """
    begins, quoted = _CONCURRENT_BUILD.match(statement), f" ON {connection.ops.quote_name(table)} "
    if begins is None or quoted not in statement or '"' in table:
        return None
    opened = raw(connection)
    try:
        with opened.transaction(force_rollback=True):
            locks.limit_waiting(connection, policy.FACTS_LOCK_TIMEOUT)
            like = sql.SQL("CREATE TEMPORARY TABLE {} (LIKE {})").format(*[sql.Identifier(table)] * 2)
            opened.execute(like)
            opened.execute(
                "SELECT pg_catalog.set_config("
                "'search_path', 'pg_temp, ' || pg_catalog.current_setting('search_path'), true)"
            )
            opened.execute(f"{begins[1]} {statement[begins.end() :]}")
            state = index(connection, table, name)
    except psycopg.errors.OperationalError:
        raise
    except psycopg.Error:
        return None
    return state.definition if state else None


def index_elsewhere(connection: BaseDatabaseWrapper, table: str, name: str) -> tuple[str, str] | None:
    """Schema and table of an index of this name, where the table that it was meant for is not there."""
    row = raw(connection).execute(read("index_elsewhere"), {"name": name, "table": table}).fetchone()
    return (row[0], row[1]) if row else None


def index_by_oid(connection: BaseDatabaseWrapper, oid: int) -> tuple[str, str] | None:
    """Schema and name of an index; None where it is gone."""
    row = raw(connection).execute(read("index_by_oid"), {"oid": oid}).fetchone()
    return (row[0], row[1]) if row else None


def constraint_by_oid(connection: BaseDatabaseWrapper, oid: int) -> tuple[str, str, str] | None:
    """Schema, table and name of a constraint; None where it is gone."""
    row = raw(connection).execute(read("constraint_by_oid"), {"oid": oid}).fetchone()
    return (row[0], row[1], row[2]) if row else None


def constraint(connection: BaseDatabaseWrapper, table: str, name: str) -> ConstraintState | None:
    """The constraint of a name on the table that an unqualified name finds; None where there is none."""
    row = raw(connection).execute(read("constraint_state"), {"table": table, "name": name}).fetchone()
    return ConstraintState(*row) if row else None


def taken(connection: BaseDatabaseWrapper, table: str, name: str) -> tuple[bool, bool]:
    """Whether a relation in the table's schema has this name; and whether another table's constraint has."""
    row = raw(connection).execute(read("name_taken"), {"name": name, "table": table}).fetchone()
    return (bool(row[0]), bool(row[1])) if row else (False, False)


def column_default(connection: BaseDatabaseWrapper, table: str, column: str) -> DefaultState | None:
    """A column's default; None where the column, or its default, is not there."""
    row = raw(connection).execute(read("default_of_column"), {"table": table, "column": column}).fetchone()
    return DefaultState(*row) if row else None


def default_by_oid(connection: BaseDatabaseWrapper, oid: int) -> DefaultState | None:
    """A default by its own row, whatever its column is called by now; None where it is gone or was set again."""
    row = raw(connection).execute(read("default_by_oid"), {"oid": oid}).fetchone()
    return DefaultState(*row) if row else None


def tables(connection: BaseDatabaseWrapper) -> set[str]:
    """The names of the tables that an unqualified name finds."""
    return {row[0] for row in raw(connection).execute(read("visible_tables"))}
