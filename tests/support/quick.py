"""A migrated site with a fresh manifest, made once, and what a start of it says about the path it took."""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.support import databases
from tests.support.databases import Database
from tests.support.sites import CREATE_COUNTER, SEED_COUNTER, Result, Site

# Read while the settings load: a variable, and two files, one of which is not there.
SETTINGS = """
import os
from pathlib import Path
SHOP_FLAG = os.environ.get("SHOP_FLAG", "")
SHOP_LABELS = (Path(__file__).parent / "labels.txt").read_text()
try:
    SHOP_LOCAL = (Path(__file__).parent / "local.txt").read_text()
except FileNotFoundError:
    SHOP_LOCAL = ""
"""
# A receiver that a test can catch in the middle.
MODELS = """
from django.db import connection, models
from django.db.models.signals import post_migrate
import os

def linger(sender, **kwargs):
    if "SHOP_LINGERS" in os.environ and sender.label == "shop":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_sleep(60) /* lingering */")

post_migrate.connect(linger)
"""
# How long a statement sleeps, in SQL: what ``nap`` has told the database.
NAP = "coalesce(nullif(current_setting('shop.nap', true), ''), '0')::float"
TAKEN = "start: manifest and database agree: Django was not loaded\n"
NOT_TAKEN = "start: full start: "


@dataclass
class Quick:
    """One site for many tests: each gets a copy of its database, and its files back as they were."""

    site: Site
    template: Database
    kept: Path = field(init=False)

    def __post_init__(self) -> None:
        self.kept = self.site.path.with_name("kept")
        shutil.copytree(self.site.path, self.kept)

    @property
    def path(self) -> Path:
        return self.site.path

    @property
    def manifest(self) -> Path:
        return self.path / "lockgate-manifest.json"

    @property
    def database(self) -> Database:
        return self.site.database

    def start(self, *arguments: str, **environment: str | None) -> Result:
        """``manage.py migrate --noinput``, or other arguments, saying which path it takes."""
        given = arguments or ("migrate", "--noinput")
        return self.site.run(*given, **{"LOCKGATE_EXPLAIN_START": "1", **environment})

    @contextlib.contextmanager
    def borrowed(self) -> Iterator[Quick]:
        """For one test."""
        self.site.database = databases.create(template=self.template.name)
        try:
            yield self
        finally:
            self.site.database.drop()
            shutil.rmtree(self.path)
            shutil.copytree(self.kept, self.path)  # with times of change


@contextlib.contextmanager
def quick(folder: Path) -> Iterator[Quick]:
    site = Site(folder / "site", databases.create(), extra_settings=SETTINGS, fresh=True)
    (site.path / "labels.txt").write_text("one")
    (site.path / "shop" / "models.py").write_text(MODELS)
    site.migration("0001_initial", CREATE_COUNTER)
    site.migration("0002_seed", SEED_COUNTER)
    age(site.path)
    for command in (
        ("migrate", "--noinput"),
        (
            "lockgate",
            "manifest",
        ),
    ):
        result = site.run(*command)
        assert result.code == 0, result.text
    try:
        yield Quick(site, site.database)
    finally:
        site.database.drop()


def with_snapshot(site: Site, *arguments: str) -> Path:
    """Build a snapshot, and the manifest that has its checksum; returns it. Starts are full starts all the same.

    arguments: of ``lockgate snapshot``.
    """
    built = site.run("lockgate", "snapshot", *arguments)
    assert built.code == 0, built.text
    vouch(site)
    return site.path / "lockgate-snapshot.sql"


def vouch(site: Site) -> None:
    """Build the manifest, then let it be older than the code: what it says of the snapshot is as true as before."""
    age(site.path)
    built = site.run("lockgate", "manifest")
    assert built.code == 0, built.text
    (site.path / f"newer_{time.time_ns()}.py").touch()


def nap(database: Database, seconds: float) -> None:
    """Let statements that sleep for NAP sleep so long, in every session that begins from now on."""
    database.execute(f"ALTER DATABASE \"{database.name}\" SET shop.nap = '{seconds}'")


def age(path: Path, seconds: float = 60) -> None:
    """Let everything look as if it had been written some time ago: a manifest need not wait for it then."""
    then = time.time() - seconds
    for one_path in (path, *path.rglob("*")):
        os.utime(one_path, (then, then))


def assert_quick(result: Result) -> None:
    assert (result.code, result.out, result.err) == (0, "nothing to migrate\n", TAKEN)


def assert_ordinary(result: Result, why: str) -> None:
    """It made a full start, for this reason."""
    first = result.err.partition("\n")[0]
    assert first.startswith(NOT_TAKEN), result.text
    assert why in first, result.text
