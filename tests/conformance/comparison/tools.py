"""The other linters, as their users run them: by their commands, with their defaults, in a project on PostgreSQL.

They live in an environment of their own, ``.data/comparison/venv``, locked in requirements/comparison.txt, so that they
never meet ours: django-migration-linter, for one, has a ``lintmigrations`` too.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from psycopg.conninfo import conninfo_to_dict

from tests.conformance.comparison import shop
from tests.conformance.comparison.answers import Remark
from tests.conformance.comparison.case import Case
from tests.support.databases import Database, server
from tests.support.sites import ROOT

ENVIRONMENT = ROOT / ".data" / "comparison" / "venv"
REQUIREMENTS = ROOT / "requirements" / "comparison.txt"
TIMEOUT = 120  # seconds: no command takes a tenth of it
PACKAGES = {
    "django-migration-linter": "django-migration-linter",
    "django-safe-migrations": "django-safe-migrations",
    "squawk": "squawk-cli",
    "Django": "django",
}
APPS = {
    "": [],
    "django-migration-linter": ["django_migration_linter"],
    "django-safe-migrations": ["django_safe_migrations"],
}
REFUSED = "sqlmigrate"  # the rule of a case whose SQL Django refuses to write: the user sees that, whatever the tool

SETTINGS = """
import os

INSTALLED_APPS = ["shop", *os.environ.get("LINTER", "").split()]
DATABASES = {{
    "default": {{
        "ENGINE": "django.db.backends.postgresql",
        "NAME": os.environ["DATABASE_NAME"],
        "USER": {user!r},
        "PASSWORD": {password!r},
        "HOST": {host!r},
        "PORT": {port!r},
    }}
}}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
"""
MANAGE = """
import os, sys
os.environ["DJANGO_SETTINGS_MODULE"] = "project_settings"
from django.core.management import execute_from_command_line
execute_from_command_line(sys.argv)
"""


@dataclass(frozen=True)
class Project:
    """A Django project with the shop alone, and the environment that its commands run in. database: has its tables."""

    path: Path
    database: Database

    def write(self) -> None:
        folder = self.path / "shop" / "migrations"
        folder.mkdir(parents=True)
        for file in (folder / "__init__.py", folder.parent / "__init__.py"):
            file.touch()
        parts = conninfo_to_dict(server())
        found = {key: str(parts.get(key) or "") for key in ("user", "password", "host", "port")}
        (self.path / "project_settings.py").write_text(SETTINGS.format(**found))
        (self.path / "manage.py").write_text(MANAGE)
        (folder.parent / "models.py").write_text(shop.MODELS)
        (folder / "0001_initial.py").write_text(shop.INITIAL)

    def put(self, case: Case) -> None:
        """Make a case's migrations the only ones after the first."""
        folder = self.path / "shop" / "migrations"
        for old in folder.glob("*_case.py"):
            old.unlink()
        for name, text in case.files().items():
            (folder / f"{name}.py").write_text(text)

    def run(self, *arguments: str, linter: str = "", database: str = "") -> subprocess.CompletedProcess[str]:
        """A program of the tools' environment."""
        variables = {
            "PATH": f"{ENVIRONMENT / 'bin'}{os.pathsep}{os.environ['PATH']}",
            "HOME": str(self.path),
            "LANG": "C.UTF-8",
            "PYTHONDONTWRITEBYTECODE": "1",
            "DATABASE_NAME": database or self.database.name,
            "LINTER": " ".join(APPS[linter]),
        }
        return subprocess.run(
            [ENVIRONMENT / "bin" / arguments[0], *arguments[1:]],
            cwd=self.path,
            env=variables,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
            check=False,
        )

    def manage(self, *arguments: str, linter: str = "", database: str = "") -> subprocess.CompletedProcess[str]:
        return self.run("python", "manage.py", *arguments, linter=linter, database=database)


def install() -> dict[str, str]:
    """Make the environment what the lock says; returns the versions of the tools and of Django."""
    if not (ENVIRONMENT / "bin" / "python").exists():
        subprocess.run([sys.executable, "-m", "venv", ENVIRONMENT], check=True)
    pip: list[str | Path] = [ENVIRONMENT / "bin" / "python", "-m", "pip", "--disable-pip-version-check"]
    subprocess.run([*pip, "install", "--quiet", "--require-hashes", "-r", REQUIREMENTS], check=True)
    listed = subprocess.run([*pip, "list", "--format", "json"], check=True, capture_output=True, text=True).stdout
    found = {load["name"].lower().replace("_", "-"): load["version"] for load in json.loads(listed)}
    return {name: found[package] for name, package in PACKAGES.items()}


