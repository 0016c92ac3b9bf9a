"""An owner, who migrates, and a service, which does not: two roles of a test's own."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

import psycopg

from tests.support import databases
from tests.support.databases import Database

PASSWORD = "of-no-secret-role"


@dataclass(frozen=True)
class Roles:
    """Their names, and the database they use."""

    database: Database
    owner: str
    service: str

    def url(self, role: str) -> str:
        return self.database.url_as(role, PASSWORD)

    def as_service(self, *statements: str) -> None:
        with psycopg.connect(self.url(self.service), autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement)  # type: ignore[arg-type]


@contextlib.contextmanager
def two(database: Database) -> Iterator[Roles]:
    """Two roles that may log in and nothing else, gone at the end with all that is theirs in the database."""
    with named(database) as roles:
        database.execute(*(f"CREATE ROLE {role} LOGIN PASSWORD '{PASSWORD}'" for role in (roles.owner, roles.service)))
        with databases.admin() as admin:
            me = admin.info.user
        database.execute(f'GRANT {roles.owner} TO "{me}"')  # as who may create roles without being a superuser must
        yield roles


@contextlib.contextmanager
def named(database: Database) -> Iterator[Roles]:
    """The names of two roles that are still to be made, and are gone at the end."""
    roles = Roles(database, f"owner_{database.name}", f"service_{database.name}")
    try:
        yield roles
    finally:
        for role in (roles.service, roles.owner):
            if database.rows("SELECT FROM pg_roles WHERE rolname = %s", [role]):
                database.execute(f"DROP OWNED BY {role} CASCADE", f"DROP ROLE {role}")
