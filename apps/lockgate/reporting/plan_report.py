"""A plan for people and for machines: each step with its phase, its SQL, its locks and its reason."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from lockgate.facts.tables import DatabaseFacts, SessionFacts, TableFacts
from lockgate.planning.rules.rule import OFFLINE
from lockgate.planning.steps import Kind, Lock, MigrationPlan, Phase, Statement, Step, Work

VERSION = 1
_WORDS = {
    Work.MOMENT: "for a moment",
    Work.SCAN: "while every row is read",
    Work.BUILD: "while an index is built",
    Work.REWRITE: "while every row is written anew",
    Work.ROWS: "until the transaction ends, after changing rows",
    Work.UNKNOWN: "for an unknown time",
}


def text(plans: Sequence[MigrationPlan], facts: DatabaseFacts) -> Iterator[str]:
    """Lines that go under Django's own: what runs when, what it locks, whom it blocks."""
    yield "Steps:"
    for migration in plans:
        yield f"  {migration.migration}{'' if migration.atomic else '  (not atomic)'}"
        for step in migration.steps:
            yield from _step(step, facts)
    named = {lock.table for plan in plans for step in plan.steps for lock in step.locks}
    concerned = [table for table in facts.tables.values() if table.name in named]
    if concerned:
        yield "Tables:"
        for table in concerned:
            yield from _table(table)
    for session in facts.old_snapshots:
        yield f"  a concurrent index build would wait for {_session(session)}"


def _step(step: Step, facts: DatabaseFacts) -> Iterator[str]:
    yield f"    {step.phase.value:<7} {step.title}"
    for line in lines_of(step.statements):
        yield f"              {line}"
    for lock in step.locks:
        yield f"            locks   {_lock(lock, facts)}"
    yield f"            why     {step.reason}"
    if step.kept_in_place:
        yield f"            in place, though there is an online way: {step.kept_in_place}"
    for undo in step.undo:
        yield f"            undo    {undo}"


def is_harmless(plan: MigrationPlan) -> bool:
    """Whether it does nothing online, keeps nothing from it, and locks what is there for moments at most."""
    return all(
        step.phase is Phase.SWITCH and not step.kept_in_place and not any(lock.work.grows for lock in step.locks)
        for step in plan.steps
    )


def locks_in_short(plan: MigrationPlan) -> list[str]:
    """Each lock once, of a plan that no server was asked about."""
    return list(dict.fromkeys(_lock(lock, OFFLINE) for step in plan.steps for lock in step.locks))


def steps_in_short(plan: MigrationPlan) -> Iterator[str]:
    """What stands beside Django's SQL: phases, locks and reasons; SQL only where it is not Django's."""
    for step in plan.steps:
        if not (step.locks or step.rewrite or step.kept_in_place):
            continue
        yield f"{step.phase.value:<8} {step.title}"
        for line in lines_of(step.statements) if step.rewrite else ():
            yield f"           {line}"
        for lock in step.locks:
            yield f"         locks   {_lock(lock, OFFLINE)}"
        if step.phase is not Phase.SWITCH:
            yield f"         why     {step.reason}"
        if step.kept_in_place:
            yield f"         in place, though there is an online way: {step.kept_in_place}"


def lines_of(statements: Iterable[Statement]) -> Iterator[str]:
    for statement in statements:
        yield from (statement.sql or _without_sql(statement)).strip().splitlines()


def _without_sql(statement: Statement) -> str:
    """What stands for a statement that nobody can show."""
    for change in statement.changes:
        if change.kind is Kind.UNKNOWN:
            return f"(unknown: {change.name})"
    return "(Python)"


def _lock(lock: Lock, facts: DatabaseFacts) -> str:
    blocks = "reads and writes" if lock.mode.blocks_reads else "writes" if lock.mode.blocks_writes else "neither"
    table = facts.table(lock.table)
    size = f" ({size_of(table.size)})" if table else ""
    mode = lock.mode.name.replace("_", " ")
    return f"{lock.table}{size}: {mode} {_WORDS[lock.work]}; blocks {blocks}"


def _table(table: TableFacts) -> Iterator[str]:
    kind = ", partitioned" if table.partitioned else ""
    yield f"  {table.name}: {size_of(table.size)}, {table.rows_in_words}{kind}"
    for index in table.indexes.values():
        if not index.valid:
            yield f'    index "{index.name}" is not valid'
    for constraint in table.constraints.values():
        if not constraint.validated:
            yield f'    constraint "{constraint.name}" is not validated'
    for session in table.sessions:
        yield f"    {_session(session)} holds {', '.join(session.modes)}"


def _session(session: SessionFacts) -> str:
    return f'pid {session.pid} ("{session.application}", {session.state} for {session.transaction_seconds:.0f} s)'


def size_of(size: int) -> str:
    """Bytes in the unit a person would use."""
    value = float(size)
    for unit in ("bytes", "kB", "MB", "GB"):
        if value < 1024:
            return f"{value:.0f} {unit}"
        value /= 1024
    return f"{value:.1f} TB"


def document(plans: Iterable[MigrationPlan], facts: DatabaseFacts) -> dict[str, Any]:
    """``migrate --plan --format json``. Fields are added, never renamed or removed, without a new ``version``."""
    return {
        "version": VERSION,
        "server_version": facts.version,
        "migrations": [
            {
                "app": plan.migration.app,
                "name": plan.migration.name,
                "atomic": plan.atomic,
                "steps": [_step_document(step) for step in plan.steps],
            }
            for plan in plans
        ],
        "tables": [_table_document(table) for table in facts.tables.values()],
    }


def _step_document(step: Step) -> dict[str, Any]:
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
                "blocks_reads": lock.mode.blocks_reads,
                "blocks_writes": lock.mode.blocks_writes,
            }
            for lock in step.locks
        ],
        "changes": sorted({change.kind.value for change in step.changes}),
        "undo": list(step.undo),
        "reason": step.reason,
        "rewrite": step.rewrite or None,
        "kept_in_place": step.kept_in_place or None,
    }


def _table_document(table: TableFacts) -> dict[str, Any]:
    return {
        "name": table.name,
        "size": table.size,
        "rows": table.rows,
        "partitioned": table.partitioned,
        "invalid_indexes": [index.name for index in table.indexes.values() if not index.valid],
        "unvalidated_constraints": [each.name for each in table.constraints.values() if not each.validated],
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
