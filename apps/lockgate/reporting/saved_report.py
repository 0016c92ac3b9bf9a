"""A report as a document that can be read back, for ``lockgate lint --cache``. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lockgate.facts import Key
from lockgate.linting.hazards import Hazard
from lockgate.linting.rules import Rule
from lockgate.reporting.hazard_report import LocatedHazard, Report
from lockgate.reporting.migration_code import Code


def document(report: Report) -> dict[str, Any]:
    """As JSON has it."""
    placed = []
    for located in report.placed:
        hazard = [located.hazard.rule.id, *located.hazard[1:]]
        placed.append([hazard, located.file, located.line, located.digest, located.code, located.note])
    return {
        "placed": placed,
        "judged": report.judged,
        "notes": report.notes,
        "keys": sorted(report.keys),
        "unread": report.unread,
    }


def report(document_: dict[str, Any], rules: Mapping[str, Rule]) -> Report:
    """The same report. rules: those in force, by their ids. Raises KeyError for one of a rule that is no more."""
    placed = []
    for (identity, migration, *rest), file, line, digest, code, note in document_["placed"]:
        written = tuple(Code(*values) for values in code)
        hazard = Hazard(rules[identity], Key(*migration), *rest)
        hazard = hazard._replace(databases=tuple(hazard.databases))
        placed.append(LocatedHazard(hazard, file, line, digest, code=written, note=note))
    return Report(
        tuple(placed),
        document_["judged"],
        tuple(document_["notes"]),
        frozenset(Key(*key) for key in document_["keys"]),
        document_["unread"],
        tuple(rules.values()),
    )
