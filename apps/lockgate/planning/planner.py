"""From pending migrations to steps: what each operation would send, and what is done about what would block.

Pure but for the states it is given: a recorder (a schema editor that only writes down) stands in for the database.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple, Protocol

from django.db.migrations import Migration
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ProjectState

from lockgate.facts.tables import DatabaseFacts
from lockgate.planning import deferral, rewrites, sql_steps
from lockgate.planning.deferral import RewrittenStatement
from lockgate.planning.known_rows import KnownRows
from lockgate.planning.operation_statements import OperationStatements
from lockgate.planning.operations import Unplanned, parts
from lockgate.planning.rewrites import NotRewritten, RewriteContext, Rewritten
from lockgate.planning.rewrites.context import EVERYTHING
from lockgate.planning.selection import key_of
from lockgate.planning.step_builder import RecordedOperation, StepBuilder
from lockgate.planning.steps import Change, Kind, MigrationPlan, Phase, Statement
from lockgate.planning.virtual_catalog import VirtualCatalog
from lockgate.project_state.operations import overridden

# Code and SQL of which a plan cannot tell what later statements find because of it.
_FREE = frozenset({Kind.RUN_PYTHON, Kind.RUN_SQL, Kind.UNKNOWN})
_CONSTRAINTS = frozenset({Kind.ADD_CHECK, Kind.ADD_FOREIGN_KEY})
_ALTERS = frozenset({Kind.ADD_COLUMN, Kind.ALTER_TYPE, Kind.RENAME_COLUMN, Kind.UPDATE_ROWS, Kind.SET_DEFAULT})


class Recorder(Protocol):
    """A schema editor that writes down what it would do (``planning.recorder``)."""

    catalog: VirtualCatalog
    deferred_sql: list[Any]
    connection: Any  # to the database that the plan is for; it is never opened

    def take(self, deferred: Sequence[Any] = ()) -> tuple[Statement, ...]: ...

    def discard(self, deferred: Sequence[Any] = ()) -> None: ...

    def quote_name(self, name: str) -> str: ...


class Settings(NamedTuple):
    """What decides over rewrites: from how many bytes a table is large, and whether to rewrite at all."""

    threshold: int
    online: bool = True


def plan(
    migrations: Iterable[Migration],
    state: ProjectState,
    facts: DatabaseFacts,
    recorder: Callable[[VirtualCatalog], Any],
    settings: Settings,
) -> list[MigrationPlan]:
    """The steps of migrations, in their order.

    state: before the first of them; it is brought forward. recorder: makes an editor that asks the given virtual
    catalog.
    """
    planner = Planner(facts, recorder, settings)
    return [planner.plan(migration, state) for migration in migrations]


class Planner:
    """Plans one migration after another against one virtual catalog."""

    def __init__(self, facts: DatabaseFacts, recorder: Callable[[VirtualCatalog], Any], settings: Settings) -> None:
        self._catalog, self._settings = VirtualCatalog(facts), settings
        self._editor = recorder(self._catalog)

    def plan(self, migration: Migration, state: ProjectState, *, deployed: bool = False) -> MigrationPlan:
        """The steps of the next migration. state: before it; it is brought forward.

        deployed: the ones after it find its tables there already, filled and in use, instead of new.
        """
        earlier, by_sql = set(self._catalog.new_tables), set(self._catalog.sql_tables)
        migration_plan = _Builder(migration, self._editor, self._settings).build(state)
        if deployed:
            self._catalog.new_tables &= earlier
            self._catalog.sql_tables &= by_sql
        return migration_plan


class _Deferred(NamedTuple):
    """What Django puts off to the end of the migration for an operation, unless a later one drops what it is about.

    at: which of the recorded operations. data: what ran before it.
    """

    at: int
    data: str
    sql: list[Any]


class _Builder:
    """Plans one migration."""

    def __init__(self, migration: Migration, editor: Any, settings: Settings) -> None:
        self.migration, self.editor, self.settings = migration, editor, settings
        self.catalog: VirtualCatalog = editor.catalog
        self.key = key_of(migration)
        self.operations: list[RecordedOperation] = []
        self.created: set[tuple[str, str]] = set()
        self.dropped: set[str] = set()
        self.put_off: set[str] = set()  # constraints that are complete only after the switch
        self.added: set[str] = set()
        self.data = ""
        self.rows = KnownRows()
        self.deferred: list[_Deferred] = []
        self.statements, self.step_builder = OperationStatements(migration, editor), StepBuilder(migration)

    def build(self, state: ProjectState) -> MigrationPlan:
        if method := overridden(self.migration):
            return self._opaque(method, state)
        for number, operation in enumerate(self.migration.operations):
            before = state.clone()
            try:
                operation.state_forwards(self.migration.app_label, state)
            except Exception as error:  # a third party's operation, or a history that fits together no more
                self._operation(number, Unplanned(operation, error), before, state)
                continue
            for part, from_state, to_state in parts(operation, self.migration.app_label, before, state):
                self._operation(number, part, from_state, to_state)
        for deferred in self.deferred:
            self._at_the_end(deferred)
        rewritten = [choice for recorded in self.operations for choice in recorded.choices]
        deferral.keep_repeated_in_place(rewritten)
        deferral.keep_needed_in_place(rewritten)
        steps = [step for recorded in self.operations for step in self.step_builder.steps(recorded)]
        phases = list(Phase)
        steps.sort(key=lambda step: phases.index(step.phase))
        return MigrationPlan(
            self.key,
            self.migration.atomic,
            tuple(steps),
            self._new,
            tuple(self._replaced()),
            tuple(self.statements.elsewhere),
        )

    @property
    def _new(self) -> frozenset[str]:
        """The tables that this plan has made by now."""
        return frozenset(self.catalog.new_tables | self.catalog.sql_tables)

    def _opaque(self, method: str, state: ProjectState) -> MigrationPlan:
        """One step of which nothing is known: what runs is the migration's own method."""
        for operation in self.migration.operations:
            with contextlib.suppress(Exception):  # they need not fit the history, as nobody runs them
                operation.state_forwards(self.migration.app_label, state)
        change = Change(Kind.UNKNOWN, "", name=f"it overrides Migration.{method}, so its operations are not what runs")
        recorded = RecordedOperation(0, f"migration {self.key}", [], self._new)
        step = self.step_builder.switch_step(recorded, (Statement("", (change,)),), "", "")
        return MigrationPlan(self.key, self.migration.atomic, (step,), self._new)

    def _replaced(self) -> Iterator[tuple[str, tuple[str, ...]]]:
        """The statements that the migration's transaction will not send as they are, and what it sends instead."""
        for recorded in self.operations:
            for rewritten_statement in recorded.choices:
                if isinstance(rewritten_statement.outcome, Rewritten):
                    yield (
                        rewritten_statement.statement.sql,
                        tuple(statement.sql for statement in rewritten_statement.outcome.switch),
                    )

    def _operation(self, number: int, operation: Operation, before: ProjectState, after: ProjectState) -> None:
        earlier, new = list(self.editor.deferred_sql), self._new
        statements = self.statements.of(operation, before, after)
        deferred = _without(self.editor.deferred_sql, earlier)
        self.deferred.append(_Deferred(len(self.operations), self.data, deferred))
        rewritten = self._rewritten(statements)
        self.operations.append(RecordedOperation(number, str(operation.describe()), rewritten, new | self._new))
        if any(change.kind in _FREE for statement in statements for change in statement.changes):
            self.data = self.data or _named(operation)

    def _at_the_end(self, deferred: _Deferred) -> None:
        """Plan what is left of it by then, as Django does; with its operation where nothing in between matters."""
        self.data = deferred.data
        left = [
            statement for statement in deferred.sql if any(statement is other for other in self.editor.deferred_sql)
        ]
        if not left:
            return
        of = self.operations[deferred.at]
        rewritten = self._rewritten(statement._replace(deferred=True) for statement in self.editor.take(left))
        between = [change for later in self.operations[deferred.at + 1 :] for change in later.changes]
        if not deferral.meet(
            between, [change for rewritten_statement in rewritten for change in rewritten_statement.statement.changes]
        ):
            of.choices.extend(rewritten)
            return
        filled = any(change.kind in _FREE for change in between)
        self.operations.append(RecordedOperation(of.number, of.title, rewritten, self._new, filled=filled))

    def _rewritten(self, statements: Iterable[Statement]) -> list[RewrittenStatement]:
        rewritten = []
        previous: tuple[Change, ...] = ()
        for recorded in statements:
            statement = recorded._replace(changes=tuple(map(self._proven, recorded.changes)))
            rewritten.append(RewrittenStatement(statement, outcome := self._rewrite(statement, previous)))
            self._remember(statement)
            if isinstance(outcome, Rewritten) and any(online.phase is Phase.FINISH for online in outcome.online):
                self.put_off.update(change.name for change in statement.changes)
            if not isinstance(outcome, Rewritten) or outcome.switch:
                self.added.update(change.name for change in statement.changes if change.kind in _CONSTRAINTS)
            previous = statement.changes
        return rewritten

    def _proven(self, change: Change) -> Change:
        """A NOT NULL with a check that says the same and was validated by then is proven."""
        if change.kind is not Kind.SET_NOT_NULL:
            return change
        proofs = self.catalog.proofs(change.table, change.columns[0]) - self.put_off
        return change._replace(proven=change.proven or bool(proofs))

    def _rewrite(self, statement: Statement, previous: tuple[Change, ...]) -> Rewritten | NotRewritten | None:
        if not (self.settings.online and self.migration.atomic and getattr(self.migration, "online", True)):
            return None
        if sql_steps.is_sql(statement.changes):
            return None  # what a migration's own SQL says is sent as it stands
        context = RewriteContext(
            self.catalog,
            self.settings.threshold,
            self.editor.quote_name,
            self.catalog.facts.version,
            frozenset(self.created),
            frozenset(self.dropped),
            self.data,
            previous,
            self.rows,
            frozenset(self.added),
        )
        kept: NotRewritten | None = None
        for change in statement.changes:
            for rewrite in rewrites.ALL:
                outcome = rewrite(statement, change, context)
                if isinstance(outcome, Rewritten):
                    return context.out_of_reach(change.table) or outcome
                kept = outcome or kept
        return kept

    def _remember(self, statement: Statement) -> None:
        """What later changes of this migration must wait for the switch for; after SQL of its own all do."""
        for change in () if sql_steps.is_sql(statement.changes) else statement.changes:
            self.rows.remember(change)
            if change.kind is Kind.RENAME_TABLE:
                self.created.add((change.name, ""))
            elif change.kind is Kind.CREATE_TABLE:
                self.created.add((change.table, ""))
            elif change.kind is Kind.EXTENSION:
                self.created.add(EVERYTHING)
            elif change.kind in (Kind.DROP_CONSTRAINT, Kind.DROP_INDEX, Kind.RENAME_INDEX):
                self.dropped.add(change.old_name or change.name)
            elif change.kind in _ALTERS and not (change.type and change.type == change.old_type):
                self.created.update((change.table, column) for column in change.columns)


def _named(operation: Operation) -> str:
    return type(operation.operation if isinstance(operation, Unplanned) else operation).__name__


def _without(items: Iterable[Any], known: Sequence[Any]) -> list[Any]:
    return [item for item in items if not any(item is other for other in known)]
