"""What a project's own environment knows and no command tells; its answer is one line of JSON, the last.

``python probe.py count``: of each app that is the project's own, its migrations and operations.
``python probe.py midpoints``: plans what follows several points of the history, with the facts of the database as it
is now, which fit none of them. ``python probe.py replay``: applies the history to an empty database with Django's own
executor, and compares what is sent with what was planned. ``python probe.py unknown APP NAME``: whether Django itself
can plan a migration.
"""

from __future__ import annotations

import contextlib
import json
import re
import sys
import traceback
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

import django
from django.core.management import call_command
from django.db import connection
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.operations import RunPython
from psycopg.sql import Literal

POINTS = (0, 1 / 4, 1 / 2, 3 / 4)
# Keys, moments and random text that a default computes anew each time.
COMPUTED = re.compile(r"'[0-9A-Za-z]{32,}'|'[0-9a-f-]{36}'|'\d{4}-\d\d-\d\d [0-9:.]+(?:[+]00:00)?'")
# Between a question and whoever has it.
INNER = ("/django/db/backends/", "/django/db/utils.py", "/django/utils/", "/contextlib.py", "/psycopg/")
ONCE = "CREATE EXTENSION IF NOT EXISTS"  # Django leaves it out where the extension is there


def count() -> object:
    from lockgate.linting import migration_files
    from lockgate.planning import history

    ordered = history.in_order(MigrationLoader(None))
    own = [
        migration
        for migration in ordered
        if migration.app_label != "lockgate" and not migration_files.is_installed(migration)
    ]
    operations = sum(len(migration.operations) for migration in own)
    apps = sorted({migration.app_label for migration in own})
    return {"django": django.__version__, "apps": apps, "migrations": len(own), "operations": operations}


def midpoints() -> object:
    """Planned migrations, and what could not be planned, by point."""
    return [_from(point) for point in POINTS]


def _from(point: float) -> dict[str, object]:
    from lockgate import policy
    from lockgate.gate import pending_plan
    from lockgate.planning import history

    loader = MigrationLoader(connection)
    ordered = history.in_order(loader)
    pending = ordered[int(len(ordered) * point) :]
    plans, facts = pending_plan.plan(connection, loader, pending, policy.Policy(large_table_bytes=0))
    unknown = [
        f"{plan.migration}: {change.name}"
        for plan in plans
        for step in plan.steps
        for change in step.changes
        if change.kind.value == "unknown"
    ]
    phases = Counter(step.phase.value for plan in plans for step in plan.steps)
    return {"planned": len(plans), "tables": len(facts.tables), "phases": phases, "unknown": unknown}


def replay() -> object:
    """How many migrations and statements were compared, and where plan and execution differ."""
    from django.db.migrations.executor import MigrationExecutor

    from lockgate.database import catalog
    from lockgate.planning import affected_tables, planner
    from lockgate.planning.recorder.schema_editor import recording
    from lockgate.project_state.lazy_state import LazyState

    executor = MigrationExecutor(connection)
    executor.recorder.ensure_schema()
    real, lazy = executor.loader.project_state(()), LazyState(real_apps=executor.loader.unmigrated_apps)
    settings, different, compared = planner.Settings(threshold=0, online=False), [], 0
    ordered = [migration for migration, _ in executor.migration_plan(executor.loader.graph.leaf_nodes())]
    for migration in ordered:
        facts = catalog.facts(connection, affected_tables.concerned(lazy, [migration]))
        (plan,) = planner.plan([migration], lazy, facts, lambda catalog: recording(connection, catalog), settings)
        code = [number for number, operation in enumerate(migration.operations) if isinstance(operation, RunPython)]
        planned = _counted(sql for step in plan.steps if step.operation not in code for sql in step.sql if sql)
        with _sent() as sent:
            real = executor.apply_migration(real, migration)
        compared += sum(planned.values())
        actual = _counted(sent)
        if planned != actual:
            name = f"{migration.app_label}.{migration.name}"
            different.append({"in": name, "planned": [*(planned - actual)], "sent": [*(actual - planned)]})
    return {"migrations": len(ordered), "statements": compared, "different": different}


@contextlib.contextmanager
def _sent() -> Iterator[list[str]]:
    """What schema editors send in the block, parameters written in as literals; not what Python does with them."""
    kept, kept_python, sent = BaseDatabaseSchemaEditor.execute, RunPython.database_forwards, []

    def execute(self: Any, sql: Any, params: Any = ()) -> None:
        values = [Literal(param).as_string(None) for param in params or ()]
        sent.append(str(sql) % tuple(values) if values else str(sql))
        kept(self, sql, params)

    def run_python(self: Any, *args: Any) -> None:
        before = len(sent)
        kept_python(self, *args)
        del sent[before:]

    BaseDatabaseSchemaEditor.execute, RunPython.database_forwards = execute, run_python
    try:
        yield sent
    finally:
        BaseDatabaseSchemaEditor.execute, RunPython.database_forwards = kept, kept_python


def _counted(statements: Iterable[str]) -> Counter[str]:
    """Statements without what differs each time they are made: layout, and defaults that are computed."""
    plain = (" ".join(sql.split()).rstrip(";") for sql in statements)
    return Counter(COMPUTED.sub("'…'", sql) for sql in plain if not sql.startswith(ONCE))


class Asked(Exception):
    """An operation, or a default, asks the server itself: what it then does no plan can tell."""


def _without_asking(execute: Any, sql: Any, params: Any, many: Any, context: Any) -> Any:
    """Let through what Django's editor and recorder ask for; whose question it is, its caller's file tells."""
    callers = [frame.filename for frame in reversed(traceback.extract_stack())]
    asking = next(caller for caller in callers if caller != __file__ and not any(inner in caller for inner in INNER))
    recorder = any(caller.endswith("/django/db/migrations/recorder.py") for caller in callers)
    if not recorder and "/django/db/migrations/" not in asking:
        raise Asked(f"{asking} asks the server")
    return execute(sql, params, many, context)


def unknown(app: str, name: str) -> object:
    from lockgate.planning import operations

    if method := operations.overridden(MigrationLoader(None).get_migration(app, name)):
        return {"django": f"what Migration.{method} does instead of its operations"}
    try:
        with connection.execute_wrapper(_without_asking):
            call_command("sqlmigrate", app, name, verbosity=0)
    except Exception as error:
        return {"django": f"{type(error).__name__}: {error}"}
    return {"django": ""}


if __name__ == "__main__":
    django.setup()
    try:
        found = globals()[sys.argv[1]](*sys.argv[2:])
    except Exception:
        traceback.print_exc()
        sys.exit(1)
    print("\n" + json.dumps(found))
