"""A plan for machines: each step with its phase, its SQL, its locks and its reason."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from lockgate.facts.tables import DatabaseFacts, TableFacts
from lockgate.planning import transaction_locks
from lockgate.planning.consequences import DependentTracker
from lockgate.planning.lock_modes import LockMode
from lockgate.planning.steps import Kind, MigrationPlan, Step
from lockgate.planning.transaction_locks import HeldLock

VERSION = 1
Entry = Mapping[str, HeldLock]


def unknown(step: Step) -> Iterator[str]:
    """Why nobody can say all that a step locks."""
    for change in step.changes:
        if change.kind is Kind.UNKNOWN or change.unread:
            yield change.name or "code that may do more than change rows"


def parents_of(table: str, facts: DatabaseFacts) -> tuple[str, ...]:
    """The tables whose queries wait as well, since they lock this one as a child."""
    known = facts.table(table)
    return known.parents if known else ()


def taken_along(step: Step) -> tuple[str, ...]:
    """What goes with a column although it is of others too."""
    return tuple(dict.fromkeys(take for change in step.changes for take in change.takes))


def document(plans: Sequence[MigrationPlan], facts: DatabaseFacts) -> dict[str, Any]:
    """``migrate --plan --format json``. Fields are added, never renamed or removed, without a new ``version``."""
    return {
        "version": VERSION,
        "server_version": facts.version,
        "migrations": [_migration_document(plan, facts) for plan in plans],
        "tables": [_table_document(table) for table in facts.tables.values()],
        "dependents": [
            {
                "app": consequence.step.migration.app,
                "name": consequence.step.migration.name,
                "operation": consequence.step.operation,
                "table": consequence.change.table,
                "change": consequence.change.kind.value,
                "kind": consequence.dependent.kind.value,
                "dependent": consequence.dependent.name,
                "outcome": consequence.verdict.outcome.value,
                "sqlstate": consequence.verdict.sqlstate or None,
                "certain": consequence.certain,
            }
            for consequence in DependentTracker(facts).through(step for plan in plans for step in plan.steps)
        ],
    }


def _migration_document(plan: MigrationPlan, facts: DatabaseFacts) -> dict[str, Any]:
    transactions = transaction_locks.of(plan.steps, atomic=plan.atomic)
    return {
        "app": plan.migration.app,
        "name": plan.migration.name,
        "atomic": plan.atomic,
        "steps": [_step_document(step, transaction_locks.on_entry(transactions, step), facts) for step in plan.steps],
        "transactions": [
            [_held_document(held, facts, over=True) for held in transaction.total] for transaction in transactions
        ],
    }


def _held_document(held: HeldLock, facts: DatabaseFacts, *, over: bool = False) -> dict[str, Any]:
    parents = list(parents_of(held.table, facts))
    document_: dict[str, Any] = {"table": held.table, "mode": held.mode.value, "since": held.since.operation}
    document_ |= {"parents": parents, **_blocked(held.mode)}
    works = [{"work": during.work.value, "table": during.table or None} for during in held.over]
    return {**document_, "over": works} if over else document_


def _blocked(*modes: LockMode) -> dict[str, bool]:
    return {
        "blocks_reads": any(mode.blocks_reads for mode in modes),
        "blocks_writes": any(mode.blocks_writes for mode in modes),
    }


def _step_document(step: Step, entry: Entry, facts: DatabaseFacts) -> dict[str, Any]:
    """Whom a step's locks block is said with what its transaction has on the same table already."""
    return {
        "operation": step.operation,
        "title": step.title,
        "phase": step.phase.value,
        "sql": list(step.sql),
        "transactional": step.transactional,
        "locks": [
            {
                "table": lock.table,
                "mode": lock.mode.value,
                "work": lock.work.value,
                "parents": list(parents_of(lock.table, facts)),
                **_blocked(lock.mode, *(held.mode for table, held in entry.items() if table == lock.table)),
            }
            for lock in step.locks
        ],
        "unknown": list(unknown(step)),
        "holds": [_held_document(held._replace(table=table), facts) for table, held in entry.items()],
        "takes": list(taken_along(step)),
        "changes": sorted({change.kind.value for change in step.changes}),
        "undo": list(step.undo),
        "reason": step.reason,
        "rewrite": step.rewrite or None,
        "kept_in_place": step.kept_in_place or None,
    }


def _table_document(table: TableFacts) -> dict[str, Any]:
    return {
        "name": table.name,
        "size": table.size if table.size_known else None,
        "rows": table.rows,
        "partitioned": table.partitioned,
        "invalid_indexes": [index.name for index in table.indexes.values() if not index.valid],
        "unvalidated_constraints": [
            constraint.name for constraint in table.constraints.values() if not constraint.validated
        ],
        "sessions": [
            {
                "pid": session.pid,
                "application": session.application,
                "state": session.state,
                "transaction_seconds": session.transaction_seconds,
                "modes": list(session.modes),
            }
            for session in table.sessions
        ],
    }
