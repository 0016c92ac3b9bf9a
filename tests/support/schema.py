"""Schemas and rows in a form that can be compared."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

from project import embedded
from tests.support.databases import Database

# Newer pg_dump writes a random key into its output; comments name versions.
_VARYING = re.compile(r"^(\\(un)?restrict .*|--.*|)$\n", re.MULTILINE)
# What a run says about itself differs from run to run.
_OWN = ("lockgate_run", "lockgate_migrationrecord")


def pg_dump() -> Path:
    """The newest pg_dump at hand: it dumps servers of its own version and older."""
    return embedded.programs(max(embedded.VERSIONS)) / "pg_dump"


def dump(database: Database) -> str:
    """``pg_dump --schema-only`` without what varies."""
    command = [str(pg_dump()), "--schema-only", "--no-owner", "--dbname", database.url]
    text = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout
    return _VARYING.sub("", text)


def rows(database: Database) -> dict[str, list[Any]]:
    """Every table's rows but the ledger's, as text, sorted; migration rows without their ids and times."""
    tables = database.rows(
        "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace ORDER BY relname"
    )
    found = {}
    for (table,) in tables:
        if table == "django_migrations":
            found[table] = database.applied()
        elif table not in _OWN:
            found[table] = sorted(database.rows(f'SELECT t::text FROM "{table}" AS t'))
    return found
