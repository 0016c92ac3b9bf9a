"""Which operation of a migration is under way, and which statement of it failed: for who explains a failure.

Django's own loop runs the operations. Each says that it begins, and that it is done, through its own methods, for as
long as the migration runs; what the server refused is noted where Django sends it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any, Protocol

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations import Migration
from django.db.migrations.operations.base import Operation

from lockgate import policy
from lockgate.database import server_messages
from lockgate.execution.progress import Progress
from lockgate.planning import sql_statements
from lockgate.project_state.operations import is_djangos_schema
from lockgate.redaction import masked


class Judge(Protocol):
    """Is told when a statement was sent, and when an operation is done; may raise."""

    def after_statement(self) -> None: ...

    def after_operation(self, operation: Operation) -> None: ...


_WAYS = ("database_forwards", "database_backwards")


@contextlib.contextmanager
def followed(
    progress: Progress, connection: BaseDatabaseWrapper, migration: Migration, judge: Judge | None = None
) -> Iterator[None]:
    """Note in progress what Django's loop over the operations is at, for the length of the block."""
    changed: list[tuple[Operation, str]] = []
    for number, operation in enumerate(migration.operations, 1):
        where = described(number, migration, operation)
        for way in _WAYS:
            if way not in vars(operation):
                vars(operation)[way] = _noting(progress, where, operation, way, judge)
                changed.append((operation, way))
    try:
        with statements_noted(progress, connection, judge):
            yield
    finally:
        for operation, way in changed:
            del vars(operation)[way]


@contextlib.contextmanager
def statements_noted(progress: Progress, connection: BaseDatabaseWrapper, judge: Judge | None = None) -> Iterator[None]:
    """Note the statement that failed last, and that none has since, for the length of the block."""
    progress.operation = progress.statement = progress.sql = ""

    def note(execute: Any, sql: Any, params: Any, many: Any, context: Any) -> Any:
        try:
            result = execute(sql, params, many, context)
            if judge:
                judge.after_statement()
        except BaseException:
            progress.sql = str(sql)
            progress.statement = shortened(progress.sql)
            raise
        progress.statement = progress.sql = ""
        return result

    with connection.execute_wrapper(note):
        yield


def described(number: int, migration: Migration, operation: Operation) -> str:
    """An operation by its place, counted from 1, and its class."""
    return f"operation {number} of {len(migration.operations)}, {type(operation).__name__}"


def shortened(statement: str) -> str:
    """A statement as one line of a message, without secrets, its parameters and its literals."""
    statement = statement[: policy.STATEMENT_READ]
    if not server_messages.values_allowed():
        statement = sql_statements.without_literals(statement)
    line = " ".join("".join(character if character.isprintable() else " " for character in masked(statement)).split())
    return line if len(line) <= policy.STATEMENT_SHOWN else f"{line[: policy.STATEMENT_SHOWN]} …"


def _noting(progress: Progress, where: str, operation: Operation, way: str, judge: Judge | None) -> Callable[..., None]:
    run = getattr(operation, way)

    def noted(*args: Any, **options: Any) -> None:
        progress.operation, progress.runs_code = where, not is_djangos_schema(operation)
        run(*args, **options)
        if judge:
            judge.after_operation(operation)
        progress.operation = ""

    return noted
