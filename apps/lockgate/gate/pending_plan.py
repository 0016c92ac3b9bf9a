"""Plans what is pending on a live database: one read of the catalog, then pure planning."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import NamedTuple

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations import Migration
from django.db.migrations.loader import MigrationLoader

from lockgate import policy
from lockgate.database import catalog
from lockgate.facts.tables import DatabaseFacts
from lockgate.linting import hazards
from lockgate.planning import affected_tables, history, planner, sql_steps
from lockgate.planning.recorder import states
from lockgate.planning.recorder.offline import offline_connection, unplugged
from lockgate.planning.selection import key_of
from lockgate.planning.steps import MigrationPlan
from lockgate.project_state.lazy_state import LazyState


class Pending(NamedTuple):
    """What is to be planned: forward migrations in their order, the models before them, the tables they are about."""

    migrations: Sequence[Migration]
    state: LazyState
    tables: frozenset[str]


def pending(loader: MigrationLoader, migrations: Sequence[Migration], *, lazy: bool) -> Pending:
    """What pending migrations start from; nothing is rendered and no server is asked.

    lazy: whether models are to be rendered as a run with lazy rendering has them.
    """
    keys = {key_of(migration) for migration in migrations}
    earlier = (migration for migration in history.in_order(loader) if key_of(migration) not in keys)
    state = history.state_after(
        loader, (migration for migration in earlier if key_of(migration) in loader.applied_migrations)
    )
    before = affected_tables.concerned(state, migrations)
    after = affected_tables.concerned(_after(state, migrations), migrations)
    start = states.of_history(state, migrations) if lazy else state
    return Pending(migrations, start, frozenset(before | after | sql_steps.named(migrations)))


def _after(state: LazyState, migrations: Sequence[Migration]) -> LazyState:
    """The models that they will leave: a new one may point to a table of an app that is not touched otherwise."""
    later = state.clone()
    for migration in migrations:
        with contextlib.suppress(Exception):  # a third party's operation; planning says what is wrong with it
            history.forwards(migration, later)
    return later


def plan(
    connection: BaseDatabaseWrapper, loader: MigrationLoader, migrations: Sequence[Migration], limits: policy.Policy
) -> tuple[list[MigrationPlan], DatabaseFacts]:
    """The steps of pending forward migrations as they are shown, in the given order, and the facts they rest on.

    Sends six SELECTs to the catalog, and nothing else: operations that would go to the server are unknown steps. The
    last asks what depends on the tables that change.
    """
    start = pending(loader, migrations, lazy=limits.lazy_rendering)
    facts = catalog.facts(connection, start.tables, limits.large_table_bytes)
    plans = steps(start, facts, connection.alias, history.settings_of(limits))
    return plans, catalog.surveyed(connection, facts, hazards.touched(plans))


def steps(start: Pending, facts: DatabaseFacts, alias: str, settings: planner.Settings) -> list[MigrationPlan]:
    """The steps by these facts; the state is brought forward. Asks no server."""
    recorder = history.recorder(offline_connection(alias, facts.version))
    with unplugged():
        return planner.plan(start.migrations, start.state, facts, recorder, settings)
