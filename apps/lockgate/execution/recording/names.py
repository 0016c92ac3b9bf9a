"""The names that PostgreSQL gives to what is made without one."""

from __future__ import annotations

NAME_LIMIT = 63  # bytes: PostgreSQL's names are no longer


def given(table: str, column: str, label: str) -> str:
    """The name PostgreSQL gives a constraint without one, shortened as it does: the longer part first.

    Source: makeObjectName() in src/backend/commands/indexcmds.c
    """
    parts = [table, column] if column else [table]
    while len("_".join([*parts, label])) > NAME_LIMIT:
        longest = max(range(len(parts)), key=lambda number: len(parts[number]))
        parts[longest] = parts[longest][:-1]
    return "_".join([*parts, label])
