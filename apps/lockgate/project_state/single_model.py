"""One model's class, beside sketches of the models that it points to.

A schema operation and Django's schema editor look at the model that is changed, its parents, the tables between it and
what it is many-to-many to; of what it points to they want no more than the table and the columns that foreign keys
refer to. Two looks go the other way, to what points at the model (Django 5.2 to 6.1): the schema editor's
``_related_non_m2m_objects``, for a column that others refer to, and RenameModel's ``_meta.related_objects``. Both begin
with the registry's ``get_models``, and what they may find is rendered then.

A class is kept for as long as nothing it was made from has changed: one operation's "after" is the next one's "before".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from weakref import ReferenceType, ref

from django.db.migrations.state import ModelState

from lockgate.project_state import relations
from lockgate.project_state.field_copies import FieldPrototypes
from lockgate.project_state.recently_used import LeastRecentlyUsed
from lockgate.project_state.registry import Registry
from lockgate.project_state.relations import ModelKey, Models, Relation

# What of a model's options tells others where and whether its table is.
_KEPT = ("db_table", "db_tablespace", "managed", "proxy", "swappable")


class Unsure(Exception):
    """What would be rendered has code of its own, which may look at more than a sketch."""


@dataclass
class RenderedModel:
    """A class, and the states it was made from; None for a model that was not there."""

    model: Any
    used: dict[ModelKey, ModelState | None]

    @property
    def looked_around(self) -> bool:
        """Whether it has been rendered with what points to it, which may have changed since."""
        looked_around: bool = self.model._meta.apps.looked_around
        return looked_around

    def still_holds(self, states: Models) -> bool:
        return all(states.get(key) is used for key, used in self.used.items())


@dataclass
class SingleModels:
    """The classes of one run, the two newest of each model: an operation asks for the one after it, then before it.

    states: of the models that are asked for.
    """

    prototypes: FieldPrototypes
    _models: LeastRecentlyUsed[list[RenderedModel]] = field(default_factory=LeastRecentlyUsed)
    _sketches: dict[tuple[ModelKey, frozenset[str]], RenderedModel] = field(default_factory=dict)

    def model(self, key: ModelKey, states: ModelStates) -> Any:
        """The class of a model. Raises Unsure where it cannot be had without the whole project."""
        known = self._models.take(key, [])
        rendered = next(
            (candidate for candidate in known if candidate.still_holds(states.models) and not candidate.looked_around),
            None,
        )
        if rendered is None:
            rendered = _Rendering(self, states).of(key)
            known = [rendered, *known[:1]]
        self._models.put(key, known)
        rendered.model._meta.apps.states = ref(states)
        return rendered.model

    def sketch(self, key: ModelKey, fields: frozenset[str], states: ModelStates) -> RenderedModel:
        """A class with a model's primary key and the wanted fields."""
        sketched = self._sketches.get((key, fields))
        if sketched is None or not sketched.still_holds(states.models):
            sketched = self._sketches[key, fields] = _Rendering(self, states).sketched(key, fields)
        return sketched


@dataclass(eq=False)
class ModelStates:
    """The models of one state, by key.

    referred: fields that are no relations; of what points to a model that is asked for, only what refers to them, or to
    a relation, will be looked at. None: all of it.
    """

    models: Models
    referred: frozenset[str] | None = None


class _SingleModelRegistry(Registry):
    """The registry of one class. looked_around: whether it holds what points to it, and so one state's truth only."""

    states: ReferenceType[ModelStates]
    looked_around = False

    def __init__(self, single_models: SingleModels, states: ModelStates) -> None:
        super().__init__(single_models.prototypes)
        self.single_models, self.states, self.full = single_models, ref(states), set[ModelKey]()

    def get_models(self, include_auto_created: bool = False, include_swapped: bool = False) -> list[Any]:
        self._look_around()
        return super().get_models(include_auto_created, include_swapped)

    def _look_around(self) -> None:
        states = self.states()
        if self.looked_around or states is None:
            return
        self.looked_around = True
        drawing = _Rendering(self.single_models, states, self)
        try:
            drawing.add(_pointing_to(self.full, states))
        except Unsure:
            drawing.render(states.models)


