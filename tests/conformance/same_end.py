"""``python -m tests.conformance.same_end [PROJECT …]``: real histories by stock Django and by Lockgate end alike.

Each project's whole history is run (a) from nothing, and (b) from a midpoint: about half of each app's history, by
stock Django, and then rows in every table that takes them; from there by each of the two on a copy of its own. Every
table counts as large. Both ends are compared: ``pg_dump --schema-only``, index validity, recorded migrations, and all
rows but what the runs say about themselves. ``migrate --contract`` is part of Lockgate's way where it has that.

Needs the network the first time, and minutes. ``TEST_DATABASE_URL`` as for ``tests.conformance.histories``. Exits 1
where the ends differ, or Lockgate fails. Differences are kept in ``.data/conformance/PROJECT/same_end.txt``.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from project import embedded
from tests.conformance import ends, rows
from tests.conformance.environments import Ended, Environment
from tests.conformance.histories import lacking
from tests.conformance.projects import ALL, Project
from tests.support import databases
from tests.support.databases import Database

# Every table that is there counts as large, so whatever can run online does.
LARGE = {"LOCKGATE_LARGE_TABLE_BYTES": "0"}
TRIES = 8  # rows that a project's own migrations cannot bear are left out, an app at a time


@dataclass
class Way:
    """One way through a history, by both. begin: what it starts from. steps: the journal's, by phase."""

    project: Project
    begin: str
    migrations: int = 0
    populated: str = "-"
    seconds: dict[str, float] = field(default_factory=dict)
    steps: Counter[str] = field(default_factory=Counter)
    schema: list[str] = field(default_factory=list)
    rows: list[str] = field(default_factory=list)
    problem: str = ""

    @property
    def same(self) -> bool:
        return not (self.problem or self.schema or self.rows)


def examine(project: Project) -> list[Way] | str:
    """Both ways; or why there is none."""
    try:
        Environment(project, "").make()
    except subprocess.CalledProcessError as error:
        return f"cannot be installed: {error.cmd[-1]}"
    if missing := lacking(project):
        return missing
    with _created() as nothing:
        return [_way(Way(project, "nothing"), nothing), _midway(project, nothing)]


def _midway(project: Project, nothing: Database) -> Way:
    """From a midpoint, with as many rows as stock Django itself can bring to the end."""
    way = Way(project, "midpoint")
    with _created(nothing) as bare:
        halved = Environment(project, bare.url).stock("halfway")
        if halved.code:
            way.problem = f"stock Django does not get to the midpoint: {halved.err[-1500:]}"
            return way
        apps: dict[str, str] = _answer(halved)
        excluded: set[str] = set()
        for _ in range(TRIES):
            with _created(bare) as begin:
                put = rows.populate(begin, {table for table, app in apps.items() if app in excluded})
                way.populated = f"{sum(put.values())} in {len(put)} of {len(apps)} tables{_but(excluded)}"
                stuck = _stuck(project, begin)
                if not stuck:
                    return _way(way, begin)
            excluded |= set(apps.values()) if stuck in excluded else {stuck}
    way.problem = f"stock Django does not get on from the midpoint, nor without rows: {stuck}"
    return way


def _but(excluded: set[str]) -> str:
    return f", none in those of {', '.join(sorted(excluded))}" if excluded else ""


def _stuck(project: Project, begin: Database) -> str:
    """The app whose migration stock Django fails on; none where it comes to the end."""
    with _created(begin) as copy:
        environment = Environment(project, copy.url)
        if environment.stock("migrate").code == 0:
            return ""
        return str(_answer(environment.stock("pending")) or "after the migrations")


def _way(way: Way, begin: Database) -> Way:
    """Run what is left by both, each on a copy, and compare."""
    with _created(begin) as first, _created(begin) as second:
        stock, ours = Environment(way.project, first.url), Environment(way.project, second.url, LARGE)
        before = len(begin.applied())
        _run(way, "stock Django", stock.stock("migrate"))
        _run(way, "Lockgate", ours.manage("migrate", "--noinput"))
        if "--contract" in ours.manage("migrate", "--help").out:
            _run(way, "contract", ours.manage("migrate", "--noinput", "--contract"))
            _run(way, "stock Django again", stock.stock("migrate"))  # what listens to post_migrate heard of it twice
        way.migrations = len(second.applied()) - before
        way.steps = _journal(second)
        way.schema, way.rows = ends.schema(first, second), ends.rows(first, second)
    return way


def _run(way: Way, name: str, ended: Ended) -> None:
    way.seconds[name] = ended.seconds
    if ended.code and not way.problem:
        way.problem = f"{name} exits {ended.code}: {ended.err[-1500:]}"


def _journal(database: Database) -> Counter[str]:
    if database.value("SELECT to_regclass('lockgate_journalentry') IS NULL"):
        return Counter()
    return Counter(dict(database.rows("SELECT phase || ' ' || state, count(*) FROM lockgate_journalentry GROUP BY 1")))


@contextlib.contextmanager
def _created(template: Database | None = None) -> Iterator[Database]:
    database = databases.create(template.name if template else None)
    try:
        yield database
    finally:
        database.drop()


def _answer(ended: Ended) -> Any:
    return json.loads(ended.out.strip().splitlines()[-1])


def report(found: dict[str, list[Way] | str]) -> str:
    """The table, as Markdown, and what differs."""
    lines = [
        "| project | from | migrations | rows put in | stock Django | Lockgate | contract | journal | schema | rows |",
        "|---|---|---:|---|---:|---:|---:|---|---|---|",
    ]
    ways = [way for each in found.values() if isinstance(each, list) for way in each]
    lines += [_row(way) for way in ways]
    lines += [f"\n{name}: {each}" for name, each in found.items() if isinstance(each, str)]
    for way in (way for way in ways if not way.same):
        lines.append(f"\nDIFFERS: {way.project.name} from {way.begin}: {way.problem}")
        lines += [f"    {line[:300]}" for line in (*way.schema, *way.rows)[:20]]
    return "\n".join(lines)


def _row(way: Way) -> str:
    seconds = [f"{way.seconds[name]:.1f} s" if name in way.seconds else "-" for name in ("stock Django", "Lockgate")]
    contract = f"{way.seconds['contract']:.1f} s" if "contract" in way.seconds else "-"
    journal = ", ".join(f"{count} {name}" for name, count in sorted(way.steps.items())) or "-"
    outcome = ["failed"] * 2 if way.problem else [_outcome(way.schema), _outcome(way.rows)]
    cells = [way.project.name, way.begin, str(way.migrations), way.populated, *seconds, contract, journal, *outcome]
    return f"| {' | '.join(cells)} |"


def _outcome(different: list[str]) -> str:
    return f"{len(different)} lines differ" if different else "same"


def main(names: list[str]) -> int:
    unknown = sorted(set(names) - set(ALL))
    if unknown:
        sys.stderr.write(f"no such project: {', '.join(unknown)}; there are: {', '.join(ALL)}\n")
        return 2
    found: dict[str, list[Way] | str] = {}
    with contextlib.ExitStack() as stack:
        if "TEST_DATABASE_URL" not in os.environ:
            os.environ["TEST_DATABASE_URL"] = stack.enter_context(embedded.server())
        for name in names or ALL:
            found[name] = ways = examine(ALL[name])
            text = [line for way in ways if isinstance(way, Way) for line in (way.problem, *way.schema, *way.rows)]
            (Environment(ALL[name], "").home / "same_end.txt").write_text("\n".join(text))
    sys.stdout.write(report(found) + "\n")
    return 0 if all(way.same for each in found.values() if isinstance(each, list) for way in each) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
