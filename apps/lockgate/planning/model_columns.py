"""What models say of columns: for where no database can be asked."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.db.migrations.state import ProjectState
from django.db.models import Field, ForeignObject

from lockgate.planning.identifiers import unquoted


class ModelColumns:
    """The columns of the models of a state, looked up in its fields, without rendering it."""

    def __init__(self, state: ProjectState, connection: Any) -> None:
        self._state, self._connection = state, connection

    def type_of(self, table: str, column: str) -> str:
        """A column's type as Django writes it; empty where no model has it, or its field alone cannot tell."""
        field = self._field(table, column)
        return "" if field is None or isinstance(field, ForeignObject) else field.db_type(self._connection) or ""

    def key_type(self, table: str) -> str:
        """The type of a table's primary key, as of any column."""
        return next((self.type_of(table, name) for name, field in self._fields(table) if field.primary_key), "")

    def is_key(self, table: str, column: str) -> bool:
        """Whether each value of a column is in one row at most."""
        field = self._field(table, column)
        return bool(field is not None and (field.primary_key or field.unique))

    def _field(self, table: str, column: str) -> Field[Any, Any] | None:
        return next((field for name, field in self._fields(table) if name == column), None)

    def _fields(self, table: str) -> Iterator[tuple[str, Field[Any, Any]]]:
        """The fields of a table's models, each with its column."""
        for (app, name), model in self._state.models.items():
            if model.options.get("proxy") or not model.options.get("managed", True):
                continue
            if unquoted(model.options.get("db_table") or f"{app}_{name}") == unquoted(table):
                for called, field in model.fields.items():
                    yield field.db_column or called, field
