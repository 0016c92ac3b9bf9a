"""A baseline: findings that were there when a project began to lint, which fail no build and are told from new ones.

A finding is known by its rule, its migration and what its operation says, not by its line or its words. Pure.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

from lockgate.errors import WrongArgument
from lockgate.facts import Key
from lockgate.reporting.hazard_report import LocatedHazard, Report

VERSION = 1


class Known(NamedTuple):
    """A finding's identity. operation: the digest of what it says; empty where it concerns the whole migration."""

    app: str
    migration: str
    operation: str
    id: str

    def __str__(self) -> str:
        return f"{self.id} in {self.app}.{self.migration}"


def read(text: str, name: str) -> Counter[Known]:
    """How often each finding is in a baseline. Raises WrongArgument where it is none."""
    try:
        document = json.loads(text)
        if document["version"] != VERSION:
            raise WrongArgument(f"{name} is a baseline of version {document['version']}, and not {VERSION}")
        return Counter(
            {Known(*(entry[field] for field in Known._fields)): entry["count"] for entry in document["known"]}
        )
    except (ValueError, KeyError, TypeError) as error:
        raise WrongArgument(
            f"{name} is no baseline", why=str(error), next_step="write one with --write-baseline"
        ) from None


def written(known: Counter[Known]) -> str:
    """A baseline as JSON, a finding a line, sorted, so that a diff shows which went."""
    lines = [json.dumps({**entry._asdict(), "count": known[entry]}) for entry in sorted(known)]
    return f'{{"version": {VERSION}, "known": [\n' + ",\n".join(lines) + "\n]}\n"


def of(report: Report) -> Counter[Known]:
    """What nobody has accepted, as a baseline."""
    return Counter(map(_known, _open(report)))


def apart(known: Counter[Known], report: Report, *, whole: bool) -> Counter[Known]:
    """What a baseline says of migrations that the report is not about. whole: it is about every one."""
    left = {entry: number for entry, number in known.items() if Key(entry.app, entry.migration) not in report.keys}
    return Counter() if whole else Counter(left)


def gone(known: Counter[Known], report: Report, *, whole: bool) -> list[Known]:
    """What is found no more, or the migration of which is there no more."""
    return sorted((known - apart(known, report, whole=whole) - of(report)).elements())


def marked(known: Counter[Known], report: Report) -> Report:
    """The report, with what the baseline knows marked so; of equal findings as many as it has."""
    left = Counter(known)

    def each_marked() -> Iterator[LocatedHazard]:
        for located in report.placed:
            is_known = not located.hazard.accepted and left[_known(located)] > 0
            left[_known(located)] -= is_known
            yield replace(located, known=is_known)

    return replace(report, placed=tuple(each_marked()))


def _open(report: Report) -> Iterator[LocatedHazard]:
    return (located for located in report.placed if not located.hazard.accepted)


def _known(placed: LocatedHazard) -> Known:
    key = placed.hazard.migration
    return Known(key.app, key.name, placed.digest, placed.hazard.rule.id)
