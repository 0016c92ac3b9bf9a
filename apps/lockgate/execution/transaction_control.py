"""Refuses, before anything runs, an atomic migration whose SQL is sure to end the transaction that is to hold it all.

Only what is certain: Django's own RunSQL, in whatever form it has its statements. What code does in a transaction is
judged when it has done it (``one_transaction``).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import psycopg
from django.db import router
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations import Migration, RunSQL
from django.db.migrations.operations import SeparateDatabaseAndState
from django.db.migrations.operations.base import Operation

from lockgate.errors import MigrationFailed
from lockgate.execution import current_operation
from lockgate.planning import sql_statements
from lockgate.planning.operations import texts_of
from lockgate.planning.selection import key_of
from lockgate.planning.sql_statements import SqlStatement
from lockgate.project_state.operations import overridden


def refuse(connection: BaseDatabaseWrapper, plan: Iterable[tuple[Migration, bool]]) -> None:
    """Raise MigrationFailed for the first migration of a plan that would end its own transaction.

    plan: migrations, each with whether it is taken back. Where strings are not read as the standard wants it
    (``standard_conforming_strings``), nothing is certain.
    """
    opened: psycopg.Connection[Any] | None = connection.connection
    if opened is None or opened.info.parameter_status("standard_conforming_strings") != "on":
        return
    for migration, backwards in plan:
        for number, operation in enumerate(migration.operations, 1):
            statement = _ending(connection, migration, operation, backwards=backwards)
            if statement is not None:
                raise _refusal(migration, number, statement, backwards=backwards)


def _ending(
    connection: BaseDatabaseWrapper, migration: Migration, operation: Operation, *, backwards: bool
) -> SqlStatement | None:
    """The statement of an operation that ends the migration's transaction for sure."""
    if not migration.atomic or overridden(migration):
        return None
    for part in _sql_operations(operation):
        if router.allow_migrate(connection.alias, migration.app_label, **part.hints):
            texts = texts_of(part.reverse_sql if backwards else part.sql)
            statements = (one for text in texts for one in sql_statements.statements(text))
            for statement in filter(sql_statements.ends_transaction, statements):
                return statement
    return None


def _sql_operations(operation: Operation) -> Iterator[Any]:
    """Those whose SQL is sent as it stands; a subclass may do anything."""
    if type(operation) is RunSQL:
        yield operation
    elif type(operation) is SeparateDatabaseAndState:
        for part in operation.database_operations:
            yield from _sql_operations(part)


def _refusal(migration: Migration, number: int, statement: SqlStatement, *, backwards: bool) -> MigrationFailed:
    word = statement.tokens[0] if statement.tokens[0] != "PREPARE" else "PREPARE TRANSACTION"
    refused = MigrationFailed(
        f"{key_of(migration)} would end its own transaction{' when it is taken back' if backwards else ''}",
        why=f"its SQL has {word}, and it is atomic: all of it is to happen, or nothing",
        state="",
        next_step=f"take {word} out of the SQL, or set atomic = False in the migration; then run again",
    )
    refused.operation = current_operation.described(number, migration, migration.operations[number - 1])
    refused.statement = current_operation.shortened(statement.text)
    return refused