def migration_linter(project: Project, case: Case) -> list[Remark]:
    remarks: set[Remark] = set()
    for name in case.names:
        ended = project.manage("lintmigrations", "shop", name, "--no-cache", linter="django-migration-linter")
        found_remarks = [_coded(line.strip()) for line in ended.stdout.splitlines() if line.startswith("\t")]
        if "*** Summary ***" not in ended.stdout:
            found_remarks = [_refusal(ended)]
        assert (ended.returncode != 0) == any(remark.level == "error" for remark in found_remarks), ended.stdout
        remarks.update(found_remarks)
    return sorted(remarks)


# Its output has sentences, not codes: how they begin or end, the code in its documentation, and whether it is an error.
_SENTENCES = (
    (r"RENAMING tables", "RENAME_TABLE", "error"),
    (r"NOT NULL constraint on columns", "NOT_NULL", "error"),
    (r"DROPPING columns", "DROP_COLUMN", "error"),
    (r"DROPPING table", "DROP_TABLE", "error"),
    (r"RENAMING columns", "RENAME_COLUMN", "error"),
    (r"ALTERING columns", "ALTER_COLUMN", "error"),
    (r"ADDING unique constraint", "ADD_UNIQUE", "error"),
    (r"CREATE INDEX locks table", "CREATE_INDEX", "warning"),
    (r"CREATE INDEX prolongs transaction", "CREATE_INDEX_EXCLUSIVE", "warning"),
    (r"DROP INDEX locks table", "DROP_INDEX", "warning"),
    (r"REINDEX locks table", "REINDEX", "warning"),
    (r".*RunPython data migration is not reversible", "RUNPYTHON_REVERSIBLE", "warning"),
    (r".*By convention, RunPython names the two arguments", "RUNPYTHON_ARGS_NAMING_CONVENTION", "warning"),
    (r".*Could not find an 'apps.get_model", "RUNPYTHON_MODEL_IMPORT", "error"),
    (r".*Model variable name", "RUNPYTHON_MODEL_VARIABLE_NAME", "warning"),
    (r"RunSQL data migration is not reversible", "RUNSQL_REVERSIBLE", "warning"),
)


def _coded(sentence: str) -> Remark:
    for pattern, code, level in _SENTENCES:
        if re.match(pattern, sentence):
            return Remark(code, level)
    raise AssertionError(f"django-migration-linter says something new: {sentence}")


def safe_migrations(project: Project, case: Case) -> list[Remark]:
    ended = project.manage("check_migrations", "shop", "--format", "json", linter="django-safe-migrations")
    issues = json.loads(ended.stdout)["issues"]
    mine = [issue for issue in issues if Path(issue["file_path"]).stem in case.names]
    return sorted({Remark(each["rule_id"], each["severity"]) for each in mine})


def squawk(project: Project, case: Case) -> list[Remark]:
    files = []
    for name in case.names:
        ended = project.manage("sqlmigrate", "shop", name)
        if ended.returncode:
            return [_refusal(ended)]
        files.append(f"{name}.sql")
        (project.path / files[-1]).write_text(ended.stdout)
    ended = project.run("squawk", "--pg-version", "16.0", "--reporter", "json", *files)
    document = json.loads(ended.stdout)
    assert (ended.returncode != 0) == bool(document), ended.stdout  # whatever it finds ends a build
    return sorted({Remark(each["rule_name"], each["level"].lower()) for each in document})


def _refusal(ended: subprocess.CompletedProcess[str]) -> Remark:
    """Django's own sqlmigrate failed, under the tool or before it. What it says is looked at by its class."""
    assert "NotSupportedError" in ended.stderr, ended.stderr
    return Remark(REFUSED, "error")


RUN: dict[str, Callable[[Project, Case], list[Remark]]] = {
    "django-migration-linter": migration_linter,
    "django-safe-migrations": safe_migrations,
    "squawk": squawk,
}
