"""What SQL statements change, as PostgreSQL's own parser reads them: for each kind of statement a function.

A statement or a part of one that is not listed, a function whose body is elsewhere, SQL that is made up at run time,
and all SQL where there is no parser is ``Kind.UNKNOWN``, with what it is; nothing is left out in silence.
"""

from __future__ import annotations

from functools import lru_cache

from lockgate.planning import sql_parser
from lockgate.planning.sql_changes import alter_table, bodies, objects, rows
from lockgate.planning.sql_changes.reading import Reader, unknown
from lockgate.planning.sql_parser import Parsed
from lockgate.planning.steps import Change, Kind

_KEPT = 4096  # texts whose changes are remembered
NO_PARSER = "SQL that was not read: PostgreSQL's parser is not installed"
_LEFT_OUT = frozenset({Kind.UNKNOWN, Kind.OTHER, Kind.READ, Kind.READ_ROWS, Kind.LOCK_ROWS})
# What can run in a transaction, and changes no rows of its own: for long, or waiting for others' rows.
_SCHEMA = frozenset(Kind) - _LEFT_OUT - {
    Kind.REFRESH, Kind.LOCK_TABLE, Kind.VACUUM, Kind.VACUUM_FULL, Kind.CLUSTER, Kind.REINDEX, Kind.INSERT_ROWS,
    Kind.WRITES_LATER, Kind.UPDATE_ROWS, Kind.RUN_SQL, Kind.RUN_PYTHON,
} | {Kind.READ}  # fmt: skip
_READERS: dict[str, Reader] = {**alter_table.READERS, **objects.READERS, **rows.READERS, **bodies.READERS}


@lru_cache(_KEPT)
def of(text: str) -> tuple[Change, ...]:
    """What the statements of a text change, in their order; UNKNOWN for what cannot be told."""
    parsed = sql_parser.parse(text)
    if parsed is None:
        return unknown("SQL that PostgreSQL's parser does not read" if sql_parser.available() else NO_PARSER)
    return tuple(change for each in parsed for change in of_statement(each))


def of_statement(parsed: Parsed) -> tuple[Change, ...]:
    reader = _READERS.get(parsed.kind)
    if reader is None:
        return unknown(f"a statement that is not known ({parsed.kind})")
    return tuple(reader(parsed.body))


def known(text: str) -> tuple[Change, ...]:
    """The same, as far as it is known to change something of a table, an index or an extension."""
    return tuple(change for change in of(text) if change.kind not in _LEFT_OUT)


def is_schema_alone(text: str) -> bool:
    """Whether a text is known to change the schema and nothing else: PostgreSQL does all of it, or nothing."""
    changes = of(text)
    return bool(changes) and all(change.kind in _SCHEMA and not change.concurrently for change in changes)


bodies.set_reader(of)
