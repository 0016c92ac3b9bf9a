"""Who may write Lockgate's own tables: their owner alone. Others may be allowed to read them.

A row of the journal is SQL that a later run executes with the rights of its role: a service that may write there could
do whatever the owner of the schema may. Default privileges give it just that on each new table.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import psycopg
from django.db.backends.base.base import BaseDatabaseWrapper
from psycopg import sql

from lockgate.database.session import raw
from lockgate.database.sql import read

HISTORY = "django_migrations"


class Right(NamedTuple):
    """Rights of a role on a table, or a sequence, of ours. granted: PostgreSQL's words. ours: whether we may take them.

    statement: what takes them back.
    """

    own: str
    owner: str
    role: str
    granted: str
    ours: bool
    statement: str


def of_others(connection: BaseDatabaseWrapper, *, history: bool = False) -> list[Right]:
    """What everybody but their owners may do with them, beyond reading. One query.

    history: with ``django_migrations`` too, which is nobody else's while it is new.
    """
    with psycopg.RawCursor(raw(connection)) as cursor:
        cursor.execute(read("own_rights"), [[HISTORY] if history else []])
        return [Right(*row) for row in cursor.fetchall()]


def take_back(connection: BaseDatabaseWrapper, *, history: bool = False) -> list[Right]:
    """Take from others what is more than reading, as far as this role may; returns all that was found.

    In the transaction that is open, if any.
    """
    taken = of_others(connection, history=history)
    for right in taken:
        if right.ours:
            raw(connection).execute(sql.SQL(right.statement))  # made, and quoted, by the server
    return taken


def lacking(connection: BaseDatabaseWrapper, tables: Iterable[str]) -> list[str]:
    """The GRANTs without which this role cannot read these tables; none for one that is not on its search path."""
    rows = raw(connection).execute(read("unreadable"), {"names": sorted(tables)})
    return [grant for (grant,) in rows.fetchall()]


def to_create(connection: BaseDatabaseWrapper) -> str:
    """What this role lacks to make tables where it would make them: a GRANT, or a schema. Empty for nothing."""
    row = raw(connection).execute(read("to_create")).fetchone()
    if row is None:
        return "no schema of its search path is there, or open to it (GRANT USAGE, CREATE ON SCHEMA)"
    schema, role, may = row
    return "" if may else f"GRANT CREATE ON SCHEMA {schema} TO {role};"
