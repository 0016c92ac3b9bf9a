"""A virtual environment for each project, kept under ``.data/conformance``, and its commands.

The project's own package lies beside its settings, as a checkout would, so that ``lockgate lint`` judges it; what it
depends on is installed. Lockgate is taken from this checkout.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from lockgate import policy
from tests.conformance.projects import Project
from tests.support.sites import MANAGE, ROOT

CACHE = ROOT / ".data" / "conformance"
DJANGO = "django>=5.2,<6"
OURS = ("psycopg[binary]>=3.2", "dj-database-url>=3", "pgparse>=1.0.3")
PROBE = Path(__file__).with_name("probe.py")
STOCK = Path(__file__).with_name("stock.py")
SETTINGS = """
SECRET_KEY = "for-tests-only" * 4
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.AutoField"
STATIC_URL = "/static/"
{settings}
from lockgate.database import url
INSTALLED_APPS = ["lockgate", *INSTALLED_APPS]
DATABASES = {{"default": url.from_environment()}}
LOGGING = {{"version": 1, "disable_existing_loggers": False}}
from django.conf import global_settings
LOCKGATE = {{"SNAPSHOT_SETTINGS": [each for each in {{*dir(global_settings), *globals()}} if each.isupper()]}}
"""


@dataclass(frozen=True)
class Ended:
    """How a command ended. seconds: of wall time. memory: MiB at its peak."""

    code: int
    out: str
    err: str
    seconds: float
    memory: float


@dataclass(frozen=True)
class Environment:
    """A project that is installed. database: the URL that its settings read. variables: what its commands read."""

    project: Project
    database: str
    variables: Mapping[str, str] = field(default_factory=dict)

    @property
    def home(self) -> Path:
        return CACHE / self.project.name

    @property
    def packages(self) -> Path:
        return self.home / "packages"

    def make(self) -> None:
        """Install what is not there yet, and write the settings. Raises CalledProcessError where that fails."""
        python, done = self._python(), self.home / "installed"
        if not done.exists():
            subprocess.run([sys.executable, "-m", "venv", "--clear", self.home / "venv"], check=True)
            pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
            subprocess.run([*pip, DJANGO, *OURS, self.project.package, *self.project.beside], check=True)
            name = self.project.package.partition("[")[0]  # without extras
            version = self._version(name)
            exact = f"{name}=={version}"
            subprocess.run([*pip, "--no-deps", "--upgrade", "--target", self.packages, exact], check=True)
            done.write_text(version)
        (self.home / "manage.py").write_text(MANAGE)
        (self.home / "site_settings.py").write_text(SETTINGS.format(settings=self.project.settings))

    @property
    def version(self) -> str:
        return (self.home / "installed").read_text()

    def manage(self, *arguments: str) -> Ended:
        return self._run("manage.py", *arguments)

    def stock(self, *arguments: str) -> Ended:
        """By Django's own ``migrate``, under the same settings."""
        return self._run("-P", str(STOCK), *arguments)

    def probe(self, *arguments: str) -> Ended:
        return self._run("-P", str(PROBE), *arguments)  # beside it lie modules named as projects

    def _run(self, *arguments: str) -> Ended:
        """Files take what it says: a pipe that nobody reads would stop it before ``wait4`` can tell its memory."""
        out, err = self.home / "out", self.home / "err"
        started = time.perf_counter()
        with out.open("wb") as to_out, err.open("wb") as to_err:
            process = subprocess.Popen(
                [self._python(), *arguments], cwd=self.home, env=self._variables(), stdout=to_out, stderr=to_err
            )
            _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - started
        code = process.returncode = os.waitstatus_to_exitcode(status)
        return Ended(code, out.read_text(), err.read_text(), seconds, usage.ru_maxrss / 1024)

    def _variables(self) -> Mapping[str, str]:
        folders = [
            self.home,
            self.packages,
            *(self.packages / folder for folder in self.project.folders),
            ROOT / "apps",
        ]
        own = {name: value.format(home=self.home) for name, value in self.project.environment.items()}
        return {
            "PATH": os.environ["PATH"],
            "LANG": "C.UTF-8",
            "PYTHONPATH": os.pathsep.join(map(str, folders)),
            "DJANGO_SETTINGS_MODULE": "site_settings",
            "DATABASE_URL": self.database,
            "LOCKGATE_SNAPSHOT": policy.NO_SNAPSHOT,  # whatever an earlier comparison has left here
            **own,
            **self.variables,
        }

    def _python(self) -> str:
        return str(self.home / "venv" / "bin" / "python")

    def _version(self, package: str) -> str:
        asked = f"from importlib.metadata import version; print(version({package!r}))"
        return subprocess.run([self._python(), "-c", asked], check=True, capture_output=True, text=True).stdout.strip()
