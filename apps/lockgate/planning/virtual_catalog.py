"""The catalog as it will be at a point of a plan: the present facts, with the plan's own changes applied.

Django queries the database for the names of constraints that it drops. In a plan, the answer comes from the present
catalog and the results of earlier steps, so planning sends no query.
"""

from __future__ import annotations

from collections.abc import Callable, Collection

from lockgate.facts.tables import DatabaseFacts, TableFacts
from lockgate.facts.types import TypeFacts
from lockgate.planning import named_objects
from lockgate.planning.identifiers import unquoted
from lockgate.planning.named_objects import NamedObject
from lockgate.planning.sql_columns import SqlColumns
from lockgate.planning.steps import Change, Kind


class VirtualCatalog:
    """Changes as the plan proceeds; ``facts`` stay those of now."""

    def __init__(self, facts: DatabaseFacts) -> None:
        self.facts = facts
        self.new_tables: set[str] = set()
        self.changed: set[str] = set()  # tables that are no longer as in the facts
        self.sql_tables: set[str] = set()  # those that the migrations' own SQL makes: what they have is not known
        self.types = dict(facts.types)  # those that are not PostgreSQL's own, as the migrations' own SQL leaves them
        self.columns = SqlColumns()
        self._sql_indexes: dict[str, str] = {}  # the table of each index that it makes
        self._was: dict[str, str] = {}  # a renamed table's name in the facts
        self._named: dict[str, list[NamedObject]] = {
            name: named_objects.of_table(table) for name, table in facts.tables.items()
        }

    def fact(self, table: str) -> TableFacts | None:
        """The facts of a table that exists now, under whatever name it will have; None for one that the plan makes."""
        table = unquoted(table)
        return None if table in self.new_tables else self.facts.table(self._was.get(table, table))

    def knows(self, table: str) -> bool:
        """Whether what a table has is known: it was looked at, or the plan makes it. Offline a history says it."""
        return self.facts.offline or unquoted(table) in self.new_tables or self.fact(table) is not None

    def is_large(self, table: str, threshold: int) -> bool:
        table = unquoted(table)
        return table not in self.new_tables and self.facts.is_large(self._was.get(table, table), threshold)

    def named(self, table: str) -> list[NamedObject]:
        return list(self._named.get(unquoted(table), ()))

    def find(self, table: str, name: str) -> NamedObject | None:
        return next((named_object for named_object in self.named(table) if named_object.name == name), None)

    def refers(self, table: str) -> bool:
        """Whether a table has a foreign key."""
        return any(named_object.kind == "f" for named_object in self._named.get(table, ()))

    def proofs(self, table: str, column: str) -> set[str]:
        """Validated checks of a table that say that a column is not NULL: then SET NOT NULL reads no row."""
        return {
            named_object.name
            for named_object in self.named(table)
            if named_object.validated and column in named_object.requires
        }

    def table_of_index(self, name: str) -> str:
        """The table of an index, or of a constraint's; empty where it is not known."""
        tables = (
            table
            for table, named in self._named.items()
            for named_object in named
            if named_object.is_index and named_object.name == name
        )
        return next(tables, self._sql_indexes.get(name, ""))

    def covering(self, table: str, known: NamedObject) -> tuple[str, ...]:
        """The other indexes that serve what one does: they begin with its columns, and are unique where it is."""
        number = len(known.columns)
        return tuple(
            named_object.name
            for named_object in self.named(table)
            if named_object.is_index
            and named_object.name != known.name
            and named_object.columns[:number] == known.columns
            and not named_object.computed
            and (not known.unique or (named_object.unique and len(named_object.columns) == number))
        )

    def shared(self, table: str, column: str) -> tuple[NamedObject, ...]:
        """Indexes and constraints that use a column and others too: PostgreSQL drops them with each of these."""
        used = [
            (named_object, {*named_object.columns, *named_object.included, *(named_object.uses or ())})
            for named_object in self.named(table)
        ]
        return tuple(named_object for named_object, columns in used if column in columns and len(columns) > 1)

    def referring(self, table: str) -> set[str]:
        """The tables with foreign keys to a table, as far as they are known."""
        known = self.fact(table)
        tables = {
            name
            for name, named in self._named.items()
            if any(named_object.references == table for named_object in named)
        }
        return tables | set(known.referenced_by if known else ())

    def note_sql(self, change: Change) -> None:
        """Remember what SQL makes for sure, for what comes later; of what a table has, its checks."""
        self.columns.note(change)
        if change.kind is Kind.CREATE_TABLE and not change.special:
            self.sql_tables.add(change.table)
        elif change.kind is Kind.ADD_INDEX and change.name:
            self._sql_indexes[change.name] = change.table
        elif change.kind is Kind.ADD_CHECK and change.name:
            self._named.setdefault(change.table, []).append(named_objects.of_change(change))
        elif change.kind is Kind.DROP_INDEX:
            self.apply(change._replace(table=self.table_of_index(change.name)))
        elif change.kind in (Kind.VALIDATE_CONSTRAINT, Kind.DROP_CONSTRAINT):
            self.apply(change)
        elif change.kind in (Kind.RENAME_COLUMN, Kind.DROP_COLUMN, Kind.RENAME_TABLE, Kind.DROP_TABLE):
            self._map(change.table, lambda named: named._replace(requires=frozenset()))
        elif change.kind is Kind.OTHER and change.type:
            self.types[change.type] = TypeFacts(change.old_type, change.not_null, change.database_default)

    def constraint_names(  # noqa: PLR0913  Django's own parameters
        self,
        table: str,
        columns: Collection[str] | None,
        *,
        unique: bool | None,
        primary_key: bool | None,
        index: bool | None,
        foreign_key: bool | None,
        check: bool | None,
        method: str | None,
        exclude: Collection[str],
    ) -> list[str]:
        """What Django's introspection would answer: names of constraints and indexes that fit every given condition."""
        wanted_columns = list(columns) if columns is not None else None
        names = []
        for named_object in self.named(table):
            fits = (
                (wanted_columns is None or list(named_object.listed) == wanted_columns)
                and (unique is None or (named_object.unique or named_object.kind in "up") == unique)
                and (primary_key is None or (named_object.kind == "p") == primary_key)
                and (
                    index is None or (named_object.kind == "i") == index
                )  # of a constraint's own index it says nothing
                and (check is None or (named_object.kind == "c") == check)
                and (foreign_key is None or named_object.kind == "f")
                and (method is None or named_object.plain)
                and named_object.name not in exclude
            )
            if fits:
                names.append(named_object.name)
        return names

    def apply(self, change: Change) -> None:
        """Take a change into account."""
        self.columns.note(change)
        table = change.table
        self.changed.update(filter(None, (table, change.name, change.old_name)))
        if change.kind is Kind.CREATE_TABLE:
            self.new_tables.add(table)
            self._named[table] = []
        elif change.kind is Kind.DROP_TABLE:
            self.new_tables.discard(table)
            self._named.pop(table, None)
        elif change.kind is Kind.RENAME_TABLE:
            self._rename_table(change.old_name, change.name)
        elif change.kind in named_objects.KINDS:
            self._named.setdefault(table, []).append(named_objects.of_change(change))
        elif change.kind is Kind.VALIDATE_CONSTRAINT:
            self._map(table, lambda named: named._replace(validated=True) if named.name == change.name else named)
        elif change.kind in (Kind.DROP_CONSTRAINT, Kind.DROP_INDEX):
            self._named[table] = [
                named_object for named_object in self.named(table) if named_object.name != change.name
            ]
        elif change.kind is Kind.RENAME_INDEX:
            self._map(table, lambda named: named._replace(name=change.name) if named.name == change.old_name else named)
        elif change.kind is Kind.DROP_COLUMN:
            gone = change.columns[0]
            self._named[table] = [
                named_object
                for named_object in self.named(table)
                if gone not in named_object.columns and gone not in (named_object.uses or ())
            ]
        elif change.kind is Kind.RENAME_COLUMN:
            old, new = change.old_name, change.name
            self._map(table, lambda named: named_objects.with_column_renamed(named, old, new))

    def _rename_table(self, old: str, new: str) -> None:
        if old in self.new_tables:
            self.new_tables.discard(old)
            self.new_tables.add(new)
        else:
            self._was[new] = self._was.pop(old, old)
        self._named[new] = self._named.pop(old, [])

    def _map(self, table: str, function: Callable[[NamedObject], NamedObject]) -> None:
        self._named[table] = [function(named_object) for named_object in self.named(table)]
