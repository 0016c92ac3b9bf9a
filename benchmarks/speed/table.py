"""Results, as text while they are measured and as Markdown for the docs."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence

from benchmarks.pairs import Measured
from benchmarks.speed.contenders import STOCK
from benchmarks.speed.results import Result

COLUMNS = f"  {'':28} {'median':>10} {'of stock':>9} {'middle half':>16} {'memory':>9} {'turns':>6}"


def text(result: Result) -> Iterator[str]:
    """A result's lines: seconds, ratio to stock Django in the same turn with its middle half, MiB, turns."""
    yield f"{result.measurement.title}: {result.length:,} migrations, {result.shape}"
    yield COLUMNS
    base = result.found[STOCK.name]
    for contender in result.measurement.contenders:
        if contender.name in result.found:
            yield f"  {contender.title:28} {_numbers(result.found[contender.name], base)}"


def _numbers(measured: Measured, base: Measured) -> str:
    if measured.failed:
        return measured.failed
    return (
        f"{measured.median():8.3f} s {_ratio(measured, base):>9} {_spread(measured, base):>16} "
        f"{measured.memory:5.0f} MiB {len(measured.turns):6}"
    )


def _ratio(measured: Measured, base: Measured) -> str:
    return "" if base.failed else f"{statistics.median(measured.ratios(base)):.3f}"


def _spread(measured: Measured, base: Measured) -> str:
    """The middle half of the ratios; nothing where there are too few to have one."""
    if base.failed or len(measured.turns) < 3:
        return ""
    ratios = measured.ratios(base)
    return f"{ratios[len(ratios) // 4]:.3f} to {ratios[-1 - len(ratios) // 4]:.3f}"


def markdown(results: Sequence[Result]) -> str:
    """A table for each measurement, a column for each history."""
    measurements = dict.fromkeys(result.measurement for result in results)
    tables = (
        _table([result for result in results if result.measurement == measurement]) for measurement in measurements
    )
    return "\n".join(tables)


def _table(results: Sequence[Result]) -> str:
    measurement = results[0].measurement
    heads = [f"{result.length:,} {result.shape}" for result in results]
    rows = [
        f"### {measurement.title}\n",
        f"| | {' | '.join(heads)} |",
        "|---|" + "---|" * len(results),
    ]
    for contender in measurement.contenders:
        cells = [_cell(result, contender.name) for result in results]
        if any(cells):
            rows.append(f"| {contender.title} | {' | '.join(cells)} |")
    return "\n".join(rows) + "\n"


def _cell(result: Result, name: str) -> str:
    """``0.123 s, **0.085** (0.080 to 0.090), 45 MiB, 15 turns``."""
    measured, base = result.found.get(name), result.found[STOCK.name]
    if measured is None:
        return ""
    if measured.failed:
        return measured.failed.replace("|", "\\|")
    spread = _spread(measured, base)
    of_stock = f", **{_ratio(measured, base)}**" if name != STOCK.name and not base.failed else ""
    shown = f" ({spread})" if spread and of_stock else ""
    count = len(measured.turns)
    return f"{measured.median():.3f} s{of_stock}{shown}, {measured.memory:.0f} MiB, {count} turn{'s' * (count > 1)}"
