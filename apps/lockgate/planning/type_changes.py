"""Which changes of a column's type PostgreSQL makes in the catalog alone, which need a scan, and which a rewrite.

Complete for the types that Django's fields make; whatever is not listed is a rewrite, which is the safe guess.
Verified against PostgreSQL, pair by pair (tests/postgres/test_plan_types.py).

Sources: https://www.postgresql.org/docs/current/sql-altertable.html ("As an exception, when changing the type of an
existing column, if the USING clause does not change the column contents and the old type is either binary coercible to
the new type or an unconstrained domain over the new type, a table rewrite is not needed"); the casts marked as
binary coercible in ``pg_cast``; and the support functions that drop a length coercion which cannot fail
(varchar_support, varbit_support, numeric_support, timestamp_support, interval_support).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

from lockgate.planning import new_types
from lockgate.planning.named_objects import NamedObject
from lockgate.planning.steps import Work

# Binary coercible; the new type without a length. Indexes are kept where both types share their operator class.
_SAME_BYTES = {
    ("varchar", "text"): Work.MOMENT,
    ("text", "varchar"): Work.MOMENT,
    ("cidr", "inet"): Work.MOMENT,  # not back
    ("xml", "text"): Work.MOMENT,
    ("xml", "varchar"): Work.MOMENT,
    ("bit", "varbit"): Work.BUILD,
    ("citext", "text"): Work.BUILD,
    ("text", "citext"): Work.BUILD,
    ("varchar", "citext"): Work.BUILD,
    ("citext", "varchar"): Work.BUILD,
}
# Zones without an offset, at any time: PostgreSQL itself asks that (TimestampTimestampTzRequiresRewrite()).
_UTC = frozenset({"UTC", "Etc/UTC", "GMT", "Etc/GMT", "UCT", "Etc/UCT", "Zulu", "Etc/Zulu"})
# Bare, these are of length 1; every other type without a modifier takes whatever there is.
_ONE_BY_DEFAULT = ("char", "character", "bit")
_WIDENED = ("varchar", "varbit", "timestamp", "timestamptz", "time", "timetz", "interval")
_SECONDS = ("timestamp", "timestamptz", "time", "timetz", "interval")
_PLACES = 6  # of the fraction of a second, where nothing is said
_BYTES = {"smallint": 2, "integer": 4, "bigint": 8, "real": 4, "double precision": 8}
_TEXTS = ("text", "varchar", "citext", "char", "character")

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


class _Type(NamedTuple):
    name: str
    modifiers: tuple[int, ...]
    array: str


def work(old: str, new: str, *, collation: bool = False, zone: str = "") -> Work:
    """What PostgreSQL does when a column's type changes from one to another, as Django writes types.

    BUILD: the rows stay, and the indexes on the column are built again.
    collation: whether the collation changes with it; the rows stay, but not the indexes.
    zone: of the session; where it is UTC, a timestamp is stored like one with a time zone. Unknown, it may be any.
    """
    before, after = _parse(old), _parse(new)
    if before is None or after is None or before.array != after.array:
        return Work.REWRITE
    if before.name == after.name:
        kept = Work.MOMENT if _loosened(before, after) else Work.REWRITE
    elif after.modifiers or before.array:  # a new length is a check of every row, and PostgreSQL rewrites for it
        kept = Work.REWRITE
    else:
        pair = (before.name, after.name)
        in_utc = Work.BUILD if zone in _UTC and {*pair} == {"timestamp", "timestamptz"} else Work.REWRITE
        kept = _SAME_BYTES.get(pair, in_utc)
    return Work.BUILD if kept is Work.MOMENT and collation else kept


def stored(old: str, new: str, types: new_types.Types) -> tuple[str, str]:
    """What a change of a column's type comes to for its rows: a domain is stored as what it stands on."""
    return (old, new) if old == new else (new_types.stored(old, types), new_types.unproven(new, types))


def with_dependents(work: Work, column: str, dependents: Iterable[NamedObject]) -> Work:
    """The work of a type change with what hangs on the column, which PostgreSQL makes anew even if the type stays.

    An index is kept unless its operators change, or it has an expression or a condition; a check reads every row.
    Source: ATPostAlterTypeCleanup() in src/backend/commands/tablecmds.c, CheckIndexCompatible() in indexcmds.c
    """
    if work is Work.REWRITE:
        return work
    concerned = [dependent for dependent in dependents if dependent.uses is None or column in dependent.uses]
    indexes = [named_object for named_object in concerned if named_object.is_index]
    if any(work is Work.BUILD or index.computed for index in indexes):
        return Work.BUILD
    return Work.SCAN if any(named_object.kind == "c" for named_object in concerned) else Work.MOMENT


def narrows(old: str, new: str) -> bool:
    """Whether a type holds less than the one before it: a shorter text, a smaller number."""
    before, after = _parse(old), _parse(new)
    if before is None or after is None or before.array != after.array:
        return False
    if before.name in _BYTES and after.name in _BYTES:
        return _BYTES[after.name] < _BYTES[before.name]
    if before.name != after.name and not (before.name in _TEXTS and after.name in _TEXTS):
        return False
    most, allowed = _most(before), _most(after)
    return bool(allowed) and (not most or any(b < a for a, b in zip(most, allowed, strict=False)))


def _most(parsed: _Type) -> tuple[int, ...]:
    """What a type with modifiers holds: characters, bits, places, or digits before and after the point."""
    if parsed.name == "numeric" and parsed.modifiers:
        precision, scale = _numeric(parsed)
        return precision - scale, scale
    if parsed.name in _SECONDS:
        return parsed.modifiers or (_PLACES,)
    return parsed.modifiers or ((1,) if parsed.name in _ONE_BY_DEFAULT else ())


def _loosened(before: _Type, after: _Type) -> bool:
    """The same type with a modifier that no stored value can violate."""
    if before.modifiers == after.modifiers:
        return True
    if not after.modifiers:
        return before.name not in _ONE_BY_DEFAULT
    if before.array:
        return False
    if not before.modifiers:
        return before.name in _SECONDS and after.modifiers[0] >= _PLACES
    if before.name == "numeric":
        (precision, scale), (new_precision, new_scale) = _numeric(before), _numeric(after)
        return new_scale == scale and new_precision >= precision
    return before.name in _WIDENED and after.modifiers[0] >= before.modifiers[0]


def _numeric(parsed: _Type) -> tuple[int, int]:
    return parsed.modifiers[0], parsed.modifiers[1] if len(parsed.modifiers) > 1 else 0


def _parse(text: str) -> _Type | None:
    """A type as Django writes it; None for what has no such form (a geometry, an enum with a schema …)."""
    match = _TYPE.match(text.strip().lower())
    if match is None:
        return None
    name = f"{match['name']}{match['rest']}".strip()
    modifiers = tuple(int(number) for number in (match["first"], match["second"]) if number is not None)
    return _Type(_ALIASES.get(name, name), modifiers, match["array"])
