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
_OWN = ("lockgate_run", "lockgate_level", "lockgate_migrationrecord")


def pg_dump() -> Path:
    """The newest pg_dump at hand: it dumps servers of its own version and older."""
    return embedded.programs(max(embedded.VERSIONS)) / "pg_dump"


def dump(database: Database) -> str:
    """``pg_dump --schema-only`` without what varies."""
    command = [str(pg_dump()), "--schema-only", "--no-owner", "--dbname", database.url]
    text = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout
    return _VARYING.sub("", text)


# Ids come from sequences, which a rolled-back attempt moves on: rows are compared by what they say, and Django's own
# by what they name.
_BY_NAME = {
    "django_content_type": "SELECT app_label, model FROM django_content_type",
    "auth_permission": "SELECT app_label, model, codename, auth_permission.name FROM auth_permission"
    " JOIN django_content_type ON django_content_type.id = content_type_id",
}


def rows(database: Database) -> dict[str, list[Any]]:
    """Every table's rows but the ledger's, as text, sorted, without ids and times."""
    tables = database.rows(
        "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace ORDER BY relname"
    )
    found = {}
    for (table,) in tables:
        if table == "django_migrations":
            found[table] = database.applied()
        elif table not in _OWN:
            found[table] = sorted(
                database.rows(_BY_NAME.get(table, f"SELECT (to_jsonb(t) - 'id')::text FROM \"{table}\" AS t"))
            )
    return found
