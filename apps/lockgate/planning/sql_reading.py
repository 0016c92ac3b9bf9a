"""Reads SQL statements as far as a plan needs it: what the plain ones change.

A reader of the forms that migrations use. What it does not know it leaves alone: squawk, with PostgreSQL's whole
grammar, is asked as well where it is installed. Nothing here rewrites SQL.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from lockgate.planning import type_changes
from lockgate.planning.sql_statements import SqlStatement
from lockgate.planning.steps import Change, Kind


def changes(statement: SqlStatement) -> tuple[Change, ...]:
    """What a plain DDL or data statement changes; nothing for what is not known."""
    reader = _Reader(statement.tokens)
    for words, read in _FORMS:
        if reader.take(*words):
            return tuple(read(reader))
    return ()


class _Reader:
    """A place in a statement's tokens."""

    def __init__(self, tokens: tuple[str, ...]) -> None:
        self.tokens, self.at = tokens, 0

    def take(self, *words: str) -> bool:
        if self.tokens[self.at : self.at + len(words)] != words or not words:
            return False
        self.at += len(words)
        return True

    def name(self) -> str:
        """An identifier, without its schema."""
        name = self._identifier()
        while self.take("."):
            name = self._identifier()
        return name

    def _identifier(self) -> str:
        part = self.tokens[self.at] if self.at < len(self.tokens) else ""
        self.at += 1
        return part[1:-1].replace('""', '"') if part.startswith('"') else part.lower()

    def rest(self) -> tuple[str, ...]:
        return self.tokens[self.at :]

    def names(self) -> tuple[str, ...]:
        """A list in parentheses: the first word of each item."""
        if not self.take("("):
            return ()
        found, depth, fresh = [], 1, True
        while depth and self.at < len(self.tokens):
            part = self.tokens[self.at]
            if fresh and part not in "()":
                found.append(self._identifier())
                fresh = False
                continue
            depth += {"(": 1, ")": -1}.get(part, 0)
            fresh = part == "," and depth == 1
            self.at += 1
        return tuple(found)

    def actions(self) -> list[_Reader]:
        """What is separated by commas outside parentheses, each with a reader of its own."""
        parts: list[list[str]] = [[]]
        depth = 0
        for part in self.rest():
            depth += {"(": 1, ")": -1}.get(part, 0)
            if part == "," and depth == 0:
                parts.append([])
            else:
                parts[-1].append(part)
        return [_Reader(tuple(part)) for part in parts if part]

    def has(self, *words: str) -> bool:
        return SqlStatement(self.rest()).has(*words)

    def after(self, *words: str) -> _Reader | None:
        for at in range(self.at, len(self.tokens)):
            if self.tokens[at : at + len(words)] == words:
                found = _Reader(self.tokens)
                found.at = at + len(words)
                return found
        return None


def _create_index(reader: _Reader) -> Iterator[Change]:
    concurrently = reader.take("CONCURRENTLY")
    reader.take("IF", "NOT", "EXISTS")
    name = "" if reader.rest()[:1] == ("ON",) else reader.name()
    reader.take("ON")
    reader.take("ONLY")
    table = reader.name()
    if reader.take("USING"):
        reader.name()
    columns = reader.names()
    unique = "UNIQUE" in reader.tokens[:2]
    partial = reader.has("WHERE")
    yield Change(Kind.ADD_INDEX, table, columns, name, unique=unique, partial=partial, concurrently=concurrently)


def _drop_index(reader: _Reader) -> Iterator[Change]:
    concurrently = reader.take("CONCURRENTLY")
    reader.take("IF", "EXISTS")
    yield Change(Kind.DROP_INDEX, "", name=reader.name(), concurrently=concurrently)


def _create_table(reader: _Reader) -> Iterator[Change]:
    reader.take("IF", "NOT", "EXISTS")
    yield Change(Kind.CREATE_TABLE, reader.name())


def _drop_table(reader: _Reader) -> Iterator[Change]:
    reader.take("IF", "EXISTS")
    for each in reader.actions():
        yield Change(Kind.DROP_TABLE, each.name())


def _update(reader: _Reader) -> Iterator[Change]:
    reader.take("ONLY")
    yield Change(Kind.UPDATE_ROWS, reader.name())


def _alter_index(reader: _Reader) -> Iterator[Change]:
    reader.take("IF", "EXISTS")
    old = reader.name()
    if reader.take("RENAME", "TO"):
        yield Change(Kind.RENAME_INDEX, "", name=reader.name(), old_name=old)


def _alter_table(reader: _Reader) -> Iterator[Change]:
    reader.take("IF", "EXISTS")
    reader.take("ONLY")
    table = reader.name()
    for each in reader.actions():
        yield from _action(table, each)


def _action(table: str, reader: _Reader) -> Iterator[Change]:
    for words, read in _ACTIONS:
        if reader.take(*words):
            yield from read(table, reader)
            return


def _add(table: str, reader: _Reader) -> Iterator[Change]:
    name = reader.name() if reader.take("CONSTRAINT") else ""
    for words, kind in _CONSTRAINTS:
        if reader.take(*words):
            found = reader.after("REFERENCES")
            columns = reader.names() if kind is not Kind.ADD_CHECK else ()
            yield Change(
                kind,
                table,
                columns,
                name,
                references=found.name() if found else "",
                unique=kind is Kind.ADD_UNIQUE,
                not_valid=reader.has("NOT", "VALID"),
                using_index=reader.has("USING", "INDEX") or words[-1] == "INDEX",
            )
            return
    reader.take("COLUMN")
    reader.take("IF", "NOT", "EXISTS")
    yield from _add_column(table, reader)


