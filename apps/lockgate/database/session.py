"""The run's one session: named, and never silently replaced.

Invariant: every statement of a run goes through the same backend (``pooler``).
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import psycopg
from django.db.backends.base.base import BaseDatabaseWrapper
from psycopg import sql
from psycopg.pq import TransactionStatus
from psycopg.rows import dict_row

from lockgate import policy
from lockgate.database import parameters
from lockgate.database.one_message import Question, Rows
from lockgate.database.simple_query import Message
from lockgate.database.sql import read
from lockgate.errors import ServerRefused, SessionLost
from lockgate.facts import Runner, ServerFacts

_SAVEPOINT = "lockgate_migration"


class Backend(NamedTuple):
    """A process of the server, as it is known again: its pid alone may be another's by then."""

    pid: int
    since: datetime | None


def raw(connection: BaseDatabaseWrapper) -> psycopg.Connection[Any]:
    """psycopg's connection under Django's; raises SessionLost where there is none."""
    opened: psycopg.Connection[Any] | None = connection.connection
    if opened is None:
        raise SessionLost()
    return opened


def backend_pid(opened: psycopg.Connection[Any]) -> int:
    """The pid of the backend that answers now. Behind a pooler the connection's own key data have another."""
    row = opened.execute("SELECT pg_catalog.pg_backend_pid()").fetchone()
    assert row is not None  # noqa: S101  a SELECT without FROM has one row
    return int(row[0])


def backend(opened: psycopg.Connection[Any]) -> Backend:
    """The one that answers now. One query."""
    row = opened.execute(read("backend")).fetchone()
    assert row is not None  # noqa: S101  a SELECT without FROM has one row
    return Backend(*row)


def server_facts(connection: BaseDatabaseWrapper) -> ServerFacts:
    """One query: version, database, role, and whether it can be written to."""
    with raw(connection).cursor(row_factory=dict_row) as cursor:
        row = cursor.execute(read("server")).fetchone()
    assert row is not None  # noqa: S101  a SELECT without FROM has one row
    return ServerFacts(**row)


@contextlib.contextmanager
def announced(connection: BaseDatabaseWrapper, runner: Runner, *along: Question) -> Iterator[list[Rows]]:
    """Tell other sessions who this is, and have the server end our statements with us, for the length of the block.
    Behind a pooler, only where the backend is kept for us.

    along: asked in the same message, after it; the block has the answers.

    The server ends a statement soon after this process dies where it knows how (PostgreSQL 14+, Linux).

    What was set is put back where the session still lives: it may outlast the run, or go back to a pooler.
    Source: https://www.postgresql.org/docs/current/runtime-config-connection.html
    """
    who = {"application_name": runner.application_name()}
    interval = {"client_connection_check_interval": parameters.milliseconds(policy.CLIENT_CHECK_INTERVAL)}
    with contextlib.ExitStack() as until_the_end:
        try:
            answers = until_the_end.enter_context(parameters.given(raw(connection), {**who, **interval}, *along))
        except psycopg.errors.InvalidParameterValue:  # the server's platform cannot tell a closed socket
            answers = until_the_end.enter_context(parameters.given(raw(connection), who, *along))
        yield answers


def name(connection: BaseDatabaseWrapper, runner: Runner) -> None:
    """Tell other sessions who this is (``application_name``)."""
    _set(connection, "application_name", runner.application_name())


@contextlib.contextmanager
def committing_ahead_of_the_disk(connection: BaseDatabaseWrapper) -> Iterator[None]:
    """Let commits of the block not wait for the disk; its end does, and so for all of them.

    A crash of the server may take back the newest of them, and never one that another one came after and stayed. No
    transaction is to be open at the start of the block, nor at its end.
    Source: https://www.postgresql.org/docs/current/wal-async-commit.html
    """
    opened = raw(connection)
    before = opened.execute("SELECT pg_catalog.current_setting('synchronous_commit')").fetchone()
    _set(connection, "synchronous_commit", "off")
    try:
        yield
    finally:
        with contextlib.suppress(psycopg.Error):
            opened.execute("SELECT pg_catalog.set_config('synchronous_commit', %s, false)", before)
            # A commit waits only where its transaction has written something to the log; an id alone is nothing.
            opened.execute("SELECT pg_catalog.pg_logical_emit_message(true, 'lockgate', ''::pg_catalog.text)")


