"""Sends whole migrations to a database that nobody else uses, and prepares the next ones while the server works.

The SQL of Django's own schema operations depends on the migrations alone, unless code of the project takes part or
the operation queries the server. So a whole migration, from BEGIN to its record and COMMIT, is text. While the server
works on one message of one or several migrations, the models of the following ones are rendered. The migrations that
are ready when the answer arrives are the next message. A migration that cannot be sent like this (code, SQL, a query)
waits its turn and then runs by itself.

This module makes no decisions. A migration that fails during preparation was not started. If the server refuses a
message, the migrations committed before the error count. The others run one by one, with the usual error handling.

Invariant: before anyone else uses the session, the pending message is flushed, and nothing is in progress on it.
"""

from __future__ import annotations

import contextlib
import itertools
import time
from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from typing import Any, NamedTuple

import psycopg
from django.db.migrations import Migration
from django.db.migrations.recorder import MigrationRecorder
from django.db.migrations.state import ProjectState
from django.db.utils import Error as DatabaseError
from django.utils import timezone

from lockgate import django_seams, policy
from lockgate.database import advisory_lock, session
from lockgate.database.simple_query import Message
from lockgate.execution import shutdown
from lockgate.execution.context import RunContext
from lockgate.execution.lock_retry import attempt_timing
from lockgate.facts import Key
from lockgate.ledger import fingerprints
from lockgate.ledger.records import Entry
from lockgate.models import MigrationRecord
from lockgate.planning.selection import key_of
from lockgate.project_state import prefetch
from lockgate.project_state.eligibility import Render, says_all
from lockgate.project_state.run_state import RunState


class Ready(NamedTuple):
    """A migration whose turn comes. before: the state before it. text: all that it is to the server; empty where it is
    to be run in the ordinary way."""

    migration: Migration
    before: ProjectState
    text: bytes

    @property
    def key(self) -> Key:
        return key_of(self.migration)


class _Asked(Exception):
    """A migration wants an answer from the server before it goes on."""


