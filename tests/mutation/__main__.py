"""Change one line at a time, in a copy of the tree, and see whether a test notices.

``python -m tests.mutation --count 200`` tries that many, drawn by lot, the same each time. Which tests are asked is
told by a map of what each test reaches, made before the first (``--map`` makes it anew). Both are kept in
``.data/mutation``, and what was tried is not tried again. Nothing is changed in the checkout. A test's word counts
only if it passes without the mutant.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from project import embedded
from tests.mutation import mutants, trials
from tests.mutation.choice import Choice
from tests.mutation.mutants import Mutant
from tests.support.sites import ROOT

KEPT = ROOT / ".data" / "mutation"
RESULTS = KEPT / "results.jsonl"
MAP = KEPT / "map"
EQUIVALENT = Path(__file__).with_name("equivalent.txt")
PATIENCE = 240.0  # seconds for one mutant's tests: it may wait for ever
# What judges the product as it is used, without sweeps; the rest is about other things.
TESTS = ["tests/unit", "tests/postgres", "--ignore=tests/postgres/watchstats", "-m", "not sweep"]
LEFT_OUT = (
    "embedded",
    "races",
    "speed_bench",
    "stall_cell",
    "stall_load",
    "sweep",
    "sweep_ends",
    "sweep_wire",
    "wheel",
)


def all_mutants(only: str, root: Path = ROOT, seed: str = "") -> list[Mutant]:
    """Those of a tree whose key has this text in it, in the order of a lot; another order with another seed."""
    found_mutants = [mutant for name in mutants.modules(root) for mutant in mutants.of(root, name)]
    return sorted((mutant for mutant in found_mutants if only in mutant.key), key=lambda mutant: mutant.order(seed))


def results() -> dict[str, dict[str, Any]]:
    """What was tried, by the mutant's key; the last word counts."""
    lines = RESULTS.read_text().splitlines() if RESULTS.exists() else []
    return {said["key"]: said for said in map(json.loads, lines)}


def equivalent() -> dict[str, str]:
    """Why nobody could tell a mutant from the code, by the mutant's key: lines of a key and, indented, the reason."""
    found: dict[str, str] = {}
    for line in EQUIVALENT.read_text().splitlines():
        if line.startswith(" "):
            found[list(found)[-1]] += line.strip()
        elif line and not line.startswith("#"):
            found[line] = ""
    return found


