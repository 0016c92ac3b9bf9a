"""The names by which a class knows what points to it, until that is rendered.

Django puts a descriptor on a class for each relation that ends there, when the other class is made. Its name follows
from the other model's state alone; a placeholder of that name makes the class when somebody asks for it, and steps
aside.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any, Protocol

from django.db.models.options import Options

from lockgate.project_state import relations
from lockgate.project_state.relations import ModelKey, Models, Relation


class ModelRegistry(Protocol):
    """What a placeholder wants of the registry of its class."""

    rendering: bool

    def may_point(self, key: ModelKey, name: str) -> bool: ...

    def render(self, keys: list[ModelKey]) -> None: ...


def ends(states: Models) -> Mapping[ModelKey, list[Relation]]:
    """What ends at each model. A relation to a proxy is one to the model that it stands for, too."""
    by_target = defaultdict(list)
    for state in states.values():
        for relation in relations.of(state).all:
            by_target[relation.target].append(relation)
    for key in list(by_target):
        concrete = relations.concrete(key, states)
        if concrete != key:
            by_target[concrete] += by_target[key]
    return by_target


class Names(Mapping[str, Any]):
    """What Django keeps as ``Options.fields_map``, made when somebody asks for a name that may be in it.

    Django looks there for whatever is no field of a model, lookups among it (``author__isnull``), and would look at all
    models to find that none which points to this one is called so. A seam.
    """

    def __init__(self, model: Any, registry: ModelRegistry) -> None:
        self._options, self._registry = model._meta, registry

    @cached_property
    def _all(self) -> dict[str, Any]:
        descriptor: Any = vars(Options)["fields_map"]
        fields: dict[str, Any] = descriptor.func(self._options)
        return fields

    def __getitem__(self, name: str) -> Any:
        if not self._registry.may_point((self._options.app_label, self._options.model_name), name):
            raise KeyError(name)
        return self._all[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._all)

    def __len__(self) -> int:
        return len(self._all)


def hang_up(model: Any, name: str, registry: ModelRegistry, keys: list[ModelKey]) -> None:
    """Let a name of a class stand for what these models put there, unless it has something else by that name."""
    if name not in vars(model):
        setattr(model, name, _Placeholder(model, name, registry, keys))


class _Placeholder:
    def __init__(self, model: Any, name: str, registry: ModelRegistry, keys: list[ModelKey]) -> None:
        self.model, self.name, self.registry, self.keys = model, name, registry, keys

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        self._give_way()
        return getattr(owner if instance is None else instance, self.name)

    def __set__(self, instance: Any, value: Any) -> None:
        self._give_way()
        setattr(instance, self.name, value)

    def _give_way(self) -> None:
        """Have the real one put in this one's place; where there is none, the name is free again."""
        if self.registry.rendering:  # a field of a class that is being made looks whether its name is taken
            raise AttributeError(self.name)
        self.registry.render(self.keys)
        if vars(self.model).get(self.name) is self:
            delattr(self.model, self.name)
