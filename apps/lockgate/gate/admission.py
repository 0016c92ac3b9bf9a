"""Decides whether a run reports or refuses what its preflight found: a database that is ahead, edited migrations."""

from __future__ import annotations

from django.db.migrations.recorder import MigrationRecorder

from lockgate.database import lookups
from lockgate.errors import AheadOfCode, EditedMigration
from lockgate.events import Ahead, Edited
from lockgate.facts import Key
from lockgate.gate.context import GateContext, Request
from lockgate.gate.preflight import Preflight
from lockgate.models import Run

SHOWN = 3  # migrations named in a message; the rest are counted


def judge(preflight: Preflight, gate: GateContext, request: Request) -> None:
    """Report, or refuse, a database ahead of the code and migrations edited after they were applied.

    Only an ordinary run is refused: whoever names a target, or prunes, is putting things right. What a newer Lockgate
    has added to its own tables is no other history: an older one works on with them.
    Raises AheadOfCode or EditedMigration.
    """
    limits = gate.limits
    if preflight.ahead and request.ordinary:
        if limits.on_ahead == "refuse" or (
            limits.on_ahead == "allow-when-current" and preflight.pending and _of_others(preflight)
        ):
            raise _ahead(preflight, limits.on_ahead)
        gate.listen(Ahead(preflight.ahead, len(preflight.pending)))
    if preflight.edited:
        if limits.on_edited == "refuse" and request.ordinary:
            raise _edited(preflight)
        gate.listen(Edited(preflight.edited))


def report_held(preflight: Preflight, gate: GateContext) -> None:
    """Tell which migrations are held, and how to make available what they wait for."""
    for outcome in preflight.outcomes.values():
        if not outcome.available:
            gate.listen(outcome)
    for held in preflight.held.values():
        gate.listen(held)


def judge_hazards(preflight: Preflight, gate: GateContext, request: Request) -> None:
    """Report, or refuse, the hazards of what is about to run. Raises HazardsRefused.

    Nothing is asked beyond one list of tables where the database has none but ours: nobody uses what a run makes.
    """
    if not preflight.pending or request.fake or not request.signals:
        return  # nothing to do, or it is only recorded, or pruned
    there = tables(preflight, gate)
    if any(name != MigrationRecorder.Migration._meta.db_table and not name.startswith("lockgate_") for name in there):
        # Imported here: planning is a third of our code, and an empty database needs none of it.
        from lockgate.gate import hazards  # noqa: PLC0415

        hazards.judge(preflight, gate, there)


def tables(preflight: Preflight, gate: GateContext) -> frozenset[str]:
    """The tables that an unqualified name finds, under the lock: read with the rest, or asked for."""
    under_lock = preflight.reading.under_lock if preflight.reading else None
    return under_lock.tables if under_lock else frozenset(lookups.tables(gate.connection))


def named(keys: tuple[Key, ...]) -> str:
    """The first few names, and how many more there are."""
    shown = ", ".join(map(str, keys[:SHOWN]))
    return shown if len(keys) <= SHOWN else f"{shown} and {len(keys) - SHOWN} more"


def _of_others(preflight: Preflight) -> list[Key]:
    """What the database has of the project's apps; rows of the ledger's own are never to be pruned."""
    return [key for key in preflight.ahead if key.app != Run._meta.app_label]


def _ahead(preflight: Preflight, mode: str) -> AheadOfCode:
    others = _of_others(preflight)
    prune = (
        f"; if they are left over from a squash, remove their rows:\nmanage.py migrate {others[0].app} --prune"
        if others
        else ""
    )
    lacking = f", and {named(preflight.pending)} of this release is not applied there" if preflight.pending else ""
    return AheadOfCode(
        f"the database is ahead of this release: it has {named(preflight.ahead)}{lacking}",
        why=f'LOCKGATE["ON_AHEAD"] is "{mode}"'
        + (": two histories that have diverged are not mixed unattended" if preflight.pending else ""),
        next_step=f'deploy a release that has all of them{prune}\nor set LOCKGATE["ON_AHEAD"] = "allow"',
    )


def _edited(preflight: Preflight) -> EditedMigration:
    return EditedMigration(
        f"edited after they were applied: {named(preflight.edited)}",
        why="the ledger has another checksum of their meaning (comments and formatting do not count)",
        next_step='restore the files and write a new migration, or set LOCKGATE["ON_EDITED"] = "warn"',
    )
