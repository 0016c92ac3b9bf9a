"""The work of a run that has the lock and something to do: ledger, recovery, migrations, the ledger's last word.

The ledger comes before what it records, and what a dead run left is put right before anything new begins.
"""

from __future__ import annotations

import contextlib
import functools
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations.recorder import MigrationRecorder
from django.db.migrations.state import ProjectState
from django.db.utils import Error as DatabaseError

from lockgate import django_seams
from lockgate.database import advisory_lock, session
from lockgate.database.advisory_lock import Ask
from lockgate.execution import contract, non_atomic, recovery, shutdown
from lockgate.execution.context import RunContext
from lockgate.execution.executor import Executor
from lockgate.execution.next_migration import OWN
from lockgate.execution.progress import Progress
from lockgate.facts import Key
from lockgate.gate import admission, run_record
from lockgate.gate.bootstrap import LedgerBootstrap, nowhere
from lockgate.gate.context import GateContext, Request
from lockgate.gate.ending import Ending
from lockgate.gate.preflight import Preflight
from lockgate.ledger import fingerprints
from lockgate.manifest import manifest_file, migration_digests
from lockgate.planning import selection

if TYPE_CHECKING:
    from lockgate.snapshot.load import Snapshot


def do(gate: GateContext, request: Request, preflight: Preflight, waited: float, progress: Progress) -> Ending | None:
    """Do what the request asks; returns what was found at the end, where that was one look.

    waited: for the lock, in seconds. Raises whatever goes wrong, as it is.
    """
    confirm = functools.partial(advisory_lock.confirm, gate.connection, session.raw(gate.connection))
    progress.total = len({*preflight.pending, *preflight.ledger_pending})
    snapshot = _snapshot(gate, request, preflight)
    with contextlib.ExitStack() as until_the_end:
        ledger_bootstrap = LedgerBootstrap(gate, request, preflight, waited, progress, confirm, until_the_end)
        empty = not admission.tables(preflight, gate) - OWN
        with _repeatable(gate.connection) if empty else contextlib.nullcontext(), ledger_bootstrap.history_known():
            context = ledger_bootstrap.later(snapshot) if snapshot else ledger_bootstrap.ordinary()
            _recorded(ledger_bootstrap, context)
    return ledger_bootstrap.ending


def _snapshot(gate: GateContext, request: Request, preflight: Preflight) -> Snapshot | None:
    if request.portable or not preflight.without_history:
        return None
    # Imported here: few runs find an empty database.
    from lockgate.gate import snapshot_choice  # noqa: PLC0415

    return snapshot_choice.find(gate, preflight, plain=request.ordinary)


def do_ungated(gate: GateContext, request: Request, preflight: Preflight) -> None:
    """The migrations of a test runner's database: nobody else uses it, and no ledger is kept of it."""
    held, progress = preflight.held.keys(), Progress(gate.listen, total=len(preflight.pending))
    context = RunContext(gate.connection, progress, held, _unlocked, nowhere, gate.limits, gated=False)
    with _repeatable(gate.connection):
        _apply(gate, preflight, context)


def _recorded(ledger_bootstrap: LedgerBootstrap, context: RunContext) -> None:
    gate, request, preflight = ledger_bootstrap.gate, ledger_bootstrap.request, ledger_bootstrap.preflight
    if context.journaled is not None and not context.journaled.is_settled:
        applied = {Key(*key) for key in MigrationRecorder(gate.connection).applied_migrations()}
        unapplying = applied & set(preflight.pending)
        recovery.recover(context, preflight.disk, applied, unapplying)
        if not request.fake:
            halfway = {key: preflight.disk[key] for key in (applied & preflight.disk.keys()) - unapplying}
            non_atomic.restore(
                context, halfway, lambda key: preflight.loader.project_state((key.app, key.name), at_end=False)
            )
    _apply(gate, preflight, context, ledger_bootstrap.last_look)
    if ledger_bootstrap.run is None or ledger_bootstrap.context is None:
        return
    if request.contract and ledger_bootstrap.context.journaled is not None:
        contract.carry_out_due(ledger_bootstrap.context, ledger_bootstrap.run, selection.known(preflight.disk.values()))
    run_record.record_baseline(gate, preflight, ledger_bootstrap.run, ledger_bootstrap.ending)


def _apply(gate: GateContext, preflight: Preflight, context: RunContext, ask: Ask | None = None) -> None:
    """Have Django do it with our executor; and be sure, at the end, that all of it was done under the lock."""
    fingerprints.take_over(migration_digests.known(Path(manifest_file.place(sys.argv[0], os.environ))))
    with django_seams.executor_in_place(functools.partial(Executor, context=context, loader=preflight.loader)):
        gate.django.apply()
    shutdown.raise_if_requested()
    context.confirm(inside=False, ask=ask)


@contextlib.contextmanager
def _repeatable(connection: BaseDatabaseWrapper) -> Iterator[None]:
    """Work on an empty database: what a crash of the server takes back of it, the next run does again."""
    with session.committing_ahead_of_the_disk(connection):
        try:
            yield
        except BaseException:
            with contextlib.suppress(DatabaseError, psycopg.Error):
                django_seams.leave_transaction(connection)
            raise


def _unlocked(*, inside: bool, lock: bool = True, ask: Ask | None = None) -> None:
    """There is no lock to confirm; the transaction's mark is read by who must know it."""


def _state_before(preflight: Preflight, key: Key) -> ProjectState:
    state: ProjectState = preflight.loader.project_state((key.app, key.name), at_end=False)
    return state
