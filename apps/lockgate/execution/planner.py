"""Plans what is pending on a live database: one read of the catalog, then pure planning."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations import Migration
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.state import ProjectState

from lockgate import policy
from lockgate.database import catalog
from lockgate.execution.recording_editor import offline_connection, recording, unplugged
from lockgate.facts.tables import DatabaseFacts
from lockgate.planning import build, tables
from lockgate.planning.steps import MigrationPlan


def state_before(loader: MigrationLoader, pending: Collection[Migration]) -> ProjectState:
    """The models as the applied migrations made them, in the order of an empty database's run; nothing is rendered."""
    state = ProjectState(real_apps=loader.unmigrated_apps)
    seen = set()
    for leaf in loader.graph.leaf_nodes():
        for key in loader.graph.forwards_plan(leaf):
            if key not in seen and key in loader.applied_migrations and loader.graph.nodes[key] not in pending:
                loader.graph.nodes[key].mutate_state(state, preserve=False)
            seen.add(key)
    return state


def plan(
    connection: BaseDatabaseWrapper, loader: MigrationLoader, pending: Sequence[Migration], limits: policy.Policy
) -> tuple[list[MigrationPlan], DatabaseFacts]:
    """The steps of pending forward migrations, in the given order, and the facts they rest on.

    Sends three SELECTs to the catalog, and nothing else: operations that would go to the server are unknown steps.
    """
    state = state_before(loader, pending)
    facts = catalog.facts(connection, tables.concerned(state, pending))
    settings = build.Settings(threshold=limits.large_table_bytes)
    offline = offline_connection(connection.alias, facts.version)
    with unplugged():
        return build.plan(pending, state, facts, lambda prospect: recording(offline, prospect), settings), facts
