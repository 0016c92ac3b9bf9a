"""``python -m benchmarks speed``: choose, measure, print."""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

from benchmarks import machine, page, server
from benchmarks.histories import SHAPES
from benchmarks.pairs import Turns
from benchmarks.speed import contenders, results, table
from benchmarks.speed.measurements import MEASUREMENTS
from benchmarks.speed.results import Choice, Result
from tests.support.sites import ROOT

NAME = "speed"
LENGTHS = (10, 100, 1000)
QUICK = Turns(least=2, most=5, budget=5)


def main(arguments: list[str]) -> int:
    options = _parser().parse_args(arguments)
    if options.markdown:
        page.around(options.markdown, NAME)  # fail now, not after all the measuring
    found_results: list[Result] = []
    with server.running(), tempfile.TemporaryDirectory() as folder:
        apps = Path(folder) / "apps"  # one state of Lockgate's code is measured from start to end
        shutil.copytree(ROOT / "apps", apps)
        about = machine.facts()
        print("\n".join(about), flush=True)
        for result in results.run(_choice(options), apps, Path(folder)):
            print("\n".join(("", *table.text(result))), flush=True)
            found_results.append(result)
    if options.markdown:
        facts = "".join(f"- {line}\n" for line in about)
        page.write(options.markdown, NAME, f"{facts}\n{table.markdown(found_results)}")
    return _report_failures(found_results)


def _choice(options: argparse.Namespace) -> Choice:
    return Choice(
        [measurement for measurement in MEASUREMENTS if not options.only or measurement.name in options.only],
        options.sizes or (LENGTHS[:2] if options.quick else LENGTHS),
        options.shape or SHAPES,
        options.contender or contenders.ALL,
        QUICK if options.quick else None,
    )


def _report_failures(found_results: list[Result]) -> int:
    """1 where somebody took part and failed. Who is not there, or cannot be installed, did not take part."""
    failed = [
        f"{contender.title}, {result.measurement.title}, {result.length:,} {result.shape}"
        for result in found_results
        for contender in result.measurement.contenders
        if contender.name in result.found and result.found[contender.name].failed and not contender.absent
    ]
    if failed:
        sys.stderr.write("failed: " + "; ".join(failed) + "\n")
    return int(bool(failed))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks speed",
        description="migrate on generated histories, beside stock Django and others that bring a schema up to date.",
    )
    names = [measurement.name for measurement in MEASUREMENTS]
    parser.add_argument("--only", action="append", default=[], choices=names, help="what is measured")
    parser.add_argument(
        "--sizes",
        type=lambda text: [int(each) for each in text.split(",")],
        metavar="N,N",
        help=f"migrations of the histories, multiples of 10 (default: {','.join(map(str, LENGTHS))})",
    )
    parser.add_argument("--shape", action="append", default=[], choices=SHAPES)
    parser.add_argument(
        "--contender", action="append", default=[], choices=contenders.ALL, help="stock Django always takes part"
    )
    parser.add_argument(
        "--quick", action="store_true", help="few turns, and no history of 1,000 unless --sizes says so"
    )
    parser.add_argument("--markdown", type=Path, help="a page to write the tables into, between its marks")
    return parser
