"""The table, as text while it is measured and as Markdown for the docs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import groupby
from pathlib import Path

from benchmarks import page
from benchmarks.stall import verdict
from benchmarks.stall.cell import SITUATIONS, Cell
from benchmarks.stall.contenders import LOCKGATE, Contender
from benchmarks.stall.traffic import Observed

NAME = "stall"
TITLES = {"alone": "Alone", "beside": "Beside a 5 s analytics transaction"}
HEADER = f"{'':35} {'':10}" + "".join(f" | {situation:50}" for situation in SITUATIONS)
COLUMNS = (
    f"{'operation':35} {'contender':10}"
    + f" | {'longest ms':>10} {'p99 ms':>8} {'took s':>7} {'exit':>5} failed{'':10}" * 2
)


@dataclass(frozen=True)
class Results:
    """rests: the load by itself, by situation. plans: Lockgate's, by operation."""

    environment: tuple[str, ...]
    rests: Mapping[str, Sequence[Observed]]
    cells: Sequence[Cell]
    plans: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def baselines(self) -> dict[str, Observed]:
        return {situation: verdict.typical(turns) for situation, turns in self.rests.items()}


def lines(cells: Sequence[Cell]) -> Iterator[str]:
    """One line for each operation and contender, its situations side by side."""
    for (operation, contender), group in groupby(cells, lambda cell: (cell.operation, cell.contender)):
        found_cells = {cell.situation: cell for cell in group}
        shown = "".join(f" | {_numbers(found_cells[each]) if each in found_cells else '':50}" for each in SITUATIONS)
        yield f"{operation:35} {contender:10}{shown}".rstrip()


def _numbers(cell: Cell) -> str:
    code = "limit" if cell.ended.code is None else str(cell.ended.code)
    seen = cell.observed
    return (
        f"{seen.longest * 1000:10,.0f} {seen.p99 * 1000:8,.0f} {cell.ended.seconds:7.1f} {code:>5} "
        f"{verdict.failures(seen) or '0'}"
    )


def baselines(results: Results) -> Iterator[str]:
    for situation, typical in results.baselines.items():
        longest = [turn.longest * 1000 for turn in results.rests[situation]]
        yield (
            f"baseline {situation}: longest {typical.longest * 1000:.0f} ms (median of {len(longest)} turns, "
            f"{min(longest):.0f} to {max(longest):.0f}), p99 {typical.p99 * 1000:.0f} ms, "
            f"{verdict.failures(typical) or 'none'} failed, of {typical.queries:,} queries"
        )


def summary(results: Results, contenders: Sequence[Contender]) -> Iterator[str]:
    """How often each contender keeps what is asked, and each miss."""
    for contender in contenders:
        cells = [cell for cell in results.cells if cell.contender == contender.name]
        missed = [(cell, found) for cell in cells if (found := verdict.misses(cell, results.baselines))]
        yield f"{contender.title}: {len(cells) - len(missed)} of {len(cells)} as asked"
        for cell, found in missed:
            plan = results.plans.get(cell.operation) if contender is LOCKGATE else None
            yield f"  {cell.operation}, {cell.situation}: {'; '.join(found)}{f' ({plan})' if plan else ''}"


def write(path: Path, results: Results, contenders: Sequence[Contender]) -> None:
    """Replace what stands between the marks of a page. ValueError where it has none."""
    page.write(path, NAME, markdown(results, contenders))


def markdown(results: Results, contenders: Sequence[Contender]) -> str:
    text = "".join(f"- {line}\n" for line in (*results.environment, *baselines(results)))
    for situation in results.baselines:
        text += f"\n### {TITLES[situation]}\n\n{_table(results, contenders, situation)}"
    text += "\n### What was asked and is not so\n\n"
    for line in summary(results, contenders):
        text += f"  -{line.removeprefix(' ')}\n" if line.startswith(" ") else f"- {line}\n"
    return text


def _table(results: Results, contenders: Sequence[Contender], situation: str) -> str:
    cells = {(cell.operation, cell.contender): cell for cell in results.cells if cell.situation == situation}
    rows = [
        "| operation | " + " | ".join(contender.title for contender in contenders) + " |",
        "|---|" + "---|" * len(contenders),
    ]
    for operation in dict.fromkeys(operation for operation, _ in cells):
        shown = (_cell(cells[operation, contender.name], results.baselines) for contender in contenders)
        rows.append(f"| {operation} | " + " | ".join(shown) + " |")
    return "\n".join(rows) + "\n"


def _cell(cell: Cell, baselines: Mapping[str, Observed]) -> str:
    """Bold where something that is asked is not so."""
    seen = cell.observed
    parts = [f"{seen.longest * 1000:,.0f} / {seen.p99 * 1000:,.0f} ms", f"{cell.ended.seconds:.1f} s"]
    if seen.failed:
        parts.append(f"failed {verdict.failures(seen)}")
    if cell.ended.code != 0:
        parts.append(verdict.outcome(cell))
    text = ", ".join(parts)
    return f"**{text}**" if verdict.misses(cell, baselines) else text
