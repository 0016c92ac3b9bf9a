"""Says how far a long step is and whom it waits for, over a second connection: the first one is busy with it.

It only reads, in autocommit, so it holds no snapshot that an index build would wait for. Where no second connection is
to be had, nothing is said; a step never fails for that. One that was ended (``idle_session_timeout``) is made again.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from typing import Any

import psycopg
from django.db.backends.base.base import BaseDatabaseWrapper
from psycopg.rows import dict_row

from lockgate import policy
from lockgate.database import connect_failure, session
from lockgate.database.session import raw
from lockgate.database.sql import read
from lockgate.events import Listener, StepProgress
from lockgate.facts import Blocker, Key

LONGEST_CONNECT = 5  # seconds
LONGEST_JOIN = 1.0  # seconds: a look under way ends well within


@contextlib.contextmanager
def reporting(
    connection: BaseDatabaseWrapper, listen: Listener, migration: Key, title: str
) -> Iterator[ProgressReporter]:
    """Report on the statement that this session runs in the block, once it takes long; yields what is seen of it."""
    reporter = ProgressReporter(connection, listen, migration, title)
    thread = threading.Thread(target=reporter.run, name="lockgate progress", daemon=True)
    thread.start()
    try:
        yield reporter
    finally:
        reporter.ended.set()
        thread.join(LONGEST_JOIN)


class ProgressReporter:
    """blockers: whom the statement waited for when it was looked at last."""

    def __init__(self, connection: BaseDatabaseWrapper, listen: Listener, migration: Key, title: str) -> None:
        parameters = connect_failure.libpq_parameters(connection.get_connection_params())
        self.parameters = {**parameters, "connect_timeout": LONGEST_CONNECT, "application_name": "lockgate progress"}
        self.pid = session.backend_pid(raw(connection))
        self.listen, self.migration, self.title = listen, migration, title
        self.ended, self.started = threading.Event(), time.monotonic()
        self.next_report = self.started
        self.blockers: tuple[Blocker, ...] = ()

    def run(self) -> None:
        pause = policy.STEP_REPORT_AFTER.total_seconds()
        while not self.ended.wait(pause):
            with contextlib.suppress(psycopg.Error), psycopg.connect(**self.parameters, autocommit=True) as second:
                while not self.ended.is_set():
                    self._look(second)
                    self.ended.wait(policy.STEP_LOOK_EVERY.total_seconds())
            pause = policy.STEP_LOOK_EVERY.total_seconds()

    def _look(self, second: psycopg.Connection[Any]) -> None:
        with second.cursor(row_factory=dict_row) as cursor:
            row: Any = cursor.execute(read("blocking"), {"pid": self.pid}).fetchone()
        if self.ended.is_set():
            return
        self.blockers = (*map(_session, row["blockers"]), *map(_prepared, row["prepared"]))
        if (now := time.monotonic()) < self.next_report:
            return
        self.next_report = now + policy.STEP_REPORT_EVERY.total_seconds()
        done, total = row["blocks_done"] or 0, row["blocks_total"] or 0
        took = now - self.started
        self.listen(StepProgress(self.migration, self.title, row["phase"] or "", done, total, self.blockers, took))


def _session(row: dict[str, Any]) -> Blocker:
    seen = (row["pid"], row["application"], row["state"], row["transaction_seconds"])
    return Blocker(*seen, role=row["role"], command=row["command"])


def _prepared(row: dict[str, Any]) -> Blocker:
    return Blocker(None, "", "prepared", row["transaction_seconds"], role=row["role"], gid=row["gid"])
