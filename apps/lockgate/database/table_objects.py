"""What a table has in the catalog, and what of it one transaction has made, changed or removed. Reads only."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any, NamedTuple

from django.db.backends.base.base import BaseDatabaseWrapper

from lockgate.database.session import raw
from lockgate.database.sql import read


class Thing(NamedTuple):
    """A table, or a column, index or constraint of one, as it is, or was.

    kind: table, column, index or constraint. id: never another one's of the kind. table_oid: its table's. definition:
    as PostgreSQL writes it, empty for a table; None of what is gone. valid: a constraint where it is validated.
    """

    kind: str
    id: int
    table_oid: int
    schema: str
    table: str
    name: str
    definition: str | None
    valid: bool

    @classmethod
    def from_json(cls, written: Mapping[str, Any]) -> Thing:
        """A thing that a run has noted; what a newer release has noted besides is left alone."""
        return cls(*(written[name] for name in cls._fields))

    def as_json(self) -> dict[str, Any]:
        return self._asdict()

    def __str__(self) -> str:
        return f'the {self.kind} "{self.name}"' + ("" if self.kind == "table" else f" of {self.table}")

    @property
    def key(self) -> Key:
        return self.kind, self.id

    @property
    def place(self) -> Place:
        return self.kind, self.schema, self.table, self.name

    @property
    def gone(self) -> Thing:
        return self._replace(definition=None)


Key = tuple[str, int]
Place = tuple[str, str, str, str]


class Marked(NamedTuple):
    """mark: another one once any transaction has changed it."""

    thing: Thing
    mark: str


def everything(connection: BaseDatabaseWrapper) -> dict[Key, Marked]:
    """What there is now, without definitions."""
    return _read(connection, None, ())


def of_tables(
    connection: BaseDatabaseWrapper, tables: Iterable[int], like: Collection[Thing] = ()
) -> dict[Key, Marked]:
    """What there is now of these tables, or of the tables of these indexes, by oid; and of any that is called as one of
    ``like`` is."""
    return _read(connection, sorted(set(tables)), sorted({f"{thing.schema}.{thing.table}" for thing in like}))


def touched(connection: BaseDatabaseWrapper) -> set[int]:
    """The tables and indexes that the open transaction can have changed, by oid: what it did not lock, it did not."""
    return {row[0] for row in raw(connection).execute(read("relations_locked"))}


def differing(connection: BaseDatabaseWrapper, before: dict[Key, Marked]) -> set[int]:
    """The tables of which something was made, changed or removed since, by whomever; outside a transaction."""
    now = everything(connection)
    return {
        marked_thing.thing.table_oid for key, marked_thing in (now | before).items() if before.get(key) != now.get(key)
    }


def changed(
    connection: BaseDatabaseWrapper, tables: Collection[int], before: dict[Key, Marked], known: dict[Key, Thing]
) -> list[Thing]:
    """What was made, changed or removed of these tables since ``before``, as it is now; what is gone last.

    known: what is noted already; noted again where its definition reads in another way, as after a rename. Of whatever
    has changed, the table comes too.
    """
    now = of_tables(connection, tables)
    things = {
        key: thing
        for key, (thing, mark) in now.items()
        if key not in before or before[key].mark != mark or known.get(key, thing) != thing
    }
    left = {marked_thing.thing.table_oid for marked_thing in now.values()}
    gone = [
        thing.gone
        for key, (thing, _) in before.items()
        if key not in now and thing.table_oid in tables and (thing.kind == "table" or thing.table_oid in left)
    ]
    owners = {("table", thing.table_oid) for thing in (*things.values(), *gone)}
    return [*({key: now[key].thing for key in owners if key in now} | things).values(), *gone]


def _read(connection: BaseDatabaseWrapper, tables: list[int] | None, names: Collection[str]) -> dict[Key, Marked]:
    # As text: of a list of numbers psycopg names the type, and a guest may have one of that name.
    oids = None if tables is None else f"{{{','.join(map(str, tables))}}}"
    rows = raw(connection).execute(read("things"), {"tables": oids, "names": list(names)})
    marked_things = (Marked(Thing(*row[:-1]), row[-1]) for row in rows)
    return {marked_thing.thing.key: marked_thing for marked_thing in marked_things}
