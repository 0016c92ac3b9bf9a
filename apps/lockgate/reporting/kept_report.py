"""A report as a document that can be read back, for ``lintmigrations --cache``. Pure."""

from __future__ import annotations

from typing import Any

from lockgate.facts import Key
from lockgate.planning.hazards import Hazard
from lockgate.planning.rules import BY_ID
from lockgate.reporting.hazard_report import Placed, Report


def document(report: Report) -> dict[str, Any]:
    """As JSON has it."""
    return {
        "placed": [
            [each.hazard._replace(rule=each.hazard.rule.id), each.file, each.line, each.digest]  # type: ignore[arg-type]
            for each in report.placed
        ],
        "judged": report.judged,
        "notes": report.notes,
        "keys": sorted(report.keys),
    }


def report(found: dict[str, Any]) -> Report:
    """The same report. Raises KeyError for one of a rule that is no more."""
    placed = []
    for (identity, migration, *rest), file, line, digest in found["placed"]:
        placed.append(Placed(Hazard(BY_ID[identity], Key(*migration), *rest), file, line, digest))
    return Report(
        tuple(placed), found["judged"], tuple(found["notes"]), frozenset(Key(*each) for each in found["keys"])
    )
