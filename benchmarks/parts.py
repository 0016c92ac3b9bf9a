"""Where the time goes: of a start with nothing pending, and of applying a whole history."""

from __future__ import annotations

import argparse
import json
import pstats
import re
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from benchmarks import machine, page, sampler, server
from benchmarks.pairs import Command, Turns, measure
from benchmarks.speed import contenders, measurements
from benchmarks.speed.contenders import Contender
from benchmarks.speed.ground import Ground
from tests.support.sites import ROOT

NAME = "parts"
IMPORT = re.compile(r"import time: +(\d+) \| +\d+ \| *(\S+)$", re.MULTILINE)
PACKAGES = ("lockgate", "django", "psycopg")
SHOWN = 0.0005  # seconds below which a function of ours is not worth a row
CONNECT = """
import sys, time, psycopg
for _ in range(21):
    started = time.perf_counter()
    connection = psycopg.connect(sys.argv[1], autocommit=True)
    connected = time.perf_counter()
    connection.execute("SELECT app, name FROM django_migrations").fetchall()
    print(connected - started, time.perf_counter() - connected)
    connection.close()
"""

Row = tuple[str, str]


def main(arguments: list[str]) -> int:
    options = _parser().parse_args(arguments)
    if options.markdown:
        page.around(options.markdown, NAME)
    with server.running(), tempfile.TemporaryDirectory() as folder:
        apps = Path(folder) / "apps"
        shutil.copytree(ROOT / "apps", apps)
        ground = Ground(Path(folder) / "ground", apps, 100 if options.quick else options.length, "dense")
        tables = {"": [(line, "") for line in machine.facts()]}
        for title, rows in _tables(ground):
            tables[title] = list(rows)
            print("\n".join((f"\n{title}", *(f"  {name:60} {value}" for name, value in tables[title]))), flush=True)
    if options.markdown:
        page.write(options.markdown, NAME, markdown(tables))
    return 0


def _tables(ground: Ground) -> Iterator[tuple[str, Iterator[Row]]]:
    for contender in (contenders.STOCK, contenders.FAST, contenders.ORDINARY):
        if not contender.absent:
            yield f"{contender.title}: nothing pending, {ground.title} migrations", _start(ground, contender)
    yield "A connection and a query alone, by psycopg", _connect(ground)
    ours = contenders.EAGERLY if contenders.LAZILY.absent else contenders.LAZILY
    yield f"`lockgate lint` of {ground.title} migrations, without a database", _lint(ground, ours)
    for contender in (contenders.STOCK, ours):
        yield f"{contender.title}: everything pending, {ground.title} migrations", _everything(ground, contender)


def _start(ground: Ground, contender: Contender) -> Iterator[Row]:
    command = measurements.nothing_pending(ground, contender)
    bare = replace(command, name="bare", arguments=[sys.executable, "-c", "pass"])
    measureds = measure([command, bare], Turns(21, 21, budget=0))
    yield "the whole command", _milliseconds(measureds[command.name].median())
    yield "Python's own start", _milliseconds(measureds["bare"].median())
    for package, seconds in _imports(command, bare).items():
        yield f"importing modules of {package}", _milliseconds(seconds)
    if contender.variant == "lockgate":
        for function, seconds in _functions(command):
            yield f"`{function}`, with what it calls, profiled", _milliseconds(seconds)


def _imports(command: Command, bare: Command) -> Counter[str]:
    """Seconds by package, without what Python imports by itself: each module's own time, not that of its imports."""
    known = {name for _, name in IMPORT.findall(_run(bare, "-X", "importtime").stderr)}
    counts: Counter[str] = Counter()
    for microseconds, name in IMPORT.findall(_run(command, "-X", "importtime").stderr):
        if name not in known:
            package = name.partition(".")[0].removesuffix("_binary")
            counts[package if package in PACKAGES else "others"] += int(microseconds) / 1_000_000
    return counts


