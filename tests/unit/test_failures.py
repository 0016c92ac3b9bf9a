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
    assert failures.state_of(progress).startswith("shop.0002 was rolled back; ")
    progress.unknown = True
    assert failures.state_of(progress).startswith("shop.0002 to shop.0004: each was rolled back by the server, or c")
    progress.end(0.0)
    progress.begin(Key("shop", "0003"), "apply", atomic=True)
    assert failures.state_of(progress).startswith("shop.0003: rolled back by the server, or committed")


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
    progress.lost = progress.unknown = True
    said = failures.explain(chained(OperationalError("gone"), error), progress)
    assert f" {named} " in said.next_step
    assert "rolled back by the server, or committed whole" in said.state


@pytest.mark.parametrize(("sqlstate", "advice"), [("25001", "atomic = False"), ("55006", "split the migration")])
def test_what_the_server_refuses_in_this_transaction_has_a_remedy(sqlstate: str, advice: str) -> None:
    assert advice in failures.next_step(sqlstate, lost=False)


def test_an_error_of_psycopgs_own_counts_as_a_lost_connection() -> None:
    assert failures.connection_lost(psycopg.OperationalError("the connection is closed"), None)
    assert not failures.connection_lost(psycopg.ProgrammingError("no"), None)


def test_an_error_of_code_is_told_with_its_place_and_one_of_the_server_with_its_sqlstate() -> None:
    try:
        raise ValueError("no")
    except ValueError as error:
        told = failures.why(error, None)
    assert told.startswith(f'ValueError: no\nin "{__file__}", line ')
    assert told.endswith(", in test_an_error_of_code_is_told_with_its_place_and_one_of_the_server_with_its_sqlstate")
    assert failures.why(ValueError(), None) == "ValueError: ValueError"
    assert failures.why(OperationalError("gone"), None) == "gone"


def test_what_was_done_before_is_listed_and_an_unknown_index_said_to_be_unknown() -> None:
    progress = Progress(lambda event: None)
    assert failures.state_of(progress) == "no migration was applied by this run"
    progress.done = [(Key("shop", "0001"), "apply")]
    assert failures.state_of(progress) == "done before it in this run: shop.0001"
    progress.done += [(Key("shop", "0002"), "apply")]
    assert failures.state_of(progress) == "done before it in this run: 2 migrations, the last of them shop.0002"
    assert "is left invalid" not in failures.state_of(progress)
    progress.invalid_unknown = True
    assert "whether an index is left invalid is unknown: " in failures.state_of(progress)


def test_outside_a_migration_its_code_is_blamed_and_inside_it_is_not() -> None:
    progress = Progress(lambda event: None)
    assert "receiver" in failures.explain(ValueError("no"), progress).next_step
    progress.begin(Key("shop", "0001"), "apply", atomic=True)
    assert "receiver" not in failures.explain(ValueError("no"), progress).next_step
