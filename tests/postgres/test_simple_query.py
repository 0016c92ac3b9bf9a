"""SQL in one message, whose answer is fetched later: on a real session."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Iterator

import psycopg
import pytest

from lockgate.database.simple_query import Message
from tests.support.databases import Database
from tests.support.processes import until


def sent(session: psycopg.Connection, text: str) -> Message:
    message = Message(session)
    message.send(text.encode())
    return message


@pytest.fixture
def session(database: Database) -> Iterator[psycopg.Connection]:
    with psycopg.connect(database.url, autocommit=True) as opened:
        yield opened


def test_what_its_statements_say_under_a_name_is_the_answer(session: psycopg.Connection) -> None:
    message = sent(session, "BEGIN; SELECT 'a' AS wanted; SELECT 'x' AS other; COMMIT; SELECT 'b' AS wanted")
    assert message.answer("wanted") == ["a", "b"]
    assert session.execute("SELECT 1").fetchone() == (1,)  # the session is free again


def test_meanwhile_it_can_be_seen_whether_the_answer_is_there(session: psycopg.Connection, database: Database) -> None:
    with database.connect() as other:
        other.execute("SELECT pg_advisory_lock(1)")
        message = sent(session, "SELECT pg_advisory_lock(1), 'done' AS said")
        assert not message.arrived
    until(lambda: message.arrived, "the answer")
    assert message.answer("said") == []  # of each statement the first column counts


def test_a_refused_statement_has_its_sqlstate_and_the_rest_is_left_out(session: psycopg.Connection) -> None:
    session.execute("CREATE TABLE kept (n integer)")
    message = sent(
        session, "BEGIN; INSERT INTO kept VALUES (1); COMMIT; BEGIN; SELECT 1/0; INSERT INTO kept VALUES (2)"
    )
    with pytest.raises(psycopg.errors.DivisionByZero) as caught:
        message.answer("n")
    assert caught.value.sqlstate == "22012"
    assert session.info.transaction_status == psycopg.pq.TransactionStatus.INERROR
    session.rollback()
    assert session.execute("SELECT n FROM kept").fetchall() == [(1,)]


def test_text_beyond_what_a_socket_takes_at_once_arrives(session: psycopg.Connection) -> None:
    many = 20_000_000
    message = sent(session, f"SELECT length('{'x' * many}')::text AS length")
    assert message.answer("length") == [str(many)]


def test_text_that_is_not_ascii_arrives_as_it_is(session: psycopg.Connection) -> None:
    assert sent(session, "SELECT 'čaj' AS word").answer("word") == ["čaj"]


def test_a_session_that_is_ended_says_why(session: psycopg.Connection, database: Database) -> None:
    message = sent(session, "SELECT pg_sleep(60)")
    database.execute(f"SELECT pg_terminate_backend({session.info.backend_pid}, 10000)")
    with pytest.raises(psycopg.errors.AdminShutdown):
        message.answer("")
    assert session.closed


def test_a_connection_that_breaks_is_an_operational_error(session: psycopg.Connection) -> None:
    message = sent(session, "SELECT pg_sleep(2)")
    with socket.socket(fileno=os.dup(session.pgconn.socket)) as raw:
        raw.shutdown(socket.SHUT_RDWR)
        with pytest.raises(psycopg.OperationalError):
            message.answer("")


def test_it_can_be_cancelled(session: psycopg.Connection) -> None:
    message = sent(session, "BEGIN; SELECT pg_sleep(60)")
    message.cancel(20)
    with pytest.raises(psycopg.errors.QueryCanceled):
        message.answer("")


def test_it_can_be_cancelled_before_the_server_has_read_it(session: psycopg.Connection) -> None:
    """More than a socket takes at once: PostgreSQL ignores the first request, since it runs no statement yet."""
    message = sent(session, f"/* {'x' * 50_000_000} */ SELECT pg_sleep(60)")
    message.cancel(20)
    with pytest.raises(psycopg.errors.QueryCanceled):
        message.answer("")


def test_a_server_that_does_not_answer_is_waited_for_so_long(session: psycopg.Connection) -> None:
    if not session.info.host.startswith("/"):
        pytest.skip("TEST_DATABASE_URL may name a server on another machine, whose processes cannot be stopped")
    os.kill(session.info.backend_pid, signal.SIGSTOP)
    try:
        message = sent(session, "SELECT pg_sleep(60)")
        started = time.monotonic()
        message.cancel(0.5)
        took = time.monotonic() - started
        assert not message.arrived
    finally:
        os.kill(session.info.backend_pid, signal.SIGCONT)
    assert 0.5 <= took < 30  # it does not wait for the answer, which would never come
    message.cancel(20)
    with pytest.raises(psycopg.errors.QueryCanceled):
        message.answer("")
