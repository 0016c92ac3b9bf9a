"""Kills and waits: real signals to real processes, at moments the server tells."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable
from typing import Any

from tests.support.databases import Database

PATIENCE = 90.0  # seconds


def until(condition: Callable[[], Any], what: str, patience: float = PATIENCE) -> Any:
    """Poll until a condition holds; its value."""
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        if value := condition():
            return value
        time.sleep(0.01)
    raise AssertionError(f"in {patience:g} s never: {what}")


def running(database: Database, fragment: str) -> int | None:
    """The pid of a backend of this database whose running statement contains a fragment."""
    rows = database.rows(
        "SELECT pid FROM pg_stat_activity WHERE datname = %s AND state = 'active' AND query LIKE %s"
        " AND pid <> pg_backend_pid()",
        [database.name, f"%{fragment}%"],
    )
    return int(rows[0][0]) if rows else None


def kill_at(process: subprocess.Popen[str], database: Database, fragment: str, number: int = signal.SIGKILL) -> float:
    """Send a signal once the server runs a statement with this fragment; the moment it was sent (monotonic)."""
    until(lambda: running(database, fragment) or process.poll() is not None, f"a statement with {fragment!r}")
    assert process.poll() is None, f"it ended before {fragment!r} ran"
    os.kill(process.pid, number)
    return time.monotonic()


def says(process: subprocess.Popen[str], text: str) -> str:
    """Read a process's lines until one has this text; what was read."""
    assert process.stdout is not None
    read: list[str] = []
    while text not in "".join(read[-1:]):
        line = process.stdout.readline()
        assert line, f"it ended, and never said {text!r}:\n{''.join(read)}\n{process.communicate()[1]}"
        read.append(line)
    return "".join(read)


def lock_is_free(database: Database) -> bool:
    """Whether nobody holds an advisory lock in this database."""
    query = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted AND database = "
    return bool(database.value(query + "(SELECT oid FROM pg_database WHERE datname = current_database())") == 0)
