"""Schemas and rows in a form that can be compared."""

from __future__ import annotations

import difflib
import re
import subprocess
from pathlib import Path
from typing import Any

from project import embedded
from tests.support.databases import Database

# Newer pg_dump writes a random key into its output; comments name versions.
_VARYING = re.compile(r"^(\\(un)?restrict .*|--.*|)$\n", re.MULTILINE)
# What a run says about itself differs from run to run.
_OWN = ("lockgate_run", "lockgate_checkpoint", "lockgate_failure", "lockgate_migrationrecord")


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


# Moments that are taken anew each time: text that reads like one.
_MOMENT = re.compile(r"'\d{4}-\d\d-\d\d \d\d:\d\d:\d\d[0-9.]*\+00'")
_NOT_COMPARED = ("lockgate_*", "django_migrations", "django_migrations_*")


def whole(database: Database) -> list[str]:
    """``pg_dump`` of schema, rows and sequences, line by line, but for moments and what runs say about themselves."""
    left_out = [f"--exclude-table-data={pattern}" for pattern in _NOT_COMPARED]
    command = [str(pg_dump()), "--inserts", *left_out, "--dbname", database.url]
    text = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout
    return _MOMENT.sub("'…'", _VARYING.sub("", text)).splitlines()


def differences(first: Database, second: Database) -> list[str]:
    """The lines in which two databases differ; and their recorded migrations, where those do."""
    lines = difflib.unified_diff(whole(first), whole(second), lineterm="", n=0)
    found = [line for line in lines if not line.startswith(("---", "+++", "@@"))]
    return found if first.applied() == second.applied() else [*found, f"{first.applied()} {second.applied()}"]
