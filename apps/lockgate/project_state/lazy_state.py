"""A project's state that renders only the models an operation asks for.

Django renders every model of a project for the first operation, and again whatever is related for each one after it,
which is nine tenths of the time of a long history. Planning asks for a handful: the model that is changed, what its
fields point to, and what points to it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from functools import cached_property
from typing import Any

from django.apps import apps as installed
from django.db.migrations.state import ModelState, ProjectState, StateApps
from django.db.migrations.utils import get_references, resolve_relation

ModelKey = tuple[str, str]


class LazyState(ProjectState):
    """A state whose ``apps`` render on demand; a clone, and the state after a change, start anew.

    A model's state that is changed is replaced, and whatever it shares with a state before it stays as it is: with
    ``shared`` a clone has the same ones. Not where operations of others may change them behind this class's back.
    alone: the change since the last clone concerns the model alone, and nothing that points to it.
    """

    alone = False
    _latest: LazyState | None = None

    def __init__(self, models: Any = None, real_apps: set[str] | None = None, *, shared: bool = False) -> None:
        super().__init__(models, real_apps)
        self.shared = shared

    @classmethod
    def of(cls, state: ProjectState, *, shared: bool) -> LazyState:
        """The same models; with their states themselves, if they are to be shared."""
        models = {key: model if shared else model.clone() for key, model in state.models.items()}
        return LazyState(models, state.real_apps, shared=shared)

    def clone(self) -> LazyState:
        self._latest = LazyState.of(self, shared=self.shared)
        self.alone = False
        return self._latest

    @cached_property
    def apps(self) -> Any:
        return _LazyApps(self)

    def reload_model(self, app_label: str, model_name: str, delay: bool = False) -> None:
        self.reload_models([(app_label, model_name)], delay)

    def reload_models(self, models: Any, delay: bool = True) -> None:
        self.is_delayed |= delay
        self.__dict__.pop("apps", None)

    def _concerns_it_alone(self) -> None:
        """Nothing but the model itself will be asked for, in the state before and after."""
        self.alone = True
        if self._latest is not None:
            self._latest.alone = True

    def _own(self, app_label: str, model_name: str) -> ModelState:
        """Replace a model's state by a copy, which is then changed."""
        self._relations = None  # hold fields by name; Django finds them out again where it is asked for them
        key = app_label, model_name.lower()
        mine: ModelState = self.models[key].clone()
        self.models[key] = mine
        return mine

    def add_model(self, model_state: ModelState) -> None:
        self._relations = None
        self._concerns_it_alone()
        self.__dict__.pop("apps", None)
        super().add_model(model_state)

    def remove_model(self, app_label: str, model_name: str) -> None:
        self._relations = None
        self.__dict__.pop("apps", None)
        super().remove_model(app_label, model_name)

    def rename_model(self, app_label: str, old_name: str, new_name: str) -> None:
        old = app_label, old_name.lower()
        for model, *_ in list(get_references(self, old)):
            self._own(model.app_label, model.name_lower)
        super().rename_model(app_label, old_name, new_name)

    def add_field(self, app_label: str, model_name: str, *args: Any, **kwargs: Any) -> None:
        self._own(app_label, model_name)
        self._concerns_it_alone()
        super().add_field(app_label, model_name, *args, **kwargs)

    def remove_field(self, app_label: str, model_name: str, name: str) -> None:
        self._own(app_label, model_name)
        self._concerns_it_alone()
        super().remove_field(app_label, model_name, name)

    def alter_field(self, app_label: str, model_name: str, name: str, field: Any, preserve_default: bool) -> None:
        mine = self._own(app_label, model_name)
        old: Any = mine.get_field(name)
        if not (old.unique or field.unique):  # what others may refer to: a primary key is unique, too
            self._concerns_it_alone()
        # Django looks through all models for who refers to the field, to know what to render: nothing is, here.
        models, self.models = self.models, {(app_label, model_name.lower()): mine}
        try:
            super().alter_field(app_label, model_name, name, field, preserve_default)
        finally:
            self.models = models

    def rename_field(self, app_label: str, model_name: str, old_name: str, new_name: str) -> None:
        """Django changes the fields themselves that name the old one: here copies of them."""
        key = app_label, model_name.lower()
        model = self._own(*key)
        for name, field in model.fields.items():
            named = [*(getattr(field, "from_fields", None) or ()), *(getattr(field, "field_names", None) or ())]
            if old_name in named:
                model.fields[name] = field.clone()
        if old_name in model.fields:
            for other, name, field, _ in list(get_references(self, key, (old_name, model.fields[old_name]))):
                mine = model if other is model else self._own(other.app_label, other.name_lower)
                mine.fields[name] = field.clone()
        super().rename_field(app_label, model_name, old_name, new_name)

    def alter_model_options(self, app_label: str, model_name: str, *args: Any, **kwargs: Any) -> None:
        self._own(app_label, model_name)
        super().alter_model_options(app_label, model_name, *args, **kwargs)

    def remove_model_options(self, app_label: str, model_name: str, *args: Any, **kwargs: Any) -> None:
        self._own(app_label, model_name)
        super().remove_model_options(app_label, model_name, *args, **kwargs)

    def alter_model_managers(self, app_label: str, model_name: str, *args: Any, **kwargs: Any) -> None:
        self._own(app_label, model_name)
        super().alter_model_managers(app_label, model_name, *args, **kwargs)

    def add_index(self, app_label: str, model_name: str, *args: Any, **kwargs: Any) -> None:
        self._own(app_label, model_name)
        self._concerns_it_alone()
        super().add_index(app_label, model_name, *args, **kwargs)

    def remove_index(self, app_label: str, model_name: str, *args: Any, **kwargs: Any) -> None:
        self._own(app_label, model_name)
        self._concerns_it_alone()
        super().remove_index(app_label, model_name, *args, **kwargs)

    def rename_index(self, app_label: str, model_name: str, *args: Any, **kwargs: Any) -> None:
        self._own(app_label, model_name)
        super().rename_index(app_label, model_name, *args, **kwargs)

    def add_constraint(self, app_label: str, model_name: str, *args: Any, **kwargs: Any) -> None:
        self._own(app_label, model_name)
        self._concerns_it_alone()
        super().add_constraint(app_label, model_name, *args, **kwargs)

    def remove_constraint(self, app_label: str, model_name: str, *args: Any, **kwargs: Any) -> None:
        self._own(app_label, model_name)
        self._concerns_it_alone()
        super().remove_constraint(app_label, model_name, *args, **kwargs)

    def alter_constraint(self, app_label: str, model_name: str, *args: Any, **kwargs: Any) -> None:
        self._own(app_label, model_name)
        super().alter_constraint(app_label, model_name, *args, **kwargs)


