"""Writes a checkpoint, with which later starts compare the database, if the run has left nothing to do or report.

Invariant: a checkpoint is only written where each migration of the release is applied, the database has none besides,
no file differs from what was applied, and nothing is held. So an equal checkpoint proves all of that.
"""

from __future__ import annotations

from collections.abc import Collection

from django.apps import apps
from django.db.migrations.recorder import MigrationRecorder

from lockgate.facts import Key
from lockgate.gate.context import GateContext
from lockgate.gate.ending import Ending
from lockgate.gate.preflight import Preflight
from lockgate.ledger import checkpoint, records, release
from lockgate.models import Run
from lockgate.planning import selection


def record(gate: GateContext, preflight: Preflight, run: Run) -> None:
    """Write the checkpoint of an ordinary run, before its row is closed; none where there is more to say."""
    if preflight.held or preflight.edited or not records.exists(gate.connection):
        return
    known = records.fingerprints(gate.connection.alias)
    if preflight.disk.keys() - known.keys():
        return
    meanings = release.ast_digest({key: known[key].ast_digest for key in preflight.disk})
    query = checkpoint.CheckpointQuery(gate.limits.release, preflight.contents, meanings, ())
    # In this order: rows that change after the first look are found by the second, or differ from it ever after.
    reached = checkpoint.read(gate.connection, query).history_digest
    if _is_whole(gate, preflight):
        records.record_checkpoint(gate.connection.alias, run, reached)


def reached(preflight: Preflight, ending: Ending) -> str | None:
    """The checkpoint of an ordinary run, by what it found at its end; None where there is more to say."""
    if preflight.held or preflight.edited or preflight.disk.keys() - ending.known.keys():
        return None
    return ending.history_digest if _is_all(preflight, ending.applied) else None


def _is_whole(gate: GateContext, preflight: Preflight) -> bool:
    """Whether the rows are those of this release: all of its migrations, and none that it does not know."""
    applied = {Key(*key) for key in MigrationRecorder(gate.connection).applied_migrations()}
    return _is_all(preflight, applied)


def _is_all(preflight: Preflight, applied: Collection[Key]) -> bool:
    installed = {config.label for config in apps.get_app_configs()}
    return preflight.disk.keys() <= set(applied) and not selection.ahead(applied, preflight.disk.values(), installed)
