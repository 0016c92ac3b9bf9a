"""Rows in every table that takes them, made from nothing but the catalog: for histories that meet data in use."""

from __future__ import annotations

import contextlib
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql

from tests.support.databases import Database

ROWS = 3  # of each table: more than one, so that what must be unique is told apart
PASSES = 6  # tables wait for rows of those that they refer to
NOT_OURS = ("django_", "auth_permission", "lockgate_")  # Django's books and Lockgate's own are left as they are

COLUMNS = """
SELECT table_name.relname, a.attname, format_type(t.oid, NULL), a.attnotnull,
    CASE WHEN a.atttypmod > 4 AND t.typname IN ('varchar', 'bpchar') THEN a.atttypmod - 4 END,
    (SELECT ARRAY[refered.relname::text, (SELECT attname::text FROM pg_attribute
        WHERE attrelid = f.confrelid AND attnum = f.confkey[1])]
     FROM pg_constraint f JOIN pg_class refered ON refered.oid = f.confrelid
     WHERE f.contype = 'f' AND f.conrelid = table_name.oid AND f.conkey = ARRAY[a.attnum] LIMIT 1)
FROM pg_class table_name
JOIN pg_attribute a ON a.attrelid = table_name.oid AND a.attnum > 0 AND NOT a.attisdropped
JOIN pg_type t ON t.oid = a.atttypid
WHERE table_name.relkind = 'r' AND table_name.relnamespace = 'public'::regnamespace
    AND a.attidentity = '' AND a.attgenerated = ''
    AND NOT EXISTS (SELECT FROM pg_attrdef d WHERE d.adrelid = table_name.oid AND d.adnum = a.attnum)
ORDER BY table_name.relname, a.attnum
"""
VALUES = {  # by type; {n} is the row's number, counted over all tables
    "boolean": "false",
    "bytea": "'\\x00'",
    "date": "'2020-01-01'",
    "double precision": "{n}",
    "hstore": "''",
    "inet": "'127.0.0.1'",
    "interval": "'1 day'",
    "json": "'{{}}'",
    "jsonb": "'{{}}'",
    "numeric": "{n}",
    "time without time zone": "'12:00'",
    "timestamp with time zone": "'2020-01-01 12:00+00'",
    "timestamp without time zone": "'2020-01-01 12:00'",
    "tsvector": "'word{n}'",
    "uuid": "md5('{n}')::uuid",
}
NUMBERS = ("smallint", "integer", "bigint")
TEXTS = ("text", "character varying", "character", "citext")


@dataclass(frozen=True)
class Column:
    name: str
    type: str
    required: bool
    length: int | None
    refers_to: tuple[str, str] | None


def populate(database: Database, but: Collection[str] = ()) -> dict[str, int]:
    """Insert rows; returns how many, by table. but: tables that stay as they are.

    A table whose checks refuse such rows stays without: what is inserted is what the database accepts.
    """
    made: dict[str, int] = {}
    with database.connect() as connection:
        tables = _tables(connection)
        waiting = [one_table for one_table in tables if one_table not in but and not one_table.startswith(NOT_OURS)]
        for _ in range(PASSES):
            for table in waiting:
                made[table] = made.get(table, 0) + _insert(connection, table, tables[table], ROWS, len(made) * ROWS)
            waiting = [each for each in waiting if not made[each]]
    return {table: count for table, count in made.items() if count}


def _tables(connection: psycopg.Connection[Any]) -> dict[str, list[Column]]:
    columns: dict[str, list[Column]] = {
        name: [] for (name,) in connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    }
    for table, name, kind, required, length, refers_to in connection.execute(COLUMNS):
        columns[table].append(Column(name, kind, required, length, tuple(refers_to) if refers_to else None))
    return columns


def _insert(connection: psycopg.Connection[Any], table: str, columns: list[Column], rows: int, first: int) -> int:
    """How many rows went in. References are taken where there are rows to refer to, a different one for each row."""
    made = 0
    for number in range(rows):
        given = [(column.name, _value(column, first + number, number)) for column in columns]
        names = sql.SQL(", ").join(sql.Identifier(name) for name, _ in given)
        values = sql.SQL(", ").join(sql.SQL(value) if isinstance(value, str) else value for _, value in given)  # type: ignore[arg-type]
        filled = sql.SQL("INSERT INTO {} ({}) SELECT {}").format(sql.Identifier(table), names, values)
        plain = sql.SQL("INSERT INTO {} DEFAULT VALUES").format(sql.Identifier(table))
        with contextlib.suppress(psycopg.DatabaseError):
            connection.execute(filled if given else plain)
            made += 1
    return made


def _value(column: Column, number: int, place: int) -> str | sql.Composed:
    if column.refers_to:
        table, key = map(sql.Identifier, column.refers_to)
        query = sql.SQL("(SELECT {key} FROM {table} ORDER BY {key} OFFSET {place} LIMIT 1)")
        return query.format(key=key, table=table, place=sql.Literal(place))
    if column.type in NUMBERS:
        return str(number)
    if column.type in TEXTS:
        return f"'{f'r{number}'[-column.length :] if column.length else f'r{number}'}'"
    if column.type.endswith("[]"):
        return "'{}'"
    return VALUES.get(column.type, "NULL").format(n=number)
