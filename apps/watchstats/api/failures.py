"""A database that does not answer is the service's state, not a bug: 503 in JSON, and no traceback.

SQLSTATE and exception class decide. Whatever is not listed here stays an error 500.
"""

from __future__ import annotations

import structlog
from django.db import InterfaceError, OperationalError, ProgrammingError
from django.http import HttpRequest, HttpResponse
from ninja import NinjaAPI, Schema

log = structlog.get_logger(__name__)

RETRY_AFTER_SECONDS = 5  # a failover or a restart takes about as long
SCHEMA_BEHIND = {"42P01", "42703"}  # undefined_table, undefined_column


class Unavailable(Schema):
    """Why the service cannot answer now. ``reason`` is for programs, ``detail`` for people."""

    reason: str
    detail: str


def register(api: NinjaAPI) -> None:
    api.add_exception_handler(OperationalError, _database_unavailable)
    api.add_exception_handler(InterfaceError, _database_unavailable)
    api.add_exception_handler(ProgrammingError, _schema_behind)


def _database_unavailable(request: HttpRequest, error: Exception | type[Exception]) -> HttpResponse:
    return _answer(error, "database_unavailable", "the database does not answer; nothing was stored; try again")


def _schema_behind(request: HttpRequest, error: Exception | type[Exception]) -> HttpResponse:
    """The code is ahead of the schema, for example while a migration is held."""
    if _sqlstate(error) not in SCHEMA_BEHIND:
        raise error
    return _answer(error, "schema_behind", "the database schema is not at this release's level")


def _answer(error: Exception | type[Exception], reason: str, detail: str) -> HttpResponse:
    # The error's text stays out of the answer and the log: it names the server, the role, a query's values.
    log.warning(reason, error=type(error).__name__, sqlstate=_sqlstate(error))
    body = Unavailable(reason=reason, detail=detail).model_dump_json()
    headers = {"Retry-After": str(RETRY_AFTER_SECONDS)}
    return HttpResponse(body, status=503, content_type="application/json", headers=headers)


def _sqlstate(error: Exception | type[Exception]) -> str | None:
    """The SQLSTATE of what psycopg raised; None where no server answered."""
    return getattr(getattr(error, "__cause__", None), "sqlstate", None)
