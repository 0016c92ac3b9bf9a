"""SQL that a migration brings itself, as statements with what they change: its text is read, and names are looked up.

Such a statement's first change is ``Kind.RUN_SQL``: it is sent as it stands, and nothing online takes its place.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from django.db.migrations import Migration
from django.db.migrations.operations import RunPython, RunSQL, SeparateDatabaseAndState
from django.db.migrations.operations.base import Operation

from lockgate.planning import new_types, python_reading, python_schema, sql_changes, sql_parser, type_changes
from lockgate.planning.model_columns import ModelColumns
from lockgate.planning.steps import Change, Kind, Statement
from lockgate.planning.virtual_catalog import Named, Prospect

_MARK = Change(Kind.RUN_SQL, "")
_PLACEHOLDER = re.compile(r"%(?:\(\w+\))?[sbt]|%%")
_OF_INDEX = frozenset({Kind.DROP_INDEX, Kind.RENAME_INDEX, Kind.INDEX_OPTIONS, Kind.MOVE_INDEX, Kind.REINDEX})
_WEAK_ON_INDEX = frozenset({Kind.RENAME_INDEX, Kind.INDEX_OPTIONS})  # these lock the index alone
_PROVING = frozenset({Kind.ADD_CHECK, Kind.VALIDATE_CONSTRAINT})
_OF_CONSTRAINT = frozenset({Kind.DROP_CONSTRAINT, Kind.VALIDATE_CONSTRAINT})


def texts(given: Any) -> Iterator[tuple[str, str]]:
    """What a RunSQL was given, each text as it is sent, and as it can be read: parameters in place of placeholders."""
    for each in [given] if isinstance(given, str) else given or ():
        if isinstance(each, str):
            yield each, each
        else:
            sql, params = str(each[0]), each[1] if len(each) > 1 else None
            yield sql, readable(sql, params)


def readable(sql: str, params: Any) -> str:
    """As it can be read: parameters in place of placeholders."""
    return sql if params is None else _PLACEHOLDER.sub(_parameter, sql)


def _parameter(found: re.Match[str]) -> str:
    return "%" if found[0] == "%%" else "$1"


def statements(
    given: Any, prospect: Prospect, models: ModelColumns | None = None, *, surely: bool = True
) -> tuple[Statement, ...]:
    """What a RunSQL was given, as statements; the prospect takes note of what they make.

    models: of the state before it. surely: not for SQL in code, which is sent perhaps.
    """
    return tuple(
        read(Statement(sql, readable=text), text, prospect, models, surely=surely) for sql, text in texts(given)
    )


def read(
    statement: Statement, readable: str, prospect: Prospect, models: ModelColumns | None = None, *, surely: bool = True
) -> Statement:
    """A statement with the changes of its text."""
    found: list[Change] = []
    surely &= models is not None and all(each.kind != "DoStmt" for each in sql_parser.parse(readable) or ())
    for change in sql_changes.of(readable):
        made = completed(change, prospect, models)
        if surely or change.kind not in _PROVING:
            prospect.note_sql(change)
        found += made
    return statement._replace(changes=(_MARK, *found))


def is_sql(changes: Iterable[Change]) -> bool:
    return any(change.kind is Kind.RUN_SQL for change in changes)


def named(migrations: Iterable[Migration]) -> set[str]:
    """The tables that the SQL of migrations names."""
    found: set[str] = set()
    for operation in (each for migration in migrations for each in migration.operations):
        for given in _sql_of(operation):
            for _, readable in texts(given):
                found.update(name for change in sql_changes.of(readable) for name in (change.table, change.references))
    return found - {""}


def _sql_of(operation: Operation) -> Iterator[Any]:
    if isinstance(operation, RunSQL):
        yield operation.sql
    elif isinstance(operation, RunPython):
        yield python_schema.of(python_reading.read(operation.code)).sql
    elif isinstance(operation, SeparateDatabaseAndState):
        for each in operation.database_operations:
            yield from _sql_of(each)


def completed(change: Change, prospect: Prospect, models: ModelColumns | None = None) -> tuple[Change, ...]:
    """With what is known of what a change names: an index's table, the tables that a constraint is about."""
    if change.kind in _OF_INDEX and not change.table:
        return _of_index(change, prospect)
    if change.kind in _OF_CONSTRAINT:
        found = prospect.find(change.table, change.name)
        named = _of_named(change, found, prospect) if found else {}
        return (change._replace(references=found.references, **named) if found else change,)
    if change.kind in (Kind.DROP_COLUMN, Kind.DROP_TABLE):
        keys = [each for each in prospect.named(change.table) if each.references]
        mine = [each for each in keys if change.kind is Kind.DROP_TABLE or set(change.columns) & set(each.columns)]
        targets = sorted({each.references for each in mine} - {change.table}) or [""]
        if change.kind is Kind.DROP_COLUMN:
            change = change._replace(takes=tuple(map(str, prospect.shared(change.table, change.columns[0]))))
        return tuple(change._replace(references=target) for target in targets)
    if change.kind is Kind.TRUNCATE and change.special:
        others = sorted(prospect.referring(change.table) - {change.table})
        return (change, *(Change(Kind.TRUNCATE, table) for table in others))
    if change.kind in (Kind.ADD_IDENTITY, Kind.DROP_IDENTITY):
        known = prospect.fact(change.table)
        column = known.columns.get(change.columns[0]) if known else None
        kind = Kind.SEQUENCE if change.kind is Kind.ADD_IDENTITY else Kind.DROP_SEQUENCE
        return (change, Change(kind, column.sequence)) if column and column.identity and column.sequence else (change,)
    return (_typed(change, prospect, models),)


