"""What stock Django sends for each migration of a project, recorded while it replays all of them on an empty database.

``python recorder.py FILE`` in the project's folder writes ``[[app, name, [statement, …]], …]`` as planned.
Of a RunPython it is the statements that it sent then, their values included. What only reads is left out, and so is
Django's own record of what is applied.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import django
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

Scripts = list[tuple[str, str, list[str]]]


def record() -> Scripts:
    scripts: Scripts = []

    def progress(event: str, migration: Any = None, fake: bool = False) -> None:
        if event == "apply_start":
            scripts.append((migration.app_label, migration.name, []))

    def wrapper(execute: Callable[..., Any], sql: Any, params: Any, many: bool, context: Any) -> Any:
        result = execute(sql, params, many, context)
        text = str(sql) if params is None else connection.ops.last_executed_query(context["cursor"], sql, params)
        if scripts and not text.startswith("SELECT ") and '"django_migrations"' not in text:
            scripts[-1][2].append(text)
        return result

    executor = MigrationExecutor(connection, progress)
    with connection.execute_wrapper(wrapper):
        executor.migrate(executor.loader.graph.leaf_nodes())
    return scripts


if __name__ == "__main__":
    django.setup()
    Path(sys.argv[1]).write_text(json.dumps(record()))
