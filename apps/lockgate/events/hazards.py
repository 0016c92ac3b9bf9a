"""What is told of the hazards of migrations that are about to run."""

from __future__ import annotations

from typing import Literal, NamedTuple

from lockgate.events.level import Level
from lockgate.facts.migrations import Key


class HazardFound(NamedTuple):
    """A hazard of a migration that is about to run. id: of its rule. what: where it is. accepted: why, if it is."""

    migration: Key
    id: str
    rule: str
    severity: str
    what: str
    effect: str
    accepted: str
    kind: Literal["hazard"] = "hazard"

    @property
    def level(self) -> Level:
        return "info" if self.accepted else "warning"

    @property
    def message(self) -> str:
        if self.accepted:
            return ""
        weight = "severe hazard" if self.severity == "error" else "hazard"  # on a line that is a warning, no error
        return f"{weight} {self.id} in {self.migration}: {self.what}. {self.effect}"


class HazardsFound(NamedTuple):
    """How many hazards were found in what is about to run."""

    errors: int
    warnings: int
    accepted: int
    kind: Literal["hazards"] = "hazards"

    @property
    def level(self) -> Level:
        return "warning" if self.errors or self.warnings else "info"

    @property
    def message(self) -> str:
        if not self.errors and not self.warnings:
            return ""
        counts = f"{self.errors} severe, {self.warnings} to be looked at, {self.accepted} accepted"
        explain = "for what to do about one:  manage.py lockgate lint --explain ID"
        return f"hazards of the pending migrations: {counts}; {explain}"


class HazardsUnknown(NamedTuple):
    """What is about to run could not be judged."""

    why: str
    kind: Literal["hazards_unknown"] = "hazards_unknown"
    level: Level = "warning"

    @property
    def message(self) -> str:
        return f"hazards of the pending migrations are unknown: {self.why}"
