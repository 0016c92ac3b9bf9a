"""What a whole sweep has found, on disk: one that was ended half-way goes on where it was.

The file belongs to the sources that its findings rest on: changed ones begin anew.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.support import sweep_sources
from tests.support.sites import ROOT
from tests.support.sweep import Action, Finding
from tests.support.sweep_states import Point
from tests.support.sweep_wire import Moment

Key = tuple[str, str, str, tuple[Point, ...]]


@dataclass
class Record:
    """Findings by runner, in a file that is only appended to; without a path, nothing is kept."""

    path: Path | None
    found: dict[Key, Finding] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.path and self.path.exists():
            for runner, finding in _read(self.path):
                self.found[_key(runner, finding)] = finding

    def get(self, runner: str, action: Action, case: object, points: tuple[Point, ...]) -> Finding | None:
        return self.found.get((runner, str(action), str(case), points))

    def keep(self, runner: str, finding: Finding) -> None:
        self.found[_key(runner, finding)] = finding
        if self.path:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            row = {
                "runner": runner,
                "action": finding.action,
                "case": finding.case,
                "points": [[point.at, point.moment] for point in finding.points],
                "statements": finding.statements,
                "problem": finding.problem,
            }
            with self.path.open("a") as file:  # one write a line, so that workers may share it
                file.write(json.dumps(row) + "\n")


def of_these_sources() -> Record:
    """The record of a whole sweep of the sources as they are, on the PostgreSQL that tests choose."""
    return Record(ROOT / ".data" / "sweep" / f"{sweep_sources.digest()}.jsonl")


def _key(runner: str, finding: Finding) -> Key:
    return runner, str(finding.action), finding.case, finding.points


def _read(path: Path) -> Iterator[tuple[str, Finding]]:
    for line in path.read_text().splitlines():
        row = json.loads(line)
        points = tuple(Point(at, Moment(moment)) for at, moment in row["points"])
        yield (
            row["runner"],
            Finding(Action(row["action"]), row["case"], points, tuple(row["statements"]), row["problem"]),
        )
