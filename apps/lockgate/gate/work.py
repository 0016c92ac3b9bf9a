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
from lockgate.execution.context import Duties
from lockgate.execution.executor import Executor
from lockgate.execution.next_migration import OWN
from lockgate.execution.progress import Progress
from lockgate.facts import Key
from lockgate.gate import admission, run_record
from lockgate.gate.bootstrap import Beginning, nowhere
from lockgate.gate.context import Gate, Request
from lockgate.gate.ending import Ending
from lockgate.gate.preflight import Survey
from lockgate.ledger import fingerprints
from lockgate.manifest import manifest_file, migration_digests
from lockgate.planning import selection

if TYPE_CHECKING:
    from lockgate.snapshot.load import Snapshot


def do(gate: Gate, request: Request, found: Survey, waited: float, progress: Progress) -> Ending | None:
    """Do what the request asks; returns what was found at the end, where that was one look.

    waited: for the lock, in seconds. Raises whatever goes wrong, as it is.
    """
    confirm = functools.partial(advisory_lock.confirm, gate.connection, session.raw(gate.connection))
    progress.total = len({*found.pending, *found.ledger_pending})
    snapshot = _snapshot(gate, request, found)
    with contextlib.ExitStack() as until_the_end:
        beginning = Beginning(gate, request, found, waited, progress, confirm, until_the_end)
        empty = not admission.tables(found, gate) - OWN
        with _repeatable(gate.connection) if empty else contextlib.nullcontext(), beginning.history_known():
            duties = beginning.later(snapshot) if snapshot else beginning.ordinary()
            _recorded(beginning, duties)
    return beginning.ending


def _snapshot(gate: Gate, request: Request, found: Survey) -> Snapshot | None:
    if request.portable or not found.without_history:
        return None
    # Imported here: few runs find an empty database.
    from lockgate.gate import snapshot_choice  # noqa: PLC0415

    return snapshot_choice.find(gate, found, plain=request.ordinary)


def do_ungated(gate: Gate, request: Request, found: Survey) -> None:
    """The migrations of a test runner's database: nobody else uses it, and no ledger is kept of it."""
    held, progress = found.held.keys(), Progress(gate.listen, total=len(found.pending))
    duties = Duties(gate.connection, progress, held, _unlocked, nowhere, gate.limits, gated=False)
    with _repeatable(gate.connection):
        _apply(gate, found, duties)


def _recorded(beginning: Beginning, duties: Duties) -> None:
    gate, request, found = beginning.gate, beginning.request, beginning.found
    if duties.journaled is not None and not duties.journaled.is_settled:
        applied = {Key(*key) for key in MigrationRecorder(gate.connection).applied_migrations()}
        unapplying = applied & set(found.pending)
        recovery.recover(duties, found.disk, applied, unapplying)
        if not request.fake:
            halfway = {key: found.disk[key] for key in (applied & found.disk.keys()) - unapplying}
            non_atomic.restore(
                duties, halfway, lambda key: found.loader.project_state((key.app, key.name), at_end=False)
            )
    _apply(gate, found, duties, beginning.last_look)
    if beginning.run is None or beginning.duties is None:
        return
    if request.contract and beginning.duties.journaled is not None:
        contract.carry_out_due(beginning.duties, beginning.run, selection.known(found.disk.values()))
    run_record.record_baseline(gate, found, beginning.run, beginning.ending)


def _apply(gate: Gate, found: Survey, duties: Duties, ask: Ask | None = None) -> None:
    """Have Django do it with our executor; and be sure, at the end, that all of it was done under the lock."""
    fingerprints.take_over(migration_digests.known(Path(manifest_file.place(sys.argv[0], os.environ))))
    with django_seams.executor_in_place(functools.partial(Executor, duties=duties, loader=found.loader)):
        gate.django.apply()
    shutdown.raise_if_requested()
    duties.confirm(inside=False, ask=ask)


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


def _state_before(found: Survey, key: Key) -> ProjectState:
    state: ProjectState = found.loader.project_state((key.app, key.name), at_end=False)
    return state
