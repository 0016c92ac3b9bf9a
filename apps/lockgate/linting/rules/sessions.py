"""LG9xx: sessions that the database shows in the way of a migration."""

from __future__ import annotations

from collections.abc import Iterator

from lockgate.facts.tables import SessionFacts
from lockgate.linting.rules.example_models import ADD_FIELD, ADD_INDEX, QUIET, given, table
from lockgate.linting.rules.rule import WARNING, Example, Finding, rule
from lockgate.linting.rules.rule_context import RuleContext
from lockgate.planning.lock_modes import LockMode
from lockgate.planning.steps import Kind

_TEN_MINUTES = 600.0
_REPORT = SessionFacts(3390, "report", "idle in transaction", _TEN_MINUTES, ("AccessShareLock",))


@rule(
    "LG902",
    "old-snapshot-stalls-concurrently",
    WARNING,
    condition="An index is built or dropped concurrently while a transaction is open that began long ago.",
    effect="CONCURRENTLY waits for every transaction that is older than itself, whatever it works on: the run stands "
    "still until that one ends.",
    remedy="End the session, or run when it is gone: SELECT pg_terminate_backend(pid).",
    rests_on="https://www.postgresql.org/docs/current/sql-createindex.html#SQL-CREATEINDEX-CONCURRENTLY",
    unsafe=Example(ADD_INDEX, given(table("shop_order"), old_snapshots=(_REPORT,)), "while a report runs for 10 min"),
    safe=QUIET,
)
def old_snapshot(context: RuleContext) -> Iterator[Finding]:
    for step, change in context.changes(Kind.ADD_INDEX, Kind.DROP_INDEX):
        if change.concurrently and context.facts.old_snapshots:
            oldest = max(context.facts.old_snapshots, key=lambda snapshot: snapshot.transaction_seconds)
            what = f'index "{change.name}" waits for {_described(oldest)}'
            yield Finding(what, step.operation, change.table)


@rule(
    "LG903",
    "blocker-on-the-table",
    WARNING,
    condition="A session that has been in its transaction for a while holds a lock on the table that the step "
    "conflicts with.",
    effect="The step cannot have its lock before that session ends; Lockgate tries and gives way again, so "
    "requests go on, but the run does not.",
    remedy="End the session, or run when it is gone: SELECT pg_terminate_backend(pid).",
    rests_on="https://www.postgresql.org/docs/current/explicit-locking.html#TABLE-LOCK-COMPATIBILITY",
    unsafe=Example(ADD_FIELD, given(table("shop_order", sessions=(_REPORT,))), "while a report holds the table"),
    safe=Example(ADD_FIELD, given(table("shop_order")), "where nobody holds the table"),
)
def blocker(context: RuleContext) -> Iterator[Finding]:
    seen = set()
    for step, lock, facts in context.touched():
        for session in facts.sessions:
            conflicts = any(conflicting(lock.mode, held) for held in session.modes)
            if conflicts and (session.pid, lock.table) not in seen:
                seen.add((session.pid, lock.table))
                what = f"{context.described(lock.table)} is held by {_described(session)}"
                yield Finding(what, step.operation, lock.table)


# Which modes stand in each other's way, by strength.
# Source: https://www.postgresql.org/docs/current/explicit-locking.html#TABLE-LOCK-COMPATIBILITY
_CONFLICTS = {
    LockMode.ACCESS_SHARE: {LockMode.ACCESS_EXCLUSIVE},
    LockMode.ROW_SHARE: {LockMode.EXCLUSIVE, LockMode.ACCESS_EXCLUSIVE},
    LockMode.ROW_EXCLUSIVE: {
        LockMode.SHARE,
        LockMode.SHARE_ROW_EXCLUSIVE,
        LockMode.EXCLUSIVE,
        LockMode.ACCESS_EXCLUSIVE,
    },
    LockMode.SHARE_UPDATE_EXCLUSIVE: set(LockMode)
    - {LockMode.ACCESS_SHARE, LockMode.ROW_SHARE, LockMode.ROW_EXCLUSIVE},
    LockMode.SHARE: set(LockMode) - {LockMode.ACCESS_SHARE, LockMode.ROW_SHARE, LockMode.SHARE},
    LockMode.SHARE_ROW_EXCLUSIVE: set(LockMode) - {LockMode.ACCESS_SHARE, LockMode.ROW_SHARE},
    LockMode.EXCLUSIVE: set(LockMode) - {LockMode.ACCESS_SHARE},
    LockMode.ACCESS_EXCLUSIVE: set(LockMode),
}


def conflicting(lock_mode: LockMode, held: str) -> bool:
    """Whether a lock has to wait for one of the mode that ``pg_locks`` shows."""
    return any(mode.value == held for mode in _CONFLICTS[lock_mode])


def _described(session: SessionFacts) -> str:
    """A session for people: who, and since when."""
    name = f'"{session.application}", ' if session.application else ""
    return f"pid {session.pid} ({name}{session.state} for {session.transaction_seconds:.0f} s)"
