"""Which errors come again by nature, whoever tries."""

from __future__ import annotations

import psycopg
import pytest
from django.db.utils import IntegrityError, InterfaceError, OperationalError, ProgrammingError

from lockgate.errors import LocksNotAcquired, MigrationFailed
from lockgate.gate import repeated_failure


def of_server(sqlstate: str, kind: type[Exception] = OperationalError) -> Exception:
    """As Django raises what psycopg does."""
    error = kind("the server's words")
    error.__cause__ = psycopg.errors.lookup(sqlstate)("the server's words")
    return error


def under(cause: Exception, error: Exception) -> Exception:
    """An error that was raised while another was handled, and hides it."""
    try:
        try:
            raise cause
        except Exception:
            raise error from None
    except Exception as raised:
        return raised


def from_(cause: Exception, error: Exception) -> Exception:
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    "error",
    [
        of_server("22012"),
        of_server("23505", IntegrityError),
        of_server("42P01", ProgrammingError),
        psycopg.errors.UniqueViolation("bare"),
        ValueError("no"),
        SystemExit(3),
        from_(of_server("23505"), MigrationFailed("explained")),
        from_(KeyError("no"), ValueError("no")),
        ExceptionGroup("both", [ValueError("no"), of_server("22012")]),
    ],
    ids=repr,
)
def test_data_statements_and_code(error: BaseException) -> None:
    assert repeated_failure.repeats(error)


@pytest.mark.parametrize(
    "error",
    [
        *(
            of_server(each)
            for each in ("55P03", "40P01", "57014", "57P01", "08006", "53100", "53200", "25P02", "0A000")
        ),
        OperationalError("no SQLSTATE: the connection was lost"),
        InterfaceError("connection already closed"),
        psycopg.OperationalError("bare"),
        ConnectionResetError("an API"),
        MemoryError(),
        from_(of_server("55P03"), LocksNotAcquired("explained")),
        MigrationFailed("ours, from nothing that is known"),
        from_(of_server("57014"), ValueError("code of the migration says so")),
        from_(ConnectionRefusedError("an API"), ValueError("code of the migration says so")),
        under(of_server("55P03"), ValueError("code hides it")),
        ExceptionGroup("both", [ValueError("no"), of_server("40P01")]),
    ],
    ids=repr,
)
def test_what_may_pass_or_is_not_known(error: BaseException) -> None:
    assert not repeated_failure.repeats(error)