class _LazyApps:
    """Answers as a registry does; what is not asked of one model at a time renders everything."""

    def __init__(self, state: LazyState) -> None:
        self._state = state
        self._registry = StateApps([], {})

    def get_model(self, app_label: str, model_name: str | None = None, require_ready: bool = True) -> Any:
        if model_name is None:
            app_label, model_name = app_label.split(".")
        key = (app_label, model_name.lower())
        self._render(self._closure(key))
        return self._registry.get_model(*key)

    def __getattr__(self, name: str) -> Any:
        self._render(set(self._models))
        return getattr(self._registry, name)

    @cached_property
    def _models(self) -> dict[ModelKey, ModelState]:
        """Models by key; those of apps without migrations as they are installed, without their relations."""
        real = (model for label in self._state.real_apps for model in installed.get_app_config(label).get_models())
        states = [ModelState.from_model(model, exclude_rels=True) for model in real]
        return {**{(state.app_label, state.name_lower): state for state in states}, **self._state.models}

    @cached_property
    def _pointers(self) -> dict[ModelKey, list[tuple[ModelKey, bool]]]:
        """Who points to a model, and whether with its own key, so that it changes along."""
        pointers = defaultdict(list)
        for key, model in self._models.items():
            for target, is_key in _targets(model):
                pointers[target].append((key, is_key))
        return pointers

    def _closure(self, key: ModelKey) -> set[ModelKey]:
        """A model, what points to it, and everything that those point to in turn."""
        needed: list[ModelKey] = []
        changed = [key]
        if self._state.alone:
            needed, changed = [key], []
        while changed:
            changed_key = changed.pop()
            needed.append(changed_key)
            for pointer, is_key in self._pointers.get(changed_key, ()):
                (changed if is_key and pointer not in needed else needed).append(pointer)
        reached: set[ModelKey] = set()
        while needed:
            changed_key = needed.pop()
            if changed_key not in reached and changed_key in self._models:
                reached.add(changed_key)
                needed += [target for target, _ in _targets(self._models[changed_key])]
        return reached

    def _render(self, keys: set[ModelKey]) -> None:
        known = self._registry.all_models
        missing = sorted(key for key in keys if key[1] not in known[key[0]])
        self._registry.render_multiple([self._models[key] for key in missing])


def _targets(model: ModelState) -> Iterator[tuple[ModelKey, bool]]:
    """The models that a model's fields and bases name."""
    here = (model.app_label, model.name_lower)
    for base in model.bases:
        if isinstance(base, str):
            yield _key(base, here), True
    for field in model.fields.values():
        relation = getattr(field, "remote_field", None)
        if relation is not None and relation.model:
            yield _key(relation.model, here), bool(field.primary_key or getattr(relation, "parent_link", False))
            if through := getattr(relation, "through", None):
                yield _key(through, here), False


def _key(target: Any, here: ModelKey) -> ModelKey:
    resolved: ModelKey = resolve_relation(target, *here)
    return resolved
