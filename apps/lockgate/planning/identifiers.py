"""The names that PostgreSQL gives to what is made without one, and what it makes of names that are too long."""

from __future__ import annotations

from hashlib import md5

NAME_LIMIT = 63  # bytes: PostgreSQL's names are no longer
_DIGEST = 8  # characters that tell shortened names apart


def given(table: str, column: str, label: str) -> str:
    """The name PostgreSQL gives a constraint without one, shortened as it does: the longer part first.

    Source: makeObjectName() in src/backend/commands/indexcmds.c
    """
    room = NAME_LIMIT - len(f"_{label}".encode()) - (1 if column else 0)
    first, second = len(table.encode()), len(column.encode())
    while first + second > room:
        if first > second:
            first -= 1
        else:
            second -= 1
    parts = [_clipped(table, first), _clipped(column, second)] if column else [_clipped(table, first)]
    return "_".join([*parts, label])


def stored(name: str) -> str:
    """A name as the catalog has it: PostgreSQL cuts off what is too long, without an error."""
    return _clipped(name, NAME_LIMIT)


def distinct(stem: str, label: str) -> str:
    """A name of our own that ends in a label; where the stem must be shortened, with a digest of all of it."""
    whole = f"{stem}_{label}"
    if len(whole.encode()) <= NAME_LIMIT:
        return whole
    ending = f"_{md5(stem.encode(), usedforsecurity=False).hexdigest()[:_DIGEST]}_{label}"
    return _clipped(stem, NAME_LIMIT - len(ending)) + ending


def unquoted(table: str) -> str:
    """A table's name as plans have it. Django sends one that has quotes of its own as it is, so it may name a schema:
    ``"other"."table"`` is ``other"."table`` here, and quoted again by whoever sends it.
    """
    quoted = len(table) > 1 and table.startswith('"') and table.endswith('"')
    return table[1:-1] if quoted else table


def names_schema(table: str) -> bool:
    return '"' in table


def bare(name: str) -> str:
    """A name as plans have it, without the schema that it may begin with."""
    return name.rpartition('"."')[2]


def _clipped(text: str, size: int) -> str:
    """What fits into so many bytes; no character is cut in two."""
    return text.encode()[:size].decode(errors="ignore")
