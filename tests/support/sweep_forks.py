"""Runners for the price of a fork: Django is imported once, and each run of ``manage.py`` is a process of its own.

A process is started, sets Django up and then only forks. Each child is a real process with a real end: its own
connections, its own exit, killed by its own pid. What it shares with the others is imported modules; these it leaves to
the kernel, rather than taking them apart when all else is done.

``python -m tests.support.sweep_forks`` is that process; it takes one JSON request a line, and answers with the child's
pid and, when it has ended, its code and output.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import importlib
import json
import logging
import os
import pkgutil
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.support.sites import ROOT, Result

# What runs import on their way, beside Lockgate's own modules and a case's history.
NEEDED = (
    "django.contrib.contenttypes.fields",
    "django.contrib.contenttypes.migrations.0001_initial",
    "django.contrib.contenttypes.migrations.0002_remove_content_type_name",
    "django.contrib.postgres.constraints",
    "django.contrib.postgres.fields",
    "django.contrib.postgres.operations",
    "django.core.management.commands.migrate",
    "psycopg",
    "tests.support.sweep_cases",
)
NOT_NEEDED = ("admin", "urls", "views")
NOWHERE = "postgresql:///nowhere?host=/nonexistent"  # what the settings name until a child is told where to go


def environment(project: Path, settings: str, url: str = NOWHERE) -> dict[str, str]:
    """The environment of a run, as bare as an image's."""
    return {
        "PATH": os.environ["PATH"],
        "LANG": "C.UTF-8",
        "PYTHONPATH": os.pathsep.join((str(project), str(ROOT / "apps"), str(ROOT))),
        "PYTHONWARNINGS": "error",
        "DJANGO_SETTINGS_MODULE": settings,
        "DATABASE_URL": url,
    }


@dataclass
class Forks:
    """The process that forks. settings: the module that its children run under."""

    project: Path
    settings: str
    process: subprocess.Popen[str] = field(init=False)

    def __post_init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.sweep_forks"],
            cwd=self.project,
            env=environment(self.project, self.settings),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def start(self, url: str, history: str, *arguments: str, release: str = "") -> int:
        """Fork ``manage.py`` with these arguments against a database; its pid. release: its name, if it has one."""
        self._say({"url": url, "history": history, "arguments": arguments, "release": release})
        return int(self._hear()["pid"])

    def finish(self) -> Result:
        """Wait for the child. code: minus the signal where one ended it."""
        return Result(**self._hear())

    def close(self) -> None:
        assert self.process.stdin
        with contextlib.suppress(OSError):
            self.process.stdin.close()
        self.process.wait(30)
        assert self.process.stdout
        self.process.stdout.close()

    def _say(self, request: Mapping[str, object]) -> None:
        assert self.process.stdin
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()

    def _hear(self) -> dict[str, Any]:
        assert self.process.stdout
        line = self.process.stdout.readline()
        assert line, "the process that forks has ended"
        heard: dict[str, Any] = json.loads(line)
        return heard


@contextlib.contextmanager
def forks(project: Path, settings: str) -> Iterator[Forks]:
    new_forks = Forks(project, settings)
    try:
        yield new_forks
    finally:
        new_forks.close()


# The process that forks


# The exit code of this process, where it is a child that has come to its end.
_ended: list[int] = []


def main() -> int:
    atexit.register(_leave)  # the first one in is the last one called
    _prepare()
    answers = os.dup(1)
    for line in sys.stdin:
        request = json.loads(line)
        _import_history(request["history"])
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            child = os.fork()
            if child == 0:
                _become_a_runner(out.fileno(), err.fileno())
                _ended.append(_run(**request))
                return _ended[0]  # up through the interpreter's own end
            _answer(answers, {"pid": child})
            status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
            _answer(answers, {"code": status, "out": _text(out), "err": _text(err)})
    return 0


def _leave() -> None:
    """Spare a child what comes after its threads have ended and its exit functions run: a third of a run's time is
    spent on freeing, module by module, the pages that it shares.
    """
    if _ended:
        logging.shutdown()  # the one exit function that is there before ours
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        os._exit(_ended[0])


def _prepare() -> None:
    """Import all that a run may need, so that no child has to."""
    import django

    django.setup()
    names = [*NEEDED]
    from django.apps import apps

    if apps.is_installed("lockgate"):
        import lockgate

        found = pkgutil.walk_packages(lockgate.__path__, "lockgate.")
        names += [each.name for each in found if each.name.split(".")[1] not in NOT_NEEDED]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in names:
            importlib.import_module(name)
    gc.collect()
    gc.freeze()


def _import_history(name: str) -> None:
    """A case's history is imported where it is first asked for, and its operations are every later child's."""
    if f"histories.{name}" not in sys.modules:
        history = importlib.import_module(f"histories.{name}")
        for module in pkgutil.iter_modules(history.__path__, f"{history.__name__}."):
            importlib.import_module(module.name)
        gc.freeze()


def _become_a_runner(out: int, err: int) -> None:
    nothing = os.open(os.devnull, os.O_RDONLY)
    for source, target in ((nothing, 0), (out, 1), (err, 2)):
        os.dup2(source, target)


def _run(url: str, history: str, arguments: list[str], release: str) -> int:
    """What ``manage.py`` does, on the database and with the history that are asked for."""
    from django.conf import settings
    from django.db import connections

    from lockgate.boot import execute_from_command_line
    from lockgate.database.url import parse
    from tests.support.sweep_cases import APP

    os.environ["DATABASE_URL"] = url
    if release:
        os.environ["LOCKGATE_RELEASE"] = release
    settings.MIGRATION_MODULES[APP] = f"histories.{history}"
    connections.settings["default"].update(parse(url))
    connections["default"] = connections.create_connection("default")
    sys.argv = ["manage.py", *arguments]
    try:
        execute_from_command_line(sys.argv)
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else int(bool(ended.code))
    return 0


def _answer(answers: int, what: Mapping[str, object]) -> None:
    data = (json.dumps(what) + "\n").encode()
    while data:
        data = data[os.write(answers, data) :]


def _text(file: Any) -> str:
    file.seek(0)
    return str(file.read().decode(errors="replace"))


if __name__ == "__main__":
    sys.exit(main())
