"""What Django's operations are to a plan: their parts, whether they change data, and what they say as plain text."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.contrib.postgres import operations as postgres_operations
from django.db.migrations import Migration
from django.db.migrations.operations import RunSQL, SeparateDatabaseAndState
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ProjectState

from lockgate.errors import LockgateError
from lockgate.planning import conditions, sql_statements
from lockgate.planning.steps import Change, Kind, Statement
from lockgate.planning.virtual_catalog import VirtualCatalog


class Unplanned(Operation):
    """Stands for an operation of which nobody can say what it would do; the change's name says why."""

    def __init__(self, operation: Operation, why: Exception | str) -> None:
        self.operation = operation
        lines = str(why).splitlines() or [""]
        name = why if isinstance(why, str) else f"{type(why).__name__}: {lines[0]}"
        if isinstance(why, LockgateError):
            name = f"{lines[0]}{_by_its_default(operation)}"
        self.statement = Statement("", (Change(Kind.UNKNOWN, "", name=name),))

    def describe(self) -> str:
        return str(self.operation.describe())


def _by_its_default(operation: Operation) -> str:
    """The function that may be who asks, to be appended to why nobody can say what an operation does."""
    default = getattr(getattr(operation, "field", None), "default", None)
    name = getattr(default, "__qualname__", "")
    return f" (its default is the function {name} of {default.__module__})" if callable(default) and name else ""


def parts(
    operation: Operation, app_label: str, before: ProjectState, after: ProjectState
) -> Iterator[tuple[Operation, ProjectState, ProjectState]]:
    """What an operation does to the database: itself, or what a SeparateDatabaseAndState brings for it.

    Each with the states before and after it; as in Django, the database's operations go by states of their own.
    """
    if not isinstance(operation, SeparateDatabaseAndState):
        yield operation, before, after
        return
    for part in operation.database_operations:
        following = before.clone()
        try:
            part.state_forwards(app_label, following)
        except Exception as error:  # a third party's, as in build
            yield Unplanned(part, error), before, following
            continue
        yield from parts(part, app_label, before, following)
        before = following


def apart(operation: Operation) -> list[Operation]:
    """A RunSQL of several texts as one for each, which is how Django sends them outside of a transaction.

    Not where they begin or end one: what is between is done together.
    """
    if type(operation) is not RunSQL or isinstance(operation.sql, str):
        return [operation]
    statements = [statement for text in statements_of(operation) for statement in sql_statements.statements(text)]
    if any(
        sql_statements.begins_transaction(statement) or sql_statements.ends_transaction(statement)
        for statement in statements
    ):
        return [operation]
    texts: Any = operation.sql
    return [RunSQL([text], hints=operation.hints) for text in texts] or [operation]


def count(operation: Operation) -> int:
    """In how many parts a migration that is not atomic runs it."""
    if isinstance(operation, SeparateDatabaseAndState):
        return sum(map(count, operation.database_operations))
    return len(apart(operation))


def statements_of(operation: RunSQL) -> list[str]:
    """Its statements, without their parameters."""
    return texts_of(operation.sql)


def texts_of(sql: Any) -> list[str]:
    """What a RunSQL was given, forwards or backwards: one text, or several with or without parameters."""
    if isinstance(sql, str):
        return [sql]
    return [text if isinstance(text, str) else str(text[0]) for text in sql or ()]


def adjusted(
    statement: Statement, operation: Operation, before: ProjectState, migration: Migration, catalog: VirtualCatalog
) -> Statement:
    """What two operations of django.contrib.postgres write as plain text, said in changes."""
    if isinstance(operation, postgres_operations.AddConstraintNotValid):
        model = before.apps.get_model(migration.app_label, operation.model_name)
        constraint = operation.constraint
        condition = conditions.read(model, constraint)
        added = Change(Kind.ADD_CHECK, model._meta.db_table, condition.columns, constraint.name, not_valid=True)
        ahead = any(_validates(other, operation) for other in migration.operations)
        change = added._replace(requires=condition.required)
        return statement._replace(changes=(change,), online=statement.sql if ahead else "")
    if isinstance(operation, postgres_operations.ValidateConstraint):
        table = before.apps.get_model(migration.app_label, operation.model_name)._meta.db_table
        known = catalog.find(table, operation.name)
        references = known.references if known and known.references != table else ""
        change = Change(Kind.VALIDATE_CONSTRAINT, table, name=operation.name, references=references)
        return statement._replace(changes=(change,))
    return statement


def _validates(operation: Any, added: Any) -> bool:
    """Whether an operation validates the constraint that another one adds."""
    known = isinstance(operation, postgres_operations.ValidateConstraint)
    same = known and operation.model_name.lower() == added.model_name.lower()
    return bool(same) and operation.name == added.constraint.name
