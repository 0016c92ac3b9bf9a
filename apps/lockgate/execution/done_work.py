"""What the operations that are done have left in the catalog, and whether it is there: since their run died, somebody
may have dropped, renamed or replaced it, or brought back what they removed.

Whatever the operation: its transaction notes each table, column, index and constraint that it has made, changed or
removed, as they were then; a later operation that changes one notes it anew. Of code outside a transaction nobody can
tell what it did: all that differs after it counts as its doing. What is looked up is known by its identity, or is of
the very same definition; a table by its identity alone.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import NamedTuple

from psycopg import sql

from lockgate import policy
from lockgate.database import table_objects
from lockgate.database.table_objects import Key as ThingKey
from lockgate.database.table_objects import Marked, Place, Thing
from lockgate.errors import MigrationFailed
from lockgate.execution.context import RunContext
from lockgate.facts import Key
from lockgate.models import JournalEntry as Row

_GONE = "is gone"
_DROPS = {
    "table": sql.SQL("DROP TABLE {table};"),
    "column": sql.SQL("ALTER TABLE {table} DROP COLUMN {name};"),
    "index": sql.SQL("DROP INDEX CONCURRENTLY {index};"),
    "constraint": sql.SQL("ALTER TABLE {table} DROP CONSTRAINT {name};"),
}
_ORDER = ("table", "column", "constraint", "index")


class Problem(NamedTuple):
    """thing: as it was noted. what: has become of it. rows: of the operations that noted it."""

    thing: Thing
    what: str
    rows: tuple[Row, ...]

    @property
    def both(self) -> str:
        """Both definitions, as far as they are known."""
        was = "removed" if _is_gone(self.thing) else self.thing.definition
        return f"{self.thing} {self.what}{f', and was {was}' if was else ''}"

    @property
    def mend(self) -> str:
        """The statement that sets it right; empty where none is known that does: the values of a column are lost, and
        one that must have some cannot be added to rows that are there.
        """
        thing, table = self.thing, sql.Identifier(self.thing.schema, self.thing.table)
        name = sql.Identifier(thing.name)
        if _is_gone(thing):
            drop = _DROPS[thing.kind].format(table=table, name=name, index=sql.Identifier(thing.schema, thing.name))
            return drop.as_string()
        without = ("GENERATED", "NOT NULL") if thing.kind == "column" else ()
        if self.what != _GONE or thing.kind == "table" or str(thing.definition).endswith(without):
            return ""
        if thing.kind == "index":
            return f"{thing.definition};"
        add = (
            "ALTER TABLE {table} ADD COLUMN {name} "
            if thing.kind == "column"
            else "ALTER TABLE {table} ADD CONSTRAINT {name} "
        )
        return f"{sql.SQL(add).format(table=table, name=name).as_string()}{thing.definition};"


class DoneWork:
    """That of one migration. rows: in the order in which they were done.

    exact: whether a table that was made again, with the same columns, counts as another one.
    """

    def __init__(self, context: RunContext, migration: Key, rows: Iterable[Row], *, exact: bool) -> None:
        self.context, self.migration, self.exact = context, migration, exact
        self._noted: dict[ThingKey, list[tuple[Row, Thing]]] = {}
        self._handed: dict[int, list[Thing]] = {}
        rows = sorted(rows, key=lambda row: row.pk)
        effects = context.journal.effects(rows)
        for row in rows:
            self._keep(row, [Thing.from_json(fields) for fields in effects.get(row.pk, ())])

    def before(self) -> dict[ThingKey, Marked]:
        """To be asked for before an operation's transaction."""
        return table_objects.everything(self.context.connection)

    def note(self, row: Row, before: dict[ThingKey, Marked]) -> None:
        """What the open transaction has done. To be asked for at its end; what an attempt before it noted is void."""
        self._strike(row)
        tables = table_objects.touched(self.context.connection)
        self._write(row, table_objects.changed(self.context.connection, tables, before, self._known()))

    def note_outside(self, row: Row, before: dict[ThingKey, Marked]) -> None:
        """What has become of anything since: it counts as the doing of the code that ran outside a transaction."""
        known = self._known()
        tables = table_objects.differing(self.context.connection, before) | {
            thing.table_oid for thing in known.values()
        }
        things = table_objects.changed(self.context.connection, tables, before, known)
        self._write(row, [thing for thing in things if not _is_broken_off(thing)])

    def note_index(self, row: Row, oid: int | None, *, gone: bool = False) -> None:
        """An index that was built concurrently, or is to be dropped."""
        marked_thing = table_objects.of_tables(self.context.connection, [oid]).get(("index", oid)) if oid else None
        if marked_thing:
            self._write(row, [marked_thing.thing.gone if gone else marked_thing.thing])

    def hand_on(self, earlier: Row, row: Row) -> None:
        """An operation that failed was mended, and has a new row: what its code had done is done still."""
        self._handed[row.pk] = self._of(earlier)
        self._write(row, self._handed[row.pk])

    def doubts(self) -> list[Problem]:
        """What code that was under way may have done, or somebody: what is a problem only where none was."""
        known = {problem.thing.key for problem in self.problems(code_was_under_way=True)}
        return [problem for problem in self.problems(code_was_under_way=False) if problem.thing.key not in known]

    def problems(self, *, code_was_under_way: bool) -> list[Problem]:
        """What is not as it was noted. code_was_under_way: which may have changed definitions, and removed nothing."""
        now = self._now()
        places, expected = {present.place: present for present in now.values()}, self._places()
        problems = []
        for key, noted in self._noted.items():
            thing = noted[-1][1]
            if _is_gone(thing):
                is_back = thing.place in places and thing.place not in expected and not code_was_under_way
                what = "is back" if is_back else ""
            else:
                what = self._become(thing, now.get(key), places.get(thing.place), code_was_under_way)
            if what:
                problems.append(Problem(thing, what, tuple({row.pk: row for row, _ in noted}.values())))
        lost = {problem.thing.table_oid for problem in problems if problem.thing.kind == "table"}
        problems = [
            problem for problem in problems if problem.thing.kind == "table" or problem.thing.table_oid not in lost
        ]
        return sorted(problems, key=lambda present: (_ORDER.index(present.thing.kind), present.thing.place))

    def _become(self, thing: Thing, itself: Thing | None, namesake: Thing | None, lenient: bool) -> str:
        """What has become of a thing; nothing where it is as it was."""
        if itself is not None and itself.place == thing.place:
            differs = thing.kind == "column" and itself.definition != thing.definition and not lenient
            return f"was changed: it is {itself.definition} now" if differs else _unless_whole(thing, itself)
        if namesake is None:
            now = f', and is "{itself.name}" of {itself.table} now' if itself else ""
            return f"{_GONE}{now}"
        if (thing.kind == "table" and self.exact) or (namesake.definition != thing.definition and not lenient):
            return f"is another one: {namesake.definition}" if namesake.definition else "is another one"
        return _unless_whole(thing, namesake)

    def _now(self) -> dict[ThingKey, Thing]:
        known = self._known().values()
        marked_things = (
            table_objects.of_tables(self.context.connection, {thing.table_oid for thing in known}, list(known))
            if known
            else {}
        )
        return {key: marked_thing.thing for key, marked_thing in marked_things.items()}

    def _known(self) -> dict[ThingKey, Thing]:
        return {key: noted[-1][1] for key, noted in self._noted.items()}

    def _places(self) -> set[Place]:
        return {thing.place for thing in self._known().values() if not _is_gone(thing)}

    def _of(self, row: Row) -> list[Thing]:
        return [thing for noted in self._noted.values() for by, thing in noted if by.pk == row.pk]

    def _strike(self, row: Row) -> None:
        for key, noted in list(self._noted.items()):
            self._noted[key] = [(by, thing) for by, thing in noted if by.pk != row.pk]
            if not self._noted[key]:
                del self._noted[key]
        self._keep(row, self._handed.get(row.pk, ()))

    def _write(self, row: Row, things: Collection[Thing]) -> None:
        if things:
            self._keep(row, things)
            self.context.journal.note_effect(row, [thing.as_json() for thing in self._of(row)])

    def _keep(self, row: Row, things: Iterable[Thing]) -> None:
        for thing in things:
            noted = self._noted.setdefault(thing.key, [])
            noted[:] = [(by, other) for by, other in noted if by.pk != row.pk] + [(row, thing)]


