"""Hazards for people, for machines, for GitHub's annotations and for code scanning. Pure: values in, text out."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from lockgate import __version__
from lockgate.facts import Key
from lockgate.linting.hazards import Hazard
from lockgate.linting.rules import ALL, Rule
from lockgate.linting.rules.acceptance import ATTRIBUTE
from lockgate.reporting import rule_pages
from lockgate.reporting.migration_code import Code

WIDTH = 110  # characters
INFORMATION = "https://pypi.org/project/django-lockgate/"
SARIF = "https://json.schemastore.org/sarif-2.1.0.json"


@dataclass(frozen=True)
class LocatedHazard:
    """A hazard with its place. file: relative to the working directory; empty where unknown.

    digest: of its operation; empty where it concerns the whole migration. known: a baseline has it.
    code: what to write instead, where that can be made from the operation; note: what comes of it.
    """

    hazard: Hazard
    file: str
    line: int
    digest: str = ""
    known: bool = False
    code: tuple[Code, ...] = ()
    note: str = ""

    @property
    def open(self) -> bool:
        """Whether neither the migration nor a baseline accounts for it."""
        return not self.hazard.accepted and not self.known


@dataclass(frozen=True)
class Report:
    """All that was found. judged: how many migrations. notes: what was assumed or left out, in sentences.

    keys: of the judged migrations. unread: how many statements and functions were not read to their end.
    rules: those that it was judged by.
    """

    placed: tuple[LocatedHazard, ...]
    judged: int
    notes: tuple[str, ...] = ()
    keys: frozenset[Key] = frozenset()
    unread: int = 0
    rules: tuple[Rule, ...] = ALL

    @property
    def errors(self) -> int:
        return sum(located.open and located.hazard.blocking for located in self.placed)

    @property
    def warnings(self) -> int:
        return sum(located.open for located in self.placed) - self.errors

    @property
    def known(self) -> int:
        return sum(located.known for located in self.placed)

    @property
    def accepted(self) -> int:
        return sum(bool(located.hazard.accepted) for located in self.placed)


def text(report: Report) -> str:
    """By migration: what, where, why, and what to do; accepted ones in a line, those of a baseline in none."""
    lines = list(report.notes)
    shown = [located for located in report.placed if not located.known]
    for migration, group in groupby(shown, key=lambda located_hazard: located_hazard.hazard.migration):
        lines += ["", str(migration)]
        for located_hazard in group:
            lines += _lines(located_hazard)
    return "\n".join([*lines, "", summary(report)]).lstrip("\n")


def summary(report: Report) -> str:
    counts = f"{_count(report.errors, 'error')}, {_count(report.warnings, 'warning')}, {report.accepted} accepted"
    counts += f", {report.known} in the baseline" if report.known else ""
    counts += f"; {report.unread} of their statements and functions were not read" if report.unread else ""
    return f"{_count(report.judged, 'migration')} judged: {counts}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _lines(placed: LocatedHazard) -> list[str]:
    hazard, rule = placed.hazard, placed.hazard.rule
    where = f"{placed.file}:{placed.line}" if placed.file else ""
    if hazard.accepted:
        return [f"  {rule.id} accepted {rule.name}  {where}", *_part("why", hazard.accepted)]
    return [
        f"  {rule.id} {rule.severity:<8} {rule.name}  {where}".rstrip(),
        *_part("what", hazard.what + hazard.where),
        *_part("why", rule.effect),
        *_part("next", rule.remedy if placed.code else hazard.remedy),
        *_part("safe", placed.note),
        *(line for code in placed.code for line in _code(code)),
    ]


def _code(code: Code) -> list[str]:
    """As it is to be copied: nothing stands before its lines."""
    return ["", f"    write {code.title}", "", *code.source.rstrip().splitlines(), ""]


def _part(label: str, content: str) -> list[str]:
    head = f"    {label:<6}"
    return textwrap.wrap(content, WIDTH, initial_indent=head, subsequent_indent=" " * len(head), break_on_hyphens=False)


def as_json(report: Report) -> str:
    """One document; its fields are described in docs/linting.md."""
    document = {
        "version": 1,
        "migrations": report.judged,
        "errors": report.errors,
        "warnings": report.warnings,
        "accepted": report.accepted,
        "known": report.known,
        "notes": list(report.notes),
        "hazards": [_document(located) for located in report.placed],
    }
    return json.dumps(document, indent=2)


def _document(placed: LocatedHazard) -> dict[str, Any]:
    hazard, rule = placed.hazard, placed.hazard.rule
    return {
        "id": rule.id,
        "name": rule.name,
        "severity": str(rule.severity),
        "app": hazard.migration.app,
        "migration": hazard.migration.name,
        "operation": hazard.operation,
        "table": hazard.table or None,
        "databases": list(hazard.databases),
        "what": hazard.what,
        "why": rule.effect,
        "next": rule.remedy if placed.code else hazard.remedy,
        "safe": _safe(placed),
        "accepted": hazard.accepted or None,
        "known": placed.known,
        "file": placed.file or None,
        "line": placed.line,
    }


def _safe(placed: LocatedHazard) -> dict[str, Any] | None:
    """What to write instead."""
    return {"note": placed.note, "files": [code._asdict() for code in placed.code]} if placed.code else None


def github(report: Report) -> str:
    """Workflow commands that GitHub shows as annotations of a diff; accepted hazards are not shown.

    Source: https://docs.github.com/en/actions/reference/workflow-commands-for-github-actions
    """
    lines = [f"::notice::{_data(note)}" for note in report.notes]
    for located in report.placed:
        if located.open:
            rule = located.hazard.rule
            title = _property(f"{rule.id} {rule.name}")
            place = f"file={_property(located.file)},line={located.line}," if located.file else ""
            message = f"{located.hazard.what}{located.hazard.where}\n{rule.effect}\n{located.hazard.remedy}"
            lines.append(f"::{rule.severity} {place}title={title}::{_data(message)}")
    return "\n".join([*lines, summary(report)])


def _data(value: str) -> str:
    return value.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(value: str) -> str:
    return _data(value).replace(":", "%3A").replace(",", "%2C")


def sarif(report: Report) -> str:
    """SARIF 2.1.0. Source: https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html"""
    numbers = {rule.id: number for number, rule in enumerate(report.rules)}
    run = {
        "tool": {
            "driver": {
                "name": "lockgate",
                "version": __version__,
                "informationUri": INFORMATION,
                "rules": [_sarif_rule(rule) for rule in report.rules],
            }
        },
        "columnKind": "utf16CodeUnits",
        "results": [_sarif_result(located, numbers) for located in report.placed],
        "invocations": [
            {
                "executionSuccessful": True,
                "toolExecutionNotifications": [{"level": "note", "message": {"text": note}} for note in report.notes],
            }
        ],
    }
    return json.dumps({"$schema": SARIF, "version": "2.1.0", "runs": [run]}, indent=2)


def _sarif_rule(rule: Rule) -> dict[str, Any]:
    source = {"helpUri": rule.rests_on} if rule.rests_on else {}
    return {
        "id": rule.id,
        "name": "".join(word.capitalize() for word in rule.name.split("-")),
        "shortDescription": {"text": rule.condition},
        "fullDescription": {"text": rule.effect},
        "help": {"text": rule.remedy, "markdown": rule_pages.page(rule)},
        **source,
        "defaultConfiguration": {"level": str(rule.severity)},
    }


def _sarif_result(placed: LocatedHazard, numbers: dict[str, int]) -> dict[str, Any]:
    hazard = placed.hazard
    result: dict[str, Any] = {
        "ruleId": hazard.rule.id,
        "ruleIndex": numbers[hazard.rule.id],
        "level": str(hazard.rule.severity),
        "message": {"text": f"{hazard.migration}: {hazard.what}{hazard.where}"},
    }
    if hazard.databases:
        result["properties"] = {"databases": list(hazard.databases)}
    if safe := _safe(placed):
        result["properties"] = {**result.get("properties", {}), "safe": safe}
    if placed.file:
        place = {"artifactLocation": {"uri": placed.file}, "region": {"startLine": placed.line}}
        result["locations"] = [{"physicalLocation": place}]
    if hazard.accepted:
        result["suppressions"] = [{"kind": "inSource", "justification": hazard.accepted}]
    elif placed.known:
        result["suppressions"] = [{"kind": "external", "justification": "it is in the baseline"}]
    return result


FORMATS: dict[str, Callable[[Report], str]] = {"text": text, "json": as_json, "github": github, "sarif": sarif}


def beside(hazards: Sequence[Hazard]) -> list[str]:
    """The hazards of one migration, for a command that shows them beside its plan, and how to accept them.

    What they have in common is said once.
    """
    lines: list[str] = []
    ordered = sorted(hazards, key=lambda hazard: (hazard.rule.id, hazard.accepted))
    for (rule, accepted), group in groupby(ordered, key=lambda hazard: (hazard.rule, hazard.accepted)):
        lines.append(f"{rule.id} {'accepted' if accepted else rule.severity:<8} {rule.name}")
        parts = [line for hazard in group for line in _part("what", hazard.what)]
        parts += _part("why", accepted) if accepted else [*_part("why", rule.effect), *_part("next", rule.remedy)]
        lines += (line.removeprefix("  ") for line in parts)
    if open_ids := sorted({hazard.rule.id for hazard in hazards if not hazard.accepted}):
        reasons = ", ".join(f'"{identity}": "…"' for identity in open_ids)
        lines.append(
            f"to accept what is safe here, with a reason, in the class Migration:  {ATTRIBUTE} = {{{reasons}}}"
        )
    return lines
