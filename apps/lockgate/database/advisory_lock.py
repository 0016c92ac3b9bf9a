"""One runner at a time: a session-level advisory lock, polled, never waited for inside the server.

A blocking ``pg_advisory_lock()`` holds a snapshot while it waits, and ``CREATE INDEX CONCURRENTLY`` of the runner that
has the lock waits for that snapshot: a deadlock. So the lock is only ever *tried*, in autocommit, with pauses.

Invariant: the lock is held by the backend that does the work, so it lives exactly as long as the work.
Source: https://www.postgresql.org/docs/current/explicit-locking.html#ADVISORY-LOCKS
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
from django.db.backends.base.base import BaseDatabaseWrapper
from psycopg.pq import TransactionStatus
from psycopg.rows import dict_row

from lockgate import policy
from lockgate.database import polling
from lockgate.database.one_message import Question, Rows, ask
from lockgate.database.session import raw
from lockgate.database.sql import read
from lockgate.errors import LockNotAcquired, SessionLost
from lockgate.events import Listener, WaitingForLock
from lockgate.facts import Holder, Runner

KEY = int.from_bytes(b"lockgate", "big")  # positive: the first byte is below 0x80
HALVES = {"high": KEY >> 32, "low": KEY & 0xFFFFFFFF}

Ask = Callable[[], tuple[bool, str | None]]


def acquire(
    connection: BaseDatabaseWrapper,
    limits: policy.Policy,
    listen: Listener,
    needless: Callable[[], bool] = lambda: False,
    first: Rows | None = None,
) -> float | None:
    """Take the lock, polling until the deadline; returns the seconds waited, or None where it became needless.

    needless: asked between polls whether the holder has meanwhile done this runner's work; must leave no
    transaction open. first: what ``trying`` was answered with a moment ago.
    Raises LockNotAcquired at the deadline, naming the holder.
    """
    started = time.monotonic()
    deadline = started + limits.wait_for_lock.total_seconds()
    next_report = started + min(1.0, limits.report_lock_wait.total_seconds())
    for _ in polling.until(deadline):
        if _got(first or ask(raw(connection), trying())[0]):
            return time.monotonic() - started
        first = None
        if needless():
            return None
        if time.monotonic() >= next_report:
            waited = time.monotonic() - started
            listen(WaitingForLock(holder(connection), waited, limits.wait_for_lock.total_seconds()))
            next_report = time.monotonic() + limits.report_lock_wait.total_seconds()
    raise _gave_up(holder(connection), time.monotonic() - started)


@contextlib.contextmanager
def releasing(connection: BaseDatabaseWrapper) -> Iterator[None]:
    """Release the acquired lock at the end of the block, where the session still lives; else it died with it."""
    try:
        yield
    finally:
        with contextlib.suppress(psycopg.Error, SessionLost):
            raw(connection).execute("SELECT pg_catalog.pg_advisory_unlock(%s)", [KEY])


def confirm(
    connection: BaseDatabaseWrapper,
    expected: psycopg.Connection[Any],
    *,
    inside: bool,
    lock: bool = True,
    ask: Ask | None = None,
) -> str | None:
    """Raise SessionLost unless this is still the session that took the lock, has it, and is as it should be.

    inside: whether a migration's transaction is open; elsewhere a session that does not commit by itself is refused.
    lock: whether the server is asked; then the mark of the open transaction is returned, if it has one.
    ask: asks it, on this session, whether the lock is held and for the mark, and may do more.
    """
    if connection.connection is not expected:
        raise SessionLost(
            why="the connection was closed in the middle of the run, by the code of a migration or of a receiver",
            next_step="run again; code that runs in migrate must not close the connection",
        )
    idle = expected.info.transaction_status == TransactionStatus.IDLE
    if not inside and not (idle and connection.get_autocommit() and not connection.in_atomic_block):
        raise SessionLost(
            "the session was left in a transaction",
            why="code of a migration or of a receiver opened one, or switched autocommit off, and did not end it",
            next_step="correct that code, and run again",
        )
    if not lock:
        return None
    held, mark = ask() if ask else look(expected)
    if not held:
        raise SessionLost(
            why="this session no longer holds the advisory lock: a pooler gave its backend away, or code released it",
            next_step="connect to the server itself, keep code from releasing locks, and run again",
        )
    return mark or None


def required(connection: BaseDatabaseWrapper) -> str:
    """The statement that fails, and with it all that is sent along, where this session does not have the lock."""
    return psycopg.ClientCursor(raw(connection)).mogrify(read("require_lock"), HALVES)


def holder(connection: BaseDatabaseWrapper) -> Holder | None:
    """The session that holds the lock now; None where nobody does."""
    with raw(connection).cursor(row_factory=dict_row) as cursor:
        row = cursor.execute(read("lock_holder"), HALVES).fetchone()
    if row is None:
        return None
    application = row.pop("application_name")
    runner = Runner.read(application or "") if row["able"] else None
    return Holder(application=application, runner=runner, **row)


def trying() -> Question:
    """Takes the lock where nobody has it; ``acquire`` knows what the answer means."""
    return Question("try_lock", {"key": KEY, **HALVES})


def _got(answer: Rows) -> bool:
    """Raises LockNotAcquired where this very backend has it already: a second time would be another runner's."""
    [row] = answer
    if row["held"]:
        raise LockNotAcquired(
            "this session has the migration lock already",
            why="a pooler gave the backend of another run to this one, or code of a run calls migrate, or a run that "
            "died behind a pooler left it there",
            next_step="let the migrating settings name the server itself, and run again; let no "
            "migration and no receiver call migrate",
        )
    return bool(row["got"])


def look(opened: psycopg.Connection[Any]) -> tuple[bool, str | None]:
    """Whether this session has the lock, and the mark of its transaction. One query."""
    row = opened.execute(read("lock_is_ours"), HALVES).fetchone()
    assert row is not None  # noqa: S101  a SELECT without FROM has one row
    return row[0], row[1]


def _gave_up(lock_holder: Holder | None, waited: float) -> LockNotAcquired:
    if lock_holder is None:
        return LockNotAcquired(
            f"could not get the migration lock in {waited:.0f} s",
            why="other runners took turns with it",
            next_step="run again, or allow more time with LOCKGATE_LOCK_WAIT_SECONDS",
        )
    return LockNotAcquired(
        f"could not get the migration lock in {waited:.0f} s",
        why=f"held by {lock_holder}",
        next_step=_ending(lock_holder),
    )


def _ending(lock_holder: Holder) -> str:
    """What to do about whoever holds the lock."""
    if lock_holder.pid is None:
        return "find it in pg_prepared_xacts, and end it where nobody needs it:  ROLLBACK PREPARED '…';"
    if lock_holder.able:
        return (
            f"wait for that run and run again; if it is stuck, end it:  SELECT pg_terminate_backend({lock_holder.pid});"
        )
    again = "it can take the lock again: keep it from connecting to this database (REVOKE CONNECT ON DATABASE …)"
    return f"end it, as a superuser or a member of that role:  SELECT pg_terminate_backend({lock_holder.pid});\n{again}"
