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
        return Counter(hazard["severity"] for hazard in self.hazards)


def examine(project: Project) -> Found:
    """Everything about one project, on databases of its own."""
    step = Found(project)
    with _databases(2) as (first, second):
        environment = Environment(project, first.url)
        try:
            environment.make()
        except subprocess.CalledProcessError as error:
            step.left_out = f"cannot be installed: {error.cmd[-1]}"
            return step
        judged(step, environment)
        if step.count:
            _before(step, environment)
            step.left_out = lacking(project)
        if step.count and not step.left_out:
            _after(step, environment, Environment(project, second.url))
    return step


def judged(step: Found, environment: Environment) -> None:
    """What is told without a database: the history's size, and its hazards."""
    step.version = environment.version
    step.count = _probed(step, environment, "count") or {}
    linted = _json(step, environment, "lockgate", "lint", "--offline", "--format", "json", codes=(0, 1))
    if step.count and linted:
        step.hazards = [hazard for hazard in linted["hazards"] if hazard["app"] in step.count["apps"]]


def _before(open_step: Found, environment: Environment) -> None:
    """What an empty database is told: a plan from nothing."""
    if planned := _json(open_step, environment, "migrate", "--plan", "--format", "json"):
        own = [migration for migration in planned["migrations"] if migration["app"] in open_step.count["apps"]]
        open_step.steps = sum(len(each["steps"]) for each in own)
        for migration in planned["migrations"]:
            if any("unknown" in step["changes"] for step in migration["steps"]):
                _hold_against_django(open_step, environment, migration["app"], migration["name"])


def _after(step: Found, environment: Environment, other: Environment) -> None:
    """What the migrated database is told, and how plans of every migration compare with what is sent."""
    _command(step, environment, "migrate", "--noinput")
    _json(step, environment, "lockgate", "lint", "--database", "default", "--format", "json", codes=(0, 1))
    for each in _probed(step, environment, "midpoints") or []:
        for text in each["unknown"]:
            app, _, name = text.partition(":")[0].partition(".")
            _hold_against_django(step, environment, app, name)
    step.replayed = _probed(step, other, "replay") or {}
    different = {each["in"]: each for each in step.replayed.get("different", ())}
    for name, each in different.items():
        if name not in step.project.differs:
            step.problems.append(f"{name}: planned {each['planned']}, sent {each['sent']}")
    for name in set(step.project.differs) - set(different) if step.replayed else ():
        step.problems.append(f"{name} is planned as it is sent: it is known to differ no more")


def _hold_against_django(step: Found, environment: Environment, app: str, name: str) -> None:
    """An operation that cannot be planned is no problem where Django cannot say its SQL either."""
    answer = _probed(step, environment, "unknown", app, name)
    if answer is not None and not answer["django"]:
        step.problems.append(f"{app}.{name} has an operation that cannot be planned, though Django can")


def _command(step: Found, environment: Environment, *arguments: str, codes: tuple[int, ...] = (0,)) -> Ended | None:
    ended = environment.manage(*arguments)
    step.ended[" ".join(arguments)] = ended
    if ended.code in codes and "Traceback" not in ended.err:
        return ended
    step.problems.append(f"{' '.join(arguments)} exits {ended.code}: {ended.err[-1500:]}")
    return None


def _json(step: Found, environment: Environment, *arguments: str, codes: tuple[int, ...] = (0,)) -> Any:
    ended = _command(step, environment, *arguments, codes=codes)
    if ended is None:
        return None
    answer = _document(ended.out)
    if answer is None:
        step.problems.append(f"{' '.join(arguments)} exits {ended.code} without an answer: {ended.err[-1500:]}")
    name = "-".join(argument.strip("-") for argument in arguments if argument.strip("-") not in ("format", "json"))
    (environment.home / f"{name}.json").write_text(json.dumps(answer, indent=1))
    return answer


def _document(text: str) -> Any:
    """The JSON document in what a project may have begun with lines of its own."""
    begin = 0 if text.startswith("{") else text.find("\n{\n") + 1
    with contextlib.suppress(ValueError):
        return json.loads(text[begin:])
    return None


def _probed(step: Found, environment: Environment, *arguments: str) -> Any:
    ended = environment.probe(*arguments)
    step.ended[arguments[0]] = ended
    if ended.code:
        step.problems.append(f"{arguments[0]}: {ended.err[-1500:]}")
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
    new_databases = [databases.create() for _ in range(number)]
    try:
        yield new_databases
    finally:
        for database in new_databases:
            database.drop()


def report(all_found: list[Found]) -> str:
    """The tables, as Markdown."""
    lines = [
        "| project | version | Django | migrations | operations | steps | errors | warnings | lint | plan | migrate "
        "| sent as planned |",
        "|---|---|---|---:|---:|---:|---:|---:|---|---|---|---|",
    ]
    lines += [_row(step) for step in all_found if step.count]
    lines += ["", *hazard_table(all_found)]
    for step in (open_step for open_step in all_found if open_step.replayed):
        lines += [f"\nDIFFERS in {step.project.name}: {name}: {why}" for name, why in step.project.differs.items()]
    lines += [""] + [f"{step.project.name}: {step.left_out}" for step in all_found if step.left_out]
    lines += [f"PROBLEM in {step.project.name}: {problem}" for step in all_found for problem in step.problems]
    return "\n".join(lines)


def hazard_table(all_found: list[Found]) -> Iterator[str]:
    """How often each rule found something, by project."""
    names = [step.project.name for step in all_found]
    yield f"| hazard | | {' | '.join(names)} |"
    yield f"|---|---|{'---:|' * len(names)}"
    for identity, name in sorted({(hazard["id"], hazard["name"]) for step in all_found for hazard in step.hazards}):
        counts = [sum(hazard["id"] == identity for hazard in step.hazards) for step in all_found]
        link = f"[{identity}](../rules/{identity}.md)"
        yield f"| {link} | {name} | {' | '.join(str(count or '') for count in counts)} |"


def _row(step: Found) -> str:
    count, severities = step.count, step.severities()
    costs = [
        _cost(step.ended.get(name))
        for name in ("lockgate lint --offline --format json", "migrate --plan --format json", "migrate --noinput")
    ]
    sent, different = step.replayed.get("statements"), len(step.replayed.get("different", ()))
    same = f"{sent} statements, {different} migrations differ" if sent else "-"
    cells = [step.project.name, step.version, count["django"], count["migrations"], count["operations"], step.steps]
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
    return 1 if any(step.problems for step in all_found) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
