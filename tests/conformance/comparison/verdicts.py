"""A tool's answer, held against what is true of a case."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from tests.conformance.comparison import meanings
from tests.conformance.comparison.answers import Observed, Remark
from tests.conformance.comparison.case import Case, Danger

BLOCKING = ("SHARE", "SHARE ROW EXCLUSIVE", "EXCLUSIVE", "ACCESS EXCLUSIVE")  # what an UPDATE waits for


class Outcome(StrEnum):
    """Of an unsafe case: found, made safe (Lockgate alone), missed. Of a safe one: quiet, false alarm."""

    FOUND = "found"
    MADE_SAFE = "made safe"
    MISSED = "missed"
    QUIET = "quiet"
    FALSE_ALARM = "false alarm"


@dataclass(frozen=True)
class Verdict:
    """rules: those that were counted. beside: rules that name another danger than the case's. ends: ends a build."""

    outcome: Outcome
    rules: tuple[str, ...] = ()
    beside: tuple[str, ...] = ()
    ends: bool = False

    def __str__(self) -> str:
        mild = self.outcome in (Outcome.FOUND, Outcome.FALSE_ALARM) and not self.ends
        return f"{self.outcome} (warning)" if mild else str(self.outcome)


def of(tool: str, case: Case, remarks: Iterable[Remark]) -> Verdict:
    """What remarks come to. A rule counts if it names a danger; of an unsafe case, one of the case's own.

    Of a safe one, a warning that names a danger which is there perhaps does not count.
    """
    named = {remark: meanings.named(tool, remark) for remark in remarks}
    counted = [remark for remark, dangers in named.items() if _counts(tool, case, remark, dangers)]
    beside = [remark.rule for remark, dangers in named.items() if dangers and remark not in counted]
    ends = any(_ends(tool, remark) for remark in counted)
    yes, no = (Outcome.FALSE_ALARM, Outcome.QUIET) if case.safe else (Outcome.FOUND, Outcome.MISSED)
    return Verdict(yes if counted else no, tuple(remark.rule for remark in counted), tuple(beside), ends)


def _counts(tool: str, case: Case, remark: Remark, dangers: frozenset[Danger]) -> bool:
    if not case.safe:
        return bool(dangers & case.dangers)
    return bool(dangers) and (remark.level == "error" or not dangers & case.perhaps)


def _ends(tool: str, remark: Remark) -> bool:
    """Whether a remark ends a build; squawk ends one for anything."""
    return tool == "squawk" or remark.level == "error"


def online(case: Case, in_place: Iterable[Remark], as_run: Iterable[Remark], *, rewritten: bool) -> Verdict:
    """Lockgate's answer about its own way of running. What it finds no more because it runs otherwise is made safe."""
    verdict = of(meanings.LOCKGATE, case, as_run)
    before = of(meanings.LOCKGATE, case, in_place)
    if verdict.outcome is Outcome.MISSED and before.outcome is Outcome.FOUND and rewritten:
        return Verdict(Outcome.MADE_SAFE)
    return verdict


def contradiction(case: Case, seen: Iterable[Observed]) -> str:
    """Why PostgreSQL does not bear out what a case claims; empty where it does."""
    each_seen = list(seen)
    if not each_seen:
        return "not observed"
    blocked = [observed for observed in each_seen if observed.held in BLOCKING and observed.work]
    failed = [observed.error for observed in each_seen if observed.error]
    if failed and Danger.FAILS not in case.dangers:
        return f"failed with {failed[0]}"
    if case.safe and blocked:
        return f"{blocked[0].held} held through a {blocked[0].work}"
    return ""
