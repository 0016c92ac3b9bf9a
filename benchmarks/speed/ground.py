"""What one history is measured on: its projects on disk, and databases that have come so far, to be copied.

Databases stay until the server goes: on ext4 without a journal, files are made at half the pace for a minute after
others were removed.
"""

from __future__ import annotations

import compileall
import os
import subprocess
import sys
import time
import uuid
from functools import cached_property
from pathlib import Path

from psycopg import sql

from benchmarks import histories, scripts, server
from benchmarks.scripts import Script
from benchmarks.speed.contenders import Contender, there
from tests.support import databases
from tests.support.databases import Database

MIGRATE = ("migrate", "--noinput")
TEST = """
from django.test import TestCase

from app0.models import Root


class RootTest(TestCase):
    def test_a_root_can_be_saved(self):
        Root.objects.create(label="saved")
"""
TABLES = (
    "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
    " AND relname ~ '^(app|auth_|django_content_type)' ORDER BY relname"
)


class Ground:
    """A history of so many migrations. folder: a new one. apps: the copy of Lockgate's code that is measured."""

    def __init__(self, folder: Path, apps: Path, length: int, shape: str) -> None:
        self.folder, self.apps, self.length, self.shape = folder, apps, length, shape
        self._projects: dict[tuple[str, str, tuple[str, ...], int], Path] = {}
        self._whole: dict[str, Database] = {}
        self._short: dict[str, Database] = {}

    @property
    def title(self) -> str:
        return f"{self.length:,} {self.shape}"

    @cached_property
    def scripts(self) -> list[Script]:
        return scripts.of(self.length, self.shape)

    @cached_property
    def last(self) -> set[tuple[str, str]]:
        """The keys of the newest migration of each app."""
        newest = {script.app: script.name for script in self.scripts if script.app in histories.APPS}
        return set(newest.items())

    @cached_property
    def tables(self) -> list[str]:
        """Those that the whole history makes."""
        return [name for (name,) in self.whole("stock").rows(TABLES)]

    def project(self, contender: Contender, length: int | None = None) -> Path:
        """The contender's release, built and compiled; written when it is first wanted."""
        wanted = self.length if length is None else length
        key = (contender.variant, contender.settings, contender.builds, wanted)
        if key not in self._projects:
            path = self.folder / f"project{len(self._projects)}"
            histories.write(path, wanted, self.shape, contender.variant, contender.settings)
            (path / "app0" / "tests.py").write_text(TEST)
            _age(path)
            compileall.compile_dir(path, quiet=1)
            self._projects[key] = path
            for command in filter(there, contender.builds):
                self.manage(contender, self._build_database, *command.split())
        return self._projects[key]

    @cached_property
    def _build_database(self) -> Database:
        return databases.create()

    @cached_property
    def test_database(self) -> Database:
        """What test databases are named after, so that what one suite leaves is found by the next."""
        return databases.create()

    def database(self, template: Database | None = None) -> Database:
        """A new one for a measurement, empty or a copy of another."""
        return databases.create(template.name if template else None)

    def environment(self, project: Path, database: Database) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "LANG": "C.UTF-8",
            "HOME": str(self.folder),
            "PYTHONPATH": os.pathsep.join((str(project), str(self.apps))),
            "DATABASE_URL": server.url(database),
        }

    def manage(self, contender: Contender, database: Database, *arguments: str, length: int | None = None) -> None:
        """Run one of the project's commands, untimed. RuntimeError with what it wrote, where it does not exit 0."""
        project = self.project(contender, length)
        command = [sys.executable, "manage.py", *arguments]
        environment = self.environment(project, database)
        done = subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"{contender.title} exited {done.returncode} at {' '.join(arguments)}:\n{done.stderr}")

    def whole(self, variant: str) -> Database:
        """A database in which the whole history is applied and nothing is left to do."""
        if variant not in self._whole:
            self._whole[variant] = self._applied(variant, self.length)
        return self._whole[variant]

    def short(self, variant: str) -> Database:
        """The same but for the newest migration of each app, as a release before them left it."""
        if variant not in self._short:
            self._short[variant] = self._applied(variant, self.length - len(histories.APPS))
        return self._short[variant]

    def _applied(self, variant: str, length: int) -> Database:
        """By the scripts, which takes a moment, and then a run of the variant, for what comes after migrations."""
        database = databases.create()
        scripts.replay(database, self.scripts, set() if length == self.length else self.last)
        self.manage(Contender(variant, variant, variant=variant, builds=()), database, *MIGRATE, length=length)
        return database


def _age(folder: Path) -> None:
    """Let its files be a day old: what was written just now is under suspicion, and a release's files were not."""
    moment = time.time() - 24 * 60 * 60
    for path in folder.rglob("*"):
        os.utime(path, (moment, moment))


def reset(database: Database, template: Database | None = None) -> None:
    """Have a new one in its place, empty or a copy of another."""
    new_database = databases.create(template.name if template else None)
    set_aside(database.name)
    rename(new_database.name, database.name)


def set_aside(name: str) -> None:
    """Give a database a name that nobody looks for."""
    rename(name, f"lg_{uuid.uuid4().hex[:12]}")


def rename(name: str, to: str) -> None:
    with databases.admin() as connection:
        connection.execute(sql.SQL("ALTER DATABASE {} RENAME TO {}").format(sql.Identifier(name), sql.Identifier(to)))
