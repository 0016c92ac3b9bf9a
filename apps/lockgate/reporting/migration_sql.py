"""The SQL of migrations that are not applied yet, made by Django's schema editor and not sent."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations import Migration
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.state import ProjectState


def of_new(
    changes: Mapping[str, Sequence[Migration]], connection: BaseDatabaseWrapper
) -> Iterator[tuple[Migration, list[str]]]:
    """Each new migration with its statements, in the order they would run.

    changes: what the autodetector found, by app label; written to disk or not. The state they start from is that of
    the migrations on disk. Operations that must look at the database (the name of a constraint to drop) raise
    DatabaseError where it does not answer.
    """
    new = [migration for migrations in changes.values() for migration in migrations]
    state = _state_before(new)
    for migration in _in_order(new):
        with connection.schema_editor(collect_sql=True, atomic=migration.atomic) as editor:
            state = migration.apply(state, editor, collect_sql=True)
        yield migration, list(editor.collected_sql)


def _state_before(new: Sequence[Migration]) -> ProjectState:
    loader = MigrationLoader(None, ignore_no_migrations=True)
    mine = {(migration.app_label, migration.name) for migration in new}
    earlier = [key for key in loader.graph.nodes if key not in mine]
    leaves = [key for key in earlier if not _has_later(key, earlier, loader)]
    return loader.project_state(leaves) if leaves else ProjectState(real_apps=loader.unmigrated_apps)


def _has_later(key: tuple[str, str], among: Sequence[tuple[str, str]], loader: MigrationLoader) -> bool:
    return any(child.key[0] == key[0] and child.key in among for child in loader.graph.node_map[key].children)


def _in_order(new: Sequence[Migration]) -> list[Migration]:
    """New migrations after those among them that they depend on."""
    by_key = {(migration.app_label, migration.name): migration for migration in new}
    ordered: dict[tuple[str, str], Migration] = {}

    def place(key: tuple[str, str]) -> None:
        for dependency in by_key[key].dependencies:
            if tuple(dependency) in by_key and tuple(dependency) not in ordered:
                place((dependency[0], dependency[1]))
        ordered.setdefault(key, by_key[key])

    for key in by_key:
        place(key)
    return list(ordered.values())
