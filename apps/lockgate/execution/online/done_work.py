"""What an operation that is done has made, and whether it is there: since its run died, somebody may have dropped it.

Only what has a name is known here, and only while the migration's own later operations have left it. It is known again
by its oid, or by its number in its table, which were noted in the transaction that made it.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from django.contrib.postgres.operations import AddIndexConcurrently, RemoveIndexConcurrently
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations import AddConstraint, AddField, AddIndex, CreateModel
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ProjectState

from lockgate.database import objects
from lockgate.planning import names
from lockgate.planning.operations import is_djangos_schema


class Made(NamedTuple):
    """kind: table, column, index or constraint."""

    kind: str
    table: str
    name: str

    def __str__(self) -> str:
        return f'the {self.kind} "{self.name}"' + ("" if self.kind == "table" else f" of {self.table}")

    @property
    def lasts(self) -> bool:
        """Whether it stays itself whatever is done to its table: PostgreSQL makes indexes and constraints anew."""
        return self.kind in ("table", "column")


def identity(connection: BaseDatabaseWrapper, operation: Operation, app_label: str, state: ProjectState) -> int | None:
    """What an operation that has just been applied has made is known by; None where it has made nothing of a name."""
    found = made(connection, operation, app_label, state)
    return objects.identity(connection, *found) if found else None


def may_have_renamed(operation: Operation) -> bool:
    """Whether it has SQL or code of the project's or of others, which may do anything."""
    return not (is_djangos_schema(operation) or isinstance(operation, AddIndexConcurrently | RemoveIndexConcurrently))


def is_addition(operation: Operation) -> bool:
    """Whether it leaves what is there as it is."""
    return isinstance(operation, AddConstraint | AddField | AddIndex | CreateModel)


def made(connection: BaseDatabaseWrapper, operation: Any, app_label: str, state: ProjectState) -> Made | None:
    """What an operation has made, as far as the state still has it."""
    if not isinstance(operation, AddConstraint | AddField | AddIndex | CreateModel):
        return None
    name = operation.name_lower if isinstance(operation, CreateModel) else operation.model_name_lower
    known = state.models.get((app_label, name))
    if known is None:
        return None
    model = state.apps.get_model(app_label, name)
    if not operation.allow_migrate_model(connection.alias, model):
        return None
    table = model._meta.db_table
    if isinstance(operation, CreateModel):
        return Made("table", table, table)
    if isinstance(operation, AddField):
        return _column(connection, table, model, operation.name) if operation.name in known.fields else None
    kind = "index" if isinstance(operation, AddIndex) else "constraint"
    wanted = operation.index.name if isinstance(operation, AddIndex) else operation.constraint.name
    there = known.options["indexes" if kind == "index" else "constraints"]
    return Made(kind, table, names.stored(wanted)) if any(each.name == wanted for each in there) else None


def _column(connection: BaseDatabaseWrapper, table: str, model: Any, name: str) -> Made | None:
    field = model._meta.get_field(name)
    if not field.column or field.db_parameters(connection)["type"] is None:
        return None
    return Made("column", table, names.stored(field.column))
