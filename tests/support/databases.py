"""Databases of the session's real server: one per test, gone afterwards."""

from __future__ import annotations

import contextlib
import os
import time
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

WHEEL = (16, 18)  # the versions that need no fetching
DROP_ATTEMPTS = 300  # a tenth of a second each


def chosen() -> int:
    """The major version of the servers that tests start: LOCKGATE_TEST_POSTGRES, or 16."""
    return int(os.environ.get("LOCKGATE_TEST_POSTGRES", "16"))


def several() -> tuple[int, ...]:
    """The major versions for tests that run on several: LOCKGATE_TEST_POSTGRES alone, or those of the wheel."""
    return (chosen(),) if "LOCKGATE_TEST_POSTGRES" in os.environ else WHEEL


def server() -> str:
    """libpq connection string of the session's server, as a role that may create databases and roles."""
    return os.environ["TEST_DATABASE_URL"]


def admin() -> psycopg.Connection[Any]:
    return psycopg.connect(server(), autocommit=True)


def version(connection: psycopg.Connection[Any]) -> int:
    """The major version of its server."""
    return connection.info.server_version // 10000


def forget_the_disk(address: str) -> None:
    """Let a server of these tests wait for no disk: what crashes is a process, and never the machine."""
    with psycopg.connect(address, autocommit=True) as connection:
        for setting in ("fsync", "full_page_writes"):
            connection.execute(f"ALTER SYSTEM SET {setting} = off")
        connection.execute("SELECT pg_reload_conf()")


def copied_as_files(connection: psycopg.Connection[Any]) -> sql.SQL:
    """What CREATE DATABASE is told for a copy to be made file by file, as servers before version 15 always do."""
    return sql.SQL(" STRATEGY FILE_COPY" if version(connection) >= 15 else "")


@dataclass(frozen=True)
class Database:
    """One database. ``url`` is what a DATABASE_URL would say."""

    name: str

    @property
    def url(self) -> str:
        return self.url_as()

    def url_as(self, user: str | None = None, password: str | None = None, **options: str) -> str:
        """A URL with everything but the database in its query, as sockets need it."""
        parts = conninfo_to_dict(server())
        parts.update({"user": user or parts.get("user"), **options})
        if password is not None:
            parts["password"] = password
        secret = f":{quote(str(parts.pop('password')), safe='')}" if parts.get("password") else ""
        parts.pop("dbname", None)
        login = f"{parts.pop('user', None) or ''}{secret}"
        query = "&".join(f"{key}={value}" for key, value in parts.items() if value is not None)
        return f"postgresql://{login}{'@' if login else ''}/{self.name}?{query}"

    def connect(self, **options: Any) -> psycopg.Connection[Any]:
        """A connection of the test's own, in autocommit unless told otherwise."""
        return psycopg.connect(make_conninfo(server(), dbname=self.name), autocommit=options.pop("autocommit", True))

    def rows(self, query: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        with self.connect() as connection:
            return connection.execute(query, parameters).fetchall()  # type: ignore[arg-type]

    def value(self, query: str, parameters: Sequence[Any] = ()) -> Any:
        return self.rows(query, parameters)[0][0]

    def execute(self, *statements: str) -> None:
        with self.connect() as connection:
            for statement in statements:
                connection.execute(statement)  # type: ignore[arg-type]

    def applied(self) -> list[tuple[str, str]]:
        """The rows of django_migrations, sorted, repeated where they are repeated; none without the table."""
        if self.value("SELECT to_regclass('django_migrations') IS NULL"):
            return []
        return sorted(self.rows("SELECT app, name FROM django_migrations"))

    def drop(self) -> None:
        """A role that is no superuser must not end autovacuum, and waits until it has gone; so does a slow server."""
        statement = sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(self.name))
        with admin() as connection:
            for _ in range(DROP_ATTEMPTS):
                try:
                    connection.execute(statement)
                except (psycopg.errors.InsufficientPrivilege, psycopg.errors.ObjectInUse):
                    time.sleep(0.1)
                else:
                    return
            connection.execute(statement)


@contextlib.contextmanager
def another() -> Iterator[Database]:
    """A new database, for as long as the block."""
    database = create()
    try:
        yield database
    finally:
        database.drop()


def create(template: str | None = None) -> Database:
    """A new database, empty or a copy of another."""
    database = Database(f"lg_{uuid.uuid4().hex[:12]}")
    statement = sql.SQL("CREATE DATABASE {}").format(sql.Identifier(database.name))
    if template:
        statement += sql.SQL(" TEMPLATE {}").format(sql.Identifier(template))
    with admin() as connection:
        connection.execute(statement)
    return database