class BatchSender:
    """run: runs the current migration in the ordinary way. without_receivers: whether nobody hears of it being
    recorded."""

    def __init__(
        self,
        context: RunContext,
        run: Callable[[Migration, ProjectState], object],
        without_receivers: Callable[[Migration], bool],
    ) -> None:
        self.context, self.run, self.without_receivers = context, run, without_receivers
        self.opened = session.raw(context.connection)
        self._waiting: list[Ready] = []
        self._sent: list[Ready] = []  # one message; its first is the current migration of the run's progress
        self._message: Message | None = None

    @property
    def busy(self) -> bool:
        return bool(self._sent or self._waiting)

    def submit(self, migration: Migration, state: ProjectState) -> ProjectState | None:
        """The state after a migration that is on its way; None where it is to be run at once, in the ordinary way.

        state: before it; not changed. Raises what those before it have failed with, and Interrupted.
        """
        shutdown.raise_if_requested()
        if not (isinstance(state, RunState) and self._may_wait(migration)):
            return None
        try:
            after, text = self._prepared(migration, state)
        except (Exception, SystemExit):  # what is wrong shows again, and is told, in the ordinary way
            return None
        self._waiting.append(Ready(migration, state, text))
        if self._message is None or self._message.arrived or len(self._waiting) >= policy.MIGRATIONS_WAITING:
            self._flush_sent()
            self._send_next()
        return after

    def flush(self) -> None:
        """Have all that is under way done, and all that waits."""
        while self.busy:
            self._flush_sent()
            self._send_next()

    def close(self) -> None:
        """The run ends: by an error, where something is still under way. That is cancelled, or found committed."""
        self._waiting = []
        if self._message is None:
            return
        try:
            self._message.cancel(policy.CANCEL_TIMEOUT.total_seconds())
            self._count_committed()
        except (DatabaseError, psycopg.Error):  # the session is gone, or the server does not answer
            self.context.progress.unknown = True

    def _send_next(self) -> None:
        """Nothing is under way: run what is to be run in the ordinary way by now, and send what comes after it."""
        while self._waiting and not self._waiting[0].text:
            self._run_alone(self._waiting.pop(0))
        self._sent = list(itertools.takewhile(lambda ready: ready.text, self._waiting))
        del self._waiting[: len(self._sent)]
        if self._sent:
            self._begin(self._sent[0], along=self._sent[1:])
            self._message = Message(self.opened)
            with self.context.connection.wrap_database_errors:
                self._message.send(b"\n".join([self._lock_required, *(ready.text for ready in self._sent)]))

    def _flush_sent(self) -> None:
        if self._message is None:
            return
        try:
            seconds = [float(text) for text in self._message.answer("lockgate_seconds")]
        except psycopg.Error:
            if self.opened.closed:
                with self.context.connection.wrap_database_errors:
                    raise
            seconds = []
        if len(seconds) == len(self._sent):  # each has said how long it took, right before its COMMIT
            self._end(self._sent, seconds)
        else:
            self._waiting[:0] = [ready._replace(text=b"") for ready in self._count_committed()]
        self._sent, self._message = [], None

    def _count_committed(self) -> list[Ready]:
        """Those that were sent are recorded up to the one that failed; returns that one, now current, and the rest."""
        django_seams.leave_transaction(self.context.connection)
        applied = MigrationRecorder(self.context.connection).applied_migrations()
        self.context.progress.along = ()
        committed = [ready for ready in self._sent if ready.key in applied]
        self._end(committed, itertools.repeat(None))
        left = self._sent[len(committed) :]
        if left:
            self._begin(left[0])
        return left

    def _end(self, committed: Iterable[Ready], seconds: Iterable[float | None]) -> None:
        """They are done, each after the other; a signal may have interrupted the same before."""
        done = {key for key, _ in self.context.progress.done[-len(self._sent) :]}
        for ready, took in zip(committed, seconds, strict=False):
            if ready.key not in done:
                self._begin(ready)
                self.context.progress.end(took)

    def _begin(self, ready: Ready, along: Sequence[Ready] = ()) -> None:
        if self.context.progress.current != ready.key:
            self.context.progress.begin(ready.key, "apply", atomic=True, along=[following.key for following in along])

    def _run_alone(self, ready: Ready) -> None:
        self._begin(ready)
        self.run(ready.migration, ready.before)

    def _may_wait(self, migration: Migration) -> bool:
        """Whether its turn may come later: the session is as it was, and nobody follows what is sent."""
        context, connection = self.context, self.context.connection
        return (
            migration.atomic
            and migration.app_label != MigrationRecord._meta.app_label  # who may write its tables is looked after
            and not context.journal.concerns(key_of(migration))
            and connection.connection is self.opened
            and not (connection.execute_wrappers or connection.queries_logged or connection.in_atomic_block)
        )

    def _prepared(self, migration: Migration, state: RunState) -> tuple[ProjectState, bytes]:
        """The state after a migration, and what is to be sent for it: nothing where it is more than schema operations,
        or asks the server something."""
        if state.render is Render.MODEL and says_all(migration, state.models) and self.without_receivers(migration):
            with contextlib.suppress(_Asked):
                return self._as_text(migration, state)
        after: ProjectState = migration.mutate_state(state, preserve=True)
        prefetch.render_named(migration, state)
        return after, b""

    def _as_text(self, migration: Migration, state: RunState) -> tuple[ProjectState, bytes]:
        assert self.context.record_applied is not None  # noqa: S101  else nothing is batched
        started_at, started = timezone.now(), time.monotonic()
        editor = django_seams.collecting_editor(self.context.connection)
        with self.context.connection.execute_wrapper(_ask):
            after: ProjectState = migration.apply(state.clone(), editor)
            django_seams.run_deferred_sql(editor)
        entry = Entry(key_of(migration), "apply", started_at, time.monotonic() - started, fingerprints.of(migration))
        text = "\n".join(
            [self._begin_text, *editor.collected_sql, self.context.record_applied.as_text(entry), "COMMIT;"]
        )
        return after, text.encode(self.opened.info.encoding)

    @cached_property
    def _lock_required(self) -> bytes:
        """Nothing that is sent whole could release the lock, so it is asked for once in a message."""
        return advisory_lock.required(self.context.connection).encode(self.opened.info.encoding)

    @cached_property
    def _begin_text(self) -> str:
        timeout = attempt_timing(1, self.context.limits.lock_timeout).lock_timeout
        return "BEGIN;\n" + session.begin_whole(self.context.connection, timeout)


def _ask(*arguments: Any) -> Any:
    raise _Asked
