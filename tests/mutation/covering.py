"""A plugin of pytest that notes which places of the mutated modules each test reaches, also in the processes it starts.

``pytest -p tests.mutation.covering`` with LOCKGATE_COVERING, a folder: each process of pytest adds a file of JSON lines
to it, and tests that are in one already are not run again. Of a test with many cases some are run: they reach the
same. A process that is killed tells nothing.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import coverage
import pytest

from tests.mutation import places
from tests.mutation.mutants import modules
from tests.support import forks
from tests.support.sites import ROOT

FOLDER = Path(os.environ.get("LOCKGATE_COVERING", os.devnull))
CASES = 3
# In a child a warning of coverage's own would be an error of the program under test.
SETTINGS = """
[run]
parallel = true
include = {include}
disable_warnings = no-data-collected,module-not-imported,module-not-measured,no-sysmon,no-ctracer,couldnt-parse
"""
_failed: set[str] = set()
_running = contextlib.ExitStack()


def known(folder: Path) -> dict[str, dict[str, Any]]:
    """What is known of each test, by its id: ``seconds``, ``passed``, and ``places``, digests by module."""
    lines = [line for file in sorted(folder.glob("*.jsonl")) for line in file.read_text().splitlines()]
    return {said["test"]: said for said in map(json.loads, lines)}


def pytest_sessionstart() -> None:
    _running.enter_context(forks.of_changing_code())


def pytest_sessionfinish() -> None:
    _running.close()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    before = known(FOLDER)
    cases: dict[str, list[pytest.Item]] = {}
    for item in items:
        cases.setdefault(item.nodeid.partition("[")[0], []).append(item)
    some = [item for case in cases.values() for item in case[:: -(-len(case) // CASES)]]
    items[:] = [item for item in some if item.nodeid not in before]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    report = yield
    if report.failed or report.skipped:  # type: ignore[attr-defined]
        _failed.add(item.nodeid)
    return report  # type: ignore[return-value]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    with tempfile.TemporaryDirectory(prefix="covering-") as folder:
        settings = Path(folder) / "settings"
        settings.write_text(SETTINGS.format(include=",".join(str(ROOT / name) for name in modules(ROOT))))
        here = coverage.Coverage(data_file=None, config_file=str(settings))
        began = time.monotonic()
        with _children(settings, f"{folder}/data"), here.collect():
            result = yield
        seconds = time.monotonic() - began
        found = [here.get_data(), *_read(Path(folder))]
        said = {"test": item.nodeid, "seconds": round(seconds, 2), "passed": item.nodeid not in _failed}
        with (FOLDER / f"{os.getpid()}.jsonl").open("a") as file:
            file.write(json.dumps({**said, "places": _places(found)}) + "\n")
    return result


class _children:  # noqa: N801
    """Have Python processes that are started in the block note their lines."""

    def __init__(self, settings: Path, data: str) -> None:
        self.added = {"COVERAGE_PROCESS_START": str(settings), "COVERAGE_FILE": data}

    def __enter__(self) -> None:
        self.real = real = subprocess.Popen.__init__

        def begun(process: Any, *args: Any, env: Any = None, **kwargs: Any) -> None:
            real(process, *args, env={**(os.environ if env is None else env), **self.added}, **kwargs)

        subprocess.Popen.__init__ = begun  # type: ignore[method-assign]

    def __exit__(self, *_: object) -> None:
        subprocess.Popen.__init__ = self.real  # type: ignore[method-assign]


def _read(folder: Path) -> Iterator[coverage.CoverageData]:
    for file in folder.glob("data.*"):
        data = coverage.CoverageData(str(file))
        try:
            data.read()
        except coverage.CoverageException:
            continue  # killed while it wrote
        yield data


def _places(found: list[coverage.CoverageData]) -> dict[str, list[str]]:
    reached: dict[str, set[str]] = {}
    for data in found:
        for file in data.measured_files():
            path = Path(file).relative_to(ROOT).as_posix()
            there = places.of(Path(file).read_bytes())
            lines = data.lines(file) or []
            reached.setdefault(path, set()).update(places.short(path, there[line]) for line in lines if line in there)
        data.close()
    return {path: sorted(each) for path, each in reached.items()}
