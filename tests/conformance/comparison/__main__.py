"""``python -m tests.conformance.comparison``: ask every tool about every case, and write docs/evidence/comparison.md.

Needs the package index the first time, and minutes. ``--render`` writes the page from the answers of the last time,
with Lockgate's as they are now: after a change of a rule. ``TEST_DATABASE_URL`` names a server to use instead of the
embedded one. Exits 1 where PostgreSQL contradicts a case, or ``lockgate lint`` says something else than the page.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import django

from project import embedded
from tests.conformance.comparison import shop, tools, verdicts
from tests.conformance.comparison.answers import Answers, Observed, kept
from tests.conformance.comparison.case import Case
from tests.conformance.comparison.cases import ALL
from tests.support import databases
from tests.support.sites import ROOT

PROBE = Path(__file__).with_name("probe.py")


def ask(answers: Answers, cases: Sequence[Case]) -> list[str]:
    """Add the answers of every tool and of PostgreSQL; returns what is wrong with them or with the cases."""
    answers.versions, problems = tools.install(), list[str]()
    with contextlib.ExitStack() as stack:
        database = databases.create()
        stack.callback(database.drop)
        answers.postgres = str(database.value("SHOW server_version")).split()[0]
        project = tools.Project(Path(stack.enter_context(tempfile.TemporaryDirectory())), database)
        project.write()
        made = project.manage("migrate", "--verbosity", "0")
        assert made.returncode == 0, made.stderr
        database.execute(shop.ROWS)
        _commit(project.path)
        for case in cases:
            project.put(case)
            answers.digests[case.name] = case.digest
            for tool, run in tools.RUN.items():
                answers.remarks.setdefault(tool, {})[case.name] = run(project, case)
            answers.observed[case.name] = seen = _observed(project, case)
            wrong = (verdicts.contradiction(case, seen), _differs(project, case))
            problems += [f"{case.name}: {each}" for each in wrong if each]
            sys.stderr.write(".")
            sys.stderr.flush()
    return problems


def _observed(project: tools.Project, case: Case) -> list[Observed]:
    """What PostgreSQL does, in a copy of the database that is gone afterwards."""
    copy = databases.create(project.database.name)
    try:
        ended = project.run("python", str(PROBE), *case.names, database=copy.name)
    finally:
        copy.drop()
    assert ended.returncode == 0, ended.stderr
    return [Observed(**load) for load in json.loads(ended.stdout.splitlines()[-1])]


def _differs(project: tools.Project, case: Case) -> str:
    """How ``lockgate lint``, run as a developer does on a branch, differs from what the page says."""
    from tests.conformance.comparison import ours

    ended = subprocess.run(
        [sys.executable, "-m", "django", "lockgate", "lint", "--since", "HEAD", "--format", "json"],
        cwd=project.path,
        env={
            "PATH": os.environ["PATH"],
            "PYTHONPATH": os.pathsep.join((str(project.path), str(ROOT / "apps"))),
            "PYTHONDONTWRITEBYTECODE": "1",
            "DJANGO_SETTINGS_MODULE": "project_settings",
            "DATABASE_NAME": project.database.name,
            "LINTER": "lockgate",
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    if not ended.stdout.startswith("{"):
        return f"lockgate lint fails: {ended.stderr}"
    said = sorted({hazard["id"] for hazard in json.loads(ended.stdout)["hazards"]})
    shown = [remark.rule for remark in ours.judge(case, online=True).remarks]
    return "" if said == shown else f"lockgate lint says {said}, the page {shown}"


def _commit(path: Path) -> None:
    """Make the shop before the case what ``--since HEAD`` compares with."""
    (path / ".gitignore").write_text("__pycache__\n*.sql\n")
    who = ("-c", "user.name=a", "-c", "user.email=a@example.org")
    for arguments in (("init", "--quiet"), ("add", "."), (*who, "commit", "--quiet", "--message", "shop")):
        subprocess.run(["git", *arguments], cwd=path, check=True)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.conformance.comparison", description=__doc__)
    parser.add_argument("case", nargs="*", help="only these cases, by name (default: all)")
    parser.add_argument("--render", action="store_true", help="ask nobody: make the page of what was said last time")
    options = parser.parse_args(arguments)
    if unknown := set(options.case) - {case.name for case in ALL}:
        parser.error(f"no such case: {', '.join(sorted(unknown))}")
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings.mypy")
    django.setup()
    from tests.conformance.comparison import page

    problems: list[str] = []
    answers = kept() if options.render or options.case else Answers()
    if not options.render:
        with contextlib.ExitStack() as stack:
            if "TEST_DATABASE_URL" not in os.environ:
                os.environ["TEST_DATABASE_URL"] = stack.enter_context(embedded.server())
            problems = ask(answers, [case for case in ALL if case.name in options.case or not options.case])
        answers.write()
    page.FILE.write_text(page.text(answers), encoding="utf-8")
    sys.stdout.write("\n" + page.totals(answers) + "\n")
    sys.stdout.writelines(f"PROBLEM {problem}\n" for problem in problems)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
