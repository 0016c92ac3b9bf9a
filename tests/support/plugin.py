"""Loaded before any settings are read: every test session has a real PostgreSQL behind DATABASE_URL.

``TEST_DATABASE_URL`` names a server to use, whose role may create databases. Otherwise an embedded one is started
for the session (``LOCKGATE_TEST_POSTGRES`` chooses its major version, 14 to 18; 14, 15 and 17 come by `make servers`).
"""

from __future__ import annotations

import contextlib
import os
import signal

import pytest

from project import embedded
from tests.support import databases

_running = contextlib.ExitStack()


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> None:
    # nohup(1), and a shell without job control, have these ignored, in every process that a test starts.
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    signal.signal(signal.SIGQUIT, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if "TEST_DATABASE_URL" not in os.environ:
        os.environ["TEST_DATABASE_URL"] = _running.enter_context(embedded.server(postgres=databases.chosen()))
        databases.forget_the_disk(databases.server())
    os.environ["DATABASE_URL"] = os.environ["TEST_DATABASE_URL"]


def pytest_unconfigure(config: pytest.Config) -> None:
    _running.close()
