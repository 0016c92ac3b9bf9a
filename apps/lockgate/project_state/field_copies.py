"""Fields of a state, from which each class that is rendered gets copies.

Django renders a field by taking it apart (``deconstruct``) and constructing it again, a third of what a class costs.
Here that is done once for each field, and what it leaves, which is never bound to a class, is copied from then on: only
for fields of Django's own whose constructors run no code of the project.
"""

from __future__ import annotations

import copy
from typing import Any

from django.db import models
from django.db.migrations.state import ModelState

from lockgate.project_state.recently_used import LeastRecentlyUsed
from lockgate.project_state.relations import EXACT

_MODULES = {"django.db.models.fields", "django.db.models.fields.json"}
# Lists that a constructor makes, and that a field does not have in common with the one it was cloned from.
_LISTS = ("_choices", "_validators", "from_fields", "to_fields", "validators")


class FieldPrototype:
    """A field in a state that is about to be rendered; Django wants nothing of it but ``clone``."""

    def __init__(self, field: Any) -> None:
        self.field = field
        self._made = field.clone()

    def clone(self) -> Any:
        """What ``field.clone()`` makes, without its constructor."""
        copy_ = self._made.__deepcopy__({})
        own = copy_.__dict__
        for name in _LISTS:
            if type(value := own.get(name)) is list:
                own[name] = value.copy()
        relation = copy_.remote_field
        if relation and not relation.limit_choices_to:
            relation.limit_choices_to = {}  # each constructor's own, where none was given
        _number(copy_)
        return copy_


class FieldPrototypes:
    """Those of a run, by the names of a model's fields."""

    def __init__(self) -> None:
        self._kept = LeastRecentlyUsed[dict[str, FieldPrototype]]()

    def in_place(self, state: ModelState) -> ModelState:
        """The same model, whose fields are cheap to render."""
        copied = copy.copy(state)
        key = state.app_label, state.name_lower
        kept = self._kept.take(key, {})
        copied.fields = {name: self._of(name, field, kept) for name, field in state.fields.items()}
        self._kept.put(key, kept)
        return copied

    def _of(self, name: str, field: Any, kept: dict[str, FieldPrototype]) -> Any:
        if name in kept and kept[name].field is field:
            return kept[name]
        if not (type(field).__module__ in _MODULES or type(field) in EXACT):
            return field
        kept[name] = FieldPrototype(field)
        return kept[name]


def _number(field: Any) -> None:
    """Count a field, as its constructor would: a class has its fields in the order of their numbers."""
    if field.auto_created:
        field.creation_counter = models.Field.auto_creation_counter
        models.Field.auto_creation_counter -= 1
    else:
        field.creation_counter = models.Field.creation_counter
        models.Field.creation_counter += 1
