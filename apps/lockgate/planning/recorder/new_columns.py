"""What AddField announces: a column, with the constraints that its definition brings.

Django sends all of it as one statement, under the lock of which PostgreSQL builds a unique index and checks every row.
So the statement is made a second time, by Django's own methods, without those constraints; and each of them as a
statement of its own, with the name PostgreSQL would have given it.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from typing import Any

from django.db.backends.utils import strip_quotes
from django.db.models import Model, Value
from django.utils import timezone

from lockgate.planning import callable_defaults, identifiers, new_types
from lockgate.planning.conditions import expressions, writes_its_own_sql
from lockgate.planning.recorder.literals import is_written
from lockgate.planning.steps import Change, Kind, Statement
from lockgate.planning.virtual_catalog import VirtualCatalog

# The names before parentheses: those of functions, and of types with a length.
_CALLED = re.compile(r'(\w+)"?\s*\(')


class NewColumns:
    """Mixed in before the backend's editor class."""

    connection: Any
    catalog: VirtualCatalog
    deferred_sql: list[Any]
    effective_default: Callable[[Any], Any]
    db_default_sql: Callable[[Any], tuple[str, Any]]
    _fk_constraint_name: Callable[..., Any]
    _create_unique_sql: Callable[..., Any]
    _create_check_sql: Callable[..., Any]
    _online: Callable[..., tuple[str, str]]
    _expecting: Callable[[str, Iterable[Change]], AbstractContextManager[None]]
    _beginning: Callable[..., str]
    _aside: list[str] | None
    _column: tuple[type[Model], Any] | None

    def add_field(self, model: type[Model], field: Any) -> None:
        changes: list[Change] = []
        if self._aside is None and field.db_parameters(self.connection)["type"] is not None:
            changes, self._column = self._changes_of_new_column(model, field), (model, field)
        with self._expecting(self._adding(model, field), changes):
            super().add_field(model, field)  # type: ignore[misc]

    def _adding(self, model: type[Model], field: Any) -> str:
        """How the statement begins that adds a column."""
        return self._beginning("sql_create_column", "definition", table=model._meta.db_table, column=field.column or "")

    def _changes_of_new_column(self, model: type[Model], field: Any) -> list[Change]:
        table, columns = model._meta.db_table, (field.column,)
        parameters = field.db_parameters(self.connection)
        references = ""
        if field.remote_field and getattr(field, "db_constraint", False):
            references = field.remote_field.model._meta.db_table
        changes = [
            Change(
                Kind.ADD_COLUMN,
                table,
                columns,
                references=references,
                type=str(parameters["type"]),
                default=self._default_of(field),
                database_default=field.has_db_default(),
                not_null=not field.null,
                stored=bool(field.generated and field.db_persist),
                identity=bool(field.db_type_suffix(self.connection))
                or str(parameters["type"]).lower() in new_types.SERIALS,
                work=new_types.work(str(parameters["type"]), self.catalog.types),
                moving=self._is_moving(field),
                server_default=_on_the_server(field, str(parameters["type"])),
            )
        ]
        if references:
            name = strip_quotes(str(self._fk_constraint_name(model, field, "_fk_%(to_table)s_%(to_column)s")))
            empty = not self._default_of(field)  # NULLs refer to nothing, so PostgreSQL does not look
            special = hasattr(field.remote_field.on_delete, "on_delete_sql")
            changes.append(
                Change(Kind.ADD_FOREIGN_KEY, table, columns, name, references=references, proven=empty, special=special)
            )
        return [*changes, *self._inline_constraints(table, field)]

    def _inline_constraints(self, table: str, field: Any) -> list[Change]:
        """The constraints that a column's definition brings, by the names PostgreSQL gives them."""
        columns = (field.column,)
        changes = []
        if field.db_parameters(self.connection)["check"]:
            name = self._free_name(table, field.column, "check")
            changes.append(Change(Kind.ADD_CHECK, table, columns, name, satisfied=self._is_positive(field)))
        if field.primary_key:
            changes.append(Change(Kind.ADD_PRIMARY_KEY, table, columns, identifiers.given(table, "", "pkey")))
        elif field.unique:
            name = self._free_name(table, field.column, "key")
            empty = field.null and not field.generated and not self._default_of(field)
            changes.append(Change(Kind.ADD_UNIQUE, table, columns, name, unique=True, satisfied=empty))
        return changes

    def _free_name(self, table: str, column: str, label: str) -> str:
        """PostgreSQL's name for a constraint: with a number where the table has one of that name."""
        taken = {named_object.name for named_object in self.catalog.named(table)}
        numbers = ("", *map(str, range(1, len(taken) + 1)))
        return next(
            name for number in numbers if (name := identifiers.given(table, column, label + number)) not in taken
        )

    # The same column without what PostgreSQL would check

    def _split_column(self, changes: tuple[Change, ...]) -> tuple[str, tuple[Statement, ...]]:
        """The statement that adds a column alone, and those that add its constraints; nothing for other statements."""
        inline = [change for change in changes if change.kind in (Kind.ADD_UNIQUE, Kind.ADD_CHECK)]
        column, self._column = self._column, None
        if column is None or not inline or not self._can_split(*column):
            return "", ()
        model, field = column
        bare = _unconstrained(field)
        if field.primary_key or bare.db_parameters(self.connection)["check"]:
            return "", ()  # or a third party's field that insists
        text = self._bare(model, bare)
        return (text, tuple(self._constraint(model, field, change) for change in inline)) if text else ("", ())

    def _can_split(self, model: type[Model], field: Any) -> bool:
        """Whether the parts come to the same as the whole, tablespaces and shortened names included."""
        plain = (model._meta.db_table + field.column).isascii()
        tablespace = field.db_tablespace or model._meta.db_tablespace
        return plain and not tablespace and self._is_fixed(field) and is_written(self.effective_default(field))

    def _is_fixed(self, field: Any) -> bool:
        """Whether a default is the same whenever it is asked for, so that the statement can be told beforehand."""
        return not _is_called(field) and bool(self.effective_default(field) == self.effective_default(field))

    @staticmethod
    def _is_moving(field: Any) -> bool:
        """Whether a default may be another for each row; what is not known may."""
        if field.has_db_default() or not _is_called(field):
            return False
        return not (field.has_default() and callable_defaults.is_constant(field.default))

    def _bare(self, model: type[Model], field: Any) -> str:
        deferred, self._aside = list(self.deferred_sql), []
        try:
            super().add_field(model, field)  # type: ignore[misc]
            return next((text for text in self._aside if self._adding(model, field) in text), "")
        finally:
            self.deferred_sql, self._aside = deferred, None

    def _constraint(self, model: type[Model], field: Any, change: Change) -> Statement:
        if change.kind is Kind.ADD_CHECK:
            check_sql = self._create_check_sql(model, change.name, field.db_parameters(self.connection)["check"])
        else:
            check_sql = self._create_unique_sql(model, [field], name=change.name)
        online, attach = self._online(check_sql, str(check_sql))
        return Statement(str(check_sql), (change,), online, attach)

    # Defaults

    def _is_positive(self, field: Any) -> bool:
        """Whether every row's value for a new PositiveIntegerField, and the like, is NULL or known not to be negative.

        Checks that are not Django's own are not known.
        """
        if field.generated or field.get_internal_type() not in self.connection.data_type_check_constraints:
            return False
        if not field.has_db_default():
            default = self.effective_default(field)
        else:
            expression = field._db_default_expression
            default = expression.value if isinstance(expression, Value) else -1
        return default is None or (isinstance(default, int) and default >= 0)

    def _default_of(self, field: Any) -> str:
        """Whether a new column's default is computed once, or for every row."""
        if field.has_db_default():
            return "volatile" if self._calls_volatile(field) else "constant"
        return "" if self.effective_default(field) is None else "constant"

    def _calls_volatile(self, field: Any) -> bool:
        """Whether the SQL of a database default calls what may give another value for each row.

        The SQL is asked, since Django writes some functions by another name than their class has.
        """
        if any(map(writes_its_own_sql, expressions(field.db_default))):
            return True  # it may call anything
        called = _CALLED.findall(self.db_default_sql(field)[0])
        return not self.catalog.facts.volatile_functions.isdisjoint(map(str.lower, called))


def _is_called(field: Any) -> bool:
    """Whether a field's default is made anew each time that it is asked for."""
    if field.has_default():
        return callable(field.default)
    return bool(getattr(field, "auto_now", False) or getattr(field, "auto_now_add", False))


def _on_the_server(field: Any, column_type: str) -> str:
    by_itself = getattr(field, "auto_now", False) or getattr(field, "auto_now_add", False)
    default = field.default if field.has_default() else timezone.now if by_itself else None
    return callable_defaults.on_the_server(default, column_type)


def _unconstrained(field: Any) -> Any:
    """A field as it is, but neither unique nor checked."""
    bare = copy.copy(field)
    vars(bare).update(_unique=False, unique=False, db_check=lambda connection: None)  # unique is kept once asked for
    return bare
