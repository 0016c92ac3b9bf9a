"""A report as a document that can be read back, for ``lockgate lint --cache``. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lockgate.facts import Key
from lockgate.linting.hazards import Hazard
from lockgate.linting.rules import Rule
from lockgate.reporting.hazard_report import Placed, Report
from lockgate.reporting.migration_code import Code


def document(report: Report) -> dict[str, Any]:
    """As JSON has it."""
    placed = []
    for each in report.placed:
        hazard = [each.hazard.rule.id, *each.hazard[1:]]
        placed.append([hazard, each.file, each.line, each.digest, each.code, each.note])
    return {
        "placed": placed,
        "judged": report.judged,
        "notes": report.notes,
        "keys": sorted(report.keys),
        "unread": report.unread,
    }


def report(found: dict[str, Any], rules: Mapping[str, Rule]) -> Report:
    """The same report. rules: those in force, by their ids. Raises KeyError for one of a rule that is no more."""
    placed = []
    for (identity, migration, *rest), file, line, digest, code, note in found["placed"]:
        written = tuple(Code(*each) for each in code)
        hazard = Hazard(rules[identity], Key(*migration), *rest)
        hazard = hazard._replace(databases=tuple(hazard.databases))
        placed.append(Placed(hazard, file, line, digest, code=written, note=note))
    return Report(
        tuple(placed),
        found["judged"],
        tuple(found["notes"]),
        frozenset(Key(*each) for each in found["keys"]),
        found["unread"],
        tuple(rules.values()),
    )
