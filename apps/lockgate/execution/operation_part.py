"""What one row of the journal stands for in a migration that is not atomic: an operation, or a part of one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.contrib.postgres import operations as postgres_operations
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations import RunPython, RunSQL
from django.db.migrations import operations as django_operations
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ProjectState

from lockgate.execution import operation_identity
from lockgate.ledger.journal import Line
from lockgate.planning import sql_changes, sql_steps

CONCURRENT = (postgres_operations.AddIndexConcurrently, postgres_operations.RemoveIndexConcurrently)
# Django's own operations whose effect is wholly the schema's: safe in a transaction. Subclasses may do anything.
_TRANSACTIONAL = tuple(
    getattr(module, name)
    for module, names in (
        (django_operations, django_operations.__all__),
        (
            postgres_operations,
            ("AddConstraintNotValid", "ValidateConstraint", "CreateExtension", "CreateCollation", "RemoveCollation"),
        ),
    )
    for name in names
    if name not in {"RunPython", "RunSQL", "SeparateDatabaseAndState"}
)


@dataclass(frozen=True)
class OperationPart:
    """One operation, or one that a SeparateDatabaseAndState brings, with the states around it."""

    app_label: str
    ordinal: int
    operation: Operation
    before: ProjectState
    after: ProjectState
    backwards: bool

    @property
    def table(self) -> str:
        """The table that an index belongs to; renders its model."""
        operation: Any = self.operation
        return str(self.before.apps.get_model(self.app_label, operation.model_name)._meta.db_table)

    def builds(self, *, backwards: bool) -> bool:
        """Whether it builds an index concurrently in this direction; else it drops one."""
        return isinstance(self.operation, postgres_operations.AddIndexConcurrently) != backwards

    def building(self, connection: BaseDatabaseWrapper) -> str:
        """The statement by which its index is built, forwards or backwards."""
        operation: Any = self.operation
        state = self.after if self.builds(backwards=False) else self.before
        index = state.models[self.app_label, operation.model_name_lower].get_index_by_name(_index(operation))
        model = state.apps.get_model(self.app_label, operation.model_name)
        with connection.schema_editor(atomic=False) as editor:
            return str(index.create_sql(model, editor, concurrently=True))

    def send(self, editor: Any, *, backwards: bool) -> None:
        """Have Django do it, or take it back."""
        if backwards:
            self.operation.database_backwards(self.app_label, editor, self.after, self.before)
        else:
            self.operation.database_forwards(self.app_label, editor, self.before, self.after)

    @property
    def outside(self) -> bool:
        """Whether it runs outside any transaction.

        SQL of tables in one text does not: PostgreSQL makes one transaction of it in any case, so it may be this one.
        """
        if type(self.operation) is RunSQL and len(self.texts) == 1:
            return not sql_changes.is_of_tables_alone(self.texts[0][1])
        if isinstance(self.operation, RunPython | RunSQL):
            return not self.operation.atomic
        return type(self.operation) not in _TRANSACTIONAL

    @property
    def texts(self) -> list[tuple[str, str]]:
        """Of a RunSQL: each as it is sent, and as it can be read."""
        operation: Any = self.operation
        return list(sql_steps.texts(operation.reverse_sql if self.backwards else operation.sql))

    def line(self, phase: str) -> Line:
        return Line(
            self.ordinal,
            phase,
            str(self.operation.describe()),
            type(self.operation).__name__,
            self.table if isinstance(self.operation, CONCURRENT) else "",
            _index(self.operation),
            operation_identity.kept(self.operation, plain=type(self.operation) in (*_TRANSACTIONAL, *CONCURRENT)),
            transactional=not self.outside,
        )


def _index(operation: Operation) -> str:
    """The name of the index that an operation builds or drops; empty for others."""
    if isinstance(operation, postgres_operations.AddIndexConcurrently):
        return str(operation.index.name)
    return operation.name if isinstance(operation, postgres_operations.RemoveIndexConcurrently) else ""
