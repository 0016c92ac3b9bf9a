"""``python -m tests.conformance.snapshot_end [PROJECT …]``: a snapshot of a real project ends where stock Django ends.

Of each project a snapshot is built, loaded into an empty database by ``migrate``, and compared with what stock Django's
``migrate`` makes: schema, rows with their ids, sequences, recorded migrations. What code computes anew each time
(moments, keys, random text) does not count; the build names it, and the table repeats the names. Needs the network the
first time. Exits 1 where the ends differ, or anything fails.
"""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
from dataclasses import dataclass, field

from project import embedded
from tests.conformance import ends
from tests.conformance.environments import Ended, Environment
from tests.conformance.histories import lacking
from tests.conformance.projects import ALL, Project
from tests.support import databases, schema
from tests.support.databases import Database

_VARYING = re.compile(r"(?:those of its making|loaded from it): ([\w., ]+)")


@dataclass
class End:
    """How a project ended. seconds: by what. varying: columns that each replay makes anew."""

    project: Project
    migrations: int = 0
    bytes: int = 0
    seconds: dict[str, float] = field(default_factory=dict)
    varying: list[str] = field(default_factory=list)
    different: list[str] = field(default_factory=list)
    problem: str = ""


def examine(project: Project) -> End:
    end = End(project)
    with contextlib.ExitStack() as stack:
        stock, ours = databases.create(), databases.create()
        stack.callback(stock.drop)
        stack.callback(ours.drop)
        snapshot = Environment(project, "").home / "lockgate-snapshot.sql"
        path = f"{schema.pg_dump().parent}{os.pathsep}{os.environ['PATH']}"
        here = Environment(project, ours.url, {"LOCKGATE_SNAPSHOT": str(snapshot), "PATH": path})
        built = _run(end, "build", here.manage("lockgate", "snapshot", "--output", str(snapshot)))
        _run(end, "manifest", here.manage("lockgate", "manifest"))
        end.varying = sorted(", ".join(_VARYING.findall(built.out + built.err)).split(", "))
        loaded = _run(end, "snapshot", here.manage("migrate", "--noinput"))
        _run(end, "stock Django", Environment(project, stock.url).stock("migrate"))
        if not end.problem and "lockgate-snapshot.sql in" not in loaded.out:
            end.problem = f"the snapshot was not loaded: {loaded.out[-1500:]}"
        end.migrations = len(ours.applied())
        end.bytes = snapshot.stat().st_size if snapshot.exists() else 0
        end.different = [*ends.schema(stock, ours), *ends.rows(stock, ours), *_sequences(stock, ours)]
    return end


def _run(end: End, name: str, ended: Ended) -> Ended:
    end.seconds[name] = ended.seconds
    if ended.code and not end.problem:
        end.problem = f"{name} exits {ended.code}: {(ended.err or ended.out)[-1500:]}"
    return ended


def _sequences(first: Database, second: Database) -> list[str]:
    """Where the sequences stand, but those of books that each run keeps of itself."""
    found = [
        [line for line in schema.whole(database) if "pg_catalog.setval" in line and "lockgate_" not in line]
        for database in (first, second)
    ]
    return ends.different(*found)


def report(found: dict[str, End | str]) -> str:
    """The table, as Markdown, and what differs."""
    lines = [
        "| project | migrations | stock Django | from the snapshot | building it | its size | made anew | end |",
        "|---|---:|---:|---:|---:|---:|---|---|",
    ]
    for name, end in found.items():
        lines.append(_row(end) if isinstance(end, End) else f"| {name} | | | | | | | {end} |")
    for end in (each for each in found.values() if isinstance(each, End) and (each.problem or each.different)):
        lines.append(f"\nDIFFERS: {end.project.name}: {end.problem}")
        lines += [f"    {line[:300]}" for line in end.different[:20]]
    return "\n".join(lines)


def _row(end: End) -> str:
    times = [f"{end.seconds.get(name, 0):.1f} s" for name in ("stock Django", "snapshot", "build")]
    outcome = "failed" if end.problem else f"{len(end.different)} lines differ" if end.different else "same"
    varying = ", ".join(each.removeprefix("public.") for each in end.varying) or "-"
    cells = [end.project.name, str(end.migrations), *times, f"{end.bytes / 1024:.0f} kB", varying, outcome]
    return f"| {' | '.join(cells)} |"


def main(names: list[str]) -> int:
    unknown = sorted(set(names) - set(ALL))
    if unknown:
        sys.stderr.write(f"no such project: {', '.join(unknown)}; there are: {', '.join(ALL)}\n")
        return 2
    found: dict[str, End | str] = {}
    with contextlib.ExitStack() as stack:
        if "TEST_DATABASE_URL" not in os.environ:
            os.environ["TEST_DATABASE_URL"] = stack.enter_context(embedded.server())
        for name in names or ALL:
            try:
                Environment(ALL[name], "").make()
            except subprocess.CalledProcessError as error:
                found[name] = f"cannot be installed: {error.cmd[-1]}"
                continue
            found[name] = lacking(ALL[name]) or examine(ALL[name])
            sys.stderr.write(f"{name} done\n")
    sys.stdout.write(report(found) + "\n")
    ended = [each for each in found.values() if isinstance(each, End)]
    return 1 if any(end.problem or end.different for end in ended) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
