"""Create the extensions that are wanted, and say exactly what stands in the way of those that cannot be.

Present needs no rights at all; trusted ones need CREATE on the database; others a superuser; and one whose package is
not on the server nobody can create. Four cases, four remedies; none of them ends the run.
Source: https://www.postgresql.org/docs/current/sql-createextension.html
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from typing import NamedTuple

import psycopg
from django.db.backends.base.base import BaseDatabaseWrapper
from psycopg import sql
from psycopg.rows import dict_row

from lockgate.database import server_messages
from lockgate.database.session import raw
from lockgate.database.sql import read
from lockgate.events import ExtensionOutcome, ExtensionState
from lockgate.facts import ServerFacts

_PLAIN = re.compile("[a-z_][a-z0-9_]*")  # a name that needs no quotes


class ExtensionFacts(NamedTuple):
    """What stands between this role and one extension."""

    name: str
    present: bool
    installed: bool
    trusted: bool
    anyone: bool
    may_create: bool
    superuser: bool
    managed: bool

    @property
    def creatable(self) -> bool:
        """Whether CREATE EXTENSION is likely to succeed: what decides if a run is worth the lock."""
        allowed = self.superuser or self.managed or (self.may_create and (self.trusted or self.anyone))
        return not self.present and self.installed and allowed


def survey(connection: BaseDatabaseWrapper, names: Collection[str]) -> dict[str, ExtensionFacts]:
    """One query over the catalog, for all names; nothing is changed."""
    if not names:
        return {}
    with raw(connection).cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(read("extensions"), {"names": sorted(names)}).fetchall()
    return {row["name"]: ExtensionFacts(**row) for row in rows}


def outcomes(surveys: Iterable[ExtensionFacts], server: ServerFacts) -> list[ExtensionOutcome]:
    """The outcome for each extension if nothing is attempted."""
    return [_outcome(preflight, server) for preflight in surveys]


def create(
    connection: BaseDatabaseWrapper, surveys: Iterable[ExtensionFacts], server: ServerFacts
) -> list[ExtensionOutcome]:
    """Create what is missing and installed on the server; each in a transaction of its own.

    The attempt is made even where the catalog says it will fail: hosted services allow more than it shows.
    """
    return [
        _attempt(connection, preflight, server)
        if preflight.installed and not preflight.present
        else _outcome(preflight, server)
        for preflight in surveys
    ]


def _attempt(connection: BaseDatabaseWrapper, extension: ExtensionFacts, server: ServerFacts) -> ExtensionOutcome:
    statement = sql.SQL("CREATE EXTENSION IF NOT EXISTS {} CASCADE").format(sql.Identifier(extension.name))
    try:
        raw(connection).execute(statement)
    except psycopg.errors.InsufficientPrivilege:
        return _outcome(extension, server)
    except psycopg.DatabaseError as error:
        if raw(connection).closed:
            raise
        text = " ".join(server_messages.of(error).split())
        return ExtensionOutcome(extension.name, "failed", f"the server says: {text} (SQLSTATE {error.sqlstate})")
    return ExtensionOutcome(extension.name, "created")


def _outcome(extension: ExtensionFacts, server: ServerFacts) -> ExtensionOutcome:
    state = _state(extension)
    return ExtensionOutcome(extension.name, state, _remedy(extension.name, state, server))


def _state(extension: ExtensionFacts) -> ExtensionState:
    if extension.present:
        return "present"
    if not extension.installed:
        return "not-installed"
    return "needs-grant" if extension.trusted or extension.anyone else "needs-superuser"


def _remedy(name: str, state: ExtensionState, server: ServerFacts) -> str:
    if state == "needs-grant":
        database, user = _quoted(server.database), _quoted(server.user)
        return f"as the owner of the database:  GRANT CREATE ON DATABASE {database} TO {user};"
    if state == "needs-superuser":
        extension = name if _PLAIN.fullmatch(name) else _quoted(name)
        return f"as a superuser, in database {_quoted(server.database)}:  CREATE EXTENSION {extension};"
    if state == "not-installed":
        return _package(name, server.version_number // 10000)
    return ""


def _quoted(name: str) -> str:
    return sql.Identifier(name).as_string()


def _package(name: str, major: int) -> str:
    """The Debian and Red Hat packages, where the name of one is known; contrib extensions share one."""
    known = {"vector": "pgvector", "postgis": "postgis-3", "pg_cron": "cron", "pg_partman": "partman"}
    if name in known:
        return f"on the server:  apt-get install postgresql-{major}-{known[name]}  (or the package of your system)"
    return (
        f"install the package that holds it on the server: postgresql-contrib for PostgreSQL's own, "
        f"or postgresql-{major}-{name.replace('_', '-')} or alike"
    )
