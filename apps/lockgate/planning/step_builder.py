"""The steps of an operation, made of its statements and of what becomes of each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from django.db.migrations import Migration

from lockgate.planning import lock_levels, sql_steps, sql_waiting
from lockgate.planning.deferral import RewrittenStatement
from lockgate.planning.rewrites import NotRewritten, Online, Rewritten
from lockgate.planning.selection import key_of
from lockgate.planning.sql_waiting import Waiting
from lockgate.planning.steps import Change, Lock, Phase, Statement, Step, Work

IN_PLACE = "in the migration's own transaction"
ON_ITS_OWN = "on its own: the migration is not atomic"


class RecordedOperation(NamedTuple):
    """One operation's statements, each with what becomes of it.

    new: tables that this plan has made by then. filled: they may have rows already.
    """

    number: int
    title: str
    choices: list[RewrittenStatement]
    new: frozenset[str]
    filled: bool = False

    @property
    def changes(self) -> Iterator[Change]:
        return (change for choice in self.choices for change in choice.statement.changes)


class StepBuilder:
    """Makes the steps of one migration."""

    def __init__(self, migration: Migration) -> None:
        self.migration, self.key = migration, key_of(migration)

    def steps(self, recorded: RecordedOperation) -> list[Step]:
        steps: list[Step] = []
        switch: list[Statement] = []
        kept, name = "", ""
        for choice in recorded.choices:
            outcome = choice.outcome
            if isinstance(outcome, Rewritten):
                steps += [self._online_step(recorded, step, outcome.name) for step in outcome.online]
                switch += [statement._replace(deferred=choice.statement.deferred) for statement in outcome.switch]
                name = outcome.name
            else:
                kept = outcome.reason if isinstance(outcome, NotRewritten) else kept
                switch.append(choice.statement)
        if switch or not steps:
            steps.append(self.switch_step(recorded, tuple(switch), kept, name))
        return steps

    def _online_step(self, recorded: RecordedOperation, step: Online, name: str) -> Step:
        return Step(
            self.key,
            recorded.number,
            step.title,
            step.phase,
            (step.statement,),
            self._locks(step.statement.changes, recorded),
            step.reason,
            transactional=step.transactional,
            undo=step.undo,
            rewrite=name,
        )

    def switch_step(self, recorded: RecordedOperation, statements: tuple[Statement, ...], kept: str, name: str) -> Step:
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

    def _locks(self, changes: tuple[Change, ...], recorded: RecordedOperation) -> tuple[Lock, ...]:
        """Locks on tables that are there already: what this plan makes nobody else knows of."""
        mine = recorded.new
        locks = []
        for lock in lock_levels.of_changes(changes):
            if lock.table in mine:
                continue
            from_new = all(change.table in mine for change in changes if change.references == lock.table)
            only_referenced = not any(change.table == lock.table for change in changes)
            locks.append(
                lock._replace(work=Work.MOMENT) if only_referenced and from_new and not recorded.filled else lock
            )
        return tuple(locks)


def _in_front(statements: Iterable[Statement]) -> str:
    """What is said of SQL that others may have to wait behind."""
    sql = (statement for statement in statements if sql_steps.is_sql(statement.changes))
    in_front = any(sql_waiting.of(statement.sql, statement.changes) is Waiting.IN_FRONT for statement in sql)
    return f"; {sql_waiting.COMMITS}, and may wait in front of others" if in_front else ""
