"""One run, from an open session to a closed ledger row: the flow of a run, top to bottom.

Order, and why: what needs no lock is answered without it; the plan is read again under the lock, because another
runner may have done the work meanwhile; and the ledger comes before the migrations that it records.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import socket
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import psycopg
from django.db.migrations.recorder import MigrationRecorder
from django.db.utils import Error as DatabaseError

from lockgate import ledger
from lockgate.database import advisory_lock, extensions, session
from lockgate.errors import HeldTarget, Interrupted
from lockgate.execution import django_seams, failures, interruption, judgement, survey
from lockgate.execution.executor import Duties, Executor
from lockgate.execution.gate import Gate, Request
from lockgate.execution.progress import Progress
from lockgate.execution.survey import Survey
from lockgate.facts import Ended, Key, LockAcquired, NothingPending, Runner
from lockgate.ledger import Entry
from lockgate.models import Run
from lockgate.planning import fingerprint


def migrate(gate: Gate, request: Request) -> None:
    """Do what the request asks, under the lock; or find, without it, that there is nothing to do.

    Raises LockgateError (explained, with the state of the database), Interrupted, or Django's CommandError where
    the request itself is wrong.
    """
    before = survey.read(gate, request)
    judgement.judge(before, gate, request)
    if request.ordinary and before.current:
        _nothing_pending(before, gate, behind=False)
        return
    request.check()
    session.refuse_pooler(gate.connection)
    session.refuse_read_only(gate.server)
    runner = Runner(before.release(gate.limits), socket.gethostname())
    needless = functools.partial(_done_by_another, gate, request, before.digest)
    with session.announced(gate.connection, gate.server, runner):
        waited = advisory_lock.acquire(gate.connection, gate.limits, gate.listen, needless)
        if waited is None:
            _nothing_pending(before, gate, behind=True)
            return
        with advisory_lock.releasing(gate.connection):
            session.name(gate.connection, dataclasses.replace(runner, since=datetime.now(UTC)))
            gate.listen(LockAcquired(waited))
            _under_lock(gate, request, waited)


def migrate_ungated(gate: Gate, request: Request) -> None:
    """The same work for a test runner's database: extensions and held migrations, but no lock and no ledger."""
    missing = extensions.survey(gate.connection, gate.limits.extensions).values()
    extensions.create(gate.connection, missing, gate.server)
    found = survey.read(gate, request)
    judgement.report_held(found, gate)
    progress = Progress(gate.listen, total=len(found.pending))
    _apply(request, Duties(progress, found.held.keys(), lambda: None, lambda entry: None))


def _done_by_another(gate: Gate, request: Request, digest: str) -> bool:
    """Whether the lock's holder has done our work: one small query, and a survey only if that says yes."""
    interruption.raise_if_requested()
    if not request.ordinary:
        return False
    with contextlib.suppress(DatabaseError):  # no ledger yet
        return ledger.finished(gate.connection.alias, digest) and survey.read(gate, request).current
    return False


def _nothing_pending(found: Survey, gate: Gate, *, behind: bool) -> None:
    judgement.report_held(found, gate)
    gate.listen(NothingPending(behind, len(found.held)))


def _under_lock(gate: Gate, request: Request, waited: float) -> None:
    created = extensions.survey(gate.connection, gate.limits.extensions).values()
    for outcome in extensions.create(gate.connection, created, gate.server):
        if outcome.state == "created":  # what is not available is reported with what is held
            gate.listen(outcome)
    found = survey.read(gate, request)
    if request.ordinary and found.current:
        _nothing_pending(found, gate, behind=True)
        return
    judgement.report_held(found, gate)
    started = time.monotonic()
    progress = Progress(gate.listen)
    with _explained(gate, progress):
        _work(gate, request, found, waited, progress)
    if found.held and not request.ordinary:
        first = next(iter(found.held.values()))
        raise HeldTarget(
            f"{first.migration} is held",
            why=first.reason,
            state=failures.state_of(progress),
            next_step="make the extension available as said above, and run again",
        )
    gate.listen(Ended(len(progress.done), len(found.held), time.monotonic() - started))


