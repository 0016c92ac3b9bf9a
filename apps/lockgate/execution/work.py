"""The work of a run that has the lock and something to do: ledger, recovery, migrations, the ledger's last word.

The ledger comes before what it records, and what a dead run left is put right before anything new begins.
"""

from __future__ import annotations

import dataclasses
import functools

from django.db import connections
from django.db.migrations.recorder import MigrationRecorder

from lockgate import journal, ledger
from lockgate.database import advisory_lock, session
from lockgate.execution import account, contract, django_seams, interruption, recovery
from lockgate.execution.duties import Duties
from lockgate.execution.executor import Executor
from lockgate.execution.gate import Gate, Request
from lockgate.execution.progress import Progress
from lockgate.execution.survey import Survey
from lockgate.facts import Key
from lockgate.journal import Journal
from lockgate.ledger import Entry
from lockgate.models import Run


def do(gate: Gate, request: Request, found: Survey, waited: float, progress: Progress) -> None:
    """Do what the request asks. waited: for the lock, in seconds. Raises whatever goes wrong, as it is."""
    confirm = functools.partial(advisory_lock.confirm, gate.connection, session.raw(gate.connection))
    progress.total = len({*found.pending, *found.ledger_pending})
    first = account.bring_up_ledger(gate, request, found, progress, confirm)
    duties = Duties(gate.connection, progress, found.held.keys(), confirm, _nowhere, gate.redact, gate.limits)
    if not ledger.exists(gate.connection):  # kept from this database by a router, or about to be unapplied
        _apply(request, duties)
        return
    with account.open_run(gate, request, found, waited, progress) as run:
        record = functools.partial(_record if request.app_label == "lockgate" else ledger.record, gate.connection.alias)
        duties = dataclasses.replace(
            duties, record=functools.partial(record, run), journaled=_journal(gate, request, run)
        )
        for entry in first:
            duties.record(entry)
        _recorded(gate, request, found, duties, run)


def do_ungated(gate: Gate, request: Request, found: Survey) -> None:
    """The migrations of a test runner's database: nobody else uses it, and no ledger is kept of it."""
    held, progress = found.held.keys(), Progress(gate.listen, total=len(found.pending))
    duties = Duties(gate.connection, progress, held, _unlocked, _nowhere, gate.redact, gate.limits, gated=False)
    _apply(request, duties)


def _recorded(gate: Gate, request: Request, found: Survey, duties: Duties, run: Run) -> None:
    if duties.journaled is not None:
        applied = {Key(*key) for key in MigrationRecorder(gate.connection).applied_migrations()}
        recovery.recover(duties, found.disk, applied, unapplying=applied & set(found.pending))
    _apply(request, duties)
    if request.contract and duties.journaled is not None:
        contract.carry_out_due(duties, run)
    account.record_baseline(gate, found, run)


def _apply(request: Request, duties: Duties) -> None:
    """Have Django do it with our executor; and be sure, at the end, that all of it was done under the lock."""
    with django_seams.executor_in_place(functools.partial(Executor, duties=duties)):
        request.work()
    interruption.raise_if_requested()
    duties.confirm(inside=False)


def _journal(gate: Gate, request: Request, run: Run) -> Journal | None:
    """The journal of this run; None where its own migrations are what is asked for."""
    known = request.app_label != "lockgate" and journal.exists(gate.connection)
    return Journal(gate.connection, run) if known else None


def _record(alias: str, run: Run, entry: Entry) -> None:
    """A row of a run that may be taking the ledger itself back."""
    if ledger.exists(connections[alias]):
        ledger.record(alias, run, entry)


def _nowhere(entry: Entry) -> None:
    """There is no ledger to record in."""


def _unlocked(*, inside: bool, lock: bool = True) -> None:
    """There is no lock to confirm."""
