"""What ends a kept default before its contract step runs: changes of its column, or its table, by something else.

A default that stays in the database must be the one that the step later drops, on the column it was made for.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum

from lockgate.planning.steps import Change, Kind, Statement

_OF_TABLE = frozenset({Kind.DROP_TABLE, Kind.RENAME_TABLE, Kind.SET_SCHEMA})
_OF_COLUMN = frozenset(
    {
        Kind.DROP_COLUMN,
        Kind.RENAME_COLUMN,
        Kind.ALTER_TYPE,
        Kind.SET_NOT_NULL,
        Kind.DROP_NOT_NULL,
        Kind.SET_DEFAULT,
        Kind.DROP_DEFAULT,
        Kind.ADD_IDENTITY,
        Kind.DROP_IDENTITY,
        Kind.SET_EXPRESSION,
    }
)
# Changes after which a kept default would be another, or would be taken for one that is meant to stay.
_TOUCHING = frozenset({Kind.ALTER_TYPE, Kind.SET_DEFAULT, Kind.DROP_DEFAULT, Kind.ADD_IDENTITY})


class KeptDefault(Enum):
    """What a later migration means for a default that an earlier one has kept."""

    TOUCHED = "touched"  # it must be dropped first
    GONE = "gone"  # so is its column


def resolve(table: str, column: str, statements: Iterable[Statement]) -> tuple[str, str] | KeptDefault:
    """The names that a column with a kept default has after these statements, or why there is none to be kept.

    Code and SQL that cannot be read may touch any.
    """
    for change in (change for statement in statements for change in statement.changes):
        if _is_unread(change):
            return KeptDefault.TOUCHED
        if change.kind is Kind.RENAME_TABLE and change.old_name == table:
            table = change.name
        if change.table != table:
            continue
        if change.kind is Kind.RENAME_COLUMN and change.old_name == column:
            column = change.name
        elif change.kind is Kind.DROP_TABLE or (change.kind is Kind.DROP_COLUMN and column in change.columns):
            return KeptDefault.GONE
        elif change.kind in _TOUCHING and column in change.columns:
            return KeptDefault.TOUCHED
    return table, column


def _is_unread(change: Change) -> bool:
    return change.unread or change.kind in (Kind.UNKNOWN, Kind.RENAME_SCHEMA)


def disturbs(statement: Statement, table: str, column: str) -> bool:
    """Whether a statement changes a column's name, type, nullability or default, or may; or takes it away."""
    return any(_changes(change, table, column) for change in statement.changes)


def _changes(change: Change, table: str, column: str) -> bool:
    if _is_unread(change):
        return True
    if change.table != table:
        return False
    return change.kind in _OF_TABLE or (change.kind in _OF_COLUMN and column in (*change.columns, change.old_name))