class _Rendering:
    """Renders into one registry. used: what it was made from."""

    def __init__(
        self, single_models: SingleModels, states: ModelStates, registry: _SingleModelRegistry | None = None
    ) -> None:
        self.single_models, self.states, self.models = single_models, states, states.models
        self.registry = registry or _SingleModelRegistry(single_models, states)
        self.used: dict[ModelKey, ModelState | None] = {}

    def of(self, key: ModelKey) -> RenderedModel:
        self.add([key])
        return RenderedModel(self.registry.get_registered_model(*key), self.used)

    def add(self, keys: Iterable[ModelKey]) -> None:
        """Render these models whole, with their parents and what they go through; sketch what those point to."""
        needed = self._with_company(keys)
        model_states = [self.models[key] for key in needed]
        if not all(relations.of(state).plain for state in model_states):
            raise Unsure
        for key, fields in self._targets(model_states).items():
            if key not in needed and key not in self.registry.full:
                self._add_sketch(key, frozenset(fields))
        self.render(needed)

    def render(self, keys: Iterable[ModelKey]) -> None:
        """Render models whole, but those that are so already; no sketch of theirs stays, for them to refer to."""
        missing = {key: self.models[key] for key in keys if key not in self.registry.full}
        for key in missing:
            self.registry.unregister_model(*key)
        self.used.update(missing)
        self.registry.full.update(missing)
        self.registry.render_multiple(list(missing.values()))

    def sketched(self, key: ModelKey, fields: frozenset[str]) -> RenderedModel:
        state = self.models[key]
        own_relations = relations.of(state)
        sketch = _sketch(state, fields)
        if not (relations.of(sketch).plain and own_relations.certain):
            raise Unsure
        self.used[key] = state
        targets = self._targets([sketch])
        for parent in own_relations.parents:
            targets.setdefault(parent, set()).update(fields)
        for target, names in targets.items():
            if target != key:
                self._add_sketch(target, frozenset(names))
        self.registry.render_multiple([sketch])
        return RenderedModel(self.registry.get_registered_model(*key), self.used)

    def _with_company(self, keys: Iterable[ModelKey]) -> list[ModelKey]:
        """Models that are there, with their parents and what they go through; in a fixed order."""
        needed: dict[ModelKey, None] = {}
        waiting = list(keys)
        while waiting:
            key = waiting.pop(0)
            if key in needed or key in self.registry.full or key not in self.models:
                continue
            needed[key] = None
            own_relations = relations.of(self.models[key])
            waiting += [*own_relations.parents, *own_relations.through]
        return list(needed)

    def _targets(self, states: Iterable[ModelState]) -> dict[ModelKey, set[str]]:
        """What models point to, with the fields that they refer to beside its primary key."""
        targets: dict[ModelKey, set[str]] = {}
        for state in states:
            for relation in relations.of(state).all:
                targets.setdefault(relation.target, set()).update(relation.to)
        return targets

    def _add_sketch(self, key: ModelKey, fields: frozenset[str]) -> None:
        if key not in self.models:
            self.used[key] = None
            return
        rendered = self.single_models.sketch(key, fields, self.states)
        self.used.update(rendered.used)
        self.registry.add(rendered.model)


def _sketch(state: ModelState, names: frozenset[str]) -> ModelState:
    """A model with its primary key, the wanted fields, and those that these refer to in the model itself."""
    fields = {name: value for name, value in state.fields.items() if name in names or value.primary_key}
    parts = {name for value in fields.values() for name in getattr(value, "field_names", ())}  # CompositePrimaryKey
    fields.update((name, state.fields[name]) for name in parts)
    options = {name: state.options[name] for name in _KEPT if name in state.options}
    sketch = ModelState(state.app_label, state.name, fields, options, state.bases)
    own = (relation for relation in relations.of(sketch).all if relation.target == relation.source)
    more = {name for relation in own for name in relation.to} & state.fields.keys()
    return sketch if more <= fields.keys() else _sketch(state, names | more)


def _pointing_to(keys: Iterable[ModelKey], model_states: ModelStates) -> list[ModelKey]:
    """What points to models; and to those of them in turn whose key would change along."""
    states, first = model_states.models, {relations.concrete(key, model_states.models) for key in keys}
    pointers: dict[ModelKey, list[ModelKey]] = {}
    for key, state in states.items():
        for relation in relations.of(state).all:
            target = relations.concrete(relation.target, states)
            if (
                target not in first
                or model_states.referred is None
                or _may_be_looked_at(relation, target, model_states)
            ):
                pointers.setdefault(target, []).append(key)
    pointing: dict[ModelKey, None] = {}
    waiting = list(keys)
    while waiting:
        for pointer in pointers.get(relations.concrete(waiting.pop(0), states), ()):
            if pointer not in pointing:
                pointing[pointer] = None
                if _may_be_referred_to(states[pointer]):
                    waiting.append(pointer)
    return list(pointing)


def _may_be_looked_at(relation: Relation, target: ModelKey, model_states: ModelStates) -> bool:
    """Whether a relation refers to one of the fields in question, or to one that refers to others in turn."""
    fields: Mapping[str, Any] = model_states.models[target].fields if target in model_states.models else {}
    names = relation.to or [name for name, field in fields.items() if field.primary_key]
    looked_at = (
        name in (model_states.referred or ()) or name not in fields or fields[name].is_relation for name in names
    )
    return not names or any(looked_at)


def _may_be_referred_to(state: ModelState) -> bool:
    """Whether one of its relations is a key that other tables may hold."""
    fields: Any = state.fields.values()
    unique = any(field.is_relation and (field.primary_key or field.unique) for field in fields)
    return unique or any(relation.key for relation in relations.of(state).all)
