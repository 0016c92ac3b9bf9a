"""Which columns a condition is about: of an index, a unique constraint or a check.

Read from Django's own objects, before they become SQL. Where a part brings SQL of its own, nothing is known.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.db.models import Model, Q
from django.db.models.expressions import RawSQL

_WRITING = frozenset({"as_sql", "as_postgresql", "template", "arg_joiner"})


def of_model(model: type[Model]) -> dict[str, tuple[str, ...]]:
    """The columns of the conditions of a model's indexes and constraints, by their names."""
    return {each.name: columns(model, each) for each in (*model._meta.indexes, *model._meta.constraints)}


def columns(model: type[Model], conditioned: Any) -> tuple[str, ...]:
    """The columns that the condition of an index or constraint is about; none where that is not known."""
    condition = getattr(conditioned, "condition", None)
    if not isinstance(condition, Q) or any(map(writes_its_own_sql, _expressions(condition))):
        return ()
    names = sorted(condition.referenced_base_fields)
    fields: list[Any] = [model._meta.pk if name == "pk" else model._meta.get_field(name) for name in names]
    return tuple(field.column for field in fields if field.column)


def writes_its_own_sql(expression: Any) -> bool:
    """Whether somebody else than Django says how an expression is written, beyond the name of one function."""
    own = (
        name for each in type(expression).__mro__ if not each.__module__.startswith("django.") for name in vars(each)
    )
    brought = "template" in getattr(expression, "extra", {}) or not _WRITING.isdisjoint(own)
    return brought or isinstance(expression, RawSQL)


def _expressions(condition: Any) -> Iterator[Any]:
    """The expressions among a condition's parts and values, at any depth."""
    if isinstance(condition, Q):
        for child in condition.children:
            yield from _expressions(child[1] if isinstance(child, tuple) else child)
    elif hasattr(condition, "get_source_expressions"):
        yield condition
        for each in condition.get_source_expressions():
            yield from _expressions(each)
