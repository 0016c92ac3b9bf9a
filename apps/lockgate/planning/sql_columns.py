"""The types of columns that a plan has made or changed by now: neither models nor the catalog know those of SQL."""

from __future__ import annotations

from lockgate.planning.steps import Change, Kind

_TYPED = frozenset({Kind.ADD_COLUMN, Kind.ALTER_TYPE, Kind.COLUMN_OF_NEW})
_GONE = frozenset({Kind.DROP_TABLE, Kind.RENAME_TABLE})


class SqlColumns:
    """By table and column; the primary key by table alone too."""

    def __init__(self) -> None:
        self._types: dict[tuple[str, str], str] = {}

    def note(self, change: Change) -> None:
        if change.kind in _TYPED:
            self._types[change.table, change.columns[0]] = change.type.removesuffix(" using")
            if change.unique:
                self._types[change.table, ""] = change.type
        elif change.kind is Kind.DROP_COLUMN:
            self._types.pop((change.table, change.columns[0]), None)
        elif change.kind is Kind.RENAME_COLUMN:
            if moved := self._types.pop((change.table, change.old_name), ""):
                self._types[change.table, change.name] = moved
        elif change.kind in _GONE:
            left = {change.table, change.old_name}
            self._types = {place: type_ for place, type_ in self._types.items() if place[0] not in left}

    def type_of(self, table: str, column: str) -> str:
        """As it was written; empty where it is not known. column: empty for the primary key."""
        return self._types.get((table, column), "")
