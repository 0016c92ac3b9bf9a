"""``django-lockgate`` in a project that is not this one: the wheel, a bare ``startproject``, three changed lines."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import psycopg
import pytest

from tests.support import roles
from tests.support.databases import Database
from tests.support.sites import ROOT


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    return next(folder.glob("django_lockgate-*.whl"))


def test_the_wheel_holds_the_product_typed_licensed_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        metadata = archive.read(next(name for name in names if name.endswith("METADATA"))).decode()
    assert {name.split("/")[0].split("-")[0] for name in names} == {"lockgate", "django_lockgate"}
    assert "lockgate/py.typed" in names
    assert "lockgate/migrations/0001_initial.py" in names
    assert "lockgate/database/sql/server.sql" in names
    assert any("LICENSE" in name for name in names)
    assert "Name: django-lockgate" in metadata
    assert "License-Expression: MIT" in metadata


class Bare:
    """A new project with the wheel in it. Its interpreter sees this environment's packages (Django, psycopg), but
    none of this repository."""

    def __init__(self, python: str, folder: Path) -> None:
        self.python, self.folder = python, folder

    def run(self, *command: str, url: str = "") -> str:
        done = subprocess.run(
            [self.python, *command],
            cwd=self.folder,
            env={"PATH": os.environ["PATH"], "DATABASE_URL": url},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


@pytest.fixture
def bare(wheel: Path, tmp_path: Path) -> Bare:
    """Adopted with three lines."""
    environment = tmp_path / "venv"
    venv.create(environment, with_pip=False)
    python = str(environment / "bin" / "python")
    packages = next(path for path in map(Path, sys.path) if path.name == "site-packages")
    own = next((environment / "lib").glob("python*")) / "site-packages"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(own)
    (own / "dependencies.pth").write_text(f"{packages}\n")
    Bare(python, tmp_path).run("-m", "django", "startproject", "bare")
    project = tmp_path / "bare"
    settings = project / "bare" / "settings.py"
    text = settings.read_text().replace("INSTALLED_APPS = [", 'INSTALLED_APPS = [\n    "lockgate",')
    text += '\nfrom lockgate.database import url\nDATABASES = {"default": url.from_environment()}\n'
    settings.write_text(text)
    manage = project / "manage.py"
    old = "from django.core.management import execute_from_command_line"
    assert old in manage.read_text()
    manage.write_text(manage.read_text().replace(old, "from lockgate.boot import execute_from_command_line"))

    return Bare(python, project)


def test_a_bare_project_adopts_it_with_three_lines(bare: Bare, database: Database) -> None:
    assert "done: " in bare.run("manage.py", "migrate", "--noinput", url=database.url)
    assert "nothing to migrate" in bare.run("manage.py", "migrate", "--noinput", url=database.url)
    assert str(ROOT) not in bare.run("-c", "import lockgate; print(lockgate.__file__)")
    assert database.value("SELECT count(*) FROM lockgate_run") == 1


def test_a_bare_project_is_migrated_by_an_owner_and_served_by_another_role(bare: Bare, database: Database) -> None:
    with roles.named(database) as two:
        named = ("--owner", two.owner, "--service", two.service)
        database.execute(bare.run("manage.py", "lockgate", "roles", "--sql", *named, url=database.url))
        database.execute(*(f"ALTER ROLE {role} PASSWORD '{roles.PASSWORD}'" for role in (two.owner, two.service)))
        assert "done: " in bare.run("manage.py", "migrate", "--noinput", url=two.url(two.owner))
        service = two.url(two.service)
        assert "every migration of this release is applied" in bare.run("manage.py", "lockgate", "wait", url=service)
        assert "nothing to migrate" in bare.run("manage.py", "migrate", "--noinput", url=service)
        assert "[X] 0001_initial" in bare.run("manage.py", "showmigrations", "auth", url=service)
        bare.run("manage.py", "createsuperuser", "--noinput", "--username=one", "--email=one@example.org", url=service)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            two.as_service("UPDATE lockgate_journalentry SET sql = ''")
