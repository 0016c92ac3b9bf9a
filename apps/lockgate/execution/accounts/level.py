"""Where a run left the database, for starts that only compare: written down where nothing at all is left to say.

Invariant: a level is only written where each migration of the release is applied, the database has none besides, no
file differs from what was applied, and nothing is held. So an equal level means all of that, without looking.
"""

from __future__ import annotations

from django.apps import apps
from django.db.migrations.recorder import MigrationRecorder

from lockgate import ledger
from lockgate.database import level
from lockgate.execution.gate import Gate
from lockgate.execution.judging.survey import Survey
from lockgate.facts import Key
from lockgate.models import Run
from lockgate.planning import plan, release


def record(gate: Gate, found: Survey, run: Run) -> None:
    """Write the level that an ordinary run has reached, before its row is closed; none where there is more to say."""
    if found.held or found.edited or not (ledger.exists(gate.connection) and ledger.has_levels(gate.connection)):
        return
    known = ledger.fingerprints(gate.connection.alias)
    if found.disk.keys() - known.keys():
        return
    said = release.meanings({key: known[key].meaning for key in found.disk})
    wanted = level.Wanted(gate.limits.release, found.contents, said, ())
    # In this order: rows that change after the first look are found by the second, or differ from it ever after.
    reached = level.read(gate.connection, wanted).checksum
    if _is_whole(gate, found):
        ledger.record_level(gate.connection.alias, run, reached)


def _is_whole(gate: Gate, found: Survey) -> bool:
    """Whether the rows are those of this release: all of its migrations, and none that it does not know."""
    applied = {Key(*key) for key in MigrationRecorder(gate.connection).applied_migrations()}
    installed = {each.label for each in apps.get_app_configs()}
    return found.disk.keys() <= applied and not plan.ahead(applied, found.disk.values(), installed)
