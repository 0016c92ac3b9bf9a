"""Django's schema editor, made to write down what it would do: each statement, with the changes it makes.

The statements are Django's own, so names, quoting, tablespaces and other backends (PostGIS) stay right. Beside
``django_seams`` this folder is the only place that leans on what Django does not promise to keep: the names of the
editor's templates and of the methods that make its fragments. Nothing is sent to a server, and nothing is asked of one.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.backends.ddl_references import Statement as DjangoStatement
from django.db.models import CheckConstraint, Model

from lockgate.planning import conditions, identifiers, sql_steps
from lockgate.planning.conditions import Condition
from lockgate.planning.recorder.altered_columns import AlteredColumns
from lockgate.planning.recorder.catalog_answers import CatalogAnswers
from lockgate.planning.recorder.literals import as_text
from lockgate.planning.recorder.new_columns import NewColumns
from lockgate.planning.recorder.questions import Question
from lockgate.planning.recorder.templates import Templates
from lockgate.planning.steps import Change, Kind, Statement
from lockgate.planning.virtual_catalog import VirtualCatalog


def recording(connection: BaseDatabaseWrapper, catalog: VirtualCatalog) -> Any:
    """A schema editor of this connection's own class that records into ``.recorded`` and asks the virtual catalog."""
    editor: Any = _class(connection.SchemaEditorClass)
    return editor(connection, catalog)


@cache
def _class(base: type[BaseDatabaseSchemaEditor]) -> type[BaseDatabaseSchemaEditor]:
    return type("RecordingEditor", (_Recording, base), {})


