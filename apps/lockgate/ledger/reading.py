"""What is written down of migrations, read in one message: Django's rows, the ledger's, and what the journal has open.

Only the holder of the lock writes any of it, but for stock Django's own rows: so what is read under the lock stands
until the run itself writes, and is not asked for again. What is read before is looked at again under the lock.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import psycopg
from django.db.backends.base.base import BaseDatabaseWrapper

from lockgate import django_seams
from lockgate.database import own_tables, session
from lockgate.database.one_message import Question, Rows, ask
from lockgate.database.own_tables import Table
from lockgate.database.rights import Right
from lockgate.facts import Fingerprint, Key
from lockgate.ledger import records
from lockgate.models import OWN, Run

# Something is not there, or not as this release knows it, or not to be read: then it is found out table by table.
ANOTHER_WAY = (
    psycopg.errors.UndefinedTable,
    psycopg.errors.UndefinedColumn,
    psycopg.errors.UndefinedFunction,
    psycopg.errors.DatatypeMismatch,
    psycopg.errors.CannotCoerce,
    psycopg.errors.InsufficientPrivilege,
    psycopg.errors.WrongObjectType,
)


class Runs(NamedTuple):
    """Of one release, by its digest. newest: how its newest run ended; None where it had none.

    applied_after: what was applied after the last that succeeded.
    """

    digest: str
    newest: str | None
    applied_after: frozenset[Key]

    @property
    def finished(self) -> bool:
        return self.newest == Run.Outcome.SUCCEEDED


class Reading(NamedTuple):
    """shape: of the ledger's and the journal's tables. applied: Django's rows, by app and name. known: of the files of
    migrations as they were applied. open: the migrations with rows of the journal that are still to be changed.
    unfinished: those of which something was begun.
    """

    shape: Mapping[str, Table]
    applied: Mapping[tuple[str, str], Any]
    known: Mapping[Key, Fingerprint]
    open: frozenset[Key]
    unfinished: frozenset[Key]
    under_lock: UnderLock | None = None


class UnderLock(NamedTuple):
    """What only the holder of the lock asks for. tables: those that an unqualified name finds. rights: of others on our
    tables. unclosed: whether a run that died has left its row open.
    """

    tables: frozenset[str]
    rights: tuple[Right, ...]
    runs: Runs
    unclosed: bool
    backend_pid: int


def read(connection: BaseDatabaseWrapper) -> Reading | None:
    """One message, outside of a transaction; None where something of it is not there, or not to be read."""
    try:
        return _reading(*ask(session.raw(connection), *_QUESTIONS))
    except ANOTHER_WAY:
        return None


def read_under_lock(connection: BaseDatabaseWrapper, digest: str, name: str) -> Reading | None:
    """The same, and what only the holder of the lock asks for. digest: of the release, as far as it is known.

    name: what other sessions see of this one from now on.
    """
    more = Question("visible_tables"), Question("own_rights", [[]]), Question("runs_under_way"), *_of_release(digest)
    try:
        _, *answers = ask(session.raw(connection), Question("name_session", {"name": name}), *_QUESTIONS, *more)
    except ANOTHER_WAY:
        return None
    tables, rights, [under_way], *runs = answers[len(_QUESTIONS) :]
    under_lock = UnderLock(
        tables=frozenset(row["relname"] for row in tables),
        rights=tuple(Right(**row) for row in rights),
        runs=_runs(digest, *runs),
        unclosed=under_way["unclosed"],
        backend_pid=under_way["backend_pid"],
    )
    return _reading(*answers[: len(_QUESTIONS)])._replace(under_lock=under_lock)


def runs(connection: BaseDatabaseWrapper, digest: str) -> Runs:
    """What is known of a release's runs. One message."""
    return _runs(digest, *ask(session.raw(connection), *_of_release(digest)))


def is_possible() -> Question:
    """Whether all is there that is read here, as ``are_there``: else it is not tried, and the server logs no error."""
    return Question("own_tables_there", {"names": records.tables()})


_QUESTIONS = (
    own_tables.question([model._meta.db_table for model in OWN]),
    Question("history"),
    Question("fingerprints"),
    Question("open_rows"),
)


def _of_release(digest: str) -> tuple[Question, Question]:
    return Question("runs_of_release", {"digest": digest}), Question("applied_after", {"digest": digest})


def _runs(digest: str, newest: Rows, after: Rows) -> Runs:
    [newest_run] = newest
    return Runs(digest, newest_run["newest"], frozenset(Key(row["app"], row["name"]) for row in after))


def _reading(shape: Rows, history: Rows, fingerprints: Rows, rows: Rows) -> Reading:
    opened = {Key(row["app"], row["name"]): row["unfinished"] for row in rows}
    return Reading(
        shape=own_tables.of_rows(shape),
        applied=django_seams.history(history),
        known={
            Key(row["app"], row["name"]): Fingerprint(row["file_digest"], row["ast_digest"]) for row in fingerprints
        },
        open=frozenset(opened),
        unfinished=frozenset(key for key, unfinished in opened.items() if unfinished),
    )
