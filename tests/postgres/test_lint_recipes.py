"""The hook for commits and the recipe for GitHub Actions, as they are in the docs, on a real repository."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.postgres.test_lint import DROP, NOWHERE
from tests.support.sites import CREATE_COUNTER, ROOT, Site

AUTHOR = ("-c", "user.name=a", "-c", "user.email=a@example.org")


@pytest.fixture
def repository(site: Site) -> Site:
    """A project in git whose first commit has a table."""
    site.migration("0001_initial", CREATE_COUNTER)
    (site.path / ".gitignore").write_text("__pycache__/\n")
    run(site, "git", "init", "--quiet", "--initial-branch", "main")
    run(site, "git", "add", ".")
    run(site, "git", *AUTHOR, "commit", "--quiet", "--message", "one")
    return site


def run(site: Site, *command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """In the project's folder, with ``python`` being this one."""
    known = site.environment({"DATABASE_URL": NOWHERE, **environment})
    known["PATH"] = f"{Path(sys.executable).parent}:{known['PATH']}"
    return subprocess.run(command, cwd=site.path, env=known, capture_output=True, text=True, check=False)


def hook(name: str) -> str:
    """What pre-commit would run, read from a file of its settings."""
    text = (ROOT / name).read_text()
    entry = re.search(r"^ +entry: (.+)$", text, re.MULTILINE)
    arguments = re.search(r"^ +args: \[(.+)\]$", text, re.MULTILINE)
    assert entry
    assert arguments
    return f"{entry[1]} {shlex.join(arguments[1].split(', '))}"


def test_the_hook_and_its_copy_in_the_docs_are_the_same() -> None:
    lines = [line.strip() for line in (ROOT / ".pre-commit-hooks.yaml").read_text().splitlines()]
    shown = [line.strip() for line in (ROOT / "docs/ci/pre-commit.yaml").read_text().splitlines()]
    assert [line for line in lines if line and not line.startswith(("#", "description:")) and line not in shown] == []


def test_a_commit_with_a_hazard_is_stopped_and_one_without_is_made(repository: Site) -> None:
    script = repository.path / ".git/hooks/pre-commit"
    script.write_text(f"#!/bin/sh\nexec {hook('.pre-commit-hooks.yaml')}\n")
    script.chmod(0o755)
    repository.migration("0002_drop", DROP)
    run(repository, "git", "add", ".")
    stopped = run(repository, "git", *AUTHOR, "commit", "--message", "two")
    assert stopped.returncode == 1
    assert "LG801 error" in stopped.stderr
    repository.migration("0002_drop", 'migrations.AddField("Counter", "more", models.IntegerField(null=True))')
    run(repository, "git", "add", ".")
    made = run(repository, "git", *AUTHOR, "commit", "--message", "two")
    assert made.returncode == 0, made.stderr
    assert run(repository, "git", "status", "--short").stdout == "", "the cache is none of git's business"


def test_the_recipe_for_github_judges_what_a_branch_brings(repository: Site) -> None:
    recipe = (ROOT / "docs/ci/github-actions.yaml").read_text()
    install, lint = re.findall(r"^ +- run: (.+)$", recipe, re.MULTILINE)
    assert install.startswith("pip install ")
    run(repository, "git", "update-ref", "refs/remotes/origin/main", "main")
    run(repository, "git", "checkout", "--quiet", "-b", "branch")
    passed = run(repository, "bash", "-e", "-c", lint, GITHUB_BASE_REF="main")
    assert passed.returncode == 0, passed.stderr
    repository.migration("0002_drop", DROP)
    run(repository, "git", "add", ".")
    run(repository, "git", *AUTHOR, "commit", "--quiet", "--message", "two")
    failed = run(repository, "bash", "-e", "-c", lint, GITHUB_BASE_REF="main")
    assert failed.returncode == 1
    assert "::error file=shop/migrations/0002_drop.py,line=9,title=LG801 column-dropped::" in failed.stdout
