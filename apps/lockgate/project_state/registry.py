"""A registry of state models that is filled little by little, and tells no other registry about it.

Django's own clears, at each model, the caches of every registry there is: which settings name which models is then
found out again for each foreign key that is rendered.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.db.migrations.state import ModelState, StateApps

from lockgate.project_state.field_copies import FieldPrototypes


class Registry(StateApps):
    """Django's StateApps, empty. What it caches of its models is forgotten whenever one is added."""

    def __init__(self, originals: FieldPrototypes) -> None:
        self.originals = originals
        super().__init__([], {})

    def render_multiple(self, model_states: Iterable[ModelState]) -> None:
        super().render_multiple([self.originals.in_place(state) for state in model_states])

    def clear_cache(self) -> None:
        if not self.ready:
            return
        for models in self.all_models.values():
            for model in models.values():
                options: Any = model._meta
                options._expire_cache()

    def get_models(self, include_auto_created: bool = False, include_swapped: bool = False) -> list[Any]:
        """As Django's, and not remembered; apps in the order in which a registry of Django's begins with them."""
        self.check_models_ready()
        configs = [self.app_configs[label] for label in sorted(self.app_configs)]
        return [model for config in configs for model in config.get_models(include_auto_created, include_swapped)]

    def add(self, model: Any) -> None:
        """Take in a class that was rendered elsewhere, for those that come after it."""
        with self.bulk_update():
            self.register_model(model._meta.app_label, model)
