"""``python -m tests.conformance.histories [PROJECT …]``: plan, lint and migrate real histories, and print the outcome.

Needs the network the first time, and minutes. ``TEST_DATABASE_URL`` names a server to use instead of the embedded one;
some projects need one that has PostgreSQL's contrib extensions. Exits 1 where anything crashes, where a plan does not
say what Django sends, or cannot say what Django can. What was found is kept in ``.data/conformance/PROJECT/*.json``.
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
from tests.conformance.environments import Ended, Environment
from tests.conformance.projects import ALL, Project
from tests.support import databases


@dataclass
class Found:
    """What came out of one project. problems: what makes the script fail. ended: by command."""

    project: Project
    version: str = ""
    count: dict[str, Any] = field(default_factory=dict)
    hazards: list[dict[str, Any]] = field(default_factory=list)
    steps: int = 0
    replayed: dict[str, Any] = field(default_factory=dict)
    ended: dict[str, Ended] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    left_out: str = ""

    def severities(self) -> Counter[str]:
        return Counter(each["severity"] for each in self.hazards)


def examine(project: Project) -> Found:
    """Everything about one project, on databases of its own."""
    found = Found(project)
    with _databases(2) as (first, second):
        environment = Environment(project, first.url)
        try:
            environment.make()
        except subprocess.CalledProcessError as error:
            found.left_out = f"cannot be installed: {error.cmd[-1]}"
            return found
        judged(found, environment)
        if found.count:
            _before(found, environment)
            found.left_out = lacking(project)
        if found.count and not found.left_out:
            _after(found, environment, Environment(project, second.url))
    return found


def judged(found: Found, environment: Environment) -> None:
    """What is told without a database: the history's size, and its hazards."""
    found.version = environment.version
    found.count = _probed(found, environment, "count") or {}
    linted = _json(found, environment, "lockgate", "lint", "--offline", "--format", "json", codes=(0, 1))
    if found.count and linted:
        found.hazards = [each for each in linted["hazards"] if each["app"] in found.count["apps"]]


def _before(found: Found, environment: Environment) -> None:
    """What an empty database is told: a plan from nothing."""
    if planned := _json(found, environment, "migrate", "--plan", "--format", "json"):
        own = [each for each in planned["migrations"] if each["app"] in found.count["apps"]]
        found.steps = sum(len(each["steps"]) for each in own)
        for each in planned["migrations"]:
            if any("unknown" in step["changes"] for step in each["steps"]):
                _hold_against_django(found, environment, each["app"], each["name"])


def _after(found: Found, environment: Environment, other: Environment) -> None:
    """What the migrated database is told, and how plans of every migration compare with what is sent."""
    _command(found, environment, "migrate", "--noinput")
    _json(found, environment, "lockgate", "lint", "--database", "default", "--format", "json", codes=(0, 1))
    for each in _probed(found, environment, "midpoints") or []:
        for text in each["unknown"]:
            app, _, name = text.partition(":")[0].partition(".")
            _hold_against_django(found, environment, app, name)
    found.replayed = _probed(found, other, "replay") or {}
    different = {each["in"]: each for each in found.replayed.get("different", ())}
    for name, each in different.items():
        if name not in found.project.differs:
            found.problems.append(f"{name}: planned {each['planned']}, sent {each['sent']}")
    for name in set(found.project.differs) - set(different) if found.replayed else ():
        found.problems.append(f"{name} is planned as it is sent: it is known to differ no more")


def _hold_against_django(found: Found, environment: Environment, app: str, name: str) -> None:
    """An operation that cannot be planned is no problem where Django cannot say its SQL either."""
    answer = _probed(found, environment, "unknown", app, name)
    if answer is not None and not answer["django"]:
        found.problems.append(f"{app}.{name} has an operation that cannot be planned, though Django can")


def _command(found: Found, environment: Environment, *arguments: str, codes: tuple[int, ...] = (0,)) -> Ended | None:
    ended = environment.manage(*arguments)
    found.ended[" ".join(arguments)] = ended
    if ended.code in codes and "Traceback" not in ended.err:
        return ended
    found.problems.append(f"{' '.join(arguments)} exits {ended.code}: {ended.err[-1500:]}")
    return None


