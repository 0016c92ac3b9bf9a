"""What there is of Lockgate's own tables: read as the catalog has it, whatever is recorded of their migrations."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from django.db.backends.base.base import BaseDatabaseWrapper
from psycopg import sql

from lockgate.database.one_message import Question, Rows, ask
from lockgate.database.session import raw


class Column(NamedTuple):
    """type: as the server names it, without a length. filled: whether a row that says nothing of it gets a value."""

    type: str
    not_null: bool
    filled: bool


class Table(NamedTuple):
    """is_table: no view, nor anything else that bears the name."""

    is_table: bool
    columns: dict[str, Column]


def shape(connection: BaseDatabaseWrapper, names: Iterable[str]) -> dict[str, Table]:
    """Those of the tables that are there, by name. One query."""
    [rows] = ask(raw(connection), question(names))
    return of_rows(rows)


def question(names: Iterable[str]) -> Question:
    return Question("own_shape", {"names": list(names)})


def of_rows(rows: Rows) -> dict[str, Table]:
    """What the question is answered with, by table."""
    tables: dict[str, Table] = {}
    for row in rows:
        table = tables.setdefault(row["name"], Table(row["is_table"], {}))
        if row["column"] is not None:
            table.columns[row["column"]] = Column(row["type"], row["not_null"], row["filled"])
    return tables


def has_rows(connection: BaseDatabaseWrapper, name: str) -> bool:
    row = raw(connection).execute(sql.SQL("SELECT EXISTS (SELECT FROM {})").format(sql.Identifier(name))).fetchone()
    return bool(row and row[0])
