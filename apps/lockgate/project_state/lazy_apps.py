"""A registry that is everything Django's own is, and renders each class when it is needed.

A class comes with all that it points to, and what those point to in turn: whoever has it may follow its relations. The
other way, what points to a class is an attribute of it (``author.book_set``): its name is known without its class, and
whoever asks for it has it rendered (``reverse``). Whatever looks at more than one model renders all of them.
"""

from __future__ import annotations

import contextlib
import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

from django.db.migrations.state import AppConfigStub, ModelState, StateApps

from lockgate.project_state import relations, reverse_relations
from lockgate.project_state.field_copies import FieldPrototypes
from lockgate.project_state.registry import Registry
from lockgate.project_state.relations import ModelKey, Models, Relation


class OnDemandApps(Registry):
    """The models of one state. real_apps: those without migrations. real_models: theirs, as Django keeps them.

    had_by_code: whether code of a migration has been given it.
    """

    had_by_code = False

    def __init__(
        self, models: Models, real_apps: Iterable[str], real_models: Sequence[ModelState], originals: FieldPrototypes
    ) -> None:
        self.rendering = True  # then a question is answered with what there is by then, as Django's registry does
        self.states: dict[ModelKey, ModelState] = {}
        super().__init__(originals)
        self.rendering = False
        self.real_models = list(real_models)
        self.app_configs = {label: _App(label, self) for label in real_apps}
        self.render_multiple([*models.values(), *real_models])

    # What Django has as attributes that hold every class

    @property
    def all_models(self) -> dict[str, dict[str, Any]]:
        self.render_everything()
        return self._all_models

    @all_models.setter
    def all_models(self, models: dict[str, dict[str, Any]]) -> None:
        self._all_models = models

    def get_model(self, app_label: str, model_name: str | None = None, require_ready: bool = True) -> Any:
        if model_name is None:
            app_label, model_name = app_label.split(".")
        self.render([(app_label, model_name.lower())])
        with self._as_it_is():
            return super().get_model(app_label, model_name, require_ready)

    def get_models(self, include_auto_created: bool = False, include_swapped: bool = False) -> list[Any]:
        self.render_everything()
        return super().get_models(include_auto_created, include_swapped)

    # What changes it

    def render_multiple(self, model_states: Iterable[ModelState]) -> None:
        """Have these models, in place of those of the same names; they are rendered when they are asked for."""
        with self._as_it_is():
            for state in model_states:
                key = state.app_label, state.name_lower
                if key in self.states:
                    super().unregister_model(*key)
                self.states[key] = state
                if state.app_label not in self.app_configs:
                    self.app_configs[state.app_label] = _App(state.app_label, self)
        self.app_configs = {label: self.app_configs[label] for label in sorted(self.app_configs)}
        for name in ("ends", "certain", "places"):
            self.__dict__.pop(name, None)

    def unregister_model(self, app_label: str, model_name: str) -> None:
        self.states.pop((app_label, model_name), None)
        with self._as_it_is():
            super().unregister_model(app_label, model_name)

    def clear_cache(self) -> None:
        if not self.ready:
            return
        with self._as_it_is():
            super().clear_cache()
        if self._has_others:
            return
        for label, models in self._all_models.items():
            for name, model in models.items():
                if self._is_without_partner((label, name)):
                    model._meta.__dict__["_reverse_one_to_one_field_names"] = frozenset()
                model._meta.__dict__["fields_map"] = reverse_relations.Names(model, self)

    @property
    def _has_others(self) -> bool:
        """Whether code has made a class of its own here, whose relations no state knows."""
        return any(
            (label, name) not in self.states and not model._meta.auto_created
            for label, models in self._all_models.items()
            for name, model in models.items()
        )

    def _is_without_partner(self, key: ModelKey) -> bool:
        """Whether nothing is one-to-one with a model. ``create()`` asks for the names of what is.

        A seam: told so in its cache, Django need not look at all models to find none.
        """
        if key not in self.states or relations.of(self.states[key]).parents:
            return False
        return not any(relation.one_to_one or relation.unsure for relation in self.ends.get(key, ()))

    def may_point(self, key: ModelKey, name: str) -> bool:
        """Whether something that points to a model may be called so in its queries. A parent's is its own, too."""
        if self.rendering or "+" in name or key not in self.states or relations.of(self.states[key]).parents:
            return True
        return any(relation.unsure or name in relation.names for relation in self.ends.get(key, ()))

    # Rendering

    @cached_property
    def ends(self) -> Mapping[ModelKey, list[Relation]]:
        """What ends at each model."""
        return reverse_relations.ends(self.states)

    @cached_property
    def certain(self) -> bool:
        """Whether no base of a model could concern other classes."""
        return all(relations.of(state).certain for state in self.states.values())

    def render(self, keys: Iterable[ModelKey]) -> None:
        """Render models with all that they point to; those that are not there are left out."""
        if self.rendering:
            return
        needed = self._closure(keys)
        if not needed:
            return
        with self._as_it_is():
            super().render_multiple([self.states[key] for key in self.states if key in needed])
            for label in {label for label, _ in needed}:
                self._put_in_order(label)
            for key in needed:
                self._hang_up_names(key)
        if self._pending_operations:  # a relation to a model that is not there: Django says so
            StateApps([], self.states)

    def render_everything(self) -> None:
        self.render(list(self.states))

    @cached_property
    def places(self) -> Mapping[ModelKey, int]:
        """Where Django would have come to each model."""
        return {key: place for place, key in enumerate(self.states)}

    def _put_in_order(self, label: str) -> None:
        """Have an app's models as Django would have come to them."""
        models = self._all_models[label]
        ordered = sorted(models.items(), key=lambda item: self._place(item[1]))
        models.clear()
        models.update(ordered)

    def _place(self, model: Any) -> tuple[float, bool]:
        """A table in between is made just before the model whose field goes through it; what code makes comes last."""
        meta = model._meta
        source = meta.auto_created._meta if meta.auto_created else meta
        return self.places.get((source.app_label, source.model_name), math.inf), source is meta

    @contextlib.contextmanager
    def _as_it_is(self) -> Iterator[None]:
        before, self.rendering = self.rendering, True
        try:
            yield
        finally:
            self.rendering = before

    def _closure(self, keys: Iterable[ModelKey]) -> set[ModelKey]:
        """Models that are not rendered yet, with what they point to; all of them, where some may concern any other."""
        reached: set[ModelKey] = set()
        waiting = list(keys if self.certain else self.states)
        while waiting:
            key = waiting.pop()
            if key in reached or key not in self.states or key[1] in self._all_models[key[0]]:
                continue
            reached.add(key)
            waiting += relations.named(self.states[key])
            waiting += [relation.source for relation in self.ends.get(key, ()) if relation.unsure]
        return reached

    def _hang_up_names(self, key: ModelKey) -> None:
        """Put on a class the names of what points to it and is not rendered yet."""
        waiting = defaultdict(list)
        for relation in self.ends.get(key, ()):
            label, name = relation.source
            if name not in self._all_models[label]:
                for accessor in relation.accessors:
                    waiting[accessor].append(relation.source)
        for name, keys in waiting.items():
            reverse_relations.hang_up(self._all_models[key[0]][key[1]], name, self, keys)


class _App(AppConfigStub):
    """An app of state models, whose models are rendered when it is asked for them."""

    def __init__(self, label: str, apps: OnDemandApps) -> None:
        super().__init__(label)
        self.apps: Any = apps

    @property
    def models(self) -> dict[str, Any]:
        if not self.apps.rendering:
            self.apps.render([key for key in self.apps.states if key[0] == self.label])
        models: dict[str, Any] = self.apps._all_models[self.label]
        return models

    @models.setter
    def models(self, models: Any) -> None:
        """Django sets it to what the registry has of the app anyway."""

    def __repr__(self) -> str:
        return f"<AppConfigStub: {self.label}>"

    def get_model(self, model_name: str, require_ready: bool = True) -> Any:
        self.apps.render([(self.label, model_name.lower())])
        with self.apps._as_it_is():
            return super().get_model(model_name, require_ready)
