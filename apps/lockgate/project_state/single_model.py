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
from lockgate.project_state.field_copies import Originals
from lockgate.project_state.recently_used import Recent
from lockgate.project_state.registry import Registry
from lockgate.project_state.relations import ModelKey, Models, Relation

# What of a model's options tells others where and whether its table is.
_KEPT = ("db_table", "db_tablespace", "managed", "proxy", "swappable")


class Unsure(Exception):
    """What would be rendered has code of its own, which may look at more than a sketch."""


@dataclass
class Made:
    """A class, and the states it was made from; None for a model that was not there."""

    model: Any
    used: dict[ModelKey, ModelState | None]

    @property
    def looked_around(self) -> bool:
        """Whether it has been rendered with what points to it, which may have changed since."""
        found: bool = self.model._meta.apps.looked_around
        return found

    def still_holds(self, states: Models) -> bool:
        return all(states.get(key) is used for key, used in self.used.items())


@dataclass
class Near:
    """The classes of one run, the two newest of each model: an operation asks for the one after it, then before it.

    states: of the models that are asked for.
    """

    originals: Originals
    _models: Recent[list[Made]] = field(default_factory=Recent)
    _sketches: dict[tuple[ModelKey, frozenset[str]], Made] = field(default_factory=dict)

    def model(self, key: ModelKey, states: States) -> Any:
        """The class of a model. Raises Unsure where it cannot be had without the whole project."""
        known = self._models.take(key, [])
        made = next((each for each in known if each.still_holds(states.models) and not each.looked_around), None)
        if made is None:
            made = _Drawing(self, states).of(key)
            known = [made, *known[:1]]
        self._models.put(key, known)
        made.model._meta.apps.states = ref(states)
        return made.model

    def sketch(self, key: ModelKey, wanted: frozenset[str], states: States) -> Made:
        """A class with a model's primary key and the wanted fields."""
        made = self._sketches.get((key, wanted))
        if made is None or not made.still_holds(states.models):
            made = self._sketches[key, wanted] = _Drawing(self, states).sketched(key, wanted)
        return made


@dataclass(eq=False)
class States:
    """The models of one state, by key.

    referred: fields that are no relations; of what points to a model that is asked for, only what refers to them, or to
    a relation, will be looked at. None: all of it.
    """

    models: Models
    referred: frozenset[str] | None = None


class _Surroundings(Registry):
    """The registry of one class. looked_around: whether it holds what points to it, and so one state's truth only."""

    states: ReferenceType[States]
    looked_around = False

    def __init__(self, near: Near, states: States) -> None:
        super().__init__(near.originals)
        self.near, self.states, self.full = near, ref(states), set[ModelKey]()

    def get_models(self, include_auto_created: bool = False, include_swapped: bool = False) -> list[Any]:
        self._look_around()
        return super().get_models(include_auto_created, include_swapped)

    def _look_around(self) -> None:
        states = self.states()
        if self.looked_around or states is None:
            return
        self.looked_around = True
        drawing = _Drawing(self.near, states, self)
        try:
            drawing.add(_pointing_to(self.full, states))
        except Unsure:
            drawing.render(states.models)


