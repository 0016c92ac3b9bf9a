"""Which changes of a column's type PostgreSQL makes in the catalog alone, which need a scan, and which a rewrite.

Complete for the types that Django's fields make; whatever is not listed is a rewrite, which is the safe guess.
Verified against PostgreSQL, pair by pair (tests/postgres/test_plan_locks.py).

Sources: https://www.postgresql.org/docs/current/sql-altertable.html ("As an exception, when changing the type of an
existing column, if the USING clause does not change the column contents and the old type is either binary coercible to
the new type or an unconstrained domain over the new type, a table rewrite is not needed"); the casts marked as
binary coercible in ``pg_cast``; and the support functions that drop a length coercion which cannot fail
(varchar_support, varbit_support, numeric_support, timestamp_support, interval_support).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from lockgate.planning.steps import Work

# Binary coercible, both ways unless said otherwise. Indexes are kept where the operator class is shared, and
# Django drops and makes its own pattern indexes itself.
_SAME_BYTES = {
    ("varchar", "text"),
    ("text", "varchar"),  # without a length
    ("citext", "text"),
    ("text", "citext"),
    ("varchar", "citext"),
    ("citext", "varchar"),
    ("cidr", "inet"),  # not back
    ("xml", "text"),
    ("bit", "varbit"),
}

_TYPE = re.compile(
    r"^(?P<name>[a-z0-9_ ]+?)\s*"
    r"(?:\((?P<first>\d+)(?:\s*,\s*(?P<second>-?\d+))?\))?"
    r"(?P<rest>[ a-z]*)(?P<array>(\[\d*\])*)$"
)
_ALIASES = {
    "character varying": "varchar",
    "bit varying": "varbit",
    "decimal": "numeric",
    "timestamp with time zone": "timestamptz",
}


@dataclass(frozen=True)
class _Type:
    name: str
    modifiers: tuple[int, ...]
    array: str


def work(old: str, new: str, *, collation: bool = False) -> Work:
    """What PostgreSQL does to the rows when a column's type changes from one to another, as Django writes types.

    collation: whether the collation changes with it; the bytes stay, but indexes on the column are built again.
    """
    before, after = _parse(old), _parse(new)
    if before is None or after is None or before.array != after.array:
        return Work.REWRITE
    if not _keeps_bytes(before, after):
        return Work.REWRITE
    return Work.BUILD if collation else Work.MOMENT


def _keeps_bytes(before: _Type, after: _Type) -> bool:
    if before.name == after.name:
        return _loosened(before, after)
    if (before.name, after.name) in _SAME_BYTES:
        return not after.modifiers  # a new length is a check of every row, and PostgreSQL rewrites for it
    return False


def _loosened(before: _Type, after: _Type) -> bool:
    """The same type with a modifier that no stored value can violate."""
    if before.modifiers == after.modifiers:
        return True
    if not after.modifiers:
        return before.name in ("varchar", "varbit", "numeric", "timestamp", "timestamptz", "time", "timetz", "interval")
    if not before.modifiers:
        return before.name in ("timestamp", "timestamptz", "time", "timetz", "interval") and after.modifiers[0] >= 6
    if before.name == "numeric":
        (precision, scale), (new_precision, new_scale) = _numeric(before), _numeric(after)
        return new_scale == scale and new_precision >= precision
    if before.name in ("varchar", "varbit", "timestamp", "timestamptz", "time", "timetz", "interval"):
        return after.modifiers[0] >= before.modifiers[0]
    return False


def _numeric(given: _Type) -> tuple[int, int]:
    return given.modifiers[0], given.modifiers[1] if len(given.modifiers) > 1 else 0


def _parse(text: str) -> _Type | None:
    """A type as Django writes it; None for what has no such form (a geometry, an enum with a schema …)."""
    found = _TYPE.match(text.strip().lower())
    if found is None:
        return None
    name = f"{found['name']}{found['rest']}".strip()
    modifiers = tuple(int(number) for number in (found["first"], found["second"]) if number is not None)
    return _Type(_ALIASES.get(name, name), modifiers, found["array"])