def _add_column(table: str, reader: _Reader) -> Iterator[Change]:
    columns = (reader.name(),)
    wanted = str(reader.tokens[reader.at]).lower() if reader.rest() else ""
    target = reader.after("REFERENCES")
    references = target.name() if target else ""
    default = reader.after("DEFAULT")
    yield Change(
        Kind.ADD_COLUMN,
        table,
        columns,
        references=references,
        type=wanted,
        default="" if default is None else ("volatile" if _volatile(default) else "constant"),
        database_default=default is not None,
        not_null=reader.has("NOT", "NULL"),
        stored=reader.has("STORED"),
        identity=reader.has("AS", "IDENTITY") or "serial" in wanted,
    )
    inline = (("UNIQUE", Kind.ADD_UNIQUE), ("PRIMARY", Kind.ADD_PRIMARY_KEY), ("CHECK", Kind.ADD_CHECK))
    for word, kind in inline:
        if reader.has(word):
            yield Change(kind, table, columns, unique=kind is Kind.ADD_UNIQUE)


def _volatile(default: _Reader) -> bool:
    """Whether a default calls a function that is known to be volatile; now() and the like are computed once."""
    return any(word in VOLATILE for word in default.rest())


VOLATILE = {"RANDOM", "GEN_RANDOM_UUID", "UUID_GENERATE_V4", "CLOCK_TIMESTAMP", "TIMEOFDAY", "NEXTVAL", "UUIDV7"}


def _drop_constraint(table: str, reader: _Reader) -> Iterator[Change]:
    reader.take("IF", "EXISTS")
    yield Change(Kind.DROP_CONSTRAINT, table, name=reader.name())


def _validate(table: str, reader: _Reader) -> Iterator[Change]:
    yield Change(Kind.VALIDATE_CONSTRAINT, table, name=reader.name())


def _drop(table: str, reader: _Reader) -> Iterator[Change]:
    reader.take("COLUMN")
    reader.take("IF", "EXISTS")
    yield Change(Kind.DROP_COLUMN, table, (reader.name(),))


def _alter(table: str, reader: _Reader) -> Iterator[Change]:
    reader.take("COLUMN")
    columns = (reader.name(),)
    if reader.take("TYPE") or reader.take("SET", "DATA", "TYPE"):
        wanted = " ".join(reader.rest()).lower()
        yield Change(Kind.ALTER_TYPE, table, columns, type=wanted, work=type_changes.work("", wanted))
        return
    for words, kind in _COLUMN_CHANGES:
        if reader.take(*words):
            stays = kind in (Kind.SET_DEFAULT, Kind.DROP_DEFAULT)
            yield Change(kind, table, columns, database_default=stays)


def _rename(table: str, reader: _Reader) -> Iterator[Change]:
    if reader.take("TO"):
        yield Change(Kind.RENAME_TABLE, table, name=reader.name(), old_name=table)
        return
    if reader.take("CONSTRAINT"):
        return
    reader.take("COLUMN")
    old = reader.name()
    if reader.take("TO"):
        new = reader.name()
        yield Change(Kind.RENAME_COLUMN, table, (new,), name=new, old_name=old)


def _move(table: str, reader: _Reader) -> Iterator[Change]:
    yield Change(Kind.MOVE_TABLE, table)


_CONSTRAINTS = (
    (("CHECK",), Kind.ADD_CHECK),
    (("UNIQUE", "USING", "INDEX"), Kind.ADD_UNIQUE),
    (("UNIQUE",), Kind.ADD_UNIQUE),
    (("PRIMARY", "KEY", "USING", "INDEX"), Kind.ADD_PRIMARY_KEY),
    (("PRIMARY", "KEY"), Kind.ADD_PRIMARY_KEY),
    (("FOREIGN", "KEY"), Kind.ADD_FOREIGN_KEY),
    (("EXCLUDE",), Kind.ADD_EXCLUSION),
)
_COLUMN_CHANGES = (
    (("SET", "NOT", "NULL"), Kind.SET_NOT_NULL),
    (("DROP", "NOT", "NULL"), Kind.DROP_NOT_NULL),
    (("SET", "DEFAULT"), Kind.SET_DEFAULT),
    (("DROP", "DEFAULT"), Kind.DROP_DEFAULT),
)
_ACTIONS: tuple[tuple[tuple[str, ...], Callable[[str, _Reader], Iterator[Change]]], ...] = (
    (("ADD",), _add),
    (("DROP", "CONSTRAINT"), _drop_constraint),
    (("DROP",), _drop),
    (("VALIDATE", "CONSTRAINT"), _validate),
    (("ALTER",), _alter),
    (("RENAME",), _rename),
    (("SET", "TABLESPACE"), _move),
    (("SET", "LOGGED"), _move),
    (("SET", "UNLOGGED"), _move),
    (("SET", "ACCESS", "METHOD"), _move),
)
_FORMS: tuple[tuple[tuple[str, ...], Callable[[_Reader], Iterator[Change]]], ...] = (
    (("CREATE", "UNIQUE", "INDEX"), _create_index),
    (("CREATE", "INDEX"), _create_index),
    (("DROP", "INDEX"), _drop_index),
    (("CREATE", "TABLE"), _create_table),
    (("CREATE", "UNLOGGED", "TABLE"), _create_table),
    (("CREATE", "TEMP", "TABLE"), _create_table),
    (("CREATE", "TEMPORARY", "TABLE"), _create_table),
    (("DROP", "TABLE"), _drop_table),
    (("ALTER", "TABLE"), _alter_table),
    (("ALTER", "INDEX"), _alter_index),
    (("UPDATE",), _update),
    (("DELETE", "FROM"), _update),
)
