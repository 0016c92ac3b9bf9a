"""What a session of ours is told, so that it survives: no timeout of a role, a database or a server ends it.

Values are put back as they were where the session outlives the block: it may be the caller's, or go back to a pooler.
Behind a pooler nothing is set before it is proven that the backend is kept for us (``pooler``).
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

import psycopg

from lockgate import policy
from lockgate.database.one_message import Question, Rows, ask

# In the units of pg_settings: milliseconds, seconds. Source:
# https://www.postgresql.org/docs/current/runtime-config-client.html and …/runtime-config-connection.html
_NETWORK = {
    "tcp_keepalives_idle": str(policy.KEEPALIVES["keepalives_idle"]),
    "tcp_keepalives_interval": str(policy.KEEPALIVES["keepalives_interval"]),
    "tcp_keepalives_count": str(policy.KEEPALIVES["keepalives_count"]),
    "tcp_user_timeout": str(policy.KEEPALIVES["tcp_user_timeout"]),
}
_LEAST = timedelta(seconds=1)
_LONGEST = 2**31 - 1  # milliseconds: 25 days
_LASTING = {
    "statement_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
    "idle_session_timeout": "0",
    "transaction_timeout": "0",
    **_NETWORK,
}


@contextlib.contextmanager
def lasting(
    opened: psycopg.Connection[Any], limits: policy.Policy, *along: Question, proven: bool
) -> Iterator[list[Rows]]:
    """Let the session outlast every limit for the length of the block, and notice a dead network.

    What is not about somebody's table waits a bounded time for a lock: our own tables, the catalog.
    proven: that the backend is kept for us; otherwise nothing is set where a pooler is in between.
    along: asked in the same message, after it; the block has the answers.
    """
    pid = None if proven else opened.info.backend_pid
    longest = min(policy.OWN_TABLES_LOCK_TIMEOUT, max(limits.lock_attempts, _LEAST))
    with _held(opened, {**_LASTING, "lock_timeout": milliseconds(longest)}, pid, *along) as answers:
        yield answers


@contextlib.contextmanager
def given(opened: psycopg.Connection[Any], values: Mapping[str, str], *along: Question) -> Iterator[list[Rows]]:
    """Give parameters these values, in the units of pg_settings, for the length of the block; along: as above."""
    with _held(opened, values, None, *along) as answers:
        yield answers


@contextlib.contextmanager
def unlimited(opened: psycopg.Connection[Any]) -> Iterator[None]:
    """Let a session of ours that changes no table last, and wait for locks, as long as it takes."""
    with _held(opened, {**_LASTING, "lock_timeout": "0"}, opened.info.backend_pid):
        yield


@contextlib.contextmanager
def waiting(opened: psycopg.Connection[Any], longest: timedelta) -> Iterator[None]:
    """Let each statement of ours in the block take as long as it takes, and wait this long for one lock (55P03)."""
    with _held(opened, {"lock_timeout": milliseconds(longest), "statement_timeout": "0"}, None):
        yield


@contextlib.contextmanager
def trying(opened: psycopg.Connection[Any], longest: timedelta) -> Iterator[None]:
    """Let a statement of a migration's wait this long for one lock. How long it takes is the migration's to limit."""
    with _held(opened, {"lock_timeout": milliseconds(longest)}, None):
        yield


def milliseconds(timeout: timedelta) -> str:
    """A timeout as PostgreSQL takes it: at least 1, because 0 is none, and at most what its integer holds."""
    return str(min(max(round(timeout.total_seconds() * 1000), 1), _LONGEST))


@contextlib.contextmanager
def _held(
    opened: psycopg.Connection[Any], values: Mapping[str, str], pid: int | None, *along: Question
) -> Iterator[list[Rows]]:
    earlier, *answers = ask(opened, _set(values, pid), *along)
    before = {row["name"]: row["setting"] for row in earlier}  # of those that had other values
    try:
        yield answers
    finally:
        with contextlib.suppress(psycopg.Error):
            if before and not opened.closed:
                ask(opened, _set(before, None))


def _set(values: Mapping[str, str], pid: int | None) -> Question:
    values_by_name = {"names": [*values], "wanted": [*values.values()], "yielding": [*_NETWORK], "pid": pid}
    return Question("set_parameters", values_by_name)
