"""What is learnt from an error, whatever hangs on it."""

from __future__ import annotations

import psycopg
import pytest
from django.db.utils import InternalError, OperationalError

from lockgate.execution import failures
from lockgate.execution.progress import Progress
from lockgate.facts import Key


def chained(error: Exception, cause: BaseException) -> Exception:
    error.__cause__ = cause
    return error


def test_the_state_is_that_of_the_servers_error() -> None:
    assert failures.sqlstate_of(chained(OperationalError("a"), psycopg.errors.LockNotAvailable())) == "55P03"
    assert failures.sqlstate_of(ValueError()) is None


@pytest.mark.timeout(60)
def test_causes_that_go_round_in_a_circle_have_an_end() -> None:
    """A session that is lost while a failure is written down leaves such: each is met while handling the other."""
    first, second = OperationalError("gone"), InternalError("gone too")
    chained(first, second).__context__ = second
    second.__context__ = first
    assert failures.sqlstate_of(first) is None


def test_what_was_sent_along_when_the_session_was_lost_is_told_too() -> None:
    progress = Progress(lambda event: None)
    progress.begin(Key("shop", "0002"), "apply", atomic=True, along=[Key("shop", "0003"), Key("shop", "0004")])
    assert failures.state_of(progress, lost=True).startswith("shop.0002 to shop.0004: each was rolled back by the serv")
    assert failures.state_of(progress).startswith("shop.0002 was rolled back; ")
    progress.end(0.0)
    progress.begin(Key("shop", "0003"), "apply", atomic=True)
    assert failures.state_of(progress, lost=True).startswith("shop.0003: rolled back by the server, or committed")


@pytest.mark.parametrize(
    ("error", "named"),
    [
        (psycopg.errors.IdleInTransactionSessionTimeout(), "idle_in_transaction_session_timeout"),
        (psycopg.errors.lookup("25P04")(), "transaction_timeout"),
        (psycopg.errors.lookup("57P05")(), "idle_session_timeout"),
    ],
)
def test_a_timeout_that_ends_the_session_is_named_and_counts_as_a_lost_connection(
    error: psycopg.Error, named: str
) -> None:
    progress = Progress(lambda event: None)
    progress.begin(Key("shop", "0002"), "apply", atomic=True)
    said = failures.explain(chained(OperationalError("gone"), error), progress)
    assert f" {named} " in said.next_step
    assert "rolled back by the server, or committed whole" in said.state


@pytest.mark.parametrize(("sqlstate", "advice"), [("25001", "atomic = False"), ("55006", "split the migration")])
def test_what_the_server_refuses_in_this_transaction_has_a_remedy(sqlstate: str, advice: str) -> None:
    assert advice in failures.next_step(sqlstate, lost=False)


def test_an_error_of_psycopgs_own_counts_as_a_lost_connection() -> None:
    assert failures.connection_lost(psycopg.OperationalError("the connection is closed"), None)
    assert not failures.connection_lost(psycopg.ProgrammingError("no"), None)
