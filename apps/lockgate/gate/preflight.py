"""What a run would have to do, read without the lock: nothing is written, no transaction stays open.

Django itself makes the plan (a ``--plan`` whose output is discarded), so that targets, conflicts and every other rule
are Django's, with its messages. The plan follows from files and from the rows of applied migrations. So a second
preflight in the same process plans again only if those rows have changed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from django.apps import apps
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations import Migration
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.graph import MigrationGraph
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder

from lockgate import django_seams, policy
from lockgate.database import extensions
from lockgate.events import ExtensionOutcome, Held
from lockgate.facts import Fingerprints, Key
from lockgate.gate import own_tables
from lockgate.gate.context import GateContext, Request
from lockgate.ledger import fingerprints, journal, reading, records, release
from lockgate.ledger.reading import Reading, Runs
from lockgate.planning import selection
from lockgate.planning.selection import Plan

DIGEST_SHOWN = 12  # characters of a digest that stand for a release without a name: enough to tell builds apart


class Preflight(NamedTuple):
    """The state of code and database at one moment, and what follows from it.

    contents, build: digest of the release without and with its name. digest: of what a run can finish of it now, less
    what is held.
    without_history: whether no migration is recorded, of this code or any other.
    known: what the ledger has of the files of applied migrations. loader, plan: Django's own. fake_initial: as
    asked for. reading: what all of it was read from, where that was one message. runs: of this digest.
    """

    pending: tuple[Key, ...]
    held: dict[Key, Held]
    ahead: tuple[Key, ...]
    edited: tuple[Key, ...]
    disk: Mapping[Key, Migration]
    ledger_pending: tuple[Key, ...]
    contents: str
    build: str
    digest: str
    finished: bool
    creatable_extensions: bool
    without_history: bool
    outcomes: dict[str, ExtensionOutcome]
    known: Fingerprints
    loader: MigrationLoader
    plan: Plan
    fake_initial: bool = False
    reading: Reading | None = None
    runs: Runs | None = None

    @property
    def current(self) -> bool:
        """Whether nothing is left to do for this release: no migration, no extension, no post_migrate."""
        return not self.pending and self.finished and not self.creatable_extensions

    @property
    def graph(self) -> MigrationGraph:
        graph: MigrationGraph = self.loader.graph
        return graph

    def release(self, limits: policy.Policy) -> str:
        return limits.release or self.build[:DIGEST_SHOWN]


def read(
    gate: GateContext, request: Request, before: Preflight | None = None, already_read: Reading | None = None
) -> Preflight:
    """Look at code and database. before: an earlier preflight for the same request, of which still holds what files
    say.

    already_read: what is written down, where that was read already. Raises what Django raises for conflicts,
    unknown targets and bad histories.
    """
    if already_read is None and before is None and gate.begun:
        already_read = reading.read(gate.connection)
    loader, pairs = _planned(gate, before, already_read)
    disk = {Key(*key): migration for key, migration in loader.disk_migrations.items()}
    wanted_extensions, outcomes = _extensions(gate, pairs)
    held = {} if request.fake else selection.held(pairs, loader.graph, outcomes, portable=request.portable)
    contents = before.contents if before else release.contents(disk, apps)
    build = release.digest(gate.limits.release, contents)
    digest = release.less_held(build, held)
    damaged = _is_damaged(gate, loader, already_read)
    written = None if damaged else _written(gate.connection, already_read)
    files = {} if written is None else {k: v for k, v in written.known.items() if k in loader.applied_migrations}
    runs = _runs(gate.connection, written, digest) if written else None
    return Preflight(
        pending=tuple(key for key in map(selection.key_of, (migration for migration, _ in pairs)) if key not in held),
        held=held,
        ahead=_ahead(loader, disk, runs),
        edited=before.edited if before and before.known == files else fingerprints.edited(files, disk),
        disk=disk,
        ledger_pending=tuple(key for key in disk if key.app == "lockgate" and key not in loader.applied_migrations),
        contents=contents,
        build=build,
        digest=digest,
        finished=bool(runs and written and runs.finished and not written.unfinished & selection.known(disk.values())),
        creatable_extensions=any(extension.creatable for extension in wanted_extensions.values()),
        without_history=not loader.applied_migrations,
        outcomes=outcomes,
        known=files,
        loader=loader,
        plan=pairs,
        fake_initial=request.fake_initial,
        reading=None if damaged else already_read,
        runs=runs,
    )


def _extensions(
    gate: GateContext, pairs: Plan
) -> tuple[dict[str, extensions.ExtensionFacts], dict[str, ExtensionOutcome]]:
    """What there is of the extensions that are wanted, and what becomes of each."""
    forwards = [migration for migration, backwards in pairs if not backwards]
    wanted = {*gate.limits.extensions, *selection.required_extensions(forwards)}
    preflights = extensions.survey(gate.connection, wanted)
    return preflights, {outcome.name: outcome for outcome in extensions.outcomes(preflights.values(), gate.server)}


def _is_damaged(gate: GateContext, loader: MigrationLoader, known: Reading | None) -> bool:
    """Whether tables of Lockgate's own are not as its migrations that are recorded have made them."""
    shape = known.shape if known else None
    applies = own_tables.applies(loader, loader.applied_migrations)
    return applies and bool(own_tables.damages(gate.connection, shapes=shape))


