"""Waits for others with a deadline of its own: for a build or a validation, which nobody waits for but the release.

``lock_timeout`` bounds each wait of a concurrent build for another transaction as it bounds a wait for a table. So the
deadline is the server's, and whom it waits for is what the watch saw last.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from datetime import timedelta

import psycopg
from django.db.utils import Error as DatabaseError

from lockgate.database import parameters, session
from lockgate.errors import LocksNotAcquired
from lockgate.execution import failures
from lockgate.execution.context import RunContext
from lockgate.execution.step_progress import ProgressReporter, reporting
from lockgate.facts import Key
from lockgate.models import JournalEntry

SHOWN = 3  # of those who are waited for, in a message; the rest are counted


@contextlib.contextmanager
def patiently(context: RunContext, step: JournalEntry, longest: timedelta | None = None) -> Iterator[None]:
    """Let statements of the block take as long as they take, and wait for each lock so long; says how far they are.

    longest: instead of what the policy allows. Raises LocksNotAcquired at the deadline, naming who was waited for.
    """
    allowed, started = longest or context.limits.wait_for_others, time.monotonic()
    opened, key = session.raw(context.connection), Key(step.app, step.name)
    with reporting(context.connection, context.listen, key, step.title) as watch, parameters.waiting(opened, allowed):
        try:
            yield
        except (DatabaseError, psycopg.Error) as error:
            waited = timedelta(seconds=time.monotonic() - started)
            if failures.sqlstate_of(error) == failures.LOCK_NOT_AVAILABLE and waited >= allowed:
                raise _waited_out(key, step, watch, allowed) from error
            raise


def _waited_out(key: Key, step: JournalEntry, watch: ProgressReporter, allowed: timedelta) -> LocksNotAcquired:
    named = "; ".join(map(str, watch.blockers[:SHOWN]))
    more = f" and {len(watch.blockers) - SHOWN} more" if len(watch.blockers) > SHOWN else ""
    ending = "".join(f"\n{blocker.ending}" for blocker in watch.blockers[:SHOWN] if blocker.ending)
    advice = f"end it, or run again when it is gone:{ending}" if ending else "run again at a quieter time"
    return LocksNotAcquired(
        f"{key} waited {allowed.total_seconds():g} s for others: {step.title}",
        why=f"for {named}{more}" if named else "for whom could not be seen over a second connection",
        state="",
        next_step=f"{advice}\nor allow more time with LOCKGATE_ONLINE_WAIT_SECONDS",
    )