def _of_index(change: Change, prospect: Prospect) -> tuple[Change, ...]:
    name = change.old_name or change.name
    table = prospect.table_of_index(name)
    if change.kind in _WEAK_ON_INDEX:
        return (change._replace(table=table) if change.kind is Kind.RENAME_INDEX else change,)
    if not table:
        return (
            change,
            Change(Kind.UNKNOWN, "", name=f'{change.kind.value} "{name}", whose table is not known', read=True),
        )
    known = prospect.find(table, name)
    change = change._replace(table=table)
    return (change._replace(**_of_named(change, known, prospect)) if known else change,)


def _of_named(change: Change, known: Named, prospect: Prospect) -> dict[str, Any]:
    """What is known of the index, or of the constraint that has one, that a change names."""
    if not known.is_index:
        return {}
    columns = tuple(each for each in known.columns if each)
    covered = prospect.covering(change.table, known)
    return {"columns": columns, "unique": known.unique, "partial": known.computed, "covered": covered}


def _typed(change: Change, prospect: Prospect, models: ModelColumns | None) -> Change:
    """The work of a type, where it is known, and the old one, if there is one; USING is taken for a rewrite.

    Of a change of rows, whether they are named by a key.
    """
    if change.kind is Kind.UPDATE_ROWS and models and any(models.is_key(change.table, each) for each in change.columns):
        return change._replace(unique=True)
    if change.kind is Kind.ADD_COLUMN:
        return change._replace(work=new_types.work(change.type, prospect.types))
    if change.kind in (Kind.ADD_FOREIGN_KEY, Kind.COLUMN_OF_NEW) and change.columns:
        own = change.type or _type(change.table, change.columns[0], prospect, models)
        return change._replace(type=own, old_type=_type(change.references, change.old_name, prospect, models))
    if change.kind is not Kind.ALTER_TYPE:
        return change
    column = change.columns[0]
    old = _type(change.table, column, prospect, models)
    if not old or change.type.endswith(" using"):
        return change
    work = type_changes.work(*type_changes.stored(old, change.type, prospect.types))
    work = type_changes.with_dependents(work, column, prospect.named(change.table))
    return change._replace(old_type=old, work=work)


def _type(table: str, column: str, prospect: Prospect, models: ModelColumns | None) -> str:
    """A column's type, or without one that of the primary key; empty where it is not known."""
    if made := prospect.columns.type_of(table, column):
        return made
    if models and prospect.facts.offline:
        return models.type_of(table, column) if column else models.key_type(table)
    known = prospect.fact(table)
    key = next((index.columns[0] for index in known.indexes.values() if index.primary), None) if known else None
    found = known.columns.get(column or key or "") if known else None
    return found.type if found else ""