def _functions(command: Command) -> Iterator[tuple[str, float]]:
    """Lockgate's own functions that start the command, with their seconds, the longest first."""
    with tempfile.NamedTemporaryFile() as out:
        _run(command, "-m", "cProfile", "-o", out.name)
        stats = pstats.Stats(out.name).stats  # type: ignore[attr-defined]
    boot = {
        f"{Path(path).stem}.{name}": timing[3]
        for (path, _, name), timing in stats.items()
        if "/lockgate/boot/" in path and not name.startswith("<")
    }
    yield from sorted(((name, each) for name, each in boot.items() if each >= SHOWN), key=lambda each: -each[1])


def _run(command: Command, *options: str) -> subprocess.CompletedProcess[str]:
    """The command with options of Python's."""
    python, *arguments = command.arguments
    return subprocess.run(
        [python, *options, *arguments],
        cwd=command.folder,
        env=dict(command.environment),
        check=True,
        capture_output=True,
        text=True,
    )


def _connect(ground: Ground) -> Iterator[Row]:
    command = [sys.executable, "-c", CONNECT, server.url(ground.whole("stock"))]
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    connected, asked = zip(*(map(float, line.split()) for line in lines), strict=True)
    yield "connecting", _milliseconds(statistics.median(connected))
    yield "reading `django_migrations`", _milliseconds(statistics.median(asked))


def _lint(ground: Ground, contender: Contender) -> Iterator[Row]:
    """Processor time, which others on the machine change little: a judgement, one that is written down, one found."""
    command = measurements.everything_pending(ground, contender)
    folder = command.folder / "kept"
    for title, options in (
        ("all of them judged", ()),
        ("the same, kept for the next time (`--cache`)", ("--cache", str(folder))),
        ("found again, nothing having changed", ("--cache", str(folder))),
    ):
        arguments = [*command.arguments[:2], "lockgate", "lint", *options]
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run(
            arguments, cwd=command.folder, env=dict(command.environment), capture_output=True, text=True, check=False
        )
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        if "not kept" in done.stdout or f"{ground.length} migrations judged" not in done.stdout:
            raise RuntimeError(f"exit {done.returncode}: {done.stdout[-2000:]}{done.stderr[-2000:]}")
        yield title, f"{after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime:.2f} s"


def _everything(ground: Ground, contender: Contender) -> Iterator[Row]:
    """Shares, by a sampler in the command's process."""
    command = measurements.everything_pending(ground, contender)
    command.before()
    with tempfile.NamedTemporaryFile() as out:
        # -P: beside the sampler lie modules with the names of others
        sampled = [sys.executable, "-P", sampler.__file__, out.name, *command.arguments[2:]]
        subprocess.run(
            sampled, cwd=command.folder, env=dict(command.environment), check=True, stdout=subprocess.DEVNULL
        )
        document: dict[str, float] = json.loads(Path(out.name).read_text())
    command.check()
    total = sum(document.values())
    yield "sampled", f"{total:.1f} s"
    for name, seconds in sorted(document.items(), key=lambda each: -each[1]):
        yield name, f"{100 * seconds / total:.1f} %"


def _milliseconds(seconds: float) -> str:
    return f"{seconds * 1000:.1f} ms"


def markdown(tables: dict[str, list[Row]]) -> str:
    parts = []
    for title, rows in tables.items():
        if title:
            lines = "".join(f"| {name} | {value} |\n" for name, value in rows)
            parts.append(f"### {title}\n\n| | |\n|---|---|\n{lines}")
        else:
            parts.append("".join(f"- {name}\n" for name, _ in rows))
    return "\n".join(parts)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks parts", description="Where the time goes.")
    parser.add_argument("--length", type=int, default=1000, help="migrations, a multiple of 10 (default: %(default)s)")
    parser.add_argument("--quick", action="store_true", help="100 migrations")
    parser.add_argument("--markdown", type=Path, help="a page to write the tables into, between its marks")
    return parser
