"""What the operations of a migration send: their statements, recorded; or read, where they are SQL or code."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from django.contrib.postgres import operations as postgres_operations
from django.db.migrations import Migration
from django.db.migrations.operations import RunPython, RunSQL
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ProjectState

from lockgate.planning import python_calls, python_reading, python_schema, routing, sql_steps
from lockgate.planning.model_columns import ModelColumns
from lockgate.planning.operations import Unplanned, adjusted
from lockgate.planning.steps import Change, Kind, Statement
from lockgate.planning.virtual_catalog import VirtualCatalog
from lockgate.project_state.operations import does_nothing

_REASONS = 3  # of why code is not known that are shown


class OperationStatements:
    """Of one migration. elsewhere: the operations that a router keeps away from this database."""

    def __init__(self, migration: Migration, editor: Any) -> None:
        self.migration, self.editor = migration, editor
        self.catalog: VirtualCatalog = editor.catalog
        self.elsewhere: list[Operation] = []

    def of(self, operation: Operation, before: ProjectState, after: ProjectState) -> tuple[Statement, ...]:
        """What an operation sends to this database, if the project's routers let it."""
        with routing.answers() as heard:
            try:
                runs = routing.allowed(self.editor.connection.alias, self.migration.app_label, operation)
            except Exception as error:  # a router is code of the project
                return (Unplanned(operation, error).statement,)
            statements = self._record(operation, before, after) if runs else ()
        if heard and not any(heard) and not statements:
            self.elsewhere.append(operation)
        return statements

    def _record(self, operation: Operation, before: ProjectState, after: ProjectState) -> tuple[Statement, ...]:
        if isinstance(operation, RunPython):
            return self._of_code(operation, before)
        if isinstance(operation, RunSQL):
            return sql_steps.statements(operation.sql, self.catalog, ModelColumns(before, self.editor.connection))
        if isinstance(operation, postgres_operations.CreateExtension):
            sql = f"CREATE EXTENSION IF NOT EXISTS {self.editor.quote_name(operation.name)}"
            return (Statement(sql, (Change(Kind.EXTENSION, "", name=operation.name),)),)
        if isinstance(operation, Unplanned):
            return (operation.statement,)
        return self._recorded(operation, before, after)

    def _of_code(self, operation: RunPython, before: ProjectState) -> tuple[Statement, ...]:
        """The code itself, and the SQL that is written out in it."""
        code = python_reading.read(operation.code)
        beyond = python_schema.of(code)
        named = tuple(python_calls.db_tables(code, before)) if code else ()
        code = replace(code, db_tables=dict(named)) if code else None
        unchecked = tuple(table for table in (code.tables if code else ()) if self.catalog.refers(table))
        why = "; ".join(beyond.unknown[:_REASONS])
        collected = tuple(python_calls.collected(code, before)) if code else ()
        read = not beyond.unknown
        change = Change(Kind.RUN_PYTHON, "", name=why, read=read, unchecked=unchecked, collected=collected, named=named)
        models = ModelColumns(before, self.editor.connection)
        sent = sql_steps.statements(beyond.sql, self.catalog, models, surely=False)
        return (Statement("", (change,)), *sent)

    def _recorded(self, operation: Operation, before: ProjectState, after: ProjectState) -> tuple[Statement, ...]:
        if does_nothing(operation):
            return ()
        if not operation.reduces_to_sql:
            return (Unplanned(operation, "it brings its own code").statement,)
        deferred = list(self.editor.deferred_sql)
        try:
            operation.database_forwards(self.migration.app_label, self.editor, before, after)
        except Exception as error:  # it may ask the server, or need what the history does not have
            self.editor.discard(deferred)
            return (Unplanned(operation, error).statement,)
        recorded = self.editor.take()
        statements = tuple(
            adjusted(one_statement, operation, before, self.migration, self.catalog) for one_statement in recorded
        )
        for was, statement in zip(recorded, statements, strict=True):
            for change in statement.changes if statement is not was else ():
                self.catalog.apply(change)
        return statements