class _Drawing:
    """Renders into one registry. used: what it was made from."""

    def __init__(self, near: Near, states: States, registry: _Surroundings | None = None) -> None:
        self.near, self.states, self.models = near, states, states.models
        self.registry = registry or _Surroundings(near, states)
        self.used: dict[ModelKey, ModelState | None] = {}

    def of(self, key: ModelKey) -> Made:
        self.add([key])
        return Made(self.registry.get_registered_model(*key), self.used)

    def add(self, keys: Iterable[ModelKey]) -> None:
        """Render these models whole, with their parents and what they go through; sketch what those point to."""
        wanted = self._with_company(keys)
        found = [self.models[key] for key in wanted]
        if not all(relations.of(state).plain for state in found):
            raise Unsure
        for key, fields in self._targets(found).items():
            if key not in wanted and key not in self.registry.full:
                self._add_sketch(key, frozenset(fields))
        self.render(wanted)

    def render(self, keys: Iterable[ModelKey]) -> None:
        """Render models whole, but those that are so already; no sketch of theirs stays, for them to refer to."""
        missing = {key: self.models[key] for key in keys if key not in self.registry.full}
        for key in missing:
            self.registry.unregister_model(*key)
        self.used.update(missing)
        self.registry.full.update(missing)
        self.registry.render_multiple(list(missing.values()))

    def sketched(self, key: ModelKey, wanted: frozenset[str]) -> Made:
        state = self.models[key]
        found = relations.of(state)
        sketch = _sketch(state, wanted)
        if not (relations.of(sketch).plain and found.certain):
            raise Unsure
        self.used[key] = state
        targets = self._targets([sketch])
        for parent in found.parents:
            targets.setdefault(parent, set()).update(wanted)
        for target, names in targets.items():
            if target != key:
                self._add_sketch(target, frozenset(names))
        self.registry.render_multiple([sketch])
        return Made(self.registry.get_registered_model(*key), self.used)

    def _with_company(self, keys: Iterable[ModelKey]) -> list[ModelKey]:
        """Models that are there, with their parents and what they go through; in a fixed order."""
        wanted: dict[ModelKey, None] = {}
        waiting = list(keys)
        while waiting:
            key = waiting.pop(0)
            if key in wanted or key in self.registry.full or key not in self.models:
                continue
            wanted[key] = None
            found = relations.of(self.models[key])
            waiting += [*found.parents, *found.through]
        return list(wanted)

    def _targets(self, states: Iterable[ModelState]) -> dict[ModelKey, set[str]]:
        """What models point to, with the fields that they refer to beside its primary key."""
        found: dict[ModelKey, set[str]] = {}
        for state in states:
            for relation in relations.of(state).all:
                found.setdefault(relation.target, set()).update(relation.to)
        return found

    def _add_sketch(self, key: ModelKey, fields: frozenset[str]) -> None:
        if key not in self.models:
            self.used[key] = None
            return
        made = self.near.sketch(key, fields, self.states)
        self.used.update(made.used)
        self.registry.add(made.model)


def _sketch(state: ModelState, wanted: frozenset[str]) -> ModelState:
    """A model with its primary key, the wanted fields, and those that these refer to in the model itself."""
    fields = {name: each for name, each in state.fields.items() if name in wanted or each.primary_key}
    parts = {name for each in fields.values() for name in getattr(each, "field_names", ())}  # CompositePrimaryKey
    fields.update((name, state.fields[name]) for name in parts)
    options = {name: state.options[name] for name in _KEPT if name in state.options}
    sketch = ModelState(state.app_label, state.name, fields, options, state.bases)
    own = (relation for relation in relations.of(sketch).all if relation.target == relation.source)
    more = {name for relation in own for name in relation.to} & state.fields.keys()
    return sketch if more <= fields.keys() else _sketch(state, wanted | more)


def _pointing_to(keys: Iterable[ModelKey], given: States) -> list[ModelKey]:
    """What points to models; and to those of them in turn whose key would change along."""
    states, first = given.models, {relations.concrete(key, given.models) for key in keys}
    pointers: dict[ModelKey, list[ModelKey]] = {}
    for key, state in states.items():
        for relation in relations.of(state).all:
            target = relations.concrete(relation.target, states)
            if target not in first or given.referred is None or _may_be_looked_at(relation, target, given):
                pointers.setdefault(target, []).append(key)
    found: dict[ModelKey, None] = {}
    waiting = list(keys)
    while waiting:
        for pointer in pointers.get(relations.concrete(waiting.pop(0), states), ()):
            if pointer not in found:
                found[pointer] = None
                if _may_be_referred_to(states[pointer]):
                    waiting.append(pointer)
    return list(found)


def _may_be_looked_at(relation: Relation, target: ModelKey, given: States) -> bool:
    """Whether a relation refers to one of the fields in question, or to one that refers to others in turn."""
    fields: Mapping[str, Any] = given.models[target].fields if target in given.models else {}
    names = relation.to or [name for name, field in fields.items() if field.primary_key]
    looked_at = (name in (given.referred or ()) or name not in fields or fields[name].is_relation for name in names)
    return not names or any(looked_at)


def _may_be_referred_to(state: ModelState) -> bool:
    """Whether one of its relations is a key that other tables may hold."""
    fields: Any = state.fields.values()
    unique = any(field.is_relation and (field.primary_key or field.unique) for field in fields)
    return unique or any(relation.key for relation in relations.of(state).all)
