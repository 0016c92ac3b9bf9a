"""What a condition is about: of an index, a unique constraint or a check.

Read from Django's own objects, before they become SQL. Where a part brings SQL of its own, nothing is known.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any, NamedTuple

from django.db.models import Model, Q
from django.db.models.expressions import RawSQL

_WRITING = frozenset({"as_sql", "as_postgresql", "template", "arg_joiner"})


class Condition(NamedTuple):
    """columns: those that it is about; none where that is not known. required: those that it says are not NULL."""

    columns: tuple[str, ...] = ()
    required: tuple[str, ...] = ()


UNKNOWN = Condition()


def read(model: type[Model], conditioned: Any) -> Condition:
    """The condition of an index or constraint."""
    condition = getattr(conditioned, "condition", None)
    if not isinstance(condition, Q) or any(map(writes_its_own_sql, expressions(condition))):
        return UNKNOWN
    return Condition(_columns(model, condition.referenced_base_fields), _columns(model, set(_required(condition))))


def requires(column: str, definition: str) -> bool:
    """Whether a check, as PostgreSQL writes it, says nothing but that this column is not NULL."""
    names = (column, '"{}"'.format(column.replace('"', '""')))
    forms = ("CHECK (({} IS NOT NULL))", "CHECK ((NOT ({} IS NULL)))")
    return definition in {form.format(name) for form in forms for name in names}


def _columns(model: type[Model], names: Collection[str]) -> tuple[str, ...]:
    fields: list[Any] = [model._meta.pk if name == "pk" else model._meta.get_field(name) for name in sorted(names)]
    return tuple(field.column for field in fields if field.column)


def _required(condition: Q) -> Iterator[str]:
    """Fields of which every part that must hold says that they are not NULL."""
    if condition.negated or condition.connector != Q.AND:
        negated = condition.children[0] if condition.negated and len(condition.children) == 1 else None
        yield from _is_null(negated, null=True)
        return
    for child in condition.children:
        yield from _required(child) if isinstance(child, Q) else _is_null(child, null=False)


def _is_null(part: Any, *, null: bool) -> Iterator[str]:
    """The field that a part of a condition says is NULL, or is not."""
    if isinstance(part, tuple):
        name, _, lookup = part[0].partition("__")
        if (lookup == "isnull" and part[1] is null) or (null and lookup in ("", "exact") and part[1] is None):
            yield name


def writes_its_own_sql(expression: Any) -> bool:
    """Whether somebody else than Django says how an expression is written, beyond the name of one function."""
    own = (
        name for base in type(expression).__mro__ if not base.__module__.startswith("django.") for name in vars(base)
    )
    brought = "template" in getattr(expression, "extra", {}) or not _WRITING.isdisjoint(own)
    return brought or isinstance(expression, RawSQL)


def expressions(condition: Any) -> Iterator[Any]:
    """The expressions among a condition's parts and values, or within an expression, at any depth."""
    if isinstance(condition, Q):
        for child in condition.children:
            yield from expressions(child[1] if isinstance(child, tuple) else child)
    elif hasattr(condition, "get_source_expressions"):
        yield condition
        for expression in condition.get_source_expressions():
            yield from expressions(expression)
