"""A project's migrations in the order they would run, and what a walk through them knows.

States are lazy: a history of a thousand migrations is walked in the time that rendering a few dozen would take.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from functools import partial
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations import Migration
from django.db.migrations.loader import MigrationLoader

from lockgate import policy
from lockgate.facts import Key
from lockgate.facts.tables import DatabaseFacts
from lockgate.planning import planner
from lockgate.planning.recorder.schema_editor import recording
from lockgate.planning.selection import key_of
from lockgate.planning.steps import MigrationPlan
from lockgate.planning.virtual_catalog import VirtualCatalog
from lockgate.project_state.lazy_state import LazyState


def in_order(loader: MigrationLoader) -> list[Migration]:
    """Every migration, as they would run on an empty database."""
    keys = dict.fromkeys(key for leaf in loader.graph.leaf_nodes() for key in loader.graph.forwards_plan(leaf))
    return [loader.graph.nodes[key] for key in keys]


def state_after(loader: MigrationLoader, migrations: Iterable[Migration]) -> LazyState:
    """The models as these migrations make them, in the given order."""
    state = LazyState(real_apps=loader.unmigrated_apps)
    for migration in migrations:
        forwards(migration, state)
    return state


def forwards(migration: Migration, state: LazyState) -> None:
    """Bring a state past a migration."""
    for operation in migration.operations:
        operation.state_forwards(migration.app_label, state)


def settings_of(limits: policy.Policy) -> planner.Settings:
    """How a run plans what it is about to do; shown and judged is the same."""
    return planner.Settings(threshold=limits.large_table_bytes, online=limits.online)


def recorder(connection: BaseDatabaseWrapper) -> Callable[[VirtualCatalog], Any]:
    """What makes an editor that only writes down, for a connection that is never opened."""
    return partial(recording, connection)


class HistoryPlanner:
    """Goes through a history without a server, and keeps the plans of what is wanted.

    recorder: makes an editor that asks the given virtual catalog.
    """

    def __init__(
        self,
        state: LazyState,
        recorder: Callable[[VirtualCatalog], Any],
        facts: DatabaseFacts,
        settings: planner.Settings,
    ) -> None:
        self.state, self.facts = state, facts
        self._planner = planner.Planner(facts, recorder, settings)
        self.kept: list[tuple[Migration, MigrationPlan]] = []

    @property
    def migrations(self) -> tuple[Migration, ...]:
        return tuple(migration for migration, _ in self.kept)

    @property
    def plans(self) -> list[MigrationPlan]:
        return [plan for _, plan in self.kept]

    def through(self, migrations: Iterable[Migration], keys: Collection[Key], *, together: bool) -> None:
        """Plan what is wanted, and what made the names of constraints and indexes that it may change.

        together: what is wanted goes out as one release.
        """
        apps = {key.app for key in keys}
        for migration in migrations:
            chosen = key_of(migration) in keys
            if migration.app_label in apps:
                plan = self._planner.plan(migration, self.state, deployed=not (chosen and together))
                if chosen:
                    self.kept.append((migration, plan))
            else:
                forwards(migration, self.state)