def _is_gone(thing: Thing) -> bool:
    return thing.definition is None


def _is_broken_off(thing: Thing) -> bool:
    """An index that a concurrent build has left invalid: nothing is done with it, and whoever drops it does right."""
    return thing.kind == "index" and not thing.valid and not _is_gone(thing)


def _unless_whole(thing: Thing, present: Thing) -> str:
    return "is not valid any more" if thing.valid and not present.valid else ""


def refused(migration: Key, problems: Collection[Problem], *, backwards: bool) -> MigrationFailed:
    """What to say of what is not as it was left."""
    first, *others = problems
    rows = {row.pk: row for problem in problems for row in problem.rows}
    numbers = sorted({row.ordinal + 1 for row in rows.values()})
    done = (
        f"operation {numbers[0]} of {migration} has"
        if len(numbers) == 1
        else (f"operations {', '.join(map(str, numbers))} of {migration} have")
    )
    was = (
        "removed it"
        if _is_gone(first.thing)
        else f"left it as {first.thing.definition}"
        if first.thing.definition
        else "left it"
    )
    also = "".join(f"\n{problem.thing} {problem.what}" for problem in others[: policy.THINGS_SHOWN])
    if len(others) > policy.THINGS_SHOWN:
        also += f"\nand {len(others) - policy.THINGS_SHOWN} more"
    mends = "".join(f"\n  {problem.mend}" for problem in (first, *others[: policy.THINGS_SHOWN]) if problem.mend)
    again = f"manage.py lockgate repair {' '.join(map(str, sorted(rows)))} --forget --apply"
    right = "or, where it is right as it is: do by hand what is left of the migration, and record it:  "
    record = f"\n{right}manage.py migrate {migration.app} {migration.name} --fake"
    return MigrationFailed(
        f"{first.thing} {first.what}",
        why=f"{done} {was}, and counts as done: somebody has changed that since, or the migration's own code has{also}",
        state=f"{migration} counts as applied, and is half-way back" if backwards else "",
        next_step=f"bring it by hand to where it was, and run again{':' + mends if mends else ''}\n"
        f"or, once what is left of it is out of the way, have the operation run again from its start:  {again}"
        + ("" if backwards else record),
    )
