"""Stock Django in a project's own environment, under the same settings, Lockgate's tables among its models.

``python stock.py migrate``: all that is pending. ``python stock.py halfway``: about half of each app's history; its
answer is one line of JSON, the last: of each table that is there then, its app. ``python stock.py pending``: the app
of the first migration that is pending, as JSON.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import django
from django.core.management import call_command
from django.core.management.commands.migrate import Command
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.graph import MigrationGraph
from django.db.migrations.loader import MigrationLoader
from django.db.models.signals import post_migrate


def migrate() -> None:
    call_command(Command(), interactive=False, verbosity=0, skip_checks=True)


def halfway() -> object:
    """Let every history end at its middle, or where another's middle needs it to; Lockgate's has not begun."""
    middles = _middles()
    graph: Any = MigrationGraph
    leaves = graph.leaf_nodes
    graph.leaf_nodes = lambda self, app=None: leaves(self, app) if app else middles
    post_migrate.send = post_migrate.send_robust  # type: ignore[method-assign]  # receivers may expect the history's end
    migrate()
    return _tables()


def _middles() -> list[tuple[str, str]]:
    graph = MigrationLoader(connection).graph
    own: dict[str, list[tuple[str, str]]] = {}
    for leaf in graph.leaf_nodes():
        for key in graph.forwards_plan(leaf):
            if key not in own.setdefault(key[0], []):
                own[key[0]].append(key)
    own.pop("lockgate", None)
    wanted = {key for keys in own.values() for key in graph.forwards_plan(keys[(len(keys) - 1) // 2])}
    return sorted([key for key in keys if key in wanted][-1] for keys in own.values())


def _tables() -> dict[str, str]:
    """Of each model's table, as the applied migrations describe it, the app."""
    executor = MigrationExecutor(connection)
    state = executor._create_project_state(with_applied_migrations=True)
    models = state.apps.get_models(include_auto_created=True)
    return {model._meta.db_table: model._meta.app_label for model in models if model._meta.managed}


def pending() -> object:
    executor = MigrationExecutor(connection)
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    return plan[0][0].app_label if plan else None


if __name__ == "__main__":
    django.setup()
    print("\n" + json.dumps(globals()[sys.argv[1]]()))
