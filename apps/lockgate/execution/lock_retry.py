"""Lock retry: short attempts at a step that needs a lock, with growing pauses and a deadline, and without queueing.

A session that waits for a table's lock makes all later sessions wait behind it. So before an attempt, Lockgate waits
for the sessions in the way without queueing. The attempt itself waits only briefly (``lock_timeout``), and is rolled
back whole if it fails.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

from django.db import transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.utils import Error as DatabaseError

from lockgate import django_seams, policy
from lockgate.database import locks
from lockgate.errors import LockgateError, LocksNotAcquired
from lockgate.events import AttemptFailed, Listener, WaitingForBlockers
from lockgate.execution import failures, ledger_locks, shutdown
from lockgate.facts import Blocker, Key, LockHolder
from lockgate.planning.lock_modes import LockMode

# Lock not available, deadlock, serialization failure: the same attempt may succeed a moment later.
RETRIED = (failures.LOCK_NOT_AVAILABLE, "40P01", "40001")
FAILED_TRANSACTION = "25P02"
AUTOVACUUM = "autovacuum worker"

Result = TypeVar("Result")
WantedLocks = Mapping[str, LockMode]


@dataclass(frozen=True)
class AttemptTiming:
    """One attempt: how long it waits for a lock, and the longest pause after it."""

    lock_timeout: timedelta
    pause: timedelta


def attempt_timing(attempt: int, first: timedelta) -> AttemptTiming:
    """The timing of an attempt, counted from 1. first: the lock timeout to begin with."""
    doubled = (attempt - 1) // policy.LOCK_RETRY_ATTEMPTS_PER_TIMEOUT
    longest = max(first, policy.LOCK_RETRY_LONGEST_TIMEOUT)
    timeout = min(first * 2 ** min(doubled, 10), longest)
    growth = policy.LOCK_RETRY_PAUSE_GROWTH ** min(attempt - 1, 20)
    return AttemptTiming(timeout, min(policy.LOCK_RETRY_FIRST_PAUSE * growth, policy.LOCK_RETRY_LONGEST_PAUSE))


class LockRetry:
    """Retries for one session. limits: ``lock_timeout`` and ``lock_attempts``, the time for all attempts."""

    def __init__(self, connection: BaseDatabaseWrapper, limits: policy.Policy, listen: Listener) -> None:
        self.connection, self.limits, self.listen = connection, limits, listen
        self.attempts = 0

    def run(self, migration: Key, targets: WantedLocks, attempt: Callable[[timedelta], Result]) -> Result:
        """The result of the first attempt that gets its locks.

        targets: the locks it will take on tables that others use. attempt: is given its lock timeout, and must be whole
        or leave nothing; it is made again after a lock timeout, a deadlock or a serialization failure.
        Raises LocksNotAcquired at the deadline, naming who was in the way; any other error as it is.
        """
        started = time.monotonic()
        contention = _Contention(self, migration, targets, started)
        self.attempts = 0
        while True:
            self.attempts += 1
            contention.wait_out_blockers(self.attempts)
            timing = attempt_timing(self.attempts, self.limits.lock_timeout)
            last = _LastSqlState()
            try:
                with self.connection.execute_wrapper(last):
                    return attempt(timing.lock_timeout)
            except Exception as error:
                sqlstate = _retried(error, last)
                if sqlstate is None:
                    raise
                django_seams.leave_transaction(self.connection)
                blockers = contention.blockers()
                if contention.over:
                    raise contention.gave_up(self.attempts, blockers, sqlstate) from error
                contention.report_failure(self.attempts, sqlstate)
            shutdown.raise_if_requested()
            time.sleep(timing.pause.total_seconds() * random.uniform(0.5, 1.0))  # noqa: S311  spreading

    def wait_out(self, migration: Key, targets: WantedLocks) -> None:
        """Wait until nobody holds a lock in the way, or the time is over: for what can be tried only once."""
        _Contention(self, migration, targets, time.monotonic()).wait_out_blockers(1)


class _LastSqlState:
    """Notes the SQLSTATE of the last error that code of a migration met, which it may have swallowed."""

    sqlstate: str | None = None

    def __call__(self, execute: Any, sql: Any, params: Any, many: Any, context: Any) -> Any:
        try:
            return execute(sql, params, many, context)
        except DatabaseError as error:
            sqlstate = failures.sqlstate_of(error)
            if sqlstate != FAILED_TRANSACTION:
                self.sqlstate = sqlstate
            raise


def _retried(error: Exception, last: _LastSqlState) -> str | None:
    """The SQLSTATE for which an attempt is made again; None where the error is another, or says more."""
    if isinstance(error, LockgateError):
        return None
    sqlstate = failures.sqlstate_of(error)
    if sqlstate == FAILED_TRANSACTION or isinstance(error, transaction.TransactionManagementError):
        sqlstate = last.sqlstate
    return sqlstate if sqlstate in RETRIED else None


class _Contention:
    """What is known, during one series of attempts, of the sessions in the way."""

    def __init__(self, lock_retry: LockRetry, migration: Key, targets: WantedLocks, started: float) -> None:
        self.lock_retry, self.migration, self.targets, self.started = lock_retry, migration, targets, started
        self.allowed = lock_retry.limits.lock_attempts.total_seconds()
        self.longest_wait = lock_retry.limits.lock_timeout.total_seconds()
        self.next_report = started + min(1.0, lock_retry.limits.report_lock_wait.total_seconds())
        self.asked_to_yield: set[str] = set()

    @property
    def waited(self) -> float:
        return time.monotonic() - self.started

    @property
    def over(self) -> bool:
        return self.waited >= self.allowed

    def wait_out_blockers(self, attempt: int) -> None:
        """Return once nobody holds a conflicting lock for longer than an attempt would wait, or the time is over."""
        seen: dict[tuple[str, str, str], float] = {}
        while self.targets:
            now = time.monotonic()
            holders = self._conflicting()
            seen = {_matches_plan(holder): seen.get(_matches_plan(holder), now) for holder in holders}
            ages = {_matches_plan(holder): _age(holder, now - seen[_matches_plan(holder)]) for holder in holders}
            old = [holder for holder in holders if ages[_matches_plan(holder)] >= self.longest_wait]
            unsure = any(
                holder.transaction_seconds is None and ages[_matches_plan(holder)] < self.longest_wait
                for holder in holders
            )
            if self.over or not (old or unsure):
                return
            self._report(attempt, old)
            self._ask_autovacuum(old)
            shutdown.raise_if_requested()
            time.sleep(policy.BLOCKERS_POLL.total_seconds())

    def blockers(self) -> tuple[Blocker, ...]:
        """Who is in the way, as far as can be seen, outside of a transaction; nobody where there is no asking now."""
        opened = self.lock_retry.connection.connection
        if opened is None or opened.closed:
            return ()
        ours = ledger_locks.holders(
            self.lock_retry.connection, LockMode.SHARE
        )  # its rows are written along with the rest
        return (*map(locks.blocker, self._conflicting() if self.targets else ()), *ours)

    def report_failure(self, attempt: int, sqlstate: str) -> None:
        self.lock_retry.listen(AttemptFailed(self.migration, attempt, sqlstate, self.waited, self.allowed))

    def gave_up(self, attempts: int, blockers: tuple[Blocker, ...], sqlstate: str) -> LocksNotAcquired:
        tables = ", ".join(f'"{name}"' for name in sorted(self.targets)) or "what it needs"
        holding = "; ".join(f'{blocker}, which holds {blocker.mode} on "{blocker.table}"' for blocker in blockers)
        ending = next((f":  {blocker.ending}" for blocker in blockers if blocker.ending), "")
        return LocksNotAcquired(
            f"{self.migration} could not lock {tables} in {attempts} attempt{'' if attempts == 1 else 's'} "
            f"over {self.waited:.0f} s",
            why=f"held by {holding}" if holding else f"others took turns with it (SQLSTATE {sqlstate})",
            state="",
            next_step=f"end it, or run again when it is gone{ending}"
            if blockers
            else "run again at a quieter time, or allow more time with LOCKGATE_LOCK_ATTEMPTS_SECONDS",
        )

    def _conflicting(self) -> list[LockHolder]:
        modes = {mode.value: mode for mode in LockMode}
        holders = locks.holders(self.lock_retry.connection, self.targets)
        return [
            holder
            for holder in holders
            if holder.mode in modes and self.targets[holder.table].conflicts_with(modes[holder.mode])
        ]

    def _report(self, attempt: int, old: list[LockHolder]) -> None:
        if not old or time.monotonic() < self.next_report:
            return
        blockers = tuple(map(locks.blocker, old))
        self.lock_retry.listen(WaitingForBlockers(self.migration, blockers, attempt, self.waited, self.allowed))
        self.next_report = time.monotonic() + self.lock_retry.limits.report_lock_wait.total_seconds()

    def _ask_autovacuum(self, old: list[LockHolder]) -> None:
        """Have autovacuum give way, once for each table, by wanting a lock that holds up nobody else.

        A worker is cancelled when somebody has waited for it as long as ``deadlock_timeout``; the mode that is waited
        for here lets reads and writes pass. One that prevents wraparound is not cancelled, and is waited for.
        """
        tables = {holder.table for holder in old if holder.backend == AUTOVACUUM} - self.asked_to_yield
        for table in sorted(tables):
            self.asked_to_yield.add(table)
            locks.ask_autovacuum_to_yield(self.lock_retry.connection, table)


def _matches_plan(holder: LockHolder) -> tuple[str, str, str]:
    return holder.transaction, holder.table, holder.mode


def _age(holder: LockHolder, seen_for: float) -> float:
    """Seconds that a lock has been held at least; another role's session hides when its transaction began."""
    return seen_for if holder.transaction_seconds is None else holder.transaction_seconds
