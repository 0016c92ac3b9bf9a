"""One run, from an open session to a closed ledger row: the flow of a run, top to bottom.

Order, and why: what needs no lock is answered without it; the plan is read, and judged, again under the lock, because
another runner may have done the work meanwhile, or something else; and the ledger comes before what it records.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import socket
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import NamedTuple

import psycopg
from django.core.management.base import CommandError
from django.db.utils import Error as DatabaseError

from lockgate.database import advisory_lock, extensions, parameters, pooler, session
from lockgate.errors import ConfigurationError, HeldTarget, Interrupted, LockgateError
from lockgate.events import Action, Ended, ExtensionOutcome, IndexInvalid, LockAcquired, NothingPending
from lockgate.execution import failures, ledger_locks, shutdown
from lockgate.execution.interrupted_work import InterruptedWork
from lockgate.execution.progress import Progress
from lockgate.facts import Key, Runner
from lockgate.gate import admission, journal_trust, own_tables, preflight, repeated_failure
from lockgate.gate.context import GateContext, Request
from lockgate.gate.preflight import Preflight
from lockgate.ledger import reading, records
from lockgate.ledger.reading import Reading


class Outcome(NamedTuple):
    """What a run has done. run: its row in the ledger; None where it has none."""

    run: int | None
    done: tuple[tuple[Key, Action], ...]


def migrate(gate: GateContext, request: Request) -> Outcome | None:
    """Do what the request asks, under the lock; or find that there is nothing to do: then there is no outcome.

    Raises LockgateError (explained, with the state of the database), Interrupted, or Django's CommandError where
    the request itself is wrong.
    """
    _refuse_transaction(gate)
    before = preflight.read(gate, request)
    admission.judge(before, gate, request)
    if request.ordinary and before.current and not request.contract:
        _nothing_pending(before, gate, behind=False)
        return None
    repeated_failure.refuse(gate, request, before)
    backend = pooler.kept_backend(gate.connection, gate.limits)
    with _lasting(gate, backend):
        gate.django.check()  # a project's own take as long as they take
        _refuse_unwritable(gate, before.reading)
        progress = Progress(gate.listen)
        interrupted_work = InterruptedWork(gate.connection, backend, progress)
        with _explained(gate, request, progress, interrupted_work), ledger_locks.named(gate.connection):
            worked = _locked(gate, request, before, progress)
    return Outcome(progress.run, tuple(progress.done)) if worked else None


def _lasting(gate: GateContext, backend: session.Backend) -> contextlib.AbstractContextManager[object]:
    """Let the session outlast every limit where it was not told so as it was opened: that is behind a pooler alone."""
    opened = session.raw(gate.connection)
    if backend.pid == opened.info.backend_pid:
        return contextlib.nullcontext()
    return parameters.lasting(opened, gate.limits, proven=True)


def obstacle(gate: GateContext) -> LockgateError | None:
    """Why a run by this role on this database would end before anything, whatever there is to do."""
    try:
        _refuse_unwritable(gate)
    except LockgateError as refused:
        return refused
    return None


def _refuse_unwritable(gate: GateContext, known: Reading | None = None) -> None:
    session.refuse_read_only(gate.server)
    own_tables.refuse_without_rights(gate.connection, known.shape if known else None)


def migrate_ungated(gate: GateContext, request: Request) -> None:
    """The same work for a test runner's database: extensions and held migrations, but no lock and no ledger."""
    from lockgate.gate import work  # noqa: PLC0415  as below

    before = preflight.read(gate, request)
    _create_extensions(gate, before)
    survey = preflight.read(gate, request, before)
    admission.report_held(survey, gate)
    work.do_ungated(gate, request, survey)


def _refuse_transaction(gate: GateContext) -> None:
    """A run commits migration by migration, which nobody can inside a transaction that is the caller's to end."""
    if gate.connection.get_autocommit():
        return
    raise ConfigurationError(
        "migrate cannot run inside a transaction",
        why="it was called in an atomic block, or the database's AUTOCOMMIT is False",
        next_step="call it outside of transaction.atomic(), with AUTOCOMMIT left at True",
    )


def _locked(gate: GateContext, request: Request, before: Preflight, progress: Progress) -> bool:
    """Returns whether there was something to do."""
    runner = Runner(before.release(gate.limits), socket.gethostname())
    needless = functools.partial(_done_by_another, gate, request, before.digest)
    with session.announced(gate.connection, runner, advisory_lock.trying()) as [tried]:
        waited = advisory_lock.acquire(gate.connection, gate.limits, gate.listen, needless, tried)
        if waited is None:
            _nothing_pending(before, gate, behind=True)
            return False
        with advisory_lock.releasing(gate.connection):
            known = _read_again(gate, before, dataclasses.replace(runner, since=datetime.now(UTC)))
            gate.listen(LockAcquired(waited))
            return _under_lock(gate, request, before._replace(reading=known), waited, progress)


