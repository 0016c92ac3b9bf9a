"""Writes a run into the ledger: its row, how it ended, and the ledger's tables if they are missing."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from typing import Protocol

import psycopg
from django.db.migrations.recorder import MigrationRecorder
from django.db.utils import Error as DatabaseError

from lockgate import django_seams, redaction
from lockgate.database import rights, session
from lockgate.errors import Interrupted
from lockgate.events import RightsFound
from lockgate.execution import failures
from lockgate.execution.context import Confirm, Duties
from lockgate.execution.executor import Executor
from lockgate.execution.progress import Progress
from lockgate.facts import Key
from lockgate.gate import checkpoint, repeated_failure
from lockgate.gate.context import Gate, Request
from lockgate.gate.ending import Ending
from lockgate.gate.preflight import Survey
from lockgate.ledger import fingerprints, records
from lockgate.ledger.reading import UnderLock
from lockgate.ledger.records import Entry
from lockgate.models import MigrationRecord, Run


class Begun(Protocol):
    """A run that has its row. ending: what was found when all was done, where that was one look."""

    gate: Gate
    request: Request
    found: Survey
    progress: Progress
    ending: Ending | None


def bring_up_ledger(gate: Gate, request: Request, found: Survey, progress: Progress, confirm: Confirm) -> list[Entry]:
    """Apply the ledger's own migrations, before anything that it is to record; returns what was applied.

    Not where ``migrate lockgate …`` decides over them itself.
    """
    entries: list[Entry] = []
    if found.ledger_pending and request.app_label != "lockgate":
        duties = Duties(gate.connection, progress, (), confirm, entries.append, gate.limits)
        executor = Executor(gate.connection, duties=duties, loader=found.loader)
        targets = [key for key in executor.loader.graph.leaf_nodes() if key[0] == "lockgate"]
        executor.migrate(targets, executor.migration_plan(targets))
    return entries


def close_to_others(gate: Gate) -> None:
    """Take from others the rights to write the ledger of a run before, and say whose they were."""
    found = rights.take_back(gate.connection)
    for ours in (True, False):
        some = [each for each in found if each.ours is ours]
        if some:
            roles, tables = ({each.role: None for each in some}, {each.own: None for each in some})
            remedy = "" if ours else " ".join(f"{each.statement};" for each in some)
            gate.listen(RightsFound(tuple(roles), tuple(tables), remedy))


def open_run(gate: Gate, request: Request, found: Survey, waited: float, known: UnderLock | None = None) -> Run:
    """A row that says a run is under way; the rows of runs that died are closed first, if there are any.

    Only an ordinary run that ends well finishes its release: others leave something undone, or nobody knows.
    """
    alias = gate.connection.alias
    for dead in records.close_interrupted(alias) if known is None or known.unclosed else ():
        gate.listen(dead)
    return records.open_run(
        alias,
        release=found.release(gate.limits),
        release_digest=found.digest if request.ordinary else "",
        host=socket.gethostname(),
        backend_pid=known.backend_pid if known else session.backend_pid(session.raw(gate.connection)),
        command=redaction.sifted(request.command),
        lock_wait_seconds=waited,
    )


@contextlib.contextmanager
def closing(begun: Begun, run: Run) -> Iterator[None]:
    """Close a run's row with how the block ended; the next run closes it where this one dies."""
    gate, request, found, progress = begun.gate, begun.request, begun.found, begun.progress
    opened = session.raw(gate.connection)
    try:
        yield
    except Interrupted as signal:
        _close(gate, opened, run, Run.Outcome.INTERRUPTED, f"interrupted by {signal.signal_name}")
        raise
    except (Exception, SystemExit) as error:
        where = f"{progress.current}: " if progress.current else ""
        _close(gate, opened, run, Run.Outcome.FAILED, where + failures.why(error, failures.sqlstate_of(error)))
        if gate.connection.connection is opened and not opened.closed:
            with contextlib.suppress(DatabaseError, psycopg.Error):
                repeated_failure.record(gate, found, run, error, progress)
        raise
    else:
        if begun.ending is not None:
            level = checkpoint.reached(found, begun.ending) if request.ordinary else None
            records.close_succeeded(gate.connection, run, level)
            return
        if request.ordinary:
            checkpoint.record(gate, found, run)
        _close(gate, opened, run, Run.Outcome.SUCCEEDED)


def _close(gate: Gate, opened: psycopg.Connection[object], run: Run, outcome: Run.Outcome, error: str = "") -> None:
    """Close the row on the run's own session; where that is gone, the next run finds the row open."""
    if outcome is not Run.Outcome.SUCCEEDED:
        if opened.closed or gate.connection.connection is not opened:
            return
        with contextlib.suppress(DatabaseError, psycopg.Error):
            django_seams.leave_transaction(gate.connection)
            records.close_run(gate.connection.alias, run, outcome, error)
        return
    if records.exists(gate.connection):
        records.close_run(gate.connection.alias, run, outcome)


def record_baseline(gate: Gate, found: Survey, run: Run, ending: Ending | None) -> None:
    """Write down migrations that were applied without Lockgate, so that a later edit of theirs is seen."""
    if ending is not None and ending.known.keys() >= ending.applied & found.disk.keys():
        if ending.unrecorded:
            records.record_found(gate.connection.alias, run, ending.unrecorded, MigrationRecord.Action.BASELINE)
        return
    if not records.exists(gate.connection):
        return
    applied = {Key(*key) for key in MigrationRecorder(gate.connection).applied_migrations()}
    unknown = records.unrecorded(gate.connection.alias, applied & found.disk.keys())
    if unknown:
        seen = {key: fingerprints.of(found.disk[key]) for key in sorted(unknown)}
        records.record_found(gate.connection.alias, run, seen, MigrationRecord.Action.BASELINE)