def mark_transaction(connection: BaseDatabaseWrapper, mark: str, lock_timeout: timedelta | None) -> None:
    """Leave a mark in the transaction that is open, or begins with the next statement, and goes with it (SET LOCAL);
    how long it waits for one lock; and a savepoint by which it is known again also where it has failed."""
    values = {"lockgate.migration": mark}
    if lock_timeout is not None:
        values["lock_timeout"] = parameters.milliseconds(lock_timeout)
    settings = ", ".join(["pg_catalog.set_config(%s, %s, true)"] * len(values))
    opened = raw(connection)
    cursor = psycopg.ClientCursor(opened)
    pairs = [value_text for pair in values.items() for value_text in pair]
    text = cursor.mogrify(f"SELECT {settings}; SAVEPOINT {_SAVEPOINT}", pairs)
    if opened.autocommit or not (_is_idle(opened) and begins_plainly(connection)):
        cursor.execute(text)
        return
    begun = Message(opened)  # with the BEGIN that psycopg would send before it, in a message of its own
    try:
        begun.send(f"BEGIN; {text}".encode(opened.info.encoding))
        begun.answer("set_config")
    except KeyboardInterrupt:
        begun.cancel(policy.CANCEL_TIMEOUT.total_seconds())  # as psycopg does: who ends the run needs the session
        raise


def begins_plainly(connection: BaseDatabaseWrapper) -> bool:
    """Whether psycopg begins a transaction of this session with BEGIN alone, and not with an isolation level or so."""
    opened = raw(connection)
    return opened.isolation_level is None and opened.read_only is None and opened.deferrable is None


def begin_whole(connection: BaseDatabaseWrapper, lock_timeout: timedelta) -> str:
    """The statement that begins a transaction that is sent whole, instead of a mark."""
    values = {"lock_timeout": parameters.milliseconds(lock_timeout)}
    return psycopg.ClientCursor(raw(connection)).mogrify(read("begin_whole"), values)


def mark_of_transaction(connection: BaseDatabaseWrapper) -> str | None:
    """The mark of the transaction that is open, if it has one: SQL of a migration may have ended the one that had."""
    row = raw(connection).execute("SELECT pg_catalog.current_setting('lockgate.migration', true)").fetchone()
    return str(row[0]) if row and row[0] else None


def has_mark(connection: BaseDatabaseWrapper, mark: str) -> bool:
    """Whether the open transaction says itself that it is the one that was marked: asked first, because to ask for the
    savepoint ends those that code has set since. False where it cannot be asked, or code has reset all settings."""
    opened: psycopg.Connection[Any] | None = connection.connection
    if opened is None or opened.info.transaction_status != TransactionStatus.INTRANS:
        return False
    with contextlib.suppress(psycopg.Error):
        return mark_of_transaction(connection) == mark
    return False


def is_marked(connection: BaseDatabaseWrapper, *, after_failure: bool = False) -> bool:
    """Whether the open transaction is the one that was marked: it has the savepoint. True too where nobody can tell.

    after_failure: one that has failed is asked too, which takes it back to its beginning; it is to be rolled back then.
    Source: https://www.postgresql.org/docs/current/sql-rollback-to.html
    """
    opened: psycopg.Connection[Any] | None = connection.connection
    status = TransactionStatus.UNKNOWN if opened is None else opened.info.transaction_status
    ways = {TransactionStatus.INTRANS: f"RELEASE SAVEPOINT {_SAVEPOINT}; SAVEPOINT {_SAVEPOINT}"}
    if after_failure:
        ways[TransactionStatus.INERROR] = f"ROLLBACK TO SAVEPOINT {_SAVEPOINT}"
    if opened is None or status not in ways:
        return status != TransactionStatus.IDLE
    try:
        opened.execute(ways[status])
    except psycopg.errors.InvalidSavepointSpecification:
        return False
    except psycopg.Error:  # the session is lost
        return True
    return True


def is_closed_by_code(connection: BaseDatabaseWrapper) -> bool:
    """Whether this process has closed the session, and not the server or the network."""
    opened: psycopg.Connection[Any] | None = connection.connection
    return opened is None or (opened.closed and not opened.broken)


def is_in_transaction(connection: BaseDatabaseWrapper) -> bool:
    """Whether the server has a transaction of this session open, failed or not; True too where nobody can tell."""
    opened = connection.connection
    return opened is None or not _is_idle(opened)


def _is_idle(opened: psycopg.Connection[Any]) -> bool:
    return opened.info.transaction_status == TransactionStatus.IDLE


def refuse_read_only(server: ServerFacts) -> None:
    """Raise ServerRefused where nothing can be written."""
    if server.standby:
        raise ServerRefused(
            "the database is read-only: it is a standby",
            why="it replays another server's changes and takes none of its own",
            next_step="connect to the primary (libpq: target_session_attrs=read-write)",
        )
    if server.read_only:
        raise ServerRefused(
            "the database is read-only",
            why="default_transaction_read_only is on for this role, database or server",
            next_step="switch it off, for example:  ALTER DATABASE … RESET default_transaction_read_only;",
        )


def _set(connection: BaseDatabaseWrapper, parameter: str, value: str) -> None:
    statement = sql.SQL("SET {} = {}").format(sql.Identifier(parameter), sql.Literal(value))
    raw(connection).execute(statement)
