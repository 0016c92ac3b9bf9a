"""What became of the work that was under way when a run ended: asked, once nothing of it is, and never concluded.

On the run's own session where that lives. Where it is lost, a COMMIT without an answer or a build in the server may
have come to any end: then once on a new session, for a bounded time, without the lock, changing nothing. First whether
the lost one is still at work, then what is recorded: the other way round, a commit in between would go unseen.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Collection
from typing import Any, NamedTuple

import psycopg
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations.recorder import MigrationRecorder
from django.db.utils import Error as DatabaseError

from lockgate import django_seams, policy
from lockgate.database import invalid_indexes, polling, session
from lockgate.database.sql import read
from lockgate.execution.progress import Progress
from lockgate.models import JournalEntry


class Observation(NamedTuple):
    """at_work: whether the lost session is. step: its state in the journal. invalid: indexes that are."""

    at_work: bool
    applied: Collection[tuple[str, str]]
    step: str | None
    invalid: list[invalid_indexes.InvalidIndex] | None


class InterruptedWork:
    """Of a run on one session, which is open now, and whose backend is kept for it (``pooler``)."""

    def __init__(self, connection: BaseDatabaseWrapper, backend: session.Backend, progress: Progress) -> None:
        self.connection, self.backend, self.progress = connection, backend, progress
        self.opened = session.raw(connection)

    def resolve(self, *, hurried: bool = False) -> None:
        """Let the progress say what is known. hurried: there is no time to ask another session."""
        progress = self.progress
        if not (progress.current or progress.under_way or progress.done):
            return
        with contextlib.suppress(DatabaseError, psycopg.Error):
            django_seams.leave_transaction(self.connection)
            if self.connection.connection is self.opened and not self.opened.closed:
                progress.unknown = False
                progress.settle(MigrationRecorder(self.connection).applied_migrations())
                return
        progress.lost = progress.unknown = True
        observation = None if hurried else self._asked()
        if observation is not None:
            self._use(observation)
        elif not hurried:
            progress.doubt = (
                f"no other session could be had in {policy.LOST_SESSION_LOOKUP.total_seconds():.0f} s to look"
            )

    def _use(self, observation: Observation) -> None:
        progress = self.progress
        progress.settle(observation.applied, lost=True)
        progress.unknown = observation.at_work
        if observation.at_work:
            progress.pid = self.backend.pid
            progress.doubt = f"the lost session is still at work in the server, as pid {progress.pid}"
        if progress.under_way is not None and observation.step is not None:
            progress.under_way.done = observation.step == JournalEntry.State.DONE
        if progress.invalid_unknown and observation.invalid is not None:
            progress.invalid, progress.invalid_unknown = observation.invalid, False

    def _asked(self) -> Observation | None:
        """What another session says, as soon as the lost one is not at work any more, or in the end. In a thread: a
        pooler, or a server that stands still, takes a question and never answers."""
        seen: list[Observation] = []
        thread = threading.Thread(target=self._ask, args=(seen,), daemon=True)
        thread.start()
        thread.join((policy.LOST_SESSION_LOOKUP + policy.BUILD_ENDS_WITHIN).total_seconds())
        return seen[-1] if seen else None

    def _ask(self, seen: list[Observation]) -> None:
        deadline = time.monotonic() + policy.LOST_SESSION_LOOKUP.total_seconds()
        other: Any = self.connection.copy()  # a wrapper belongs to its thread
        other.settings_dict["OPTIONS"] |= {
            "connect_timeout": round(policy.LOST_SESSION_LOOKUP.total_seconds()),
            "application_name": "lockgate after a lost session",
        }
        for _ in polling.until(deadline):
            try:
                observation = self._look(other)
            except (DatabaseError, psycopg.Error):
                observation = None
                other.close()
            if observation is not None:
                seen.append(observation)
                if not observation.at_work:
                    break
        other.close()

    def _look(self, other: BaseDatabaseWrapper) -> Observation | None:
        """Each question in a transaction of its own. None where the server that answers replays another's changes, and
        may not have all of them yet."""
        other.ensure_connection()
        opened = session.raw(other)
        standby, at_work = opened.execute(read("backend_at_work"), self.backend._asdict()).fetchone() or (True, True)
        if standby:
            return None
        applied = MigrationRecorder(other).applied_migrations()
        return Observation(at_work, applied, self._step(opened), None if at_work else self._invalid(other))

    def _step(self, opened: psycopg.Connection[Any]) -> str | None:
        if self.progress.under_way is None:
            return None
        row = opened.execute(read("step_state"), {"step": self.progress.under_way.pk}).fetchone()
        return row[0] if row else None

    def _invalid(self, other: BaseDatabaseWrapper) -> list[invalid_indexes.InvalidIndex] | None:
        if not self.progress.invalid_unknown:
            return None
        before = self.progress.invalid_before
        return [index for index in invalid_indexes.read(other) if index.oid not in before]
