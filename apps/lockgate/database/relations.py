"""What stands behind the names of a statement that the server has refused: for who explains that. Reads only."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from django.db.backends.base.base import BaseDatabaseWrapper
from psycopg import sql

from lockgate.database.session import raw
from lockgate.database.sql import read


class Relation(NamedTuple):
    """A table, index, view … table: of an index.

    lacking: the rights that this role has not. owned: it may act as its owner. member: of its
    owner, whose rights it may yet not inherit.
    """

    schema: str
    name: str
    kind: str
    table: str | None
    valid: bool
    owner: str
    owned: bool
    member: bool
    lacking: list[str]

    @property
    def quoted(self) -> str:
        return quoted(self.schema, self.name)


class Schema(NamedTuple):
    """current: where what is made without a schema comes to be."""

    name: str
    current: bool
    owner: str
    lacking: list[str]


class ThisRole(NamedTuple):
    """creates: it may make schemas in the database, and trusted extensions. version: the server's, as a number."""

    role: str
    database: str
    owner: str
    creates: bool
    version: int


class Dependent(NamedTuple):
    """removal: the statement that drops it. definition: the one that tells how to make it again."""

    description: str
    removal: str | None
    definition: str | None


def named(connection: BaseDatabaseWrapper, names: Iterable[str]) -> list[Relation]:
    """Those that a statement with these names means: where it names the schema, no other of the name."""
    bare_names = set(names)
    named_relations = [
        Relation(*row) for row in raw(connection).execute(read("relations"), {"names": sorted(bare_names)})
    ]
    placed = {relation.name for relation in named_relations if relation.schema in bare_names}
    return [relation for relation in named_relations if relation.schema in bare_names or relation.name not in placed]


def schemas(connection: BaseDatabaseWrapper, names: Iterable[str]) -> list[Schema]:
    """Those of these names, and the current one."""
    rows = raw(connection).execute(read("schemas"), {"names": sorted(set(names))})
    return [Schema(*row) for row in rows]


def this_role(connection: BaseDatabaseWrapper) -> ThisRole:
    row = raw(connection).execute(read("this_role")).fetchone()
    assert row is not None  # noqa: S101  the current database has a row
    return ThisRole(*row)


def dependents(connection: BaseDatabaseWrapper, table: str, columns: Iterable[str]) -> list[Dependent]:
    """In the order in which they can be dropped. columns: all of the table where there are none."""
    rows = raw(connection).execute(read("dependents"), {"table": table, "columns": list(columns)})
    return [Dependent(*row[:3]) for row in rows]


def quoted(*names: str) -> str:
    return sql.Identifier(*names).as_string(None)