def _json(found: Found, environment: Environment, *arguments: str, codes: tuple[int, ...] = (0,)) -> Any:
    ended = _command(found, environment, *arguments, codes=codes)
    if ended is None:
        return None
    answer = _document(ended.out)
    if answer is None:
        found.problems.append(f"{' '.join(arguments)} exits {ended.code} without an answer: {ended.err[-1500:]}")
    name = "-".join(each.strip("-") for each in arguments if each.strip("-") not in ("format", "json"))
    (environment.home / f"{name}.json").write_text(json.dumps(answer, indent=1))
    return answer


def _document(text: str) -> Any:
    """The JSON document in what a project may have begun with lines of its own."""
    begin = 0 if text.startswith("{") else text.find("\n{\n") + 1
    with contextlib.suppress(ValueError):
        return json.loads(text[begin:])
    return None


def _probed(found: Found, environment: Environment, *arguments: str) -> Any:
    ended = environment.probe(*arguments)
    found.ended[arguments[0]] = ended
    if ended.code:
        found.problems.append(f"{arguments[0]}: {ended.err[-1500:]}")
        return None
    answer = json.loads(ended.out.strip().splitlines()[-1])
    (environment.home / f"{arguments[0]}.json").write_text(json.dumps(answer, indent=1))
    return answer


def lacking(project: Project) -> str:
    with databases.admin() as connection:
        rows = connection.execute("SELECT name FROM pg_available_extensions").fetchall()
    missing = set(project.extensions) - {name for (name,) in rows}
    return f"not migrated: the server lacks {', '.join(sorted(missing))}" if missing else ""


@contextlib.contextmanager
def _databases(number: int) -> Iterator[list[databases.Database]]:
    made = [databases.create() for _ in range(number)]
    try:
        yield made
    finally:
        for each in made:
            each.drop()


def report(all_found: list[Found]) -> str:
    """The tables, as Markdown."""
    lines = [
        "| project | version | Django | migrations | operations | steps | errors | warnings | lint | plan | migrate "
        "| sent as planned |",
        "|---|---|---|---:|---:|---:|---:|---:|---|---|---|---|",
    ]
    lines += [_row(each) for each in all_found if each.count]
    lines += ["", *hazard_table(all_found)]
    for each in (found for found in all_found if found.replayed):
        lines += [f"\nDIFFERS in {each.project.name}: {name}: {why}" for name, why in each.project.differs.items()]
    lines += [""] + [f"{each.project.name}: {each.left_out}" for each in all_found if each.left_out]
    lines += [f"PROBLEM in {each.project.name}: {problem}" for each in all_found for problem in each.problems]
    return "\n".join(lines)


def hazard_table(all_found: list[Found]) -> Iterator[str]:
    """How often each rule found something, by project."""
    names = [each.project.name for each in all_found]
    yield f"| hazard | | {' | '.join(names)} |"
    yield f"|---|---|{'---:|' * len(names)}"
    for identity, name in sorted({(hazard["id"], hazard["name"]) for each in all_found for hazard in each.hazards}):
        counts = [sum(hazard["id"] == identity for hazard in each.hazards) for each in all_found]
        link = f"[{identity}](../rules/{identity}.md)"
        yield f"| {link} | {name} | {' | '.join(str(count or '') for count in counts)} |"


def _row(found: Found) -> str:
    count, severities = found.count, found.severities()
    costs = [
        _cost(found.ended.get(name))
        for name in ("lockgate lint --offline --format json", "migrate --plan --format json", "migrate --noinput")
    ]
    sent, different = found.replayed.get("statements"), len(found.replayed.get("different", ()))
    same = f"{sent} statements, {different} migrations differ" if sent else "-"
    cells = [found.project.name, found.version, count["django"], count["migrations"], count["operations"], found.steps]
    return f"| {' | '.join(map(str, [*cells, severities['error'], severities['warning'], *costs, same]))} |"


def _cost(ended: Ended | None) -> str:
    return f"{ended.seconds:.1f} s, {ended.memory:.0f} MiB" if ended else "-"


def main(names: list[str]) -> int:
    unknown = sorted(set(names) - set(ALL))
    if unknown:
        sys.stderr.write(f"no such project: {', '.join(unknown)}; there are: {', '.join(ALL)}\n")
        return 2
    with contextlib.ExitStack() as stack:
        if "TEST_DATABASE_URL" not in os.environ:
            os.environ["TEST_DATABASE_URL"] = stack.enter_context(embedded.server())
        all_found = [examine(ALL[name]) for name in names or ALL]
    sys.stdout.write(report(all_found) + "\n")
    return 1 if any(each.problems for each in all_found) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
