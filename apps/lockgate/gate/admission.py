"""Decides whether a run reports or refuses what its preflight found: a database that is ahead, edited migrations."""

from __future__ import annotations

from django.db.migrations.recorder import MigrationRecorder

from lockgate.database import lookups
from lockgate.errors import AheadOfCode, EditedMigration
from lockgate.events import Ahead, Edited
from lockgate.facts import Key
from lockgate.gate.context import Gate, Request
from lockgate.gate.preflight import Survey
from lockgate.models import Run

SHOWN = 3  # migrations named in a message; the rest are counted


def judge(found: Survey, gate: Gate, request: Request) -> None:
    """Report, or refuse, a database ahead of the code and migrations edited after they were applied.

    Only an ordinary run is refused: whoever names a target, or prunes, is putting things right. What a newer Lockgate
    has added to its own tables is no other history: an older one works on with them.
    Raises AheadOfCode or EditedMigration.
    """
    limits = gate.limits
    if found.ahead and request.ordinary:
        if limits.on_ahead == "refuse" or (
            limits.on_ahead == "allow-when-current" and found.pending and _of_others(found)
        ):
            raise _ahead(found, limits.on_ahead)
        gate.listen(Ahead(found.ahead, len(found.pending)))
    if found.edited:
        if limits.on_edited == "refuse" and request.ordinary:
            raise _edited(found)
        gate.listen(Edited(found.edited))


def report_held(found: Survey, gate: Gate) -> None:
    """Tell which migrations are held, and how to make available what they wait for."""
    for outcome in found.outcomes.values():
        if not outcome.available:
            gate.listen(outcome)
    for each in found.held.values():
        gate.listen(each)


def judge_hazards(found: Survey, gate: Gate, request: Request) -> None:
    """Report, or refuse, the hazards of what is about to run. Raises HazardsRefused.

    Nothing is asked beyond one list of tables where the database has none but ours: nobody uses what a run makes.
    """
    if not found.pending or request.fake or not request.signals:
        return  # nothing to do, or it is only recorded, or pruned
    there = tables(found, gate)
    if any(name != MigrationRecorder.Migration._meta.db_table and not name.startswith("lockgate_") for name in there):
        # Imported here: planning is a third of our code, and an empty database needs none of it.
        from lockgate.gate import hazards  # noqa: PLC0415

        hazards.judge(found, gate, there)


def tables(found: Survey, gate: Gate) -> frozenset[str]:
    """The tables that an unqualified name finds, under the lock: read with the rest, or asked for."""
    under_lock = found.reading.under_lock if found.reading else None
    return under_lock.tables if under_lock else frozenset(lookups.tables(gate.connection))


def named(keys: tuple[Key, ...]) -> str:
    """The first few names, and how many more there are."""
    shown = ", ".join(map(str, keys[:SHOWN]))
    return shown if len(keys) <= SHOWN else f"{shown} and {len(keys) - SHOWN} more"


def _of_others(found: Survey) -> list[Key]:
    """What the database has of the project's apps; rows of the ledger's own are never to be pruned."""
    return [key for key in found.ahead if key.app != Run._meta.app_label]


def _ahead(found: Survey, mode: str) -> AheadOfCode:
    others = _of_others(found)
    prune = (
        f"; if they are left over from a squash, remove their rows:\nmanage.py migrate {others[0].app} --prune"
        if others
        else ""
    )
    lacking = f", and {named(found.pending)} of this release is not applied there" if found.pending else ""
    return AheadOfCode(
        f"the database is ahead of this release: it has {named(found.ahead)}{lacking}",
        why=f'LOCKGATE["ON_AHEAD"] is "{mode}"'
        + (": two histories that have diverged are not mixed unattended" if found.pending else ""),
        next_step=f'deploy a release that has all of them{prune}\nor set LOCKGATE["ON_AHEAD"] = "allow"',
    )


def _edited(found: Survey) -> EditedMigration:
    return EditedMigration(
        f"edited after they were applied: {named(found.edited)}",
        why="the ledger has another checksum of their meaning (comments and formatting do not count)",
        next_step='restore the files and write a new migration, or set LOCKGATE["ON_EDITED"] = "warn"',
    )
