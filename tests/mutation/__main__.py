"""Change one line at a time, in a copy of the tree, and see whether its tests notice.

``python -m tests.mutation --count 200`` tries that many, drawn by lot, the same each time; what was tried before is
kept in ``.data/mutation`` and not tried again. Nothing is changed in the checkout. Before the first mutant of a module
its tests must pass without one.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import functools
import json
import os
import queue
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from project import embedded
from tests.mutation import chosen_tests, mutants
from tests.mutation.mutants import Mutant
from tests.support.sites import ROOT

PRODUCT = "apps/lockgate/"
MUTATED = ("execution", "database", "journal", "ledger")  # contract is execution/online/contract.py
RESULTS = ROOT / ".data" / "mutation" / "results.jsonl"
PATIENCE = 600.0  # seconds for one mutant's tests: the longest take two minutes without one


def all_mutants(only: str) -> list[Mutant]:
    """Those whose key has this text in it, in the order of a lot."""
    paths = [path for name in MUTATED for path in (ROOT / PRODUCT).glob(f"{name}*")]
    files = {file for path in paths for file in (path.rglob("*.py") if path.is_dir() else [path])}
    names = sorted(file.relative_to(ROOT).as_posix() for file in files if file.suffix == ".py")
    found = [mutant for name in names for mutant in mutants.of(ROOT, name)]
    return sorted((mutant for mutant in found if only in mutant.key), key=lambda mutant: mutant.order)


def results() -> dict[str, dict[str, object]]:
    """What was tried, by the mutant's key; the last word counts."""
    lines = RESULTS.read_text().splitlines() if RESULTS.exists() else []
    return {said["key"]: said for said in map(json.loads, lines)}


def copy(target: Path) -> None:
    """What git knows of the checkout, as it lies there."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target / name)


def test(tree: Path, tests: list[str], url: str) -> str:
    """``passed``, ``failed`` or ``too long``; RuntimeError where pytest found nothing to run."""
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-n", "0", "-p", "no:cacheprovider", "-m", "not sweep"]
    environment = {**os.environ, "TEST_DATABASE_URL": url, "PYTHONPATH": f"{tree / 'apps'}{os.pathsep}{tree}"}
    quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    process = subprocess.Popen([*command, *tests], cwd=tree, env=environment, start_new_session=True, **quiet)  # type: ignore[call-overload]
    try:
        code = process.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        return "too long"
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    if code not in (0, 1, 2):  # 2: a module could not be imported
        raise RuntimeError(f"pytest exited {code} for {' '.join(tests)}")
    return "failed" if code else "passed"


def judge(trees: queue.Queue[Path], passes: object, url: str, mutant: Mutant) -> dict[str, object]:
    """Killed, survived, or unknown where the tests do not pass without the mutant."""
    tests = chosen_tests.for_module(mutant.path.removeprefix(PRODUCT))
    began = time.monotonic()
    tree = trees.get()
    try:
        source = (tree / mutant.path).read_bytes()
        if not passes(tree, tuple(tests)):  # type: ignore[operator]
            said = "unknown"
        else:
            (tree / mutant.path).write_bytes(mutant.applied(source))
            said = "survived" if test(tree, tests, url) == "passed" else "killed"
            (tree / mutant.path).write_bytes(source)
    finally:
        trees.put(tree)
    return {"key": mutant.key, "new": mutant.new, "said": said, "seconds": round(time.monotonic() - began)}


def run(todo: list[Mutant], workers: int, seconds: float) -> None:
    """Judge them all, or as many as begin within some seconds; each result is kept when it is known."""
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    ends = time.monotonic() + seconds
    with embedded.server() as url, tempfile.TemporaryDirectory() as folder, RESULTS.open("a") as kept:
        trees: queue.Queue[Path] = queue.Queue()
        for number in range(workers):
            copy(Path(folder) / str(number))
            trees.put(Path(folder) / str(number))

        @functools.cache
        def passes(tests: tuple[str, ...]) -> bool:
            with tempfile.TemporaryDirectory() as clean:
                copy(Path(clean))
                return test(Path(clean), list(tests), url) == "passed"

        def one(mutant: Mutant) -> dict[str, object] | None:
            if time.monotonic() > ends:
                return None
            return judge(trees, lambda tree, tests: passes(tests), url, mutant)

        with concurrent.futures.ThreadPoolExecutor(workers) as pool:
            for ended in concurrent.futures.as_completed([pool.submit(one, mutant) for mutant in todo]):
                if result := ended.result():
                    kept.write(json.dumps(result) + "\n")
                    kept.flush()
                    print(
                        f"{result['said']:<9}{result['seconds']:>4} s  {result['key']}  ->  {result['new']}", flush=True
                    )


def report(found: list[Mutant]) -> None:
    """Counts, and what survived; what was tried and is in the code no longer counts for nothing."""
    there = {mutant.key for mutant in found}
    tried = results()
    said = [str(result["said"]) if key in there else "stale" for key, result in tried.items()]
    for key, result in sorted(tried.items()):
        if key in there and result["said"] != "killed":
            print(f"{result['said']}  {key}  ->  {result['new']}")
    judged = said.count("killed") + said.count("survived")
    share = f"{100 * said.count('killed') / judged:.0f} % of {judged}" if judged else "none judged"
    others = ", ".join(f"{said.count(word)} {word}" for word in ("survived", "unknown", "stale"))
    print(f"killed {said.count('killed')} ({share}); {others}; {len(there)} could be tried")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.mutation", description=__doc__)
    parser.add_argument("--count", type=int, default=200, help="how many of them, all told (default: 200)")
    parser.add_argument("--only", default="", help="those whose file, function, line or kind has this text")
    parser.add_argument("--again", action="store_true", help="try again what has survived or is unknown")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=float("inf"), help="begin none after so long")
    parser.add_argument("--report", action="store_true", help="say what is known, and try nothing")
    options = parser.parse_args()
    found = all_mutants(options.only)
    if not options.report:
        tried = {key for key, result in results().items() if not options.again or result["said"] == "killed"}
        run([mutant for mutant in found[: options.count] if mutant.key not in tried], options.workers, options.seconds)
    report(all_mutants(""))


if __name__ == "__main__":
    main()
