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
from lockgate.execution.context import LockCheck, RunContext
from lockgate.execution.executor import Executor
from lockgate.execution.progress import Progress
from lockgate.facts import Key
from lockgate.gate import checkpoint, repeated_failure
from lockgate.gate.context import GateContext, Request
from lockgate.gate.ending import Ending
from lockgate.gate.preflight import Preflight
from lockgate.ledger import fingerprints, records
from lockgate.ledger.reading import UnderLock
from lockgate.ledger.records import Entry
from lockgate.models import MigrationRecord, Run


class BegunRun(Protocol):
    """A run that has its row. ending: what was found when all was done, where that was one look."""

    gate: GateContext
    request: Request
    preflight: Preflight
    progress: Progress
    ending: Ending | None


def bring_up_ledger(
    gate: GateContext, request: Request, preflight: Preflight, progress: Progress, confirm: LockCheck
) -> list[Entry]:
    """Apply the ledger's own migrations, before anything that it is to record; returns what was applied.

    Not where ``migrate lockgate …`` decides over them itself.
    """
    entries: list[Entry] = []
    if preflight.ledger_pending and request.app_label != "lockgate":
        context = RunContext(gate.connection, progress, (), confirm, entries.append, gate.limits)
        executor = Executor(gate.connection, context=context, loader=preflight.loader)
        targets = [key for key in executor.loader.graph.leaf_nodes() if key[0] == "lockgate"]
        executor.migrate(targets, executor.migration_plan(targets))
    return entries


def close_to_others(gate: GateContext) -> None:
    """Take from others the rights to write the ledger of a run before, and say whose they were."""
    granted = rights.take_back(gate.connection)
    for ours in (True, False):
        some = [right for right in granted if right.ours is ours]
        if some:
            roles, tables = ({right.role: None for right in some}, {right.own: None for right in some})
            remedy = "" if ours else " ".join(f"{right.statement};" for right in some)
            gate.listen(RightsFound(tuple(roles), tuple(tables), remedy))


def open_run(
    gate: GateContext, request: Request, preflight: Preflight, waited: float, known: UnderLock | None = None
) -> Run:
    """A row that says a run is under way; the rows of runs that died are closed first, if there are any.

    Only an ordinary run that ends well finishes its release: others leave something undone, or nobody knows.
    """
    alias = gate.connection.alias
    for dead in records.close_interrupted(alias) if known is None or known.unclosed else ():
        gate.listen(dead)
    return records.open_run(
        alias,
        release=preflight.release(gate.limits),
        release_digest=preflight.digest if request.ordinary else "",
        host=socket.gethostname(),
        backend_pid=known.backend_pid if known else session.backend_pid(session.raw(gate.connection)),
        command=redaction.sifted(request.command),
        lock_wait_seconds=waited,
    )


@contextlib.contextmanager
def closing(begun: BegunRun, run: Run) -> Iterator[None]:
    """Close a run's row with how the block ended; the next run closes it where this one dies."""
    gate, request, preflight, progress = begun.gate, begun.request, begun.preflight, begun.progress
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
                repeated_failure.record(gate, preflight, run, error, progress)
        raise
    else:
        if begun.ending is not None:
            level = checkpoint.reached(preflight, begun.ending) if request.ordinary else None
            records.close_succeeded(gate.connection, run, level)
            return
        if request.ordinary:
            checkpoint.record(gate, preflight, run)
        _close(gate, opened, run, Run.Outcome.SUCCEEDED)


def _close(
    gate: GateContext, opened: psycopg.Connection[object], run: Run, outcome: Run.Outcome, error: str = ""
) -> None:
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


def record_baseline(gate: GateContext, preflight: Preflight, run: Run, ending: Ending | None) -> None:
    """Write down migrations that were applied without Lockgate, so that a later edit of theirs is seen."""
    if ending is not None:
        if ending.unrecorded:
            records.record_found(gate.connection.alias, run, ending.unrecorded, MigrationRecord.Action.BASELINE)
        return
    if not records.exists(gate.connection):
        return
    applied = {Key(*key) for key in MigrationRecorder(gate.connection).applied_migrations()}
    unknown = records.unrecorded(gate.connection.alias, applied & preflight.disk.keys())
    if unknown:
        seen = {key: fingerprints.of(preflight.disk[key]) for key in sorted(unknown)}
        records.record_found(gate.connection.alias, run, seen, MigrationRecord.Action.BASELINE)
