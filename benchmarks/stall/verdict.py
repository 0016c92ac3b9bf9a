"""What is asked of a migration under load: nothing fails, nothing stalls, and it succeeds."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Mapping, Sequence

from benchmarks.stall.cell import Cell
from benchmarks.stall.traffic import Observed

BUDGET = 0.1  # seconds above the load's own maximum: below what a person notices


def typical(turns: Sequence[Observed]) -> Observed:
    """The baseline of a situation: the median of what its turns came to.

    The largest maximum of all turns would forgive every contender whatever once happened to the load by itself.
    """
    return Observed(
        sum(turn.queries for turn in turns),
        statistics.median_high(turn.longest for turn in turns),
        statistics.median_high(turn.p99 for turn in turns),
        sum((turn.failed for turn in turns), start=Counter()),
    )


def misses(cell: Cell, baselines: Mapping[str, Observed]) -> list[str]:
    """What was asked and is not so, in words; empty where all is well."""
    above = cell.observed.longest - baselines[cell.situation].longest
    found = []
    if cell.observed.failed:
        found.append(f"failed queries: {failures(cell.observed)}")
    if above > BUDGET:
        found.append(f"longest stall {above * 1000:,.0f} ms above the baseline's, {BUDGET * 1000:.0f} allowed")
    if cell.ended.code != 0:
        found.append(f"{outcome(cell)}: {cell.ended.reason}")
    return found


def failures(observed: Observed) -> str:
    """How many queries failed, and the SQLSTATEs they failed with."""
    return ", ".join(f"{state}: {count}" for state, count in sorted(observed.failed.items()))


def outcome(cell: Cell) -> str:
    return "ended by the time limit" if cell.ended.code is None else f"exit {cell.ended.code}"
