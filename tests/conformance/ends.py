"""Two databases that ought to have ended alike: where their schemas and their rows do not."""

from __future__ import annotations

import difflib
import re
import subprocess
from collections.abc import Sequence

from lockgate.snapshot.pg_dump_output import BOOKKEEPING
from tests.support.databases import Database
from tests.support.schema import pg_dump

# A random key, comments with versions, and what the product forgives too.
_VARYING = re.compile(rf"^(\\(un)?restrict .*|--.*|{BOOKKEEPING}|)$\n", re.MULTILINE)
# Moments, keys and random text: what code computes anew each time it runs.
_COMPUTED = re.compile(r'"[0-9A-Za-z_\-+/=:,$.!\\]{28,}"|"\d{4}-\d\d-\d\d[T ][0-9:.]+(?:[+]00(?::00)?)?"')
_OWN = "lockgate_"  # what a run says about itself
_TABLES = "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY tablename"
_INVALID = "SELECT indexrelid::regclass::text FROM pg_index WHERE NOT (indisvalid AND indisready) ORDER BY 1"


def schema(first: Database, second: Database) -> list[str]:
    """The lines that differ: names, definitions, defaults, owners, comments; and indexes that are not valid."""
    return different([*_dump(first), *_invalid(first)], [*_dump(second), *_invalid(second)])


def rows(first: Database, second: Database) -> list[str]:
    """The rows that differ, by table, and the migrations that are recorded."""
    found = different([str(each) for each in first.applied()], [str(each) for each in second.applied()])
    for (table,) in first.rows(_TABLES):
        if not table.startswith((_OWN, "django_migrations")):
            found += [f"{table}: {line}" for line in different(_rows(first, table), _rows(second, table))]
    return found


def _dump(database: Database) -> list[str]:
    command = [str(pg_dump()), "--schema-only", "--dbname", database.url]
    text = subprocess.run(command, check=True, capture_output=True, text=True, timeout=120).stdout
    return _VARYING.sub("", text).splitlines()


def _invalid(database: Database) -> list[str]:
    return [f"not valid: {name}" for (name,) in database.rows(_INVALID)]


def _rows(database: Database, table: str) -> list[str]:
    if database.value("SELECT to_regclass(%s) IS NULL", [f'public."{table}"']):
        return []
    found_rows = database.rows(f'SELECT to_jsonb(t)::text FROM public."{table}" AS t')
    return sorted(_COMPUTED.sub('"…"', row) for (row,) in found_rows)


def different(first: Sequence[str], second: Sequence[str]) -> list[str]:
    lines = difflib.unified_diff(first, second, lineterm="", n=0)
    return [line for line in lines if not line.startswith(("---", "+++", "@@"))]
