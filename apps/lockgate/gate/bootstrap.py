"""How a run begins: with the ledger and its own row, before anything that they are to record.

Two ways. The ledger's migrations are applied, and the row follows; or, on an empty database, a snapshot is loaded that
has them, and its tables, the row and what it records are one transaction, so that a kill leaves all of it or nothing.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import time
from typing import NamedTuple

import psycopg
from django.db import transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.utils import Error as DatabaseError

from lockgate.database import rights
from lockgate.events import SnapshotLoaded, SnapshotUnused
from lockgate.execution import failures, shutdown
from lockgate.execution.context import Confirm, Duties
from lockgate.execution.progress import Progress
from lockgate.gate import run_record
from lockgate.gate.context import Gate, Request, Snapshot
from lockgate.gate.preflight import Survey
from lockgate.ledger import journal, records
from lockgate.ledger.journal import Journal
from lockgate.ledger.records import Entry
from lockgate.models import MigrationRecord, Run


@dataclasses.dataclass
class Beginning:
    """waited: for the lock, in seconds. open: closes the run's row when the run ends. run, duties: once they are."""

    gate: Gate
    request: Request
    found: Survey
    waited: float
    progress: Progress
    confirm: Confirm
    open: contextlib.ExitStack
    run: Run | None = None
    duties: Duties | None = None

    def ordinary(self) -> Duties:
        """The ledger's own migrations, the run's row, and from then on a record of all that is done."""
        first = run_record.bring_up_ledger(self.gate, self.request, self.found, self.progress, self.confirm)
        if not records.exists(self.gate.connection):  # kept away by a router, or about to be unapplied
            return self._without_ledger()
        run_record.close_to_others(self.gate)
        duties = self._keep(run_record.open_run(self.gate, self.request, self.found, self.waited))
        for entry in first:
            duties.record(entry)
        return duties

    def later(self, snapshot: Snapshot) -> Duties:
        """Nothing yet: the snapshot is loaded when pre_migrate has been sent, as migrations would be run."""
        return dataclasses.replace(self._without_ledger(), begin=functools.partial(self.from_snapshot, snapshot))

    def from_snapshot(self, snapshot: Snapshot) -> Duties:
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
            run = run_record.open_run(self.gate, self.request, self.found, self.waited)
            records.record_found(alias, run, applied, MigrationRecord.Action.SNAPSHOT)
            shutdown.raise_if_requested()
            self.confirm(inside=True)
        self.progress.done += [(key, "apply") for key in applied]
        return run

    def _keep(self, run: Run) -> Duties:
        self.run = run
        self.open.enter_context(run_record.closing(self.gate, self.request, self.found, run, self.progress))
        lasting = self.request.app_label != "lockgate"
        known = lasting and journal.exists(self.gate.connection)
        self.duties = dataclasses.replace(
            self._without_ledger(),
            record=self._record,
            journaled=Journal(self.gate.connection, run) if known else None,
            seal=_Seal(self.gate.connection, run, self.confirm) if lasting else None,
        )
        return self.duties

    def _without_ledger(self) -> Duties:
        gate, held = self.gate, self.found.held.keys()
        return Duties(gate.connection, self.progress, held, self.confirm, nowhere, gate.limits)

    def _record(self, entry: Entry) -> None:
        connection = self.gate.connection
        taken_back = self.request.app_label == "lockgate" and not records.exists(connection)  # by this very run
        if self.run and not taken_back:
            records.record(connection.alias, self.run, entry)


class _Seal(NamedTuple):
    connection: BaseDatabaseWrapper
    run: Run
    confirm: Confirm

    def __call__(self, entry: Entry) -> str | None:
        ask = functools.partial(records.record_applied, self.connection, self.run, entry)
        return self.confirm(inside=True, ask=ask)

    def as_text(self, entry: Entry) -> str:
        return records.applied_as_text(self.connection, self.run, entry)


def nowhere(entry: Entry) -> None:
    """There is no ledger to record in."""