def copy(target: Path) -> None:
    """What git knows of the checkout, as it lies there."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target / name)


class Pytest:
    """A session of it in a copy of the tree, with the server of ``url``; what it writes is in ``said`` there."""

    def __init__(self, tree: Path, url: str, plugin: str, *arguments: str, **environment: str) -> None:
        left_out = [f"--ignore=tests/postgres/test_{name}.py" for name in LEFT_OUT]
        options = ["-q", "--tb=short", "-n", "0", "-p", "no:cacheprovider", "-p", "no:randomly", *left_out]
        given = {"PYTHONPATH": f"{tree / 'apps'}{os.pathsep}{tree}", "TEST_DATABASE_URL": url, **environment}
        self.ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with (tree / "said").open("wb") as said, theirs:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "pytest", "-p", f"tests.mutation.{plugin}", *options, *arguments],
                cwd=tree,
                env={**os.environ, **given, "LOCKGATE_TRIALS": str(theirs.fileno())},
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=subprocess.STDOUT,
            )

    def __enter__(self) -> Pytest:
        return self

    def __exit__(self, *_: object) -> None:
        self.ours.close()
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        self.process.wait(60)

    def hear(self) -> bytes:
        """RuntimeError where it has ended."""
        if heard := self.ours.recv(trials.LONGEST):
            return heard
        raise RuntimeError(f"pytest exited {self.process.wait(60)}")

    def first_failure(self, tests: list[str], seconds: float, **mutant: str) -> str | None:
        """The first of these tests that fails, ``too long``, or None where all pass."""
        self.ours.send(json.dumps({"tests": tests, "seconds": seconds, **mutant}).encode())
        failed: str | None = json.loads(self.hear())["failed"]
        return failed


def make_map(arguments: list[str]) -> None:
    """What each test reaches; goes on where it was."""
    MAP.mkdir(parents=True, exist_ok=True)
    with embedded.server() as url, tempfile.TemporaryDirectory() as folder:
        copy(Path(folder))
        with Pytest(Path(folder), url, "covering", *(arguments or TESTS), LOCKGATE_COVERING=str(MAP)) as session:
            session.process.wait()
        print((Path(folder) / "said").read_text()[-500:])


def put(tree: Path, path: str, source: bytes) -> None:
    """Write a module; what was compiled of it goes, since its time and its length may be the same."""
    (tree / path).write_bytes(source)
    for compiled in (tree / path).parent.glob(f"__pycache__/{Path(path).stem}.*"):
        compiled.unlink()


def judge(session: Pytest, tree: Path, choice: Choice, tests: list[str], mutant: Mutant) -> dict[str, Any]:
    """Killed, survived, unasked, or unknown where the test that fails does so without the mutant."""
    began = time.monotonic()
    source = (tree / mutant.path).read_bytes()
    changed = mutant.applied(source)
    by: str | None = None
    said = "survived" if tests else "unasked"
    if tests:
        put(tree, mutant.path, changed)
        try:
            given = {"path": mutant.path, "function": mutant.function, "source": changed.decode()}
            by = session.first_failure(tests, PATIENCE, **given)
        finally:
            put(tree, mutant.path, source)
    if by:
        alone = tests if by in ("all", "too long") else [by]
        said = "killed" if by in choice.sound or session.first_failure(alone, PATIENCE) is None else "unknown"
        if said == "killed":
            choice.noticed(mutant, by)
    took = round(time.monotonic() - began)
    return {"key": mutant.key, "new": mutant.new, "said": said, "by": by, "asked": tests, "seconds": took}


def run(options: argparse.Namespace) -> None:
    """Judge those that are not known, or as many as begin within some seconds; each result is kept at once."""
    ends = time.monotonic() + options.seconds
    choice, before, known = Choice(MAP), results(), equivalent()
    with embedded.server() as url, tempfile.TemporaryDirectory() as folder, RESULTS.open("a") as kept:
        tree = Path(folder)
        copy(tree)
        with Pytest(tree, url, "trials", *TESTS) as session:
            session.hear()
            for mutant in all_mutants(options.only, tree, options.seed)[: options.count]:
                tried = before.get(mutant.key, {})
                asked = tried.get("asked", [])
                done = tried and tried["said"] != "unasked" and not options.again
                if mutant.key in known or tried.get("said") == "killed" or done:
                    continue
                tests = options.tests or choice.tests(mutant, options.patience, without=asked)
                if tried and not tests:
                    continue
                if time.monotonic() > ends:
                    break
                result = judge(session, tree, choice, tests, mutant)
                result["asked"] += asked
                kept.write(json.dumps(result) + "\n")
                kept.flush()
                print(f"{result['said']:<9}{result['seconds']:>4} s  {result['key']}  ->  {result['new']}", flush=True)


def report(found_mutants: list[Mutant], drawn: list[Mutant] | None = None) -> None:
    """Counts, of these alone where given, and what survived; what is in the code no longer counts for nothing."""
    there = {mutant.key for mutant in found_mutants}
    reasons = equivalent()
    counted = None if drawn is None else {mutant.key for mutant in drawn}
    tried = {key: said for key, said in results().items() if counted is None or key in counted}
    said = []
    for key, result in sorted(tried.items()):
        word = "unasked" if result["said"] == "survived" and not result["asked"] else result["said"]
        word = word if key in there else "stale"
        said.append("equivalent" if word == "survived" and key in reasons else word)
        if said[-1] in ("survived", "unasked", "unknown"):
            print(f"{said[-1]}  asked {len(result['asked'])}  {key}  ->  {result['new']}")
    judged = said.count("killed") + said.count("survived")
    share = f"{100 * said.count('killed') / judged:.0f} % of {judged}" if judged else "none judged"
    others = ", ".join(
        f"{said.count(word)} {word}" for word in ("survived", "unasked", "equivalent", "unknown", "stale")
    )
    print(f"killed {said.count('killed')} ({share}); {others}; {len(there)} could be tried")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.mutation", description=__doc__)
    parser.add_argument("--count", type=int, default=200, help="how many of them, all told (default: 200)")
    parser.add_argument("--seed", default="", help="any text: draws others, and counts those of this draw alone")
    parser.add_argument("--only", default="", help="those whose file, function, line or kind has this text")
    parser.add_argument("--again", action="store_true", help="ask more tests about what has survived or is unknown")
    parser.add_argument("--patience", type=float, default=60, help="seconds of tests for one of them (default: 60)")
    parser.add_argument("--tests", nargs="*", help="ask these, whatever they reach: files, functions or cases")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="begin none after so long")
    parser.add_argument("--report", action="store_true", help="say what is known, and try nothing")
    parser.add_argument("--map", nargs="*", help="first add to the map: all that is not in it, or these tests")
    options = parser.parse_args()
    if options.map is not None or not (options.report or MAP.exists()):
        make_map(options.map or [])
    if not options.report:
        run(options)
    report(all_mutants(""), all_mutants(options.only, ROOT, options.seed)[: options.count] if options.seed else None)


if __name__ == "__main__":
    main()
