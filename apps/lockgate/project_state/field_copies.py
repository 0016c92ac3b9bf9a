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

from lockgate.project_state.recently_used import Recent
from lockgate.project_state.relations import EXACT

_MODULES = {"django.db.models.fields", "django.db.models.fields.json"}
# Lists that a constructor makes, and that a field does not have in common with the one it was cloned from.
_LISTS = ("_choices", "_validators", "from_fields", "to_fields", "validators")


class Original:
    """A field in a state that is about to be rendered; Django wants nothing of it but ``clone``."""

    def __init__(self, field: Any) -> None:
        self.field = field
        self._made = field.clone()

    def clone(self) -> Any:
        """What ``field.clone()`` makes, without its constructor."""
        made = self._made.__deepcopy__({})
        own = made.__dict__
        for name in _LISTS:
            if type(given := own.get(name)) is list:
                own[name] = given.copy()
        relation = made.remote_field
        if relation and not relation.limit_choices_to:
            relation.limit_choices_to = {}  # each constructor's own, where none was given
        _number(made)
        return made


class Originals:
    """Those of a run, by the names of a model's fields."""

    def __init__(self) -> None:
        self._kept = Recent[dict[str, Original]]()

    def in_place(self, state: ModelState) -> ModelState:
        """The same model, whose fields are cheap to render."""
        made = copy.copy(state)
        key = state.app_label, state.name_lower
        kept = self._kept.take(key, {})
        made.fields = {name: self._of(name, field, kept) for name, field in state.fields.items()}
        self._kept.put(key, kept)
        return made

    def _of(self, name: str, field: Any, kept: dict[str, Original]) -> Any:
        if name in kept and kept[name].field is field:
            return kept[name]
        if not (type(field).__module__ in _MODULES or type(field) in EXACT):
            return field
        kept[name] = Original(field)
        return kept[name]


def _number(field: Any) -> None:
    """Count a field, as its constructor would: a class has its fields in the order of their numbers."""
    if field.auto_created:
        field.creation_counter = models.Field.auto_creation_counter
        models.Field.auto_creation_counter -= 1
    else:
        field.creation_counter = models.Field.creation_counter
        models.Field.creation_counter += 1
