"""Gathers what the linter needs, in the order it depends: migrations, states, facts, plans, hazards.

A migration that is applied, and any where no database is asked, is judged as if it were deployed alone: what earlier
ones made is there already. Pending ones, and those since a commit, go out together: what they make is new to all.
"""

from __future__ import annotations

from collections.abc import Collection, Set
from dataclasses import dataclass, replace

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations import Migration
from django.db.migrations.loader import MigrationLoader

from lockgate import policy
from lockgate.database import catalog
from lockgate.execution import squawk
from lockgate.execution.lazy_states import LazyState
from lockgate.execution.recording_editor import offline_connection, recording, unplugged
from lockgate.facts import Key
from lockgate.facts.tables import DatabaseFacts
from lockgate.planning import build, hazards, tables
from lockgate.planning.hazards import Hazard, SqlFinding
from lockgate.planning.plan import key_of
from lockgate.planning.rules.case import HazardSettings
from lockgate.planning.rules.rule import OFFLINE
from lockgate.planning.steps import MigrationPlan


@dataclass(frozen=True)
class Linted:
    """What was judged, and what was found. unread: statements that no parser has looked into."""

    migrations: tuple[Migration, ...]
    hazards: tuple[Hazard, ...]
    facts: DatabaseFacts
    unread: int = 0


def offline(
    loader: MigrationLoader, wanted: Collection[Key], alias: str, limits: policy.Policy, *, together: bool
) -> Linted:
    """Judge migrations without a server: every table counts as large. together: they go out as one release."""
    walk = _Walk(loader, offline_connection(alias, OFFLINE.version), OFFLINE, limits)
    with unplugged():
        walk.through(in_order(loader), wanted, together=together)
    return walk.judged(together=together)


def online(loader: MigrationLoader, wanted: Set[Key], connection: BaseDatabaseWrapper, limits: policy.Policy) -> Linted:
    """Judge migrations with the catalog's facts; of applied ones only the sizes of their tables mean anything now."""
    ordered = in_order(loader)
    applied = [each for each in ordered if key_of(each) in loader.applied_migrations]
    pending = [each for each in ordered if key_of(each) not in loader.applied_migrations]
    state = _state_after(loader, applied)
    facts = catalog.facts(connection, tables.concerned(state, ordered))
    pretended = offline_connection(connection.alias, facts.version)
    before = _Walk(loader, pretended, _sizes_alone(facts), limits)
    now = _Walk(loader, pretended, facts, limits, state)
    with unplugged():
        if wanted & {key_of(each) for each in applied}:
            before.through(applied, wanted, together=False)
        now.through(pending, wanted, together=True)
    past, coming = before.judged(together=False), now.judged(together=True)
    return Linted(
        past.migrations + coming.migrations, past.hazards + coming.hazards, facts, past.unread + coming.unread
    )


def in_order(loader: MigrationLoader) -> list[Migration]:
    """Every migration, as they would run on an empty database."""
    keys = dict.fromkeys(key for leaf in loader.graph.leaf_nodes() for key in loader.graph.forwards_plan(leaf))
    return [loader.graph.nodes[key] for key in keys]


class _Walk:
    """Goes through a history, and keeps the plans of what is wanted."""

    def __init__(
        self,
        loader: MigrationLoader,
        connection: BaseDatabaseWrapper,
        facts: DatabaseFacts,
        limits: policy.Policy,
        state: LazyState | None = None,
    ) -> None:
        self.facts = facts
        self.state = state or LazyState(real_apps=loader.unmigrated_apps)
        self.settings = HazardSettings(limits.large_table_bytes, limits.size_budget_bytes)
        planned = build.Settings(threshold=limits.large_table_bytes, online=policy.EXECUTES_ONLINE)
        self.planner = build.Planner(facts, lambda prospect: recording(connection, prospect), planned)
        self.kept: list[tuple[Migration, MigrationPlan]] = []

    def through(self, migrations: list[Migration], wanted: Collection[Key], *, together: bool) -> None:
        """Plan what is wanted, and what made the names of constraints and indexes that it may change."""
        apps = {key.app for key in wanted}
        for migration in migrations:
            chosen = key_of(migration) in wanted
            if migration.app_label in apps:
                plan = self.planner.plan(migration, self.state, deployed=not (chosen and together))
                if chosen:
                    self.kept.append((migration, plan))
            else:
                _forwards(migration, self.state)

    def judged(self, *, together: bool) -> Linted:
        migrations = tuple(migration for migration, _ in self.kept)
        plans = [plan for _, plan in self.kept]
        unread = list(hazards.unread(plans))
        program = squawk.program()
        sql = squawk.judge(program, unread, self.facts.version) if program else []
        groups = [plans] if together else [[plan] for plan in plans]
        found = [hazard for group in groups for hazard in self._find(group, migrations, sql)]
        return Linted(migrations, tuple(found), self.facts, 0 if program else len(unread))

    def _find(
        self, plans: list[MigrationPlan], migrations: tuple[Migration, ...], sql: list[SqlFinding]
    ) -> list[Hazard]:
        keys = {plan.migration for plan in plans}
        mine = (migration for migration in migrations if key_of(migration) in keys)
        return hazards.find(plans, self.facts, mine, self.settings, sql)


def _state_after(loader: MigrationLoader, migrations: list[Migration]) -> LazyState:
    state = LazyState(real_apps=loader.unmigrated_apps)
    for migration in migrations:
        _forwards(migration, state)
    return state


def _forwards(migration: Migration, state: LazyState) -> None:
    for operation in migration.operations:
        operation.state_forwards(migration.app_label, state)


def _sizes_alone(facts: DatabaseFacts) -> DatabaseFacts:
    """Facts for what is history: how large its tables are now, and nothing of what they have become."""
    bare = {
        name: replace(table, columns={}, indexes={}, constraints={}, sessions=())
        for name, table in facts.tables.items()
    }
    return replace(facts, tables=bare, old_snapshots=())
