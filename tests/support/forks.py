"""``manage.py`` of a test's site for the price of a fork: most of a short command's time is spent on importing Django.

Each process of pytest starts one interpreter that imports Django, psycopg and Lockgate, and no more: no settings, no
app, nothing of any site. ``Forked`` is a ``subprocess.Popen`` whose process is forked by that interpreter, with a pid,
pipes, connections, signals and an end of its own. What an interpreter reads at its start must be as it was for the one
that forks (``can``); whatever else depends on a fresh one says so: ``Site.fresh``.
"""

from __future__ import annotations

import array
import atexit
import contextlib
import gc
import importlib
import json
import logging
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

APPS = Path(__file__).resolve().parents[2] / "apps"
LONGEST = 200_000  # bytes of a request: arguments and environment
STANDARD = 3  # descriptors: input, output, errors
# What an interpreter reads at its own start, as ``Site`` has it.
OF_THE_INTERPRETER = {"LANG": "C.UTF-8", "PYTHONWARNINGS": "error"}
# What commands import on their way. None of it asks for settings, and none is an app's.
NEEDED = (
    "django.contrib.auth.hashers",
    "django.core.mail",
    "django.core.management.commands.makemigrations",
    "django.core.management.commands.migrate",
    "django.core.management.commands.showmigrations",
    "django.core.management.commands.sqlmigrate",
    "django.db.backends.postgresql.base",
    "django.db.models.sql.compiler",
    "django.forms",
    "django.template.defaultfilters",
    "django.template.defaulttags",
    "django.template.loader_tags",
    "django.templatetags.i18n",
    "django.urls",
    "django.utils.translation.reloader",
    "django.views.debug",
    "psycopg",
)
OF_COVERAGE = ("coverage", "coverage.sqldata")
# What of Lockgate asks for settings, or for pytest, or does something when it is imported.
OF_APPS = ("admin", "apps", "checks", "migrations", "models", "testing", "urls", "views")


def can(environment: Mapping[str, str]) -> bool:
    """Whether a fork is what a fresh interpreter in this environment would be."""
    own = {name: value for name, value in environment.items() if name.startswith(("PYTHON", "LANG", "LC_", "LD_"))}
    own.pop("PYTHONPATH", None)
    return own == OF_THE_INTERPRETER and hasattr(os, "pidfd_open")


