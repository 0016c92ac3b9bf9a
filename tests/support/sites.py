"""A Django project of a test's own, on disk, and its ``manage.py`` in processes of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.support import forks
from tests.support.databases import Database

ROOT = Path(__file__).resolve().parents[2]
# What notes which modules its own process has loaded.
OF_ITS_MODULES = (("lockgate", "manifest"), ("lockgate", "snapshot"))
TIMEOUT = 120  # seconds: no command of a test takes a tenth of it

SETTINGS = """
from lockgate.database import url

INSTALLED_APPS = {apps!r}
DATABASES = {{"default": url.from_environment()}}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
LOCKGATE = {lockgate!r}
{extra}
"""

MANAGE = """
import os, sys
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "site_settings")
from lockgate.boot import execute_from_command_line
execute_from_command_line(sys.argv)
"""

MIGRATION = """
from django.db import migrations, models
{imports}

class Migration(migrations.Migration):
    dependencies = {dependencies}
{attributes}
    operations = [
{operations}
    ]
"""


@dataclass
class Site:
    """A project with one app, ``shop``, that starts without migrations. stock: without Lockgate.

    fresh: each command has an interpreter that was started for it, for tests of what one does on its way to Django.
    """

    path: Path
    database: Database
    stock: bool = False
    apps: tuple[str, ...] = ("django.contrib.contenttypes", "django.contrib.auth", "shop")
    lockgate: dict[str, object] = field(default_factory=dict)
    extra_settings: str = ""
    fresh: bool = False

    def __post_init__(self) -> None:
        (self.path / "shop" / "migrations").mkdir(parents=True, exist_ok=True)
        (self.path / "shop" / "__init__.py").touch()
        (self.path / "shop" / "migrations" / "__init__.py").touch()
        (self.path / "shop" / "models.py").touch()  # Django signals only apps that have the module
        (self.path / "manage.py").write_text(MANAGE)
        self.write_settings()

    def write_settings(self) -> None:
        apps = self.apps if self.stock else ("lockgate", *self.apps)
        text = SETTINGS.format(apps=list(apps), lockgate=self.lockgate, extra=self.extra_settings)
        (self.path / "site_settings.py").write_text(text)

    def migration(
        self, name: str, *operations: str, after: str | None = "", imports: str = "", **attributes: str
    ) -> Path:
        """Write a migration of ``shop``. after: its predecessor; by default the last one written."""
        folder = self.path / "shop" / "migrations"
        earlier = sorted(path.stem for path in folder.glob("0*.py") if path.stem < name)
        previous = after if after else (earlier[-1] if earlier and after is not None else None)
        text = MIGRATION.format(
            imports=textwrap.dedent(imports),
            dependencies=[("shop", previous)] if previous else [],
            attributes="".join(f"    {key} = {value}\n" for key, value in attributes.items()),
            operations=textwrap.indent(
                ",\n".join(textwrap.dedent(operation).strip() for operation in operations), " " * 8
            ),
        )
        path = folder / f"{name}.py"
        path.write_text(text)
        return path

    def environment(self, extra: Mapping[str, str | None]) -> dict[str, str]:
        """The environment of a command: as bare as an image's. A None in ``extra`` unsets a variable."""
        found: dict[str, str | None] = {
            "PATH": os.environ["PATH"],
            "LANG": "C.UTF-8",
            "PYTHONPATH": os.pathsep.join((str(self.path), str(ROOT / "apps"))),
            "PYTHONWARNINGS": "error",
            "DATABASE_URL": self.database.url,
            **extra,
        }
        return {key: value for key, value in found.items() if value is not None}

    def start(self, *arguments: str, **environment: str | None) -> subprocess.Popen[str]:
        """``manage.py`` with these arguments, running."""
        env = self.environment(environment)
        forked = not (self.fresh or arguments[:2] in OF_ITS_MODULES) and forks.can(env)
        command = ["manage.py", *arguments]
        return (forks.Forked if forked else subprocess.Popen)(
            command if forked else [sys.executable, *command],
            cwd=self.path,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments: str, **environment: str | None) -> Result:
        """``manage.py`` with these arguments, to its end."""
        return finish(self.start(*arguments, **environment))

    def migrate(self, *arguments: str, **environment: str | None) -> Result:
        return self.run("migrate", "--noinput", *arguments, **environment)


@dataclass(frozen=True)
class Result:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def text(self) -> str:
        return self.out + self.err


def finish(process: subprocess.Popen[str], timeout: float = TIMEOUT) -> Result:
    try:
        out, err = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        process.kill()
        out, err = process.communicate()
        raise AssertionError(f"no end in {timeout} s:\n{out}\n{err}") from None
    return Result(process.returncode, out, err)


CREATE_COUNTER = """
migrations.CreateModel(
    name="Counter",
    fields=[("id", models.BigAutoField(primary_key=True)), ("value", models.IntegerField(default=0))],
)
"""
SEED_COUNTER = 'migrations.RunSQL("INSERT INTO shop_counter (value) VALUES (0)", migrations.RunSQL.noop)'
# Applied twice, it shows: what a race test needs to prove anything.
COUNT_UP = 'migrations.RunSQL("UPDATE shop_counter SET value = value + 1", migrations.RunSQL.noop)'
ADD_COLUMN = 'migrations.AddField("Counter", "{0}", models.IntegerField(null=True))'


def sleep(seconds: float) -> str:
    """An operation that keeps the server busy this long."""
    return f'migrations.RunSQL("SELECT pg_sleep({seconds})", migrations.RunSQL.noop)'