def _work(gate: Gate, request: Request, found: Survey, waited: float, progress: Progress) -> None:
    """The ledger, then the migrations and Django's signals, then the ledger's last word."""
    confirm = functools.partial(advisory_lock.confirm, gate.connection, session.raw(gate.connection))
    progress.total = len({*found.pending, *found.ledger_pending})
    first = _bring_up_ledger(gate, request, found, progress, confirm)
    if not ledger.exists(gate.connection):  # kept from this database by a router, or about to be unapplied
        _apply(request, Duties(progress, found.held.keys(), confirm, lambda entry: None))
        return
    with _open_run(gate, request, found, waited, progress) as run:

        def record(entry: Entry) -> None:
            if ledger.exists(gate.connection):
                ledger.record(gate.connection.alias, run, entry)

        for entry in first:
            record(entry)
        _apply(request, Duties(progress, found.held.keys(), confirm, record))
        _record_baseline(gate, found, run)


def _apply(request: Request, duties: Duties) -> None:
    with django_seams.executor_in_place(functools.partial(Executor, duties=duties)):
        request.work()
    interruption.raise_if_requested()


def _bring_up_ledger(
    gate: Gate, request: Request, found: Survey, progress: Progress, confirm: Callable[[], None]
) -> list[Entry]:
    """Apply the ledger's own migrations, before anything that it is to record; returns what was applied.

    Not where ``migrate lockgate …`` decides over them itself.
    """
    entries: list[Entry] = []
    if found.ledger_pending and request.app_label != "lockgate":
        executor = Executor(gate.connection, duties=Duties(progress, (), confirm, entries.append))
        targets = [key for key in executor.loader.graph.leaf_nodes() if key[0] == "lockgate"]
        executor.migrate(targets, executor.migration_plan(targets))
    return entries


@contextlib.contextmanager
def _open_run(gate: Gate, request: Request, found: Survey, waited: float, progress: Progress) -> Iterator[Run]:
    """A row that says a run is under way, closed with how it ended; the next run closes it where this one dies."""
    alias, opened = gate.connection.alias, session.raw(gate.connection)
    for dead in ledger.close_interrupted(alias):
        gate.listen(dead)
    run = ledger.open_run(
        alias,
        release=found.release(gate.limits),
        digest=found.digest if request.signals else "",  # without post_migrate a run finishes nothing
        host=socket.gethostname(),
        backend_pid=opened.info.backend_pid,
        command=gate.redact(request.command),
        lock_wait_seconds=waited,
    )
    try:
        yield run
    except Interrupted as signal:
        _close(gate, opened, run, Run.Outcome.INTERRUPTED, f"interrupted by {signal.signal_name}")
        raise
    except Exception as error:
        where = f"{progress.current}: " if progress.current else ""
        _close(gate, opened, run, Run.Outcome.FAILED, where + failures.why(error, failures.sqlstate_of(error)))
        raise
    else:
        _close(gate, opened, run, Run.Outcome.SUCCEEDED)


def _close(gate: Gate, opened: psycopg.Connection[object], run: Run, outcome: Run.Outcome, error: str = "") -> None:
    """Close the row on the run's own session; where that is gone, the next run finds the row open."""
    if outcome is not Run.Outcome.SUCCEEDED:
        if opened.closed or gate.connection.connection is not opened:
            return
        with contextlib.suppress(DatabaseError, psycopg.Error):
            django_seams.leave_transaction(gate.connection)
            ledger.close_run(gate.connection.alias, run, outcome, gate.redact(error))
        return
    if ledger.exists(gate.connection):
        ledger.close_run(gate.connection.alias, run, outcome)


def _record_baseline(gate: Gate, found: Survey, run: Run) -> None:
    """Write down migrations that were applied without Lockgate, so that a later edit of theirs is seen."""
    if not ledger.exists(gate.connection):
        return
    applied = {Key(*key) for key in MigrationRecorder(gate.connection).applied_migrations()}
    unknown = ledger.unrecorded(gate.connection.alias, applied & found.disk.keys())
    if unknown:
        seen = {key: fingerprint.of(found.disk[key]) for key in unknown}
        ledger.record_baseline(gate.connection.alias, run, seen)


@contextlib.contextmanager
def _explained(gate: Gate, progress: Progress) -> Iterator[None]:
    """Let an error leave with the state of the database, as it was found after the error."""
    try:
        yield
    except Interrupted as signal:
        _settle(gate, progress)
        signal.state = failures.state_of(progress)
        raise
    except Exception as error:
        _settle(gate, progress)
        raise failures.explain(error, progress) from error


def _settle(gate: Gate, progress: Progress) -> None:
    """Find out whether the migration that was under way is committed after all (a signal during its COMMIT)."""
    if progress.current is None:
        return
    with contextlib.suppress(DatabaseError, psycopg.Error):
        django_seams.leave_transaction(gate.connection)
        progress.settle(recorded=progress.current in MigrationRecorder(gate.connection).applied_migrations())
