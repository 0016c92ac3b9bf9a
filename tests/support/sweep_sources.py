"""The sources that decide what a sweep finds: those that its runs may import, and the sweep's own.

A whole sweep takes hours, so a change to a linter's message must not begin it anew. What a run may import is read from
the imports in the sources, with those inside functions; ``tests/postgres/test_sweep_wire.py`` holds it against what a
run does import.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import django
import grimp

from tests.support import databases
from tests.support.sites import ROOT

APPS = ROOT / "apps"
# What Django, manage.py and the settings load by name; all else is imported from there, or as what a folder has in it.
ENTRIES = (
    "lockgate.apps",
    "lockgate.boot",
    "lockgate.database.url",
    "lockgate.management.commands.migrate",
    "lockgate.models",
)
OF_A_FOLDER = ("lockgate.migrations", "lockgate.linting.rules")
# What answers before a run begins, from a manifest, or loads a snapshot. No project of a sweep has either of them.
BEFORE_A_RUN = "lockgate.boot"
# They keep and show what is found.
ONLY_SHOWN = ("sweep_record.py", "sweep_report.py")


def digest() -> str:
    """Of the product, the sweep, Django and the server: the same gives the same findings."""
    summed = hashlib.sha256(f"{django.__version__} {databases.chosen()}".encode())
    for path in sorted(_files()):
        summed.update(path.read_bytes())
    return summed.hexdigest()[:12]


def modules() -> set[str]:
    """The product's modules that a run of ``migrate`` may import."""
    graph = grimp.build_graph("lockgate", cache_dir=None)
    waiting = [*ENTRIES]
    for folder in OF_A_FOLDER:
        waiting += graph.find_descendants(folder)
    found: set[str] = set()
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += graph.find_modules_directly_imported_by(name)
            waiting += [name.rpartition(".")[0]] if "." in name else []  # its package is imported first
    return found


def _files() -> Iterator[Path]:
    for name in (module for module in modules() if not module.startswith(BEFORE_A_RUN)):
        path = APPS.joinpath(*name.split("."))
        yield path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    yield from (APPS / "lockgate").rglob("*.sql")
    yield from (
        one_path for one_path in (ROOT / "tests" / "support").glob("sweep*.py") if one_path.name not in ONLY_SHOWN
    )
