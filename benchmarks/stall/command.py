"""``python -m benchmarks stall``: choose, measure, print."""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from benchmarks import page
from benchmarks.stall import contenders, environment, operations, planned, report, shop
from benchmarks.stall.cell import SITUATIONS, Bench, Cell
from benchmarks.stall.rounds import Rounds
from benchmarks.stall.verdict import misses
from project import embedded
from tests.support import databases
from tests.support.sites import ROOT


def main(arguments: list[str]) -> int:
    options = _parser().parse_args(arguments)
    if options.list:
        print("\n".join(operation.name for operation in operations.OPERATIONS))
        return 0
    chosen = operations.chosen(options.only)
    if not chosen:
        sys.stderr.write(f"no operation has {' or '.join(options.only)} in its name; --list names them\n")
        return 2
    if options.markdown:
        page.around(options.markdown, report.NAME)  # fail now, not after all the measuring
    taking_part = contenders.named(options.contender)
    if any(contender in (contenders.ZDM, contenders.ZDM_UNSAFE) for contender in taking_part):
        contenders.install_peer()
    with _bench(options) as bench:
        results = _run(Rounds(bench, chosen, taking_part, options.situation or SITUATIONS))
    print("\n".join(("", *report.baselines(results), "", *report.summary(results, taking_part))))
    if options.markdown:
        report.write(options.markdown, results, taking_part)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks stall",
        description="What the queries of a serving release meet while one migration runs.",
    )
    parser.add_argument("--only", action="append", default=[], metavar="WORD", help="operations with it in their name")
    parser.add_argument(
        "--contender", action="append", default=[], choices=[contender.name for contender in contenders.ALL]
    )
    parser.add_argument("--situation", action="append", default=[], choices=SITUATIONS)
    parser.add_argument("--rows", type=int, default=shop.ROWS, help="of the large table (default: %(default)s)")
    parser.add_argument("--rate", type=float, default=200.0, help="queries a second (default: %(default)g)")
    parser.add_argument("--connections", type=int, default=8, help="of the load (default: %(default)s)")
    parser.add_argument("--limit-seconds", type=float, default=60.0, help="for one migration (default: %(default)g)")
    parser.add_argument("--postgres", type=int, choices=embedded.VERSIONS, default=16, help="major version")
    parser.add_argument("--markdown", type=Path, help="a page to write the table into, between its marks")
    parser.add_argument("--list", action="store_true", help="name the operations, and do nothing")
    return parser


@contextlib.contextmanager
def _bench(options: argparse.Namespace) -> Iterator[Bench]:
    """A server with the filled tables, and a copy of Lockgate's code: one state of it is measured from start to end."""
    with embedded.server(postgres=options.postgres) as url, tempfile.TemporaryDirectory() as folder:
        os.environ["TEST_DATABASE_URL"] = url
        apps = Path(folder) / "apps"
        shutil.copytree(ROOT / "apps", apps)
        site = contenders.LOCKGATE.site(Path(folder) / "site", databases.create())
        shop.build(site, options.rows)  # by Lockgate, so that its ledger is there, as on every run but the first
        yield Bench(site.database.name, apps, options.rows, options.rate, options.connections, options.limit_seconds)


def _run(rounds: Rounds) -> report.Results:
    about = environment.of(rounds.bench)
    print("\n".join((*about, "", report.HEADER, report.COLUMNS)), flush=True)
    cells: list[Cell] = []
    for found_cells in rounds.run():
        print("\n".join(report.lines(found_cells)), flush=True)
        cells += found_cells
    results = report.Results(about, rounds.rests, cells)
    return replace(results, plans=_plans(rounds, results))


def _plans(rounds: Rounds, results: report.Results) -> dict[str, str]:
    """Lockgate's plans of the operations at which it misses what is asked."""
    ours = [cell for cell in results.cells if cell.contender == contenders.LOCKGATE.name]
    missed = {cell.operation for cell in ours if misses(cell, results.baselines)}
    return {
        operation.name: planned.of(rounds.bench, operation)
        for operation in rounds.operations
        if operation.name in missed
    }
