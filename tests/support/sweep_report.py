"""The sweep as tables.

``python -m tests.support.sweep_report`` sweeps, by default a sample of kills, and prints what came of each case;
``--runner stock`` shows what stock Django makes of it. ``--whole`` goes on with the record of ``make sweep`` (with
LOCKGATE_SWEEP=states, only with the points that leave something else), ``--summary`` only prints what is in it, and
``--outlook`` how many points there are, and how long the rest will take. The server is its own, and ends with it.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence

from tests.support import sweep_record
from tests.support.sweep import Action, Finding, Sweep, own_bench
from tests.support.sweep_cases import CASES, Case
from tests.support.sweep_record import Record
from tests.support.sweep_states import EXTENT, Extent, Point

WHOLE = "whole"  # the seed of a whole sweep, so that one that is taken up again has the same points
WIDTH = 240  # characters of a finding: statements can be long
# What `make sweep` does, and how many points of each are tried to tell how long it will take.
WHOLE_SWEEP = (*(("lockgate", action) for action in Action), ("stock", Action.KILL))
TRIED = 16
STATES = EXTENT is Extent.STATES


def sweep(
    swept: Sweep, action: Action, case: Case, points: Sequence[tuple[Point, ...]], record: Record
) -> list[Finding]:
    """What comes of a case's points; what the record has is not done again."""
    findings = []
    for point in points:
        known = record.get(swept.runner, action, case, point)
        if known is None:
            known = swept.disturb(action, case, point)
            record.keep(swept.runner, known)
        findings.append(known)
    return findings


def main(arguments: Sequence[str] | None = None) -> int:
    options = _options(arguments)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings.mypy")  # for the writer of migrations
    import django

    django.setup()
    kept = options.whole or options.summary or options.outlook
    record = sweep_record.of_these_sources() if kept else Record(None)
    if options.outlook:
        for line in outlook(record, options.workers):
            print(line, flush=True)
        return 0
    if not options.summary:
        _sweep(options, record)
    for line in summary(record):
        print(line)
    return int(any(finding.problem for (runner, *_), finding in record.found.items() if runner == "lockgate"))


def _sweep(options: argparse.Namespace, record: Record) -> None:
    sample, seed = (0, WHOLE) if options.whole else (options.sample, options.seed)
    every = "all that leave something else" if STATES else "all"
    print(f"{options.runner}, {options.action}, {sample or every} points a case, seed {seed}")
    print(f"{'statements':>10} {'points':>7} {'failed':>7}  case")
    with own_bench() as bench:
        swept = Sweep(bench, options.runner)
        for case in CASES:
            if options.case.lower() in str(case).lower():
                action = Action(options.action)
                findings = sweep(swept, action, case, swept.points(action, case, seed, sample, states=STATES), record)
                bad = [finding for finding in findings if finding.problem]
                count = len(swept.undisturbed(case).statements)
                print(f"{count:>10} {len(findings):>7} {len(bad):>7}  {case}", flush=True)
                for finding in bad[: options.show]:
                    print(f"{'':>28}{str(finding)[len(str(case)) + 2 :][:WIDTH]}", flush=True)


def outlook(record: Record, workers: int) -> Iterator[str]:
    """By runner and action: points, how many are left, seconds for one of them, and minutes for all that are left.

    The seconds are those of some points, tried one by one. Stock Django's are not shared among workers.
    """
    yield f"{'runner':<9} {'action':<10} {'points':>7} {'left':>7} {'seconds each':>13} {'minutes':>8}"
    everything = minutes = 0.0
    with own_bench() as bench:
        sweeps = {runner: Sweep(bench, runner) for runner, _ in WHOLE_SWEEP}
        for runner, action in WHOLE_SWEEP:
            swept = sweeps[runner]
            points = [(case, point) for case in CASES for point in swept.points(action, case, WHOLE, states=STATES)]
            left = [
                (case, one_points) for case, one_points in points if not record.get(runner, action, case, one_points)
            ]
            seconds = _seconds(swept, action, left, record)
            took = seconds * len(left) / (workers if runner == "lockgate" else 1) / 60
            everything, minutes = everything + len(points), minutes + took
            yield f"{runner:<9} {action:<10} {len(points):>7} {len(left):>7} {seconds:>13.2f} {took:>8.0f}"
    yield f"{everything:.0f} points; {minutes:.0f} minutes with {workers} workers, where each has a core of its own"


def _seconds(swept: Sweep, action: Action, left: Sequence[tuple[Case, tuple[Point, ...]]], record: Record) -> float:
    """How long a point takes: the mean of some by chance, which the record keeps."""
    tried = random.sample(left, min(TRIED, len(left)))
    began = time.monotonic()
    for case, points in tried:
        sweep(swept, action, case, [points], record)
    return (time.monotonic() - began) / max(len(tried), 1)


def summary(record: Record) -> Iterator[str]:
    """By runner and action: cases, points, points that no run came to, failures."""
    yield f"\n{'runner':<9} {'action':<10} {'cases':>6} {'points':>7} {'not reached':>12} {'failed':>7}"
    groups = Counter((runner, action) for runner, action, *_ in record.found)
    for (runner, action), points in sorted(groups.items()):
        findings = [finding for key, finding in record.found.items() if key[:2] == (runner, action)]
        cases = len({finding.case for finding in findings})
        missed = sum(len(finding.statements) < len(finding.points) for finding in findings)
        failed = sum(bool(finding.problem) for finding in findings)
        yield f"{runner:<9} {action:<10} {cases:>6} {points:>7} {missed:>12} {failed:>7}"


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.support.sweep_report", description=__doc__)
    parser.add_argument("--runner", choices=("lockgate", "stock"), default="lockgate")
    parser.add_argument("--action", choices=[str(action) for action in Action], default="kill")
    parser.add_argument("--case", default="", help="only cases with this in their title")
    parser.add_argument("--sample", type=int, default=3, help="points a case; 0: all")
    parser.add_argument("--seed", default=random.randrange(10**6))
    parser.add_argument("--show", type=int, default=3, help="failures to show for each case")
    parser.add_argument("--whole", action="store_true", help="all points, kept in .data/sweep")
    parser.add_argument("--summary", action="store_true", help="only print what the whole sweep has found so far")
    parser.add_argument("--outlook", action="store_true", help="only count the whole sweep's points, and try some")
    parser.add_argument("--workers", type=int, default=1, help="how many share a whole sweep, for --outlook")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