def _ahead(loader: MigrationLoader, disk: Mapping[Key, Migration], runs: Runs | None) -> tuple[Key, ...]:
    later = runs.applied_after if runs else ()
    return selection.ahead(loader.applied_migrations, disk.values(), loader.migrated_apps, later)


def _written(connection: BaseDatabaseWrapper, known: Reading | None) -> Reading | None:
    """What is written down; None where nothing is."""
    return known or (_read_apart(connection) if records.exists(connection) else None)


def _read_apart(connection: BaseDatabaseWrapper) -> Reading:
    """What is written down where not all of its tables are there: an older release's ledger has no journal."""
    alias = connection.alias
    unfinished = journal.unfinished(alias) if journal.exists(connection) else set()
    return Reading({}, {}, records.fingerprints(alias), frozenset(), frozenset(unfinished))


def _runs(connection: BaseDatabaseWrapper, written: Reading, digest: str) -> Runs:
    """What is known of the runs of this release; read already, where its digest is what it was then."""
    under_lock = written.under_lock
    return under_lock.runs if under_lock and under_lock.runs.digest == digest else reading.runs(connection, digest)


def _planned(gate: GateContext, before: Preflight | None, known: Reading | None) -> tuple[MigrationLoader, Plan]:
    """Django's loader and plan, of what is known to be recorded, or is read.

    Raises what ``records.refuse_hidden`` does, where nothing is recorded, and what Django does.
    """
    with django_seams.history_known(gate.connection, known.applied if known else None):
        loader, pairs = _plan_of(gate, before)
    if not loader.applied_migrations:
        records.refuse_hidden(gate.connection)
    return loader, pairs


def _plan_of(gate: GateContext, before: Preflight | None) -> tuple[MigrationLoader, Plan]:
    """Those of before where the migrations that are recorded are still the same."""
    recorder = MigrationRecorder(gate.connection)
    if before and recorder.applied_migrations().keys() == before.loader.applied_migrations.keys():
        return before.loader, before.plan
    executor, pairs = planned(gate)
    return executor.loader, pairs


def planned(gate: GateContext) -> tuple[MigrationExecutor, Plan]:
    """Django's executor and plan for what it is asked, caught on their way; nothing is changed."""
    caught: list[tuple[MigrationExecutor, Plan]] = []

    class Catching(MigrationExecutor):
        def __init__(self, connection: BaseDatabaseWrapper, progress_callback: Any = None) -> None:
            super().__init__(connection)

        def migration_plan(self, targets: Any, clean_start: bool = False) -> Any:
            plan = super().migration_plan(targets, clean_start)
            caught.append((self, plan))
            return plan

    with django_seams.executor_in_place(Catching), django_seams.unprepared(gate.connection):
        gate.django.plan()
    return caught[-1]
