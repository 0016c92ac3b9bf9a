"""Writes a checkpoint, with which later starts compare the database, if the run has left nothing to do or report.

Invariant: a checkpoint is only written where each migration of the release is applied, the database has none besides,
no file differs from what was applied, and nothing is held. So an equal checkpoint proves all of that.
"""

from __future__ import annotations

from collections.abc import Collection

from django.apps import apps
from django.db.migrations.recorder import MigrationRecorder

from lockgate.facts import Key
from lockgate.gate.context import Gate
from lockgate.gate.ending import Ending
from lockgate.gate.preflight import Survey
from lockgate.ledger import checkpoint, records, release
from lockgate.models import Run
from lockgate.planning import selection


def record(gate: Gate, found: Survey, run: Run) -> None:
    """Write the checkpoint of an ordinary run, before its row is closed; none where there is more to say."""
    if found.held or found.edited or not records.exists(gate.connection):
        return
    known = records.fingerprints(gate.connection.alias)
    if found.disk.keys() - known.keys():
        return
    said = release.ast_digest({key: known[key].ast_digest for key in found.disk})
    wanted = checkpoint.Wanted(gate.limits.release, found.contents, said, ())
    # In this order: rows that change after the first look are found by the second, or differ from it ever after.
    reached = checkpoint.read(gate.connection, wanted).history_digest
    if _is_whole(gate, found):
        records.record_checkpoint(gate.connection.alias, run, reached)


def reached(found: Survey, ending: Ending) -> str | None:
    """The checkpoint of an ordinary run, by what it found at its end; None where there is more to say."""
    if found.held or found.edited or found.disk.keys() - ending.known.keys():
        return None
    return ending.history_digest if _is_all(found, ending.applied) else None


def _is_whole(gate: Gate, found: Survey) -> bool:
    """Whether the rows are those of this release: all of its migrations, and none that it does not know."""
    applied = {Key(*key) for key in MigrationRecorder(gate.connection).applied_migrations()}
    return _is_all(found, applied)


def _is_all(found: Survey, applied: Collection[Key]) -> bool:
    installed = {each.label for each in apps.get_app_configs()}
    return found.disk.keys() <= set(applied) and not selection.ahead(applied, found.disk.values(), installed)
