"""What SQL statements change, as PostgreSQL's own parser reads them: for each kind of statement a function.

A statement or a part of one that is not listed, a function whose body is elsewhere, SQL that is made up at run time,
and all SQL where there is no parser is ``Kind.UNKNOWN``, with what it is; nothing is left out in silence.
"""

from __future__ import annotations

from functools import lru_cache

from lockgate.planning import sql_parser
from lockgate.planning.sql_changes import alter_table, bodies, objects, rows, tables, types
from lockgate.planning.sql_changes.reading import Reader, unknown
from lockgate.planning.sql_parser import Parsed
from lockgate.planning.steps import Change, Kind

_KEPT = 4096  # texts whose changes are remembered
NO_PARSER = "SQL that was not read: PostgreSQL's parser is not installed"
_LEFT_OUT = frozenset({Kind.UNKNOWN, Kind.OTHER, Kind.READ, Kind.READ_ROWS, Kind.LOCK_ROWS})
# What is known to run in a transaction, and waits for tables alone, not for rows that others have changed.
_OF_TABLES = frozenset({
    Kind.CREATE_TABLE, Kind.COLUMN_OF_NEW,
    Kind.DROP_TABLE, Kind.RENAME_TABLE, Kind.MOVE_TABLE, Kind.COMMENT, Kind.ADD_COLUMN,
    Kind.DROP_COLUMN, Kind.RENAME_COLUMN, Kind.ALTER_TYPE, Kind.SET_NOT_NULL, Kind.DROP_NOT_NULL, Kind.SET_DEFAULT,
    Kind.DROP_DEFAULT, Kind.ADD_IDENTITY, Kind.DROP_IDENTITY, Kind.ADD_INDEX, Kind.DROP_INDEX, Kind.RENAME_INDEX,
    Kind.ADD_UNIQUE, Kind.ADD_PRIMARY_KEY, Kind.ADD_CHECK, Kind.ADD_FOREIGN_KEY, Kind.ADD_EXCLUSION,
    Kind.DROP_CONSTRAINT, Kind.VALIDATE_CONSTRAINT, Kind.RENAME_CONSTRAINT, Kind.ALTER_CONSTRAINT, Kind.SET_EXPRESSION,
    Kind.SET_STATISTICS, Kind.SET_STORAGE, Kind.TABLE_OPTIONS, Kind.STRONG_OPTIONS, Kind.INDEX_OPTIONS, Kind.MOVE_INDEX,
    Kind.OWNER, Kind.SET_SCHEMA, Kind.RENAME_SCHEMA, Kind.CLUSTER_ON, Kind.REPLICA_IDENTITY, Kind.INHERIT,
    Kind.GIVE_PARENT, Kind.ADD_PARTITION, Kind.ATTACH_PARTITION, Kind.BECOME_PARTITION, Kind.DETACH_PARTITION,
    Kind.DETACHED, Kind.CREATE_TRIGGER, Kind.SWITCH_TRIGGER, Kind.DROP_TRIGGER, Kind.RULE, Kind.ROW_SECURITY,
    Kind.STATISTICS, Kind.VIEW, Kind.SEQUENCE, Kind.DROP_SEQUENCE, Kind.TRUNCATE, Kind.ANALYZE, Kind.READ,
})  # fmt: skip
_MODULES = (alter_table, tables, objects, types, rows, bodies)
_READERS: dict[str, Reader] = {kind: reader for module in _MODULES for kind, reader in module.READERS.items()}


@lru_cache(_KEPT)
def of(text: str) -> tuple[Change, ...]:
    """What the statements of a text change, in their order; UNKNOWN for what cannot be told."""
    parsed = sql_parser.parse(text)
    if parsed is None:
        return unknown("SQL that PostgreSQL's parser does not read" if sql_parser.available() else NO_PARSER)
    return tuple(change for statement in parsed for change in of_statement(statement))


def of_statement(parsed: Parsed) -> tuple[Change, ...]:
    reader = _READERS.get(parsed.kind)
    if reader is None:
        return unknown(f"a statement that is not known ({parsed.kind})")
    return tuple(reader(parsed.body))


def known(text: str) -> tuple[Change, ...]:
    """The same, as far as it is known to change something of a table, an index or an extension."""
    return tuple(change for change in of(text) if change.kind not in _LEFT_OUT)


def is_of_tables_alone(text: str) -> bool:
    """Whether a text is known to do nothing but what changes tables as such, or empties them: all of it, or nothing."""
    changes = of(text)
    return bool(changes) and all(change.kind in _OF_TABLES and not change.concurrently for change in changes)


bodies.set_reader(of)
