"""Whether a pooler stands in between, and whether it keeps a backend for each client: session mode, proven.

A pooler shows itself by its own key data: the pid there is not the backend's. That shows no mode. What does: while our
session is idle, and known to be untouched, other clients that come for a backend are not given ours, although the
pooler has to open new ones for them, or to let them wait. Anything else, a probe that cannot connect above all, proves
nothing, and then the owner's word is asked for (LOCKGATE_POOLER). Nothing is SET before, because a setting would leak.

The proof reaches as far as one process of the pooler does. So the lock does not rest on it: it is never taken on a
backend that has it already, and every transaction of a run confirms it (``advisory_lock``).
"""

from __future__ import annotations

import contextlib
import select
import uuid
from datetime import datetime
from typing import Any

import psycopg
from django.db.backends.base.base import BaseDatabaseWrapper
from psycopg import sql

from lockgate import policy
from lockgate.database import connect_failure
from lockgate.database.session import Backend, backend, raw
from lockgate.database.sql import read
from lockgate.errors import PoolerRefused
from lockgate.redaction import masked

_OWN_SERVER = (
    "let the migrating settings name the server itself (PgBouncer: the port of PostgreSQL, or a "
    "database entry with pool_mode=session); the service may keep the pooler"
)
_ASSERT = "; or, where it is known to be in session mode, say so:  LOCKGATE_POOLER=session"


class _Unanswered(Exception):
    """A client was taken in, and has no backend yet."""


def kept_backend(connection: BaseDatabaseWrapper, limits: policy.Policy) -> Backend:
    """The backend that is ours for as long as the session lives: without a pooler; or proven, or the owner's word.

    Raises PoolerRefused. Outside of a transaction; costs a query where there is no pooler, and some short connections
    where there is one.
    """
    opened = raw(connection)
    kept = backend(opened)
    if kept.pid != opened.info.backend_pid:
        _refuse_statement_mode(opened)
        if limits.pooler != "session":
            _prove(connection, opened, kept.pid)
    return kept


def _prove(connection: BaseDatabaseWrapper, opened: psycopg.Connection[Any], pid: int) -> None:
    parameters = connect_failure.libpq_parameters(connection.get_connection_params())
    evidence = 0
    with contextlib.ExitStack() as probes:
        for _ in range(policy.POOLER_PROBES):
            evidence += _keeps_ours(opened, pid, parameters, probes)
            if evidence >= policy.POOLER_EVIDENCE:
                return
    raise _unproven("it gave other clients backends that it had open already, which tells nothing of ours")


def _refuse_statement_mode(opened: psycopg.Connection[Any]) -> None:
    try:
        with opened.transaction():
            opened.execute("SELECT 1")
    except psycopg.Error as error:
        raise PoolerRefused(
            "the connection goes through a pooler that refuses transactions",
            why=f"PgBouncer does so in statement mode, where a migration cannot be all or nothing ({_words(error)})",
            next_step=_OWN_SERVER,
        ) from error


def _keeps_ours(
    opened: psycopg.Connection[Any], ours: int, parameters: dict[str, Any], probes: contextlib.ExitStack
) -> int:
    """How much one more client, which stays in a transaction, tells of our backend being kept for us.

    Raises PoolerRefused where it is given away, or no client can be had.
    """
    stamp = uuid.uuid4().hex
    since = _stamped(opened, ours, stamp)
    seconds = int(policy.POOLER_PROBE_TIMEOUT.total_seconds())
    try:
        second = psycopg.connect(**{**parameters, "connect_timeout": seconds}, autocommit=True)
    except psycopg.OperationalError as error:
        raise _unproven(f"a second connection, which would show it, cannot be had ({_words(error)})") from None
    probes.callback(second.close)
    try:
        stamped, started, untouched = _look(second, ours, stamp)
    except _Unanswered:
        # It waits for a backend, and ours is idle. Given away, ours would be its by now, and we behind it in the queue.
        _stamped(opened, ours, stamp)
        if not _arrives(second, 0):
            return policy.POOLER_EVIDENCE
        raise _unproven("a second connection got a backend only as ours was asked something") from None
    except psycopg.Error as error:
        raise _unproven(f"a second connection, which would show it, was refused ({_words(error)})") from None
    if stamped == ours:
        raise _given_away()
    _stamped(opened, ours, stamp)
    return int(untouched and started >= since)


def _look(second: psycopg.Connection[Any], ours: int, stamp: str) -> tuple[int, datetime, bool]:
    """Pid and start of the backend that a new client is given, and whether ours is idle since its stamped query.

    A pooler takes a client in before it has a backend for it, so the query waits, not the connection.
    """
    second.pgconn.send_query(b"BEGIN")
    if not _arrives(second, policy.POOLER_PROBE_TIMEOUT.total_seconds()):
        raise _Unanswered
    while second.pgconn.get_result():
        pass
    row = second.execute(read("pooled_backend"), {"pid": ours, "stamp": stamp}).fetchone()
    assert row is not None  # noqa: S101  a SELECT without FROM has one row
    return row[0], row[1], row[2]


def _arrives(second: psycopg.Connection[Any], seconds: float) -> bool:
    answered, _, _ = select.select([second.pgconn.socket], [], [], seconds)
    if answered:
        second.pgconn.consume_input()
    return bool(answered)


def _stamped(opened: psycopg.Connection[Any], ours: int, stamp: str) -> datetime:
    """The server's time, by a query of ours that others can know again. Raises PoolerRefused on another backend."""
    query = sql.SQL("SELECT pg_catalog.pg_backend_pid(), pg_catalog.clock_timestamp() -- {}").format(sql.SQL(stamp))
    row = opened.execute(query).fetchone()
    assert row is not None  # noqa: S101
    if row[0] != ours:
        raise _given_away()
    moment: datetime = row[1]
    return moment


def _given_away() -> PoolerRefused:
    return PoolerRefused(
        why="a session lock there is given to whichever client comes next, so it protects nothing",
        next_step=_OWN_SERVER,
    )


def _unproven(why: str) -> PoolerRefused:
    return PoolerRefused(
        "the connection goes through a pooler that is not proven to be in session mode",
        why=why,
        next_step=f"{_OWN_SERVER}{_ASSERT}",
    )


def _words(error: Exception) -> str:
    return " ".join(masked(str(error)).split())[:200]
