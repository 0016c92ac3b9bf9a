"""Containers that start at once with nothing pending: the CPU of all of them, and the time until the last is ready."""

from __future__ import annotations

import argparse
import shutil
import statistics
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from benchmarks import machine, page, server
from benchmarks.pairs import Measured, Turns, measure
from benchmarks.speed import contenders, measurements
from benchmarks.speed.ground import Ground
from tests.support.sites import ROOT

NAME = "fleet"
CONTENDERS = (contenders.STOCK, contenders.FAST, contenders.ORDINARY)
HEADS = ("", "CPU of all", "of stock", "until the last is ready", "of stock", "turns")


def main(arguments: list[str]) -> int:
    options = _parser().parse_args(arguments)
    if options.markdown:
        page.around(options.markdown, NAME)
    copies = 8 if options.quick else options.copies
    with server.running(), tempfile.TemporaryDirectory() as folder:
        apps = Path(folder) / "apps"
        shutil.copytree(ROOT / "apps", apps)
        ground = Ground(Path(folder) / "ground", apps, 100 if options.quick else options.length, "dense")
        title = f"{copies} processes of `migrate --noinput` at once, {ground.title} migrations, nothing pending"
        about = machine.facts()
        measureds = _measured(ground, copies, 1 if options.quick else 3)
    print("\n".join(("", *about, title, *_text(measureds))), flush=True)
    if options.markdown:
        facts = "".join(f"- {line}\n" for line in (*about, title))
        page.write(options.markdown, NAME, f"{facts}\n{markdown(measureds)}")
    return int(any(measured.failed for each, measured in measureds.items() if not _absent(each)))


def _measured(ground: Ground, copies: int, turns: int) -> dict[str, Measured]:
    commands = [
        replace(measurements.nothing_pending(ground, contender), copies=copies)
        for contender in CONTENDERS
        if not contender.absent
    ]
    absent = {contender.name: Measured(failed=contender.absent) for contender in CONTENDERS}
    return absent | measure(commands, Turns(turns, turns, budget=0, once=float("inf")))


def _absent(name: str) -> str:
    return next(contender.absent for contender in CONTENDERS if contender.name == name)


def _rows(measureds: Mapping[str, Measured]) -> Iterator[tuple[str, ...]]:
    """The cells of each contender's row, as HEADS name them."""
    base = measureds[contenders.STOCK.name]
    for contender in CONTENDERS:
        measured = measureds[contender.name]
        if measured.failed or base.failed:
            yield contender.title, measured.failed or "no base", "", "", "", ""
            continue
        ratios = {of: f"{statistics.median(measured.ratios(base, of)):.3f}" for of in ("cpu", "seconds")}
        cpu, seconds = f"{measured.median('cpu'):.2f} s", f"{measured.median():.2f} s"
        yield contender.title, cpu, ratios["cpu"], seconds, ratios["seconds"], str(len(measured.turns))


def _text(measureds: Mapping[str, Measured]) -> Iterator[str]:
    for row in (HEADS, *_rows(measureds)):
        yield f"  {row[0]:24}" + "".join(f" {cell:>24}" for cell in row[1:])


def markdown(measureds: Mapping[str, Measured]) -> str:
    rows = [HEADS, ("---",) * len(HEADS), *_rows(measureds)]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks fleet", description="Containers that start at once with nothing pending."
    )
    parser.add_argument("--copies", type=int, default=32, help="that start at once (default: %(default)s)")
    parser.add_argument("--length", type=int, default=1000, help="migrations, a multiple of 10 (default: %(default)s)")
    parser.add_argument("--quick", action="store_true", help="8 copies, 100 migrations, one turn")
    parser.add_argument("--markdown", type=Path, help="a page to write the table into, between its marks")
    return parser
