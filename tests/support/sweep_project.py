"""The sweep's Django project on disk: one app, and for each case a history of its own to choose from.

The app has no models of today, as a migration needs none. Every history begins with the same start.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from django.db.migrations import Migration
from django.db.migrations.operations.base import Operation
from django.db.migrations.writer import MigrationWriter

from tests.support.sites import MANAGE
from tests.support.sweep_cases import APP, LARGE_TABLE_BYTES, START, WRITTEN, Case

START_ONLY = "start"

SETTINGS = f"""
from lockgate.database import url

INSTALLED_APPS = {{apps!r}}
DATABASES = {{{{"default": url.from_environment()}}}}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
MIGRATION_MODULES = {{{{"{APP}": "histories.{START_ONLY}"}}}}
LOCKGATE = {{{{"LARGE_TABLE_BYTES": {LARGE_TABLE_BYTES}}}}}
"""
APPS = ["django.contrib.contenttypes", APP]


def write(path: Path) -> Path:
    """The project, with every case's history. settings: ``site_settings`` with Lockgate, ``stock_settings`` without."""
    (path / APP).mkdir(parents=True)
    for name in ("__init__.py", "models.py"):  # Django signals only apps that have models
        (path / APP / name).touch()
    (path / "manage.py").write_text(MANAGE)
    (path / "site_settings.py").write_text(SETTINGS.format(apps=["lockgate", *APPS]))
    (path / "stock_settings.py").write_text(SETTINGS.format(apps=APPS))
    (path / "histories").mkdir()
    (path / "histories" / "__init__.py").touch()
    _history(path / "histories" / START_ONLY, None)
    for case in WRITTEN:
        _history(path / "histories" / history(case), case)
    return path


def history(case: Case) -> str:
    """The name of a case's history."""
    return f"case_{WRITTEN.index(case) + 1:02}"


def _history(folder: Path, case: Case | None) -> None:
    folder.mkdir()
    (folder / "__init__.py").touch()
    _migration(folder, "0001_start", START, None)
    previous = "0001_start"
    for number, pending in enumerate(case.pending if case else (), 2):
        name = f"{number:04}_pending"
        _migration(folder, name, pending.operations, previous, atomic=pending.atomic)
        previous = name


def _migration(
    folder: Path, name: str, operations: Sequence[Operation], after: str | None, *, atomic: bool = True
) -> None:
    migration = Migration(name, APP)
    migration.operations = list(operations)
    migration.dependencies = [(APP, after)] if after else []
    text = MigrationWriter(migration, include_header=False).as_string()
    if not atomic:  # what Django's writer does not know of
        head = "class Migration(migrations.Migration):\n"
        assert head in text
        text = text.replace(head, f"{head}    atomic = False\n", 1)
    (folder / f"{name}.py").write_text(text)
