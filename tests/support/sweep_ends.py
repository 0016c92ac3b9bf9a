"""How a database ended: its schema by ``pg_dump``, what that leaves out, and its rows. Two ends are equal, or differ.

Lockgate's own tables are not part of it.
"""

from __future__ import annotations

import difflib
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg.conninfo import make_conninfo

from tests.support.schema import pg_dump

# Comments name versions, and newer pg_dump writes a random key.
_VARYING = re.compile(r"^(\\(un)?restrict .*|--.*|)$\n", re.MULTILINE)

# What pg_dump leaves out, or does not tell apart.
CATALOG = {
    "invalid indexes": "SELECT indexrelid::regclass::text FROM pg_index"
    " WHERE NOT (indisvalid AND indisready AND indislive)",
    "constraints not validated": "SELECT conrelid::regclass::text, conname FROM pg_constraint WHERE NOT convalidated",
    "sequences": "SELECT sequencename::text, last_value FROM pg_sequences WHERE sequencename ~ '^library_' ORDER BY 1",
    "owners": "SELECT oid::regclass::text, relowner::regrole::text FROM pg_class"
    " WHERE relnamespace = 'public'::regnamespace AND relname !~ '^lockgate_' ORDER BY 1",
}
# Ids come from sequences, which a rolled-back attempt moves on.
BY_NAME = {
    "django_migrations": "SELECT app, name FROM django_migrations WHERE app <> 'lockgate' ORDER BY 1, 2",
    "django_content_type": "SELECT app_label, model FROM django_content_type WHERE app_label <> 'lockgate'"
    " ORDER BY 1, 2",
}
# Few rows are kept as they are, so that a difference can be read; many by what they sum up to.
FEW = 20
ROWS = """
    SELECT CASE WHEN count(*) > {few} THEN count(*) || ' rows: ' || md5(string_agg(line, ',' ORDER BY line))
                ELSE string_agg(line, ',' ORDER BY line) END
    FROM (SELECT "{table}"::text AS line FROM "{table}") AS lines
"""
TABLES = (
    "SELECT relname::text FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
    " AND relname !~ '^lockgate_' ORDER BY 1"
)


@dataclass(frozen=True)
class End:
    """One database, as text in lines."""

    schema: tuple[str, ...]
    catalog: tuple[str, ...]
    rows: tuple[str, ...]

    def differences(self, other: End) -> list[str]:
        """What this end has (+) and the other has not (-); empty where they are equal."""
        found: list[str] = []
        for part in ("schema", "catalog", "rows"):
            lines = difflib.unified_diff(getattr(other, part), getattr(self, part), n=0, lineterm="")
            found += [line for line in lines if not line.startswith(("---", "+++", "@@"))]
        return found

    def without_sequences(self) -> End:
        """For comparison after a disturbance: a rolled-back attempt moves sequences on."""
        return End(self.schema, tuple(line for line in self.catalog if not line.startswith("sequences")), self.rows)


def of(conninfo: str, database: str) -> End:
    dsn = make_conninfo(conninfo, dbname=database)
    with subprocess.Popen(
        [str(pg_dump()), "--schema-only", "--exclude-table=lockgate_*", "--dbname", dsn],
        stdout=subprocess.PIPE,
        text=True,
    ) as dumping:
        with psycopg.connect(dsn, autocommit=True) as connection:  # beside it
            catalog, rows = tuple(_catalog(connection)), tuple(_rows(connection))
        text, _ = dumping.communicate(timeout=60)
    assert dumping.returncode == 0
    return End(tuple(_VARYING.sub("", text).splitlines()), catalog, rows)


def _catalog(connection: psycopg.Connection[Any]) -> Iterator[str]:
    for what, query in CATALOG.items():
        for row in connection.execute(query):
            yield f"{what}: {row}"


def _rows(connection: psycopg.Connection[Any]) -> Iterator[str]:
    for (table,) in connection.execute(TABLES).fetchall():
        query = BY_NAME.get(table) or ROWS.format(table=table, few=FEW)
        for row in connection.execute(query):  # type: ignore[arg-type]
            yield f"{table}: {row}"