def _done_by_another(gate: GateContext, request: Request, digest: str) -> bool:
    """Whether the lock's holder has done our work: one small query, and a survey only if that says yes."""
    shutdown.raise_if_requested()
    if not request.ordinary or request.contract:
        return False
    with contextlib.suppress(DatabaseError, psycopg.Error):  # no ledger yet, or it cannot be read now
        return records.finished(gate.connection.alias, digest) and preflight.read(gate, request).current
    return False


def _nothing_pending(survey: Preflight, gate: GateContext, *, behind: bool) -> None:
    admission.report_held(survey, gate)
    gate.listen(NothingPending(behind, len(survey.held)))


def _read_again(gate: GateContext, before: Preflight, runner: Runner) -> Reading | None:
    """What is written down, by now; None where it is to be read bit by bit. Other sessions see that the lock is ours.

    What was read before the lock was taken may have been another runner's half-done work.
    """
    name = runner.application_name()
    known = reading.read_under_lock(gate.connection, before.digest, name) if before.reading else None
    if known is None:
        session.name(gate.connection, runner)
    return known


def _under_lock(gate: GateContext, request: Request, before: Preflight, waited: float, progress: Progress) -> bool:
    known = before.reading  # again, and under the lock
    journal_trust.refuse_written_by_others(gate.connection, known)
    mended = own_tables.mend(gate, before.loader, known.shape if known else None)
    repeated_failure.refuse(gate, request, before, known)  # the run that was waited for may have failed just there
    created, refused = _create_extensions(gate, before)
    # What was made just now, an extension's tables too, was not there when it was read.
    survey = preflight.read(gate, request, before, None if mended or created else known)
    survey.outcomes.update(refused)
    if (survey.ahead, survey.edited, survey.pending) != (before.ahead, before.edited, before.pending):
        admission.judge(survey, gate, request)  # another runner was here in between
    if request.ordinary and survey.current and not request.contract and not mended:
        _nothing_pending(survey, gate, behind=True)
        return False
    admission.report_held(survey, gate)
    admission.judge_hazards(survey, gate, request)
    # Imported here: what plans and changes a schema is most of our code, and most runs have nothing to change.
    from lockgate.gate import work  # noqa: PLC0415

    started = time.monotonic()
    ended = work.do(gate, request, survey, waited, progress)
    if survey.held and request.app_label and request.signals:
        first = next(iter(survey.held.values()))
        raise HeldTarget(
            f"{first.migration} is held",
            why=first.reason,
            state=failures.state_of(progress),
            next_step="make the extension available as said above, and run again",
        )
    if progress.done and (ended is None or ended.invalid):
        _report_invalid_indexes(gate)
    gate.listen(Ended(len(progress.done), len(survey.held), time.monotonic() - started))
    return True


def _report_invalid_indexes(gate: GateContext) -> None:
    """Name what looks as if it were there: CREATE INDEX CONCURRENTLY IF NOT EXISTS passes over one that is invalid."""
    from lockgate.database import invalid_indexes  # noqa: PLC0415  as above: a run without work needs none of it

    for index in invalid_indexes.read(gate.connection):
        gate.listen(IndexInvalid(index.qualified, index.table, index.drop))


def _create_extensions(gate: GateContext, survey: Preflight) -> tuple[bool, dict[str, ExtensionOutcome]]:
    """Create what is wanted and missing; returns whether any was, and those that the server refused, with its words."""
    extensions_there = extensions.survey(gate.connection, survey.outcomes.keys()).values()
    created, refused = False, {}
    for outcome in extensions.create(gate.connection, extensions_there, gate.server):
        if outcome.state == "created":
            created = True
            gate.listen(outcome)
        elif outcome.state == "failed":
            refused[outcome.name] = outcome
    return created, refused


@contextlib.contextmanager
def _explained(
    gate: GateContext, request: Request, progress: Progress, interrupted_work: InterruptedWork
) -> Iterator[None]:
    """Let an error leave with the state of the database, as it was found after the error."""
    try:
        yield
    except Interrupted as signal:
        interrupted_work.resolve(hurried=True)
        signal.state = failures.state_of(progress)
        signal.operation, signal.statement = progress.operation, progress.statement
        raise
    except (Exception, SystemExit) as error:  # code that ends the process must not end it as a success
        if isinstance(error, CommandError) and not isinstance(error, LockgateError) and not progress.touched:
            raise  # Django's refusal of what was asked for: it says all there is to say
        interrupted_work.resolve()
        explained = failures.explain(error, progress)
        from lockgate.execution import remedies  # noqa: PLC0415  as below: it reads SQL

        remedies.add(gate.connection, error, explained, progress)
        if progress.stands:
            explained.next_step += f"\nwith the files as they are:  {repeated_failure.retrying(request)}"
        if explained is error:
            raise
        raise explained from error
