"""What is known of a table's rows in the midst of a migration: which columns are all NULL, which references hold.

What is put off until after the switch must not be able to fail on rows: by then the migration counts, and cannot be
rolled back. So it is put off only where this says that no row can violate it.
"""

from __future__ import annotations

from lockgate.planning.steps import Change, Kind

Reference = tuple[str, tuple[str, ...], str]  # table, columns, and the table they refer to


class KnownRows:
    """Of one migration, as its changes are remembered one after another."""

    def __init__(self) -> None:
        self._empty: set[tuple[str, str]] = set()
        self._held: set[Reference] = set()
        self._renamed: dict[str, str] = {}  # a dropped foreign key is known by its table's name of before

    def satisfy(self, change: Change) -> bool:
        """Whether no row that is there can violate a new foreign key, unique constraint or unique index.

        Of checks nothing is known: their conditions are not looked into.
        """
        if change.kind is Kind.ADD_FOREIGN_KEY:
            return self._any_empty(change) or _reference(change) in self._held
        if change.kind in (Kind.ADD_UNIQUE, Kind.ADD_INDEX):
            return self._any_empty(change) and not (change.nulls_equal or change.expression)
        return False

    def remember(self, change: Change) -> None:
        columns = {(change.table, column) for column in change.columns}
        if change.kind is Kind.ADD_COLUMN:
            self._empty -= columns
            if not (change.default or change.not_null or change.stored or change.identity):
                self._empty |= columns
        elif change.kind is Kind.DROP_CONSTRAINT and change.references:
            to = self._renamed.get(change.references, change.references)
            self._held.add((change.table, change.columns, to))
        elif change.kind is Kind.UPDATE_ROWS:
            self._empty -= columns
            self._held = {
                known for known in self._held if not (known[0] == change.table and {*known[1]} & {*change.columns})
            }
        elif change.kind is Kind.RENAME_COLUMN:
            self._rename_column(change)
        elif change.kind is Kind.RENAME_TABLE:
            self._rename_table(change.old_name, change.name)

    def _any_empty(self, change: Change) -> bool:
        return any((change.table, column) in self._empty for column in change.columns)

    def _rename_column(self, change: Change) -> None:
        def now(table: str, column: str) -> str:
            return change.name if (table, column) == (change.table, change.old_name) else column

        self._empty = {(table, now(table, column)) for table, column in self._empty}
        self._held = {(table, tuple(now(table, column) for column in columns), to) for table, columns, to in self._held}

    def _rename_table(self, old: str, new: str) -> None:
        def now(table: str) -> str:
            return new if table == old else table

        self._renamed = {**{before: now(by_then) for before, by_then in self._renamed.items()}, old: new}
        self._empty = {(now(table), column) for table, column in self._empty}
        self._held = {(now(table), columns, now(to)) for table, columns, to in self._held}


def _reference(change: Change) -> Reference:
    return change.table, change.columns, change.references
