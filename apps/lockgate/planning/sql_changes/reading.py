"""What all readers of statements have in common."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from lockgate.planning.sql_parser import Tree
from lockgate.planning.steps import Change, Kind

Reader = Callable[[Tree], Iterable[Change]]


def unknown(what: str, table: str = "", *, told: bool = False) -> tuple[Change, ...]:
    """told: a rule of its own says what it does, though not to which tables."""
    return (Change(Kind.UNKNOWN, table, name=what, read=told),)


def locks_nothing(_: Tree) -> tuple[Change, ...]:
    """It locks no table that others use."""
    return (Change(Kind.OTHER, ""),)
