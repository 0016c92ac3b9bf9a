"""Finds out in one query whether a release has nothing to do on a database. Starts without Django use the same query.

Source of the parameters' form: https://www.psycopg.org/psycopg3/docs/advanced/cursors.html#raw-query-cursors
"""

from __future__ import annotations

from typing import NamedTuple

import psycopg
from django.db.backends.base.base import BaseDatabaseWrapper

from lockgate.database import session
from lockgate.database.sql import read as statement


class CheckpointQuery(NamedTuple):
    """What a release wants to find: its name, the digests of its contents and of what its migrations say."""

    release: str
    contents: str
    ast_digest: str
    extensions: tuple[str, ...]


class CurrentState(NamedTuple):
    """history_digest: of the rows of django_migrations now. current: whether nothing is left to do."""

    history_digest: str
    current: bool


def read(connection: BaseDatabaseWrapper, query: CheckpointQuery) -> CurrentState:
    """One query, on Django's open connection. Raises psycopg.Error, where there is no ledger, for example."""
    cursor = psycopg.RawCursor(session.raw(connection))
    with cursor:
        row = cursor.execute(statement("current"), values(query)).fetchone()
    assert row is not None  # noqa: S101  the statement has one row
    return CurrentState(*row)


def values(query: CheckpointQuery) -> list[str | list[str]]:
    """The parameters of ``current.sql``, in their order."""
    return [query.release, query.contents, query.ast_digest, list(query.extensions)]
