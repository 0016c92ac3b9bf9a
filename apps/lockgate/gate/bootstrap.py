"""How a run begins: with the ledger and its own row, before anything that they are to record.

Two ways. The ledger's migrations are applied, and the row follows; or, on an empty database, a snapshot is loaded that
has them, and its tables, the row and what it records are one transaction, so that a kill leaves all of it or nothing.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import psycopg
from django.db import transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.utils import Error as DatabaseError

from lockgate import django_seams
from lockgate.database import advisory_lock, rights, session
from lockgate.events import SnapshotLoaded, SnapshotUnused
from lockgate.execution import failures, shutdown
from lockgate.execution.context import LockCheck, RunContext
from lockgate.execution.progress import Progress
from lockgate.facts import Fingerprint, Key
from lockgate.gate import ending, run_record
from lockgate.gate.context import GateContext, Request
from lockgate.gate.ending import Ending
from lockgate.gate.preflight import Preflight
from lockgate.ledger import reading, records
from lockgate.ledger.journal import Journal
from lockgate.ledger.reading import Reading, UnderLock
from lockgate.ledger.records import Entry
from lockgate.models import MigrationRecord, Run

if TYPE_CHECKING:
    from lockgate.snapshot.load import Snapshot


@dataclasses.dataclass
class LedgerBootstrap:
    """waited: for the lock, in seconds. until_end: closes the run's row when the run ends. run, context: once they are.

    recorded: the files of what this run has applied. ending: what was found when all was done, where that was one look.
    """

    gate: GateContext
    request: Request
    preflight: Preflight
    waited: float
    progress: Progress
    confirm: LockCheck
    until_end: contextlib.ExitStack
    run: Run | None = None
    context: RunContext | None = None
    recorded: dict[Key, Fingerprint] = dataclasses.field(default_factory=dict)
    ending: Ending | None = None

    def ordinary(self) -> RunContext:
        """The ledger's own migrations, the run's row, and from then on a record of all that is done."""
        first = run_record.bring_up_ledger(self.gate, self.request, self.preflight, self.progress, self.confirm)
        known = self._known()
        if known is None and not records.exists(self.gate.connection):  # kept away by a router, or to be unapplied
            return self._without_ledger()
        if known is None or known.rights:
            run_record.close_to_others(self.gate)
        run = run_record.open_run(self.gate, self.request, self.preflight, self.waited, known)
        context = self._keep(run, self.preflight.reading if known else None)
        for entry in first:
            context.record(entry)
        return context

    def history_known(self) -> contextlib.AbstractContextManager[None]:
        """Django asks for what is applied again and again before the first migration: it is answered with what was read
        under the lock. Whatever may write there forgets it (``Executor.migrate``)."""
        applied = self.preflight.reading.applied if self._known() and self.preflight.reading else None
        return django_seams.history_known(self.gate.connection, applied)

    def _known(self) -> UnderLock | None:
        """What was read under the lock, as long as the tables that it was read from are as they were."""
        ours = self.request.app_label == "lockgate" or self.preflight.ledger_pending
        return None if ours or self.preflight.reading is None else self.preflight.reading.under_lock

    def last_look(self) -> tuple[bool, str | None]:
        """Whether the lock is still held, and with the same message what the end of the run needs to know."""
        if self.run and self._known():
            with contextlib.suppress(*reading.ANOTHER_WAY):
                seen = ending.read(self.gate, self.preflight, self.recorded)
                whole = seen.known.keys() >= seen.applied & self.preflight.disk.keys()
                self.ending = seen if whole else None  # else what Django has recorded besides is read again
                return seen.lock
        return advisory_lock.look(session.raw(self.gate.connection))

    def later(self, snapshot: Snapshot) -> RunContext:
        """Nothing yet: the snapshot is loaded when pre_migrate has been sent, as migrations would be run."""
        return dataclasses.replace(self._without_ledger(), begin=functools.partial(self.from_snapshot, snapshot))

    def from_snapshot(self, snapshot: Snapshot) -> RunContext:
        """Load it; or begin as usual where the server refuses, which leaves nothing of it."""
        started = time.monotonic()
        try:
            run = self._load(snapshot)
        except (DatabaseError, psycopg.Error, OSError, ValueError) as error:
            sqlstate = failures.sqlstate_of(error)
            if failures.connection_lost(error, sqlstate) or self.gate.connection.connection is None:
                raise
            self.gate.listen(SnapshotUnused(snapshot.name, failures.why(error, sqlstate)))
            return self.ordinary()
        self.gate.listen(SnapshotLoaded(snapshot.name, len(self.progress.done), time.monotonic() - started))
        return self._keep(run)

    def _load(self, snapshot: Snapshot) -> Run:
        alias = self.gate.connection.alias
        with transaction.atomic(using=alias):
            applied = snapshot.load(self.gate.connection)
            rights.take_back(self.gate.connection, history=True)
            run = run_record.open_run(self.gate, self.request, self.preflight, self.waited)
            records.record_found(alias, run, applied, MigrationRecord.Action.SNAPSHOT)
            shutdown.raise_if_requested()
            self.confirm(inside=True)
        self.progress.done += [(key, "apply") for key in applied]
        return run

    def _keep(self, run: Run, read: Reading | None = None) -> RunContext:
        """The duties of a run that has its row. read: what was read under the lock, where that holds still."""
        self.run, self.progress.run = run, run.pk
        self.until_end.enter_context(run_record.closing(self, run))
        lasting = self.request.app_label != "lockgate"
        self.context = dataclasses.replace(
            self._without_ledger(),
            record=self._record,
            journaled=Journal(self.gate.connection, run, read.open if read else None) if lasting else None,
            record_applied=_RecordApplied(self.gate.connection, run, self.confirm, self._note) if lasting else None,
            tables=read.under_lock.tables if read and read.under_lock else None,
        )
        return self.context

    def _without_ledger(self) -> RunContext:
        gate, held = self.gate, self.preflight.held.keys()
        return RunContext(gate.connection, self.progress, held, self.confirm, nowhere, gate.limits)

    def _record(self, entry: Entry) -> None:
        connection = self.gate.connection
        taken_back = self.request.app_label == "lockgate" and not records.exists(connection)  # by this very run
        if self.run and not taken_back:
            records.record(connection.alias, self.run, entry)
            self._note(entry)

    def _note(self, entry: Entry) -> None:
        if entry.action in (MigrationRecord.Action.APPLY, MigrationRecord.Action.FAKE):
            self.recorded[entry.migration] = entry.fingerprint


class _RecordApplied(NamedTuple):
    connection: BaseDatabaseWrapper
    run: Run
    confirm: LockCheck
    note: Callable[[Entry], None]

    def __call__(self, entry: Entry) -> str | None:
        self.note(entry)
        ask = functools.partial(records.record_applied, self.connection, self.run, entry)
        return self.confirm(inside=True, ask=ask)

    def as_text(self, entry: Entry) -> str:
        self.note(entry)
        return records.applied_as_text(self.connection, self.run, entry)


def nowhere(entry: Entry) -> None:
    """There is no ledger to record in."""