class _Recording(Templates, CatalogAnswers, NewColumns, AlteredColumns):
    """Mixed in before the backend's editor class."""

    connection: Any
    deferred_sql: list[Any]

    def __init__(self, connection: BaseDatabaseWrapper, catalog: VirtualCatalog) -> None:
        super().__init__(connection, collect_sql=True, atomic=True)  # type: ignore[call-arg]
        self.catalog = catalog
        self.recorded: list[Statement] = []
        self.asked: list[Question] = []
        self._fragments: list[tuple[str, Change]] = []  # what the statement makes that has a text in it
        self._altered = ""  # the column whose field is being altered
        self._conditions: dict[tuple[str, str], Condition] = {}  # by table and name of what has them
        self._aside: list[str] | None = None  # what is only being made up, in place of being recorded
        self._column: tuple[type[Model], Any] | None = None  # the one that is being added
        self._without_identity: set[tuple[str, str]] = set()
        self._plain: set[str] = set()  # Django's own, of sequences whose tables are locked by then
        self.deferred_sql = []

    def take(self, deferred: Sequence[Any] = ()) -> tuple[Statement, ...]:
        """What was recorded since the last call, and then these of the statements that Django defers."""
        self.deferred_sql = [
            put_off for put_off in self.deferred_sql if not any(put_off is other for other in deferred)
        ]
        for statement in deferred:
            self.execute(statement, None)
        taken, self.recorded = tuple(self.recorded), []
        return taken

    def discard(self, deferred: Sequence[Any] = ()) -> None:
        """Forget what an operation that failed half-way had said so far. deferred: what was deferred before it."""
        self.recorded, self.deferred_sql = [], list(deferred)
        self._fragments, self._altered, self._column = [], "", None

    # What is sent

    def execute(self, sql: Any, params: Any = ()) -> None:
        """Record a statement; parameters are written into it as literals."""
        text = as_text(sql, params)
        if self._aside is not None:
            self._aside.append(text)
            return
        if isinstance(sql, DjangoStatement) and self._is_foreign(sql):
            self.recorded.append(sql_steps.read(Statement(text), text, self.catalog))
            return
        changes = tuple(map(_unquoted, self._changes(sql)))
        if not changes and text not in self._plain:
            self.recorded.append(sql_steps.read(Statement(text), text, self.catalog))
            return
        online, attach = self._online(sql, text) if isinstance(sql, DjangoStatement) else ("", "")
        self.recorded.append(Statement(text, changes, online, attach, *self._split_column(changes)))
        for change in changes:
            self.catalog.apply(change)
            if change.kind is Kind.DROP_IDENTITY:
                self._without_identity.add((change.table, change.columns[0]))

    def _changes(self, sql: Any) -> tuple[Change, ...]:
        if isinstance(sql, DjangoStatement):
            return (self._change_of(sql),)
        changes = tuple(change for fragment, change in self._fragments if fragment in sql)
        self._fragments = [fragment for fragment in self._fragments if fragment[0] not in sql]
        return changes

    @contextlib.contextmanager
    def _expecting(self, fragment: str, changes: Iterable[Change]) -> Iterator[None]:
        """The statement with this text in it makes these changes. A third party's editor may send others before it."""
        mine = [(fragment, change) for change in changes]
        self._fragments += mine
        yield
        self._fragments = [known for known in self._fragments if not any(known is other for other in mine)]

    def _beginning(self, name: str, end: str = "", **parts: str) -> str:
        """What one of the editor's templates comes to, as far as a placeholder, or whole. parts: names, unquoted."""
        return self._t(name).partition(f"%({end})s")[0] % {key: self.quote_name(part) for key, part in parts.items()}

    def _quoted(self, table: str, column: str) -> dict[str, str]:
        return {"table": self.quote_name(table), "column": self.quote_name(column)}

    # What announces itself

    def create_model(self, model: type[Model]) -> None:
        table = model._meta.db_table
        changes = [Change(Kind.CREATE_TABLE, table)]
        for field in model._meta.local_concrete_fields:
            changes += self._inline_constraints(table, field)
        for named in (*model._meta.indexes, *model._meta.constraints):
            self._conditions[table, named.name] = condition = conditions.read(model, named)
            if isinstance(named, CheckConstraint):
                changes.append(
                    Change(Kind.ADD_CHECK, table, condition.columns, named.name, requires=condition.required)
                )
        with self._expecting(self._beginning("sql_create_table", "definition", table=table), changes):
            super().create_model(model)  # type: ignore[misc]

    def delete_model(self, model: type[Model]) -> None:
        table = model._meta.db_table
        targets = {
            named_object.references for named_object in self.catalog.named(table) if named_object.references
        } or {""}
        gone = [Change(Kind.DROP_TABLE, table, references=target) for target in sorted(targets)]
        with self._expecting(self._beginning("sql_delete_table", table=table), gone):
            super().delete_model(model)  # type: ignore[misc]

    def alter_db_table(self, model: type[Model], old_db_table: str, new_db_table: str) -> None:
        renamed = Change(Kind.RENAME_TABLE, old_db_table, name=new_db_table, old_name=old_db_table)
        text = self._beginning("sql_rename_table", old_table=old_db_table, new_table=new_db_table)
        with self._expecting(text, [renamed]):
            super().alter_db_table(model, old_db_table, new_db_table)  # type: ignore[misc]

    def alter_db_tablespace(self, model: type[Model], old: str, new: str) -> None:
        table = model._meta.db_table
        with self._expecting(
            self._beginning("sql_retablespace_table", "new_tablespace", table=table), [Change(Kind.MOVE_TABLE, table)]
        ):
            super().alter_db_tablespace(model, old, new)  # type: ignore[misc]

    def alter_db_table_comment(self, model: type[Model], old: str, new: str) -> None:
        table = model._meta.db_table
        with self._expecting(
            self._beginning("sql_alter_table_comment", "comment", table=table), [Change(Kind.COMMENT, table)]
        ):
            super().alter_db_table_comment(model, old, new)  # type: ignore[misc]

    def add_constraint(self, model: type[Model], constraint: Any) -> None:
        self._conditions[model._meta.db_table, constraint.name] = conditions.read(model, constraint)
        super().add_constraint(model, constraint)  # type: ignore[misc]

    def add_index(self, model: type[Model], index: Any, *args: Any, **kwargs: Any) -> None:
        self._conditions[model._meta.db_table, index.name] = conditions.read(model, index)
        super().add_index(model, index, *args, **kwargs)  # type: ignore[misc]

    def remove_field(self, model: type[Model], field: Any) -> None:
        if field.db_parameters(self.connection)["type"] is not None:  # a table of its own has none
            quoted = self._quoted(model._meta.db_table, field.column)
            takes = tuple(map(str, self.catalog.shared(model._meta.db_table, field.column)))
            change = Change(Kind.DROP_COLUMN, model._meta.db_table, (field.column,), takes=takes)
            self._fragments.append((self._t("sql_delete_column") % quoted, change))
        super().remove_field(model, field)  # type: ignore[misc]

    def quote_name(self, name: str) -> str:
        return str(super().quote_name(name))  # type: ignore[misc]


def _unquoted(change: Change) -> Change:
    """A change with its tables named as plans name them."""
    table, references = identifiers.unquoted(change.table), identifiers.unquoted(change.references)
    if change.kind is not Kind.RENAME_TABLE:
        return change._replace(table=table, references=references)
    return change._replace(
        table=table, name=identifiers.unquoted(change.name), old_name=identifiers.unquoted(change.old_name)
    )
