"""Who migrates: stock Django, its best-known peer for online migrations, and Lockgate, each as its README says."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import django

from tests.support.databases import Database
from tests.support.sites import ROOT, Site

PEER = "django-pg-zero-downtime-migrations"
PEER_VERSION = "0.20"
_PEER_HOME = ROOT / ".data" / "stall"
# What its README recommends, and what it adds to DATABASES.
_PEER_SETTINGS = """
DATABASES["default"]["ENGINE"] = "django_zero_downtime_migrations.backends.postgres"
ZERO_DOWNTIME_MIGRATIONS_LOCK_TIMEOUT = "2s"
ZERO_DOWNTIME_MIGRATIONS_STATEMENT_TIMEOUT = "2s"
ZERO_DOWNTIME_MIGRATIONS_FLEXIBLE_STATEMENT_TIMEOUT = True
ZERO_DOWNTIME_MIGRATIONS_RAISE_FOR_UNSAFE = {refuse}
"""


@dataclass(frozen=True)
class Contender:
    """command: what runs management commands in a site's folder. settings: added to the site's."""

    name: str
    title: str
    command: tuple[str, ...]
    settings: str = ""
    stock: bool = True

    def site(self, folder: Path, database: Database) -> Site:
        return Site(folder, database, stock=self.stock, extra_settings=self.settings)

    def start(self, site: Site, apps: Path, *arguments: str) -> subprocess.Popen[str]:
        """One of its commands, running. apps: where Lockgate's code is."""
        extra: Mapping[str, str | None] = {
            "DJANGO_SETTINGS_MODULE": "site_settings",
            "PYTHONPATH": os.pathsep.join((str(site.path), str(apps))),
            "PYTHONWARNINGS": None,
        }
        return subprocess.Popen(
            [*self.command, *arguments],
            cwd=site.path,
            env=site.environment(extra),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )


_PEER_COMMAND = (str(_PEER_HOME / "venv" / "bin" / "python"), "-m", "django")
STOCK = Contender("stock", "Django", (sys.executable, "-m", "django"))
LOCKGATE = Contender("lockgate", "Lockgate", (sys.executable, "manage.py"), stock=False)
ZDM = Contender("zdm", "zero-downtime", _PEER_COMMAND, _PEER_SETTINGS.format(refuse=True))
# The same where it is told not to refuse: what it does then. Not part of the table unless asked for.
ZDM_UNSAFE = Contender("zdm-unsafe", "zero-downtime, unsafe", _PEER_COMMAND, _PEER_SETTINGS.format(refuse=False))

USUAL = (STOCK, ZDM, LOCKGATE)
ALL = (*USUAL, ZDM_UNSAFE)


def named(names: list[str]) -> list[Contender]:
    return [contender for contender in (ALL if names else USUAL) if not names or contender.name in names]


def install_peer() -> None:
    """Into an environment of its own, kept in ``.data``, with the same Django. Needs the package index once."""
    wanted = f"{PEER}=={PEER_VERSION} django=={django.__version__} psycopg[binary]>=3.2 dj-database-url>=3"
    done = _PEER_HOME / "installed"
    if done.exists() and done.read_text() == wanted:
        return
    subprocess.run([sys.executable, "-m", "venv", "--clear", _PEER_HOME / "venv"], check=True)
    pip = [_PEER_COMMAND[0], "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, *wanted.split()], check=True)
    done.write_text(wanted)
