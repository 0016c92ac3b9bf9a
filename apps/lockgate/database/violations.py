"""The rows that break a new constraint: how many, and a few of them by their primary keys, for a message.

What is in them is told only where the settings allow it.

What the constraint demands is read from the catalog, where a failed attempt left it (an invalid index, a constraint
that is NOT VALID); nothing is guessed from the migration. Reads only, for a bounded time.
"""

from __future__ import annotations

import contextlib
from typing import Any

import psycopg
from django.db.backends.base.base import BaseDatabaseWrapper
from psycopg import sql
from psycopg.rows import dict_row

from lockgate import policy
from lockgate.database import server_messages
from lockgate.database.session import raw
from lockgate.database.sql import read


def describe(connection: BaseDatabaseWrapper, table: str, name: str) -> str:
    """The rows of a table that break the constraint or unique index of this name, as a sentence; empty where unknown.

    Only outside a transaction. Sends two or three SELECTs, which may read the whole table.
    """
    with contextlib.suppress(psycopg.Error):
        opened = raw(connection)
        with opened.cursor(row_factory=dict_row) as cursor:
            rule = cursor.execute(read("rule"), {"table": table, "name": name}).fetchone()
            if rule is None:
                return ""
            return _repeated(cursor, table, rule) if rule["kind"] == "u" else _violating(cursor, table, rule)
    return ""


def _repeated(cursor: Any, table: str, rule: dict[str, Any]) -> str:
    """Keys that occur more than once. rule: keys and condition as SQL that the catalog printed."""
    keys = [sql.SQL(key) for key in rule["keys"]]
    known = [sql.SQL("({}) IS NOT NULL").format(key) for key in keys] if not rule["nulls_equal"] else []
    texts = [sql.SQL("({})::pg_catalog.text").format(key) for key in keys]
    primary = [row["name"] for row in cursor.execute(read("primary_key"), {"table": table})]
    own = sql.SQL(", ").join(sql.SQL("{}::pg_catalog.text").format(sql.Identifier(name)) for name in primary)
    conditions = [*known, *([sql.SQL(rule["condition"])] if rule["condition"] else [])]
    query = sql.SQL(
        "WITH repeated AS (SELECT ARRAY[{texts}] AS key, pg_catalog.count(*) AS rows, "
        "pg_catalog.min(ARRAY[{own}]::pg_catalog.text[]) AS first, "
        "pg_catalog.max(ARRAY[{own}]::pg_catalog.text[]) AS last FROM {table} WHERE {where} "
        "GROUP BY {keys} HAVING pg_catalog.count(*) > 1) "
        "SELECT key, rows, first, last, (SELECT pg_catalog.count(*) FROM repeated) AS found FROM repeated "
        "ORDER BY rows DESC, key LIMIT {limit}"
    ).format(
        texts=sql.SQL(", ").join(texts),
        own=own,
        table=sql.Identifier(table),
        where=sql.SQL(" AND ").join(conditions) if conditions else sql.SQL("true"),
        keys=sql.SQL(", ").join(sql.SQL("({})").format(key) for key in keys),
        limit=sql.Literal(policy.OFFENDERS_SHOWN),
    )
    rows = _bounded(cursor, query)
    if not rows:
        return ""
    shown = "; ".join(f"{_repetition(rule, row)}{_two_of_them(primary, row)}" for row in rows)
    return f"{_count(rows[0]['found'], 'key occurs', 'keys occur')} more than once: {shown}{_more(rows)}"


def _repetition(rule: dict[str, Any], row: dict[str, Any]) -> str:
    key = f"{_key(rule['keys'], row['key'])} " if server_messages.values_allowed() else ""
    return f"{key}{row['rows']} times"


def _two_of_them(primary: list[str], row: dict[str, Any]) -> str:
    """Two of the rows of a key; a column of its own may be a part of it."""
    return f", as in {_key(primary, row['first'])} and {_key(primary, row['last'])}" if primary else ""


def _violating(cursor: Any, table: str, rule: dict[str, Any]) -> str:
    """Rows that a check, a foreign key or NOT NULL refuses, by their primary key."""
    where = _refused(table, rule)
    primary = [row["name"] for row in cursor.execute(read("primary_key"), {"table": table})]
    shown = [*primary, *rule["columns"]] if rule["kind"] == "f" and server_messages.values_allowed() else primary
    texts = [sql.SQL("one.{}::pg_catalog.text").format(sql.Identifier(name)) for name in shown]
    query = sql.SQL(
        "SELECT ARRAY[{texts}]::pg_catalog.text[] AS key, pg_catalog.count(*) OVER () AS found "
        "FROM {table} AS one WHERE {where} LIMIT {limit}"
    ).format(
        texts=sql.SQL(", ").join(texts),
        table=sql.Identifier(table),
        where=where,
        limit=sql.Literal(policy.OFFENDERS_SHOWN),
    )
    rows = _bounded(cursor, query)
    if not rows:
        return ""
    keys = "; ".join(_key(shown, row["key"]) for row in rows) if shown else "without a primary key to name them by"
    return f"{_count(rows[0]['found'], 'row violates', 'rows violate')} it: {keys}{_more(rows)}"


def _refused(table: str, rule: dict[str, Any]) -> sql.Composable:
    columns = [sql.SQL("one.{}").format(sql.Identifier(name)) for name in rule["columns"] or ()]
    if rule["kind"] == "n":
        return sql.SQL("{} IS NULL").format(columns[0])
    if rule["kind"] == "c":
        return sql.SQL("NOT ({})").format(sql.SQL(rule["condition"]))
    pairs = [
        sql.SQL("other.{} {} {}").format(sql.Identifier(name), sql.SQL(operator), column)
        for name, operator, column in zip(rule["target_columns"], rule["equals"], columns, strict=True)
    ]
    return sql.SQL("{} AND NOT EXISTS (SELECT FROM {} AS other WHERE {})").format(
        sql.SQL(" AND ").join(sql.SQL("{} IS NOT NULL").format(column) for column in columns),
        sql.SQL(rule["target"]),
        sql.SQL(" AND ").join(pairs),
    )


def _bounded(cursor: Any, query: sql.Composed) -> list[dict[str, Any]]:
    """The rows of a query that may not take long; psycopg.Error where it would."""
    milliseconds = f"{policy.OFFENDERS_TIMEOUT.total_seconds() * 1000:.0f}"
    with cursor.connection.transaction():
        cursor.execute("SELECT pg_catalog.set_config('statement_timeout', %s, true)", [milliseconds])
        rows: list[dict[str, Any]] = cursor.execute(query).fetchall()
    return rows


def _key(names: list[str], values: list[str]) -> str:
    return ", ".join(f"{name} = {value}" for name, value in zip(names, values, strict=True))


def _count(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"


def _more(rows: list[dict[str, Any]]) -> str:
    return "; …" if rows[0]["found"] > len(rows) else ""
