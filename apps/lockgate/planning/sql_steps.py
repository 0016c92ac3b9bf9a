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
from lockgate.planning.named_objects import NamedObject
from lockgate.planning.steps import Change, Kind, Statement
from lockgate.planning.virtual_catalog import VirtualCatalog

_MARK = Change(Kind.RUN_SQL, "")
_PLACEHOLDER = re.compile(r"%(?:\(\w+\))?[sbt]|%%")
_OF_INDEX = frozenset({Kind.DROP_INDEX, Kind.RENAME_INDEX, Kind.INDEX_OPTIONS, Kind.MOVE_INDEX, Kind.REINDEX})
_WEAK_ON_INDEX = frozenset({Kind.RENAME_INDEX, Kind.INDEX_OPTIONS})  # these lock the index alone
_PROVING = frozenset({Kind.ADD_CHECK, Kind.VALIDATE_CONSTRAINT})
_OF_CONSTRAINT = frozenset({Kind.DROP_CONSTRAINT, Kind.VALIDATE_CONSTRAINT})


def texts(source: Any) -> Iterator[tuple[str, str]]:
    """What a RunSQL was given, each text as it is sent, and as it can be read: parameters in place of placeholders."""
    for item in [source] if isinstance(source, str) else source or ():
        if isinstance(item, str):
            yield item, item
        else:
            sql, params = str(item[0]), item[1] if len(item) > 1 else None
            yield sql, readable(sql, params)


def readable(sql: str, params: Any) -> str:
    """As it can be read: parameters in place of placeholders."""
    return sql if params is None else _PLACEHOLDER.sub(_parameter, sql)


def _parameter(match: re.Match[str]) -> str:
    return "%" if match[0] == "%%" else "$1"


def statements(
    source: Any, catalog: VirtualCatalog, models: ModelColumns | None = None, *, surely: bool = True
) -> tuple[Statement, ...]:
    """What a RunSQL was given, as statements; the virtual catalog takes note of what they make.

    models: of the state before it. surely: not for SQL in code, which is sent perhaps.
    """
    return tuple(
        read(Statement(sql, readable=text), text, catalog, models, surely=surely) for sql, text in texts(source)
    )


def read(
    statement: Statement,
    readable: str,
    catalog: VirtualCatalog,
    models: ModelColumns | None = None,
    *,
    surely: bool = True,
) -> Statement:
    """A statement with the changes of its text."""
    called: list[Change] = []
    surely &= models is not None and all(parsed.kind != "DoStmt" for parsed in sql_parser.parse(readable) or ())
    for change in sql_changes.of(readable):
        completed_change = completed(change, catalog, models)
        if surely or change.kind not in _PROVING:
            catalog.note_sql(change)
        called += completed_change
    return statement._replace(changes=(_MARK, *called))


def is_sql(changes: Iterable[Change]) -> bool:
    return any(change.kind is Kind.RUN_SQL for change in changes)


def named(migrations: Iterable[Migration]) -> set[str]:
    """The tables that the SQL of migrations names."""
    tables: set[str] = set()
    for operation in (one for migration in migrations for one in migration.operations):
        for sql in _sql_of(operation):
            for _, readable in texts(sql):
                tables.update(name for change in sql_changes.of(readable) for name in (change.table, change.references))
    return tables - {""}


def _sql_of(operation: Operation) -> Iterator[Any]:
    if isinstance(operation, RunSQL):
        yield operation.sql
    elif isinstance(operation, RunPython):
        yield python_schema.of(python_reading.read(operation.code)).sql
    elif isinstance(operation, SeparateDatabaseAndState):
        for part in operation.database_operations:
            yield from _sql_of(part)


