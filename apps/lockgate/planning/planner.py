"""From pending migrations to steps: what each operation would send, and what is done about what would block.

Pure but for the states it is given: a recorder (a schema editor that only writes down) stands in for the database.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any, NamedTuple, Protocol

from django.contrib.postgres import operations as postgres_operations
from django.db.migrations import Migration
from django.db.migrations.operations import RunPython, RunSQL
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ProjectState

from lockgate.facts.tables import DatabaseFacts
from lockgate.planning import (
    deferral,
    lock_levels,
    python_calls,
    python_reading,
    python_schema,
    rewrites,
    routing,
    sql_steps,
    sql_waiting,
)
from lockgate.planning.deferral import Choice
from lockgate.planning.known_rows import KnownRows
from lockgate.planning.model_columns import ModelColumns
from lockgate.planning.operations import Unplanned, adjusted, parts
from lockgate.planning.rewrites import Context, Kept, Online, Rewritten
from lockgate.planning.rewrites.context import EVERYTHING
from lockgate.planning.selection import key_of
from lockgate.planning.sql_waiting import Waiting
from lockgate.planning.steps import Change, Kind, Lock, MigrationPlan, Phase, Statement, Step, Work
from lockgate.planning.virtual_catalog import Prospect
from lockgate.project_state.operations import does_nothing, overridden

IN_PLACE = "in the migration's own transaction"
ON_ITS_OWN = "on its own: the migration is not atomic"
# Code and SQL of which a plan cannot tell what later statements find because of it.
_FREE = frozenset({Kind.RUN_PYTHON, Kind.RUN_SQL, Kind.UNKNOWN})
_REASONS = 3  # of why code is not known that are shown
_CONSTRAINTS = frozenset({Kind.ADD_CHECK, Kind.ADD_FOREIGN_KEY})
_ALTERS = frozenset({Kind.ADD_COLUMN, Kind.ALTER_TYPE, Kind.RENAME_COLUMN, Kind.UPDATE_ROWS, Kind.SET_DEFAULT})


class Recorder(Protocol):
    """A schema editor that writes down what it would do (``execution.recording_editor``)."""

    prospect: Prospect
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
    recorder: Callable[[Prospect], Any],
    settings: Settings,
) -> list[MigrationPlan]:
    """The steps of migrations, in their order.

    state: before the first of them; it is brought forward. recorder: makes an editor that asks the given prospect.
    """
    planner = Planner(facts, recorder, settings)
    return [planner.plan(migration, state) for migration in migrations]


class Planner:
    """Plans one migration after another against one prospect."""

    def __init__(self, facts: DatabaseFacts, recorder: Callable[[Prospect], Any], settings: Settings) -> None:
        self._prospect, self._settings = Prospect(facts), settings
        self._editor = recorder(self._prospect)

    def plan(self, migration: Migration, state: ProjectState, *, deployed: bool = False) -> MigrationPlan:
        """The steps of the next migration. state: before it; it is brought forward.

        deployed: the ones after it find its tables there already, filled and in use, instead of new.
        """
        earlier, by_sql = set(self._prospect.new_tables), set(self._prospect.sql_tables)
        made = _Builder(migration, self._editor, self._settings).build(state)
        if deployed:
            self._prospect.new_tables &= earlier
            self._prospect.sql_tables &= by_sql
        return made


class _Recorded(NamedTuple):
    """One operation's statements, each with what becomes of it.

    new: tables that this plan has made by then. filled: they may have rows already.
    """

    number: int
    title: str
    choices: list[Choice]
    new: frozenset[str]
    filled: bool = False

    @property
    def changes(self) -> Iterator[Change]:
        return (change for choice in self.choices for change in choice.statement.changes)


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
        self.prospect: Prospect = editor.prospect
        self.key = key_of(migration)
        self.operations: list[_Recorded] = []
        self.made: set[tuple[str, str]] = set()
        self.dropped: set[str] = set()
        self.put_off: set[str] = set()  # constraints that are complete only after the switch
        self.added: set[str] = set()
        self.data = ""
        self.rows = KnownRows()
        self.deferred: list[_Deferred] = []
        self.elsewhere: list[Operation] = []  # what a router keeps away from this database

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
        choices = [each for recorded in self.operations for each in recorded.choices]
        deferral.keep_what_comes_again(choices)
        deferral.keep_what_is_touched_later(choices)
        steps = [step for recorded in self.operations for step in self._steps(recorded)]
        phases = list(Phase)
        steps.sort(key=lambda step: phases.index(step.phase))
        return MigrationPlan(
            self.key,
            self.migration.atomic,
            tuple(steps),
            self._new,
            tuple(self._replaced()),
            tuple(self.elsewhere),
        )

    @property
    def _new(self) -> frozenset[str]:
        """The tables that this plan has made by now."""
        return frozenset(self.prospect.new_tables | self.prospect.sql_tables)

    def _opaque(self, method: str, state: ProjectState) -> MigrationPlan:
        """One step of which nothing is known: what runs is the migration's own method."""
        for operation in self.migration.operations:
            with contextlib.suppress(Exception):  # they need not fit the history, as nobody runs them
                operation.state_forwards(self.migration.app_label, state)
        change = Change(Kind.UNKNOWN, "", name=f"it overrides Migration.{method}, so its operations are not what runs")
        recorded = _Recorded(0, f"migration {self.key}", [], self._new)
        step = self._switch_step(recorded, (Statement("", (change,)),), "", "")
        return MigrationPlan(self.key, self.migration.atomic, (step,), self._new)

    def _replaced(self) -> Iterator[tuple[str, tuple[str, ...]]]:
        """The statements that the migration's transaction will not send as they are, and what it sends instead."""
        for recorded in self.operations:
            for choice in recorded.choices:
                if isinstance(choice.found, Rewritten):
                    yield choice.statement.sql, tuple(each.sql for each in choice.found.switch)

    def _operation(self, number: int, operation: Operation, before: ProjectState, after: ProjectState) -> None:
        earlier, new = list(self.editor.deferred_sql), self._new
        statements = self._allowed(operation, before, after)
        deferred = _without(self.editor.deferred_sql, earlier)
        self.deferred.append(_Deferred(len(self.operations), self.data, deferred))
        choices = self._choices(statements)
        self.operations.append(_Recorded(number, str(operation.describe()), choices, new | self._new))
        if any(change.kind in _FREE for statement in statements for change in statement.changes):
            self.data = self.data or _named(operation)

    def _at_the_end(self, deferred: _Deferred) -> None:
        """Plan what is left of it by then, as Django does; with its operation where nothing in between matters."""
        self.data = deferred.data
        left = [each for each in deferred.sql if any(each is other for other in self.editor.deferred_sql)]
        if not left:
            return
        of = self.operations[deferred.at]
        choices = self._choices(each._replace(deferred=True) for each in self.editor.take(left))
        between = [each for later in self.operations[deferred.at + 1 :] for each in later.changes]
        if not deferral.meet(between, [change for choice in choices for change in choice.statement.changes]):
            of.choices.extend(choices)
            return
        filled = any(change.kind in _FREE for change in between)
        self.operations.append(_Recorded(of.number, of.title, choices, self._new, filled=filled))

    def _choices(self, statements: Iterable[Statement]) -> list[Choice]:
        choices = []
        previous: tuple[Change, ...] = ()
        for each in statements:
            statement = each._replace(changes=tuple(map(self._proven, each.changes)))
            choices.append(Choice(statement, found := self._rewrite(statement, previous)))
            self._remember(statement)
            if isinstance(found, Rewritten) and any(online.phase is Phase.FINISH for online in found.online):
                self.put_off.update(change.name for change in statement.changes)
            if not isinstance(found, Rewritten) or found.switch:
                self.added.update(change.name for change in statement.changes if change.kind in _CONSTRAINTS)
            previous = statement.changes
        return choices

    def _proven(self, change: Change) -> Change:
        """A NOT NULL with a check that says the same and was validated by then is proven."""
        if change.kind is not Kind.SET_NOT_NULL:
            return change
        proofs = self.prospect.proofs(change.table, change.columns[0]) - self.put_off
        return change._replace(proven=change.proven or bool(proofs))

    def _steps(self, recorded: _Recorded) -> list[Step]:
        steps: list[Step] = []
        switch: list[Statement] = []
        kept, name = "", ""
        for choice in recorded.choices:
            found = choice.found
            if isinstance(found, Rewritten):
                steps += [self._online_step(recorded, each, found.name) for each in found.online]
                switch += [each._replace(deferred=choice.statement.deferred) for each in found.switch]
                name = found.name
            else:
                kept = found.reason if isinstance(found, Kept) else kept
                switch.append(choice.statement)
        if switch or not steps:
            steps.append(self._switch_step(recorded, tuple(switch), kept, name))
        return steps

    def _allowed(self, operation: Operation, before: ProjectState, after: ProjectState) -> tuple[Statement, ...]:
        """What an operation sends to this database, if the project's routers let it."""
        with routing.answers() as heard:
            try:
                runs = routing.allowed(self.editor.connection.alias, self.migration.app_label, operation)
            except Exception as error:  # a router is code of the project
                return (Unplanned(operation, error).statement,)
            statements = self._record(operation, before, after) if runs else ()
        if heard and not any(heard) and not statements:
            self.elsewhere.append(operation)
        return statements

    def _record(self, operation: Operation, before: ProjectState, after: ProjectState) -> tuple[Statement, ...]:
        if isinstance(operation, RunPython):
            return self._of_code(operation, before)
        if isinstance(operation, RunSQL):
            return sql_steps.statements(operation.sql, self.prospect, ModelColumns(before, self.editor.connection))
        if isinstance(operation, postgres_operations.CreateExtension):
            sql = f"CREATE EXTENSION IF NOT EXISTS {self.editor.quote_name(operation.name)}"
            return (Statement(sql, (Change(Kind.EXTENSION, "", name=operation.name),)),)
        if isinstance(operation, Unplanned):
            return (operation.statement,)
        return self._recorded(operation, before, after)

    def _of_code(self, operation: RunPython, before: ProjectState) -> tuple[Statement, ...]:
        """The code itself, and the SQL that is written out in it."""
        code = python_reading.read(operation.code)
        beyond = python_schema.of(code)
        named = tuple(python_calls.db_tables(code, before)) if code else ()
        code = replace(code, db_tables=dict(named)) if code else None
        unchecked = tuple(table for table in (code.tables if code else ()) if self.prospect.refers(table))
        why = "; ".join(beyond.unknown[:_REASONS])
        collected = tuple(python_calls.collected(code, before)) if code else ()
        read = not beyond.unknown
        change = Change(Kind.RUN_PYTHON, "", name=why, read=read, unchecked=unchecked, collected=collected, named=named)
        return (Statement("", (change,)), *sql_steps.statements(beyond.sql, self.prospect))

    def _recorded(self, operation: Operation, before: ProjectState, after: ProjectState) -> tuple[Statement, ...]:
        if does_nothing(operation):
            return ()
        if not operation.reduces_to_sql:
            return (Unplanned(operation, "it brings its own code").statement,)
        deferred = list(self.editor.deferred_sql)
        try:
            operation.database_forwards(self.migration.app_label, self.editor, before, after)
        except Exception as error:  # it may ask the server, or need what the history does not have
            self.editor.discard(deferred)
            return (Unplanned(operation, error).statement,)
        recorded = self.editor.take()
        made = tuple(adjusted(each, operation, before, self.migration, self.prospect) for each in recorded)
        for was, statement in zip(recorded, made, strict=True):
            for change in statement.changes if statement is not was else ():
                self.prospect.apply(change)
        return made

    def _rewrite(self, statement: Statement, previous: tuple[Change, ...]) -> Rewritten | Kept | None:
        if not (self.settings.online and self.migration.atomic and getattr(self.migration, "online", True)):
            return None
        if sql_steps.is_sql(statement.changes):
            return None  # what a migration's own SQL says is sent as it stands
        context = Context(
            self.prospect,
            self.settings.threshold,
            self.editor.quote_name,
            self.prospect.facts.version,
            frozenset(self.made),
            frozenset(self.dropped),
            self.data,
            previous,
            self.rows,
            frozenset(self.added),
        )
        kept: Kept | None = None
        for change in statement.changes:
            for rewrite in rewrites.ALL:
                found = rewrite(statement, change, context)
                if isinstance(found, Rewritten):
                    return context.out_of_reach(change.table) or found
                kept = found or kept
        return kept

    def _remember(self, statement: Statement) -> None:
        """What later changes of this migration must wait for the switch for; after SQL of its own all do."""
        for change in () if sql_steps.is_sql(statement.changes) else statement.changes:
            self.rows.remember(change)
            if change.kind is Kind.RENAME_TABLE:
                self.made.add((change.name, ""))
            elif change.kind is Kind.CREATE_TABLE:
                self.made.add((change.table, ""))
            elif change.kind is Kind.EXTENSION:
                self.made.add(EVERYTHING)
            elif change.kind in (Kind.DROP_CONSTRAINT, Kind.DROP_INDEX, Kind.RENAME_INDEX):
                self.dropped.add(change.old_name or change.name)
            elif change.kind in _ALTERS and not (change.type and change.type == change.old_type):
                self.made.update((change.table, column) for column in change.columns)

    def _locks(self, changes: tuple[Change, ...], recorded: _Recorded) -> tuple[Lock, ...]:
        """Locks on tables that are there already: what this plan makes nobody else knows of."""
        mine = recorded.new
        found = []
        for lock in lock_levels.of_changes(changes):
            if lock.table in mine:
                continue
            from_new = all(change.table in mine for change in changes if change.references == lock.table)
            only_referenced = not any(change.table == lock.table for change in changes)
            found.append(
                lock._replace(work=Work.MOMENT) if only_referenced and from_new and not recorded.filled else lock
            )
        return tuple(found)

    def _online_step(self, recorded: _Recorded, each: Online, name: str) -> Step:
        return Step(
            self.key,
            recorded.number,
            each.title,
            each.phase,
            (each.statement,),
            self._locks(each.statement.changes, recorded),
            each.reason,
            transactional=each.transactional,
            undo=each.undo,
            rewrite=name,
        )

    def _switch_step(self, recorded: _Recorded, statements: tuple[Statement, ...], kept: str, name: str) -> Step:
        changes = tuple(change for statement in statements for change in statement.changes)
        concurrent = any(change.concurrently for change in changes)
        reason = IN_PLACE if self.migration.atomic else f"{ON_ITS_OWN}{_in_front(statements)}"
        return Step(
            self.key,
            recorded.number,
            recorded.title,
            Phase.SWITCH,
            statements,
            self._locks(changes, recorded),
            reason,
            transactional=not concurrent,
            kept_in_place=kept,
            rewrite=name,
        )


def _in_front(statements: Iterable[Statement]) -> str:
    """What is said of SQL that others may have to wait behind."""
    sql = (each for each in statements if sql_steps.is_sql(each.changes))
    in_front = any(sql_waiting.of(each.sql, each.changes) is Waiting.IN_FRONT for each in sql)
    return f"; {sql_waiting.COMMITS}, and may wait in front of others" if in_front else ""


def _named(operation: Operation) -> str:
    return type(operation.operation if isinstance(operation, Unplanned) else operation).__name__


def _without(found: Iterable[Any], known: Sequence[Any]) -> list[Any]:
    return [each for each in found if not any(each is other for other in known)]
