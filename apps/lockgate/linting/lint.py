"""Gathers what the linter needs, in the order it depends: migrations, states, facts, plans, hazards.

A migration that is applied, and any where no database is asked, is judged as if it were deployed alone: what earlier
ones made is there already. Pending ones, and those since a commit, go out together: what they make is new to all.
"""

from __future__ import annotations

from collections.abc import Collection, Container, Mapping, Set
from typing import NamedTuple

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations import Migration
from django.db.migrations.loader import MigrationLoader

from lockgate import policy
from lockgate.database import catalog
from lockgate.facts import Key
from lockgate.facts.tables import DatabaseFacts
from lockgate.linting import hazards, own_rules, squawk
from lockgate.linting.hazards import Hazard
from lockgate.linting.rules.rule import OFFLINE
from lockgate.linting.rules.rule_context import HazardSettings
from lockgate.planning import affected_tables, history, sql_steps
from lockgate.planning.history import HistoryPlanner
from lockgate.planning.recorder.offline import offline_connection, unplugged
from lockgate.planning.selection import key_of
from lockgate.project_state.lazy_state import LazyState


class LintResult(NamedTuple):
    """What was judged, and what was found. unread: how many statements and functions of each migration were not read
    to their end. elsewhere: of the migrations, those that the project's routers keep away from the database.
    """

    migrations: tuple[Migration, ...]
    hazards: tuple[Hazard, ...]
    unread: Mapping[Key, int]
    elsewhere: frozenset[Key] = frozenset()


def offline(
    loader: MigrationLoader, keys: Collection[Key], alias: str, limits: policy.Policy, *, together: bool
) -> LintResult:
    """Judge migrations without a server: every table counts as large. together: they go out as one release."""
    state = LazyState(real_apps=loader.unmigrated_apps)
    recorder = history.recorder(offline_connection(alias, OFFLINE.version))
    walk = HistoryPlanner(state, recorder, OFFLINE, history.settings_of(limits))
    with unplugged():
        walk.through(history.in_order(loader), keys, together=together)
    return judged(walk, limits, together=together, fixed=() if together else _built_upon(loader))


def online(
    loader: MigrationLoader, keys: Set[Key], connection: BaseDatabaseWrapper, limits: policy.Policy
) -> LintResult:
    """Judge migrations with the catalog's facts; of applied ones only the sizes of their tables mean anything now."""
    ordered = history.in_order(loader)
    applied = [migration for migration in ordered if key_of(migration) in loader.applied_migrations]
    pending = [migration for migration in ordered if key_of(migration) not in loader.applied_migrations]
    state = history.state_after(loader, applied)
    names = affected_tables.concerned(state, ordered) | sql_steps.named(ordered)
    facts = catalog.facts(connection, names, limits.large_table_bytes)
    recorder, settings = (
        history.recorder(offline_connection(connection.alias, facts.version)),
        history.settings_of(limits),
    )
    before = HistoryPlanner(LazyState(real_apps=loader.unmigrated_apps), recorder, _sizes_alone(facts), settings)
    now = HistoryPlanner(state, recorder, facts, settings)
    with unplugged():
        if keys & {key_of(migration) for migration in applied}:
            before.through(applied, keys, together=False)
        now.through(pending, keys, together=True)
    blind = hazards.blind(before.plans + now.plans)
    facts = catalog.measured(connection, facts, limits.large_table_bytes, blind=blind)
    before.facts = before.facts._replace(largest=facts.largest)
    now.facts = catalog.surveyed(connection, facts, hazards.touched(now.plans))
    past = judged(before, limits, together=False, fixed=loader.applied_migrations)
    coming = judged(now, limits, together=True)
    return LintResult(
        past.migrations + coming.migrations,
        past.hazards + coming.hazards,
        {**past.unread, **coming.unread},
        past.elsewhere | coming.elsewhere,
    )


def judged(
    walk: HistoryPlanner, limits: policy.Policy, *, together: bool, fixed: Container[tuple[str, str]] = ()
) -> LintResult:
    """What is hazardous in the plans that a walk has kept. together: they go out as one release. fixed: see hazards."""
    unread = list(hazards.unread(walk.plans))
    program = squawk.program()
    sql = squawk.judge(program, unread, walk.facts.version) if program else []
    settings = settings_of(limits)
    groups = [walk.kept] if together else [[alone] for alone in walk.kept]
    judged_hazards = [
        hazard
        for group in groups
        for hazard in hazards.find(
            [plan for _, plan in group], walk.facts, [migration for migration, _ in group], settings, sql, fixed=fixed
        )
    ]
    unread_of = {plan.migration: hazards.not_read([plan]) for plan in walk.plans}
    elsewhere = frozenset(plan.migration for plan in walk.plans if plan.is_elsewhere)
    return LintResult(walk.migrations, tuple(judged_hazards), unread_of, elsewhere)


def _built_upon(loader: MigrationLoader) -> frozenset[tuple[str, str]]:
    """Migrations that others of their app come after: a history that is no longer changed."""
    return frozenset(
        parent.key for node in loader.graph.node_map.values() for parent in node.parents if parent.key[0] == node.key[0]
    )


def settings_of(limits: policy.Policy) -> HazardSettings:
    """Raises ConfigurationError where the project's own rules cannot be had."""
    return HazardSettings(limits.large_table_bytes, limits.size_budget_bytes, own_rules.of(limits.rules))


def _sizes_alone(facts: DatabaseFacts) -> DatabaseFacts:
    """Facts for what is history: how large its tables are now, and nothing of what they have become."""
    bare = {
        name: table._replace(columns={}, indexes={}, constraints={}, sessions=())
        for name, table in facts.tables.items()
    }
    return facts._replace(tables=bare, old_snapshots=())