def completed(change: Change, catalog: VirtualCatalog, models: ModelColumns | None = None) -> tuple[Change, ...]:
    """With what is known of what a change names: an index's table, the tables that a constraint is about."""
    if change.kind in _OF_INDEX and not change.table:
        return _of_index(change, catalog)
    if change.kind in _OF_CONSTRAINT:
        known_object = catalog.find(change.table, change.name)
        named = _of_named(change, known_object, catalog) if known_object else {}
        return (change._replace(references=known_object.references, **named) if known_object else change,)
    if change.kind in (Kind.DROP_COLUMN, Kind.DROP_TABLE):
        keys = [named_object for named_object in catalog.named(change.table) if named_object.references]
        mine = [key for key in keys if change.kind is Kind.DROP_TABLE or set(change.columns) & set(key.columns)]
        targets = sorted({named_object.references for named_object in mine} - {change.table}) or [""]
        if change.kind is Kind.DROP_COLUMN:
            change = change._replace(takes=tuple(map(str, catalog.shared(change.table, change.columns[0]))))
        return tuple(change._replace(references=target) for target in targets)
    if change.kind is Kind.TRUNCATE and change.special:
        others = sorted(catalog.referring(change.table) - {change.table})
        return (change, *(Change(Kind.TRUNCATE, table) for table in others))
    if change.kind in (Kind.ADD_IDENTITY, Kind.DROP_IDENTITY):
        known = catalog.fact(change.table)
        column = known.columns.get(change.columns[0]) if known else None
        kind = Kind.SEQUENCE if change.kind is Kind.ADD_IDENTITY else Kind.DROP_SEQUENCE
        return (change, Change(kind, column.sequence)) if column and column.identity and column.sequence else (change,)
    return (_typed(change, catalog, models),)


def _of_index(change: Change, catalog: VirtualCatalog) -> tuple[Change, ...]:
    name = change.old_name or change.name
    table = catalog.table_of_index(name)
    if change.kind in _WEAK_ON_INDEX:
        return (change._replace(table=table) if change.kind is Kind.RENAME_INDEX else change,)
    if not table:
        return (
            change,
            Change(Kind.UNKNOWN, "", name=f'{change.kind.value} "{name}", whose table is not known', read=True),
        )
    known = catalog.find(table, name)
    change = change._replace(table=table)
    return (change._replace(**_of_named(change, known, catalog)) if known else change,)


def _of_named(change: Change, known: NamedObject, catalog: VirtualCatalog) -> dict[str, Any]:
    """What is known of the index, or of the constraint that has one, that a change names."""
    if not known.is_index:
        return {}
    columns = tuple(column for column in known.columns if column)
    covered = catalog.covering(change.table, known)
    return {"columns": columns, "unique": known.unique, "partial": known.computed, "covered": covered}


def _typed(change: Change, catalog: VirtualCatalog, models: ModelColumns | None) -> Change:
    """The work of a type, where it is known, and the old one, if there is one; USING is taken for a rewrite.

    Of a change of rows, whether they are named by a key.
    """
    if change.kind is Kind.UPDATE_ROWS and models and any(models.is_key(change.table, name) for name in change.columns):
        return change._replace(unique=True)
    if change.kind is Kind.ADD_COLUMN:
        return change._replace(work=new_types.work(change.type, catalog.types))
    if change.kind in (Kind.ADD_FOREIGN_KEY, Kind.COLUMN_OF_NEW) and change.columns:
        own = change.type or _type(change.table, change.columns[0], catalog, models)
        return change._replace(type=own, old_type=_type(change.references, change.old_name, catalog, models))
    if change.kind is not Kind.ALTER_TYPE:
        return change
    column = change.columns[0]
    old = _type(change.table, column, catalog, models)
    if not old or change.type.endswith(" using"):
        return change
    work = type_changes.work(*type_changes.stored(old, change.type, catalog.types))
    work = type_changes.with_dependents(work, column, catalog.named(change.table))
    return change._replace(old_type=old, work=work)


def _type(table: str, column: str, catalog: VirtualCatalog, models: ModelColumns | None) -> str:
    """A column's type, or without one that of the primary key; empty where it is not known."""
    if made_type := catalog.columns.type_of(table, column):
        return made_type
    if models and catalog.facts.offline:
        return models.type_of(table, column) if column else models.key_type(table)
    known = catalog.fact(table)
    key = next((index.columns[0] for index in known.indexes.values() if index.primary), None) if known else None
    column_facts = known.columns.get(column or key or "") if known else None
    return column_facts.type if column_facts else ""
