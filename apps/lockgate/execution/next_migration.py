"""Plans the migration that is about to run, from the catalog as it is at that moment.

What a run prints at its start is a forecast; what it does is planned migration by migration, so that an estimate which
an earlier migration made wrong cannot mislead a later one. Where no table is concerned that was there before the run,
nothing is planned: nobody else uses what the run itself has made.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Sequence
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations import Migration
from django.db.migrations.recorder import MigrationRecorder
from django.db.migrations.state import ProjectState

from lockgate import models, policy
from lockgate.database import catalog, lookups
from lockgate.errors import RefusedAhead
from lockgate.facts import Key
from lockgate.facts.tables import DatabaseFacts
from lockgate.linting import hazards
from lockgate.linting.rules import acceptance
from lockgate.planning import affected_tables, planner, sql_steps
from lockgate.planning.consequences import Consequence, DependentTracker
from lockgate.planning.dependents import Outcome
from lockgate.planning.identifiers import names_schema
from lockgate.planning.recorder import states
from lockgate.planning.recorder.offline import offline_connection, unplugged
from lockgate.planning.recorder.questions import require_same_answers
from lockgate.planning.recorder.schema_editor import recording
from lockgate.planning.steps import Change, Kind, MigrationPlan, Phase
from lockgate.planning.virtual_catalog import VirtualCatalog
from lockgate.project_state.lazy_state import LazyState
from lockgate.project_state.operations import copy_of, is_djangos_schema

RULE = "LG911"
OWN = {model._meta.db_table for model in (*models.OWN, MigrationRecorder.Migration)}


class NextMigrationPlanner:
    """Knows which tables were there when the run began; plans one migration at a time. tables: those; or asked for."""

    def __init__(
        self, connection: BaseDatabaseWrapper, limits: policy.Policy, tables: Collection[str] | None = None
    ) -> None:
        self.connection, self.limits = connection, limits
        self.earlier = set(lookups.tables(connection) if tables is None else tables) - OWN
        self.created: set[str] = set()
        self.noted: tuple[float, DatabaseFacts | None] = 0.0, None  # when, and what was read of the database then

    def plan(self, migration: Migration, state: ProjectState, hidden: Collection[str]) -> MigrationPlan | None:
        """The steps of a migration, or None where it concerns no table that others may use.

        state: before it; not changed. hidden: names that an expand phase has made already, which Django would not find.
        Sends four SELECTs to the catalog, and one more where something is to be prepared. Raises whatever a third
        party's operation raises, and LockgateError where the backend's own editor would be answered otherwise, before
        anything is built for that.
        """
        if not self.earlier:
            return None
        plain = all(map(is_djangos_schema, migration.operations))
        known = self._known(plain=plain)
        before = states.of_run(state, migration)
        after = _after(migration, before)
        names = affected_tables.concerned(before, [migration]) | affected_tables.concerned(after, [migration])
        by_sql = sql_steps.named([migration])
        if not names & self.earlier and not by_sql and not any(map(names_schema, names)):
            return None
        facts = self._facts(names | by_sql, known, plain=plain).without(hidden)
        earlier = self.earlier | set(filter(names_schema, facts.tables)) - self.created
        if not names & earlier and not by_sql:
            return None
        offline = offline_connection(self.connection.alias, facts.version)
        settings = planner.Settings(threshold=self.limits.large_table_bytes, online=self.limits.online)

        editors: list[Any] = []

        def recorder(virtual_catalog: VirtualCatalog) -> Any:
            virtual_catalog.new_tables |= names - earlier
            editors.append(recording(offline, virtual_catalog))
            return editors[-1]

        with unplugged():
            plan = planner.Planner(facts, recorder, settings).plan(copy_of(migration), before)
        if plan.phase(Phase.EXPAND):
            require_same_answers(self.connection, (asked for editor in editors for asked in editor.asked), hidden)
            if not hidden:
                self._require_possible(migration, plan, facts)
        return plan

    def _facts(self, tables: set[str], known: DatabaseFacts | None, *, plain: bool) -> DatabaseFacts:
        """known: what ``_known`` gives, asked for before anything is planned: it also forgets what is out of date."""
        facts = catalog.facts(self.connection, tables, self.limits.large_table_bytes, known)
        if known is None and plain:
            self.noted = time.monotonic(), facts
        return facts

    def _known(self, *, plain: bool) -> DatabaseFacts | None:
        """Facts whose types, functions and collations are the database's still; None where they are to be asked for.

        plain: whether a migration makes none of those. Another session's are found after a while.
        """
        since, facts = self.noted
        if not plain:
            self.noted = 0.0, None
        return facts if time.monotonic() - since < policy.FACTS_OF_DATABASE_STAND.total_seconds() else None

    def _require_possible(self, migration: Migration, plan: MigrationPlan, facts: DatabaseFacts) -> None:
        """Raise RefusedAhead where the switch is certain to fail for what depends on its tables, and nobody accepts it:
        what is built online for it would be built in vain. Sends one SELECT.
        """
        if RULE in acceptance.accepted(migration):
            return
        surveyed = catalog.surveyed(self.connection, facts, hazards.touched([plan]))
        consequences = DependentTracker(surveyed).through(plan.steps)
        refused = [
            consequence
            for consequence in consequences
            if consequence.certain and consequence.verdict.outcome is Outcome.REFUSED
        ]
        if refused:
            raise _refused(self.connection, plan.migration, refused)

    def remember(self, changes: Iterable[Change]) -> None:
        """Tables keep being those of before under another name."""
        for change in changes:
            if change.kind is Kind.RENAME_TABLE and change.old_name in self.earlier:
                self.earlier = self.earlier - {change.old_name} | {change.name}
            elif change.kind is Kind.DROP_TABLE or (change.kind is Kind.CREATE_TABLE and not change.special):
                self.earlier = self.earlier - {change.table}
                self.created.add(change.table)


def _refused(connection: BaseDatabaseWrapper, key: Key, refused: Sequence[Consequence]) -> RefusedAhead:
    because = dict.fromkeys(
        f'{refusal.change.kind} on "{refusal.change.table}": {refusal.dependent} (SQLSTATE {refusal.verdict.sqlstate})'
        for refusal in refused
    )
    # Imported here: it is the way out of few runs, and reads SQL.
    from lockgate.execution.remedies import what_depends  # noqa: PLC0415

    known = what_depends.before_it(connection, [refusal.change for refusal in refused])
    return RefusedAhead(
        f"PostgreSQL would refuse {key}, so nothing of it was prepared",
        why="\n".join(because),
        next_step=(known.next_step if known else "let the migration deal with that first, and run again")
        + f'\nor accept it in the migration, where this is wrong:  lockgate_accept = {{"{RULE}": "the reason"}}',
    )


def _after(migration: Migration, state: LazyState) -> ProjectState:
    later = state.clone()
    for operation in migration.operations:
        operation.state_forwards(migration.app_label, later)
    return later
