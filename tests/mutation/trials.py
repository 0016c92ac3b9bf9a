"""A plugin of pytest that collects once, and then tries mutants: for each it forks, changes the code, and runs tests.

``pytest -p tests.mutation.trials`` with LOCKGATE_TRIALS, the descriptor of a socket: a JSON request a message, with
``tests`` (ids, functions or files), ``seconds``, and a mutant's ``path``, ``function`` and ``source``; the answer has
``failed``, the first that did, or ``too long``. The file in the tree is the caller's to write: processes that tests
start read it.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import select
import signal
import socket
import types
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support import forks
from tests.support.sites import ROOT

LONGEST = 1_000_000  # bytes of a request
MERCY = 20.0  # seconds for tests to stop what they have started
_functions: dict[str, list[types.FunctionType]] = defaultdict(list)  # by their file: those imported as tests were found


def pytest_runtestloop(session: pytest.Session) -> bool:
    items: dict[str, list[pytest.Item]] = defaultdict(list)
    for item in session.items:
        for name in {item.nodeid, item.nodeid.partition("[")[0], item.nodeid.partition("::")[0]}:
            items[name].append(item)
    requests = socket.socket(fileno=int(os.environ["LOCKGATE_TRIALS"]))
    for object_ in gc.get_objects():
        if isinstance(object_, types.FunctionType):
            _functions[object_.__code__.co_filename].append(object_)
    gc.freeze()
    requests.send(b"ready")
    with forks.of_changing_code():
        while message := requests.recv(LONGEST):
            asked = json.loads(message)
            chosen = [item for name in asked["tests"] for item in items[name]]
            requests.send(json.dumps({"failed": _forked(session, chosen, asked), "ran": len(chosen)}).encode())
    return True


def _forked(session: pytest.Session, chosen: list[pytest.Item], asked: dict[str, Any]) -> str | None:
    told, telling = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(told)
        os.setpgid(0, 0)
        with contextlib.suppress(BaseException):
            if asked.get("path"):
                _change(asked["path"], asked["function"], asked["source"])
            os.write(telling, json.dumps(_first_failure(session, chosen)).encode())
        os._exit(0)
    os.close(telling)
    for number, seconds in ((signal.SIGINT, asked["seconds"]), (signal.SIGKILL, MERCY)):
        if select.select([told], [], [], seconds)[0]:
            break
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child, number)
    os.waitpid(child, 0)
    with os.fdopen(told) as said:
        text = said.read()
    late = number == signal.SIGKILL
    return "too long" if late else json.loads(text) if text else "all"


def _first_failure(session: pytest.Session, chosen: list[pytest.Item]) -> str | None:
    failed: list[str] = []

    class Listener:
        def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
            if report.failed:
                failed.append(report.nodeid)

    session.config.pluginmanager.register(Listener())
    for item, following in zip(chosen, [*chosen[1:], None], strict=True):
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
        if failed:
            session._setupstate.teardown_exact(None)
            return failed[0]
    return None


def _change(path: str, function: str, source: str) -> None:
    """Give the functions that are imported already the code that the mutant's source has for them."""
    file = str(ROOT / path)
    codes = {code.co_qualname: code for code in _codes(compile(source, file, "exec"))}
    for each in _functions[file]:
        name = each.__code__.co_qualname
        if (function == name or function.startswith(f"{name}.")) and name in codes:
            each.__code__ = codes[name]


def _codes(code: types.CodeType) -> Iterator[types.CodeType]:
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield constant
            yield from _codes(constant)
