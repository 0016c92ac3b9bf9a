"""``manage.py`` of a test's site for the price of a fork: Python and Django are there, Lockgate is imported anew.

``in_place()`` has ``subprocess.Popen`` do so where it is told to run ``manage.py`` with this Python, and nothing else.
A runner is a process of its own, with its own pid, signals, pipes and end. Its parent, which only waits for it, tells
the test how it ended. What depends on a fresh interpreter fails, without a mutant too.
"""

from __future__ import annotations

import array
import atexit
import contextlib
import importlib
import json
import os
import pkgutil
import random
import runpy
import select
import signal
import socket
import subprocess
import sys
import traceback
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import coverage
import coverage.sqldata

LONGEST = 200_000  # bytes of a request: arguments and environment
STANDARD = 3  # descriptors: input, output, errors
PACKAGES = ("django.db", "django.core", "django.dispatch", "django.utils", "django.conf", "psycopg")
SITE = "tests.mutation.forks"


@contextlib.contextmanager
def in_place() -> Iterator[None]:
    """For the length of the block, and for processes that are forked in it, one at a time."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    server = subprocess.Popen(
        [sys.executable, "-m", SITE, str(theirs.fileno())], pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL
    )
    theirs.close()
    real = subprocess.Popen._execute_child, subprocess.Popen._internal_poll, subprocess.Popen._wait  # type: ignore[attr-defined]

    def execute(self: Any, args: Any, *rest: Any) -> None:
        _, _, _, _, cwd, env, *_ = rest
        pipes = rest[9:15]
        if not (isinstance(args, list) and args[:2] == [sys.executable, "manage.py"]):
            return real[0](self, args, *rest)  # type: ignore[no-any-return]
        told, telling = os.pipe()
        request = {"arguments": args[1:], "cwd": str(cwd), "environment": dict(os.environ if env is None else env)}
        given = [pipe if pipe != -1 else number for number, pipe in enumerate((pipes[0], pipes[3], pipes[5]))]
        socket.send_fds(ours, [json.dumps(request).encode()], [*given, telling])
        os.close(telling)
        self._told = os.fdopen(told)
        self.pid = int(self._told.readline())
        self._child_created = True
        self._close_pipe_fds(*pipes)
        return None

    def wait(self: Any, timeout: float | None) -> Any:
        if not hasattr(self, "_told"):
            return real[2](self, timeout)
        if self.returncode is None:
            if not select.select([self._told], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired(self.args, timeout or 0.0)
            with self._told as told:
                self.returncode = int(told.readline())
        return self.returncode

    def poll(self: Any, *given: Any, **named: Any) -> Any:
        if not hasattr(self, "_told"):
            return real[1](self, *given, **named)
        with contextlib.suppress(subprocess.TimeoutExpired):
            wait(self, 0)
        return self.returncode

    names = ("_execute_child", "_internal_poll", "_wait")
    for name, made in zip(names, (execute, poll, wait), strict=True):
        setattr(subprocess.Popen, name, made)
    try:
        yield
    finally:
        for name, before in zip(names, real, strict=True):
            setattr(subprocess.Popen, name, before)
        ours.close()
        server.wait(30)


def _serve(requests: socket.socket) -> None:
    for name in PACKAGES:
        package = importlib.import_module(name)
        for each in pkgutil.walk_packages(package.__path__, f"{name}."):
            if name == "psycopg" or each.name.startswith(("django.db", "django.core.management.", "django.utils")):
                with contextlib.suppress(Exception):
                    importlib.import_module(each.name)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        message, descriptors, _, _ = socket.recv_fds(requests, LONGEST, STANDARD + 1)
        if not message:
            return
        if os.fork() == 0:
            requests.close()
            _watch(json.loads(message), array.array("i", descriptors).tolist())
        for each in descriptors:
            os.close(each)


def _watch(request: dict[str, Any], descriptors: list[int]) -> None:
    """Fork the runner, and tell its pid and its end."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    *standard, telling = descriptors
    began, begin = os.pipe()
    runner = os.fork()
    if runner == 0:
        os.close(telling)
        os.close(begin)
        os.read(began, 1)
        os.close(began)
        _run(request, standard)
    for each in standard:
        os.close(each)
    for number in range(STANDARD):  # a test that waits for the end of its output must not wait for this process
        os.close(number)
    os.write(telling, f"{runner}\n".encode())
    os.close(begin)
    _, status = os.waitpid(runner, 0)
    with contextlib.suppress(BrokenPipeError):
        os.write(telling, f"{os.waitstatus_to_exitcode(status)}\n".encode())
    os._exit(0)


def _run(request: dict[str, Any], standard: list[int]) -> None:
    for number, each in enumerate(standard):
        os.dup2(each, number)
    for each in standard:
        if each >= STANDARD:
            os.close(each)
    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(request["environment"])
    sys.argv = request["arguments"]
    paths = [str(Path(path).absolute()) for path in os.environ.get("PYTHONPATH", "").split(os.pathsep)]
    sys.path[:] = [request["cwd"], *paths, *(path for path in sys.path if "python" in path)]
    sys.path_importer_cache.clear()
    sys.stdin, sys.stdout, sys.stderr = os.fdopen(0), os.fdopen(1, "w"), os.fdopen(2, "w", 1)
    random.seed()
    warnings.resetwarnings()
    if os.environ.get("PYTHONWARNINGS") == "error":
        warnings.simplefilter("error")
    covering = "COVERAGE_PROCESS_START" in os.environ
    noting: Any = None
    if covering:
        noting = coverage.Coverage(config_file=os.environ["COVERAGE_PROCESS_START"], auto_data=False)
        noting.start()
    code = _ended()
    if noting:
        noting.stop()
        noting.save()
    with contextlib.suppress(Exception):
        atexit._run_exitfuncs()
        sys.stdout.flush()
    os._exit(code)


def _ended() -> int:
    try:
        runpy.run_path("manage.py", run_name="__main__")
    except SystemExit as ended:
        if isinstance(ended.code, str):
            print(ended.code, file=sys.stderr)
            return 1
        return ended.code or 0
    except BaseException:
        traceback.print_exc()
        return 1
    return 0


if __name__ == "__main__":
    _serve(socket.socket(fileno=int(sys.argv[1])))