class Forked(subprocess.Popen[str]):
    """``manage.py`` with these arguments. Its end is told by the process that forks, its parent."""

    def _execute_child(self, args: Sequence[str], *rest: Any) -> None:
        cwd, environment, pipes = rest[4], rest[5], rest[9:15]
        told, telling = os.pipe()
        request = {"arguments": args, "cwd": str(cwd), "environment": dict(environment)}
        _forking().ask(request, [pipes[0], pipes[3], pipes[5], telling])
        os.close(telling)
        self._told = os.fdopen(told)
        self.pid = int(self._told.readline())
        self._child_created = True
        self._close_pipe_fds(*pipes)  # type: ignore[attr-defined]

    def _wait(self, timeout: float | None) -> int:
        if self.returncode is None:
            if not select.select([self._told], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired(self.args, timeout or 0.0)
            with self._told as told:
                self.returncode = int(told.readline())
        return self.returncode

    def _internal_poll(self, *_: Any, **__: Any) -> int | None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._wait(0)
        return self.returncode


class Forking:
    """The process that forks, seen from here. lockgate: whether it imports Lockgate, or leaves that to each fork."""

    def __init__(self, *, lockgate: bool = True) -> None:
        self.socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self.process = subprocess.Popen(
                [sys.executable, __file__, str(theirs.fileno()), str(int(lockgate))],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                cwd=APPS,
                env={"PATH": os.environ["PATH"], **OF_THE_INTERPRETER},
            )

    def ask(self, request: Mapping[str, Any], descriptors: Sequence[int]) -> None:
        socket.send_fds(self.socket, [json.dumps(request).encode()], descriptors)

    def close(self) -> None:
        self.socket.close()
        self.process.wait(30)


_current: list[Forking] = []


def _forking() -> Forking:
    if not _current:
        _current.append(Forking())
        atexit.register(_current[0].close)
    return _current[-1]


@contextlib.contextmanager
def of_changing_code() -> Iterator[None]:
    """For the length of the block, and for processes that are forked in it, Lockgate is imported anew by each fork."""
    _current.append(Forking(lockgate=False))
    try:
        yield
    finally:
        _current.pop().close()


# The process that forks. It is a script of its own, so that nothing of the tests is imported in it.

# The exit code of this process, where it is a fork that has come to its end.
_ended: list[int] = []


def main() -> None:
    atexit.register(_leave)  # the first one in is the last one called
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal's, which is for the tests
    _import(lockgate=sys.argv[2] == "1")
    asked = _serve(int(sys.argv[1]))
    if asked:
        _run(*asked)


def _import(*, lockgate: bool) -> None:
    names = [*NEEDED] if lockgate else [*NEEDED, *OF_COVERAGE]
    if lockgate:
        sys.path.insert(0, str(APPS))
        found = [path.relative_to(APPS).with_suffix("").parts for path in sorted(APPS.glob("lockgate/**/*.py"))]
        names += [".".join(parts) for parts in found if parts[1] not in OF_APPS and parts[-1] != "__init__"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in names:
            # What stands on models waits for the apps: a fork imports it.
            with contextlib.suppress(Exception):
                importlib.import_module(name)
    if lockgate:
        sys.path.remove(str(APPS))
    gc.collect()
    gc.freeze()


def _serve(requests: int) -> tuple[Mapping[str, Any], list[int]] | None:
    """Fork for each request. Returns it, and the descriptors that come with it, in the fork; None at the end."""
    running: dict[int, tuple[int, int]] = {}  # by a descriptor that can be read when it ends: a fork, and who is told
    while True:
        for ready in select.select([requests, *running], [], [])[0]:
            if ready != requests:
                _tell_end(ready, *running.pop(ready))
                continue
            with socket.socket(fileno=os.dup(requests)) as asking:
                message, descriptors, _, _ = socket.recv_fds(asking, LONGEST, STANDARD + 1)
            if not message:
                return None
            *standard, telling = array.array("i", descriptors)
            runner = os.fork()
            if runner == 0:
                for each in (requests, telling, *running, *(told for _, told in running.values())):
                    os.close(each)
                return json.loads(message), standard
            for each in standard:
                os.close(each)
            running[os.pidfd_open(runner)] = runner, telling
            os.write(telling, f"{runner}\n".encode())


def _tell_end(ended: int, runner: int, telling: int) -> None:
    _, status = os.waitpid(runner, 0)
    with contextlib.suppress(BrokenPipeError):
        os.write(telling, f"{os.waitstatus_to_exitcode(status)}\n".encode())
    os.close(telling)
    os.close(ended)


def _run(request: Mapping[str, Any], standard: Sequence[int]) -> None:
    """Become what ``python manage.py`` would be, and come to its end, through the interpreter's own."""
    for number, each in enumerate(standard):
        os.dup2(each, number)
        os.close(each)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(request["environment"])
    time.tzset()
    sys.argv[:] = request["arguments"]
    paths = [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]
    sys.path[:] = [str(Path.cwd()), *paths, *sys.path[1:]]
    # A test may write a file twice in a second, to the same length: the bytecode of the first would be taken for it.
    sys.dont_write_bytecode = True
    with _covered():
        _become()


def _become() -> None:
    try:
        runpy.run_path("manage.py", run_name="__main__")
    except SystemExit as ended:
        if ended.code is None or isinstance(ended.code, int):
            _ended.append(ended.code or 0)
        raise
    _ended.append(0)


@contextlib.contextmanager
def _covered() -> Iterator[None]:
    """Noting lines, where the environment asks for it."""
    if settings := os.environ.get("COVERAGE_PROCESS_START"):
        import coverage

        noting = coverage.Coverage(config_file=settings, auto_data=False)
        noting.start()
        try:
            yield
        finally:
            noting.stop()
            noting.save()
    else:
        yield


def _leave() -> None:
    """Spare a fork what comes after its threads have ended and its exit functions run: a third of a run's time is
    spent on freeing, module by module, the pages that it shares. A stream that takes no more is the interpreter's to
    speak of.
    """
    with contextlib.suppress(Exception):
        if _ended:
            logging.shutdown()  # the one exit function that is there before ours
            for stream in (sys.stdout, sys.stderr):
                stream.flush()
            os._exit(_ended[0])


if __name__ == "__main__":
    main()
