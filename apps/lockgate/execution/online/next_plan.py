"""Plans the migration that is about to run, from the catalog as it is at that moment.

What a run prints at its start is a forecast; what it does is planned migration by migration, so that an estimate which
an earlier migration made wrong cannot mislead a later one. Where no table is concerned that was there before the run,
nothing is planned: nobody else uses what the run itself has made.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations import Migration
from django.db.migrations.recorder import MigrationRecorder
from django.db.migrations.state import ProjectState

from lockgate import models, policy
from lockgate.database import catalog, objects
from lockgate.execution.recording import planning_states
from lockgate.execution.recording.questions import require_same_answers
from lockgate.execution.recording.recording_editor import offline_connection, recording, unplugged
from lockgate.execution.rendering.lazy_states import LazyState
from lockgate.planning import build, sql_steps, tables
from lockgate.planning.names import names_schema
from lockgate.planning.operations import copy_of
from lockgate.planning.prospect import Prospect
from lockgate.planning.steps import Change, Kind, MigrationPlan, Phase

OWN = {model._meta.db_table for model in (*models.OWN, MigrationRecorder.Migration)}


class Planner:
    """Knows which tables were there when the run began; plans one migration at a time."""

    def __init__(self, connection: BaseDatabaseWrapper, limits: policy.Policy) -> None:
        self.connection, self.limits = connection, limits
        self.earlier = objects.tables(connection) - OWN
        self.made: set[str] = set()

    def plan(self, migration: Migration, state: ProjectState, hidden: Collection[str]) -> MigrationPlan | None:
        """The steps of a migration, or None where it concerns no table that others may use.

        state: before it; not changed. hidden: names that an expand phase has made already, which Django would not find.
        Sends four SELECTs to the catalog. Raises whatever a third party's operation raises, and
        LockgateError where the backend's own editor would be answered otherwise, before anything is built for that.
        """
        if not self.earlier:
            return None
        before = planning_states.of_run(state, migration)
        names = tables.concerned(before, [migration]) | tables.concerned(_after(migration, before), [migration])
        by_sql = sql_steps.named([migration])
        if not names & self.earlier and not by_sql and not any(map(names_schema, names)):
            return None
        facts = catalog.facts(self.connection, names | by_sql, self.limits.large_table_bytes).without(hidden)
        earlier = self.earlier | set(filter(names_schema, facts.tables)) - self.made
        if not names & earlier and not by_sql:
            return None
        offline = offline_connection(self.connection.alias, facts.version)
        settings = build.Settings(threshold=self.limits.large_table_bytes, online=self.limits.online)

        editors: list[Any] = []

        def recorder(prospect: Prospect) -> Any:
            prospect.new_tables |= names - earlier
            editors.append(recording(offline, prospect))
            return editors[-1]

        with unplugged():
            made = build.Planner(facts, recorder, settings).plan(copy_of(migration), before)
        if made.phase(Phase.EXPAND):
            require_same_answers(self.connection, (asked for each in editors for asked in each.asked), hidden)
        return made

    def remember(self, changes: Iterable[Change]) -> None:
        """Tables keep being those of before under another name."""
        for change in changes:
            if change.kind is Kind.RENAME_TABLE and change.old_name in self.earlier:
                self.earlier = self.earlier - {change.old_name} | {change.name}
            elif change.kind is Kind.DROP_TABLE or (change.kind is Kind.CREATE_TABLE and not change.special):
                self.earlier = self.earlier - {change.table}
                self.made.add(change.table)


def _after(migration: Migration, state: LazyState) -> ProjectState:
    later = state.clone()
    for operation in migration.operations:
        operation.state_forwards(migration.app_label, later)
    return later
