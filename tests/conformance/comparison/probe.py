"""``python probe.py NAME …``: apply migrations of the shop with stock Django, and say what PostgreSQL did in each.

Runs in the tools' environment, in the project's directory; its last line is JSON, a list of what ``Observed`` holds.
Only tables that were there before the first of them count. Locks are read in the migration's own transaction, so one
without a transaction shows none.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import django
from django.core.management import call_command
from django.db import connection

MODES = (
    "AccessShareLock",
    "RowShareLock",
    "RowExclusiveLock",
    "ShareUpdateExclusiveLock",
    "ShareLock",
    "ShareRowExclusiveLock",
    "ExclusiveLock",
    "AccessExclusiveLock",
)
SPOKEN = {
    name: "".join(f" {letter}" if letter.isupper() else letter for letter in name.removesuffix("Lock")).strip().upper()
    for name in MODES
}
TABLES = """
    SELECT c.oid FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'm', 'p')
        AND (n.nspname = 'shop_archive' OR n.nspname = 'public' AND c.relname LIKE 'shop%%')
"""
HELD = "SELECT relation, mode FROM pg_locks WHERE pid = pg_backend_pid() AND granted AND relation = ANY(%s)"
FILES = "SELECT oid, pg_relation_filenode(oid) FROM pg_class WHERE oid = ANY(%s)"
INDEXES = """
    SELECT indexrelid, pg_relation_filenode(indexrelid) FROM pg_index WHERE indrelid = ANY(%s) AND indislive
"""
SCANS = "SELECT coalesce(sum(seq_tup_read), 0) FROM pg_stat_all_tables WHERE relid = ANY(%s)"


def rows(query: str, *parameters: Any) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(query, parameters)
        return list(cursor.fetchall())


class Watch:
    """Reads the locks of the session after each statement of a transaction."""

    def __init__(self, tables: list[int]) -> None:
        self.tables, self.modes, self.reading = tables, set[str](), False

    def __call__(self, execute: Any, sql: Any, params: Any, many: Any, context: Any) -> Any:
        result = execute(sql, params, many, context)
        if connection.in_atomic_block and not self.reading and not connection.needs_rollback:
            self.reading = True
            with connection.connection.cursor() as cursor:
                self.modes.update(mode for _, mode in cursor.execute(HELD, [self.tables]).fetchall())
            self.reading = False
        return result


def scanned(tables: list[int]) -> int:
    rows("SELECT pg_stat_force_next_flush()")
    rows("SELECT pg_stat_clear_snapshot()")
    return int(rows(SCANS, tables)[0][0])


def apply(name: str, tables: list[int]) -> dict[str, str]:
    watch, error = Watch(tables), ""
    files, indexes, read = dict(rows(FILES, tables)), dict(rows(INDEXES, tables)), scanned(tables)
    try:
        with connection.execute_wrapper(watch):
            call_command("migrate", "shop", name, verbosity=0)
    except Exception as problem:  # whatever it is, it is the answer
        cause = problem.__cause__
        error = getattr(cause, "sqlstate", None) or type(problem).__name__
        connection.close()
    work = ""
    if any(files[oid] != node for oid, node in rows(FILES, tables) if oid in files):
        work = "rewrite"
    elif any(indexes.get(oid) != node for oid, node in rows(INDEXES, tables)):
        work = "build"
    elif scanned(tables) > read:
        work = "scan"
    held = max(watch.modes, key=MODES.index, default="")
    return {"held": SPOKEN.get(held, ""), "work": work, "error": error}


def main(names: list[str]) -> None:
    os.environ["DJANGO_SETTINGS_MODULE"] = "project_settings"
    sys.path.insert(0, str(Path.cwd()))
    django.setup()
    tables = [oid for (oid,) in rows(TABLES)]
    answers = []
    for name in names:
        answers.append(apply(name, tables))
        if answers[-1]["error"]:
            break
    print(json.dumps(answers))


if __name__ == "__main__":
    main(sys.argv[1:])
