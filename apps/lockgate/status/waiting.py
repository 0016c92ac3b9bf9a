"""Wait until another process has brought the database to this release's level. Reads only, takes no lock."""

from __future__ import annotations

import time
from typing import NamedTuple, Protocol

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.utils import Error as DatabaseError

from lockgate import policy
from lockgate.database import parameters, polling, session, wait
from lockgate.errors import LedgerDamaged, MigrationsMissing, ReadRefused
from lockgate.events import Current, Listener, WaitingForMigrations
from lockgate.execution import failures
from lockgate.facts import Key
from lockgate.status.migrations import Status

REPORT_SECONDS = 10.0  # between two lines that say what is still missing


# What the server says while it comes and goes, is short of something, or is in somebody's way.
_PASSING = ("08", "25P", "40", "53", "55", "57")


class _Refusal(NamedTuple):
    """What the server refuses, and since when: a moment of ``time.monotonic()``."""

    error: Exception
    since: float


class Watching(Protocol):
    """Whoever knows the status of the database, each time anew."""

    def status(self) -> Status: ...


def until_current(connection: BaseDatabaseWrapper, limits: policy.Policy, listen: Listener, watch: Watching) -> None:
    """Return once nothing of this release is pending (held migrations are not waited for).

    A server that is not there is waited for as well, within the same deadline; whatever else the connection is
    refused for ends the wait, and so does what the server refuses for longer than ``policy.REFUSAL_GRACE``. Raises
    MigrationsMissing at the deadline, ReadRefused, LedgerDamaged or the server's error, and what ``wait.until_ready``
    raises.
    """
    started = time.monotonic()
    deadline = started + limits.wait_for_migrations.total_seconds()
    next_report = started
    missing: tuple[Key, ...] = ()
    refusal: _Refusal | None = None
    for _ in polling.until(deadline):
        wait.until_ready(connection, policy.within(limits, deadline - time.monotonic()), listen)
        try:
            with parameters.lasting(session.raw(connection), limits, proven=False):
                status = watch.status()
        except (DatabaseError, ReadRefused, LedgerDamaged) as error:
            connection.close()  # the server went away in between: the next turn waits for it
            refusal = None if _passes(error) else _Refusal(error, refusal.since if refusal else time.monotonic())
            if refusal and time.monotonic() - refusal.since >= policy.REFUSAL_GRACE.total_seconds():
                break
            continue
        refusal = None
        if status.ready:
            listen(Current(time.monotonic() - started, len(status.of("held"))))
            return
        missing = tuple(migration.key for migration in status.of("pending", "unrecorded"))
        if time.monotonic() >= next_report:
            listen(WaitingForMigrations(missing, time.monotonic() - started))
            next_report = time.monotonic() + REPORT_SECONDS
    if refusal:
        raise refusal.error
    raise MigrationsMissing(
        f"migrations of this release are still missing after {limits.wait_for_migrations.total_seconds():g} s",
        why=f"not applied: {', '.join(map(str, missing[:5])) or 'unknown'}",
        next_step="look at the run that should apply them:  manage.py showmigrations --history",
    )


def _passes(error: Exception) -> bool:
    """Whether it may be over by itself. By SQLSTATE; without one there was no answer."""
    sqlstate = failures.sqlstate_of(error)
    return not isinstance(error, ReadRefused | LedgerDamaged) and (sqlstate is None or sqlstate.startswith(_PASSING))
