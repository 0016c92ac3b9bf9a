"""What a model's state says of its relations: whom it points to, and what that puts on the class it points to.

Read once for each ModelState: those of a run are never changed, only replaced (``lazy_states``).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django.db import models
from django.db.migrations.state import ModelState
from django.db.migrations.utils import resolve_relation

ModelKey = tuple[str, str]
Models = Mapping[ModelKey, ModelState]

EXACT = (models.ForeignKey, models.OneToOneField, models.ManyToManyField)


@dataclass(frozen=True)
class Relation:
    """From a model, its source, to another one.

    accessors: attributes that the other one's class gets. names: what it may be called in queries of the other one, and
    one too many does no harm. key: whether it is the model's own primary key, or what it
    inherits by. one_to_one: as the field's. unsure: whether code outside of Django decides what it does to the other
    class. to: fields of the other one that it refers to, where not its primary key.
    """

    source: ModelKey
    target: ModelKey
    accessors: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    key: bool = False
    one_to_one: bool = False
    unsure: bool = False
    to: tuple[str, ...] = ()


@dataclass(frozen=True)
class Relations:
    """parents: models that a model inherits from. through: models that its many-to-many fields go through.

    plain: whether all of it is Django's own, so that a class can be rendered beside mere sketches of its targets.
    certain: whether its bases are nothing that could concern other classes. implicit: whether it inherits from a table
    without the field that says so, as only migrations that were written by hand do.
    """

    parents: tuple[ModelKey, ...]
    through: tuple[ModelKey, ...]
    all: tuple[Relation, ...]
    plain: bool
    certain: bool
    implicit: bool


def of(model: ModelState) -> Relations:
    """Kept with the state: one that cannot be hashed, and whose copies are not to have it."""
    kept = vars(model)
    if "_relations_read" not in kept:
        kept["_relations_read"] = _read(model)
    relations: Relations = kept["_relations_read"]
    return relations


def any_implicit(states: Iterable[ModelState]) -> bool:
    """Whether one of them is ``implicit``: asked of all models at each migration."""
    for state in states:
        known = vars(state).get("_relations_read") or of(state)
        if known.implicit:
            return True
    return False


def names_any(keys: Collection[ModelKey], states: Iterable[ModelState]) -> bool:
    """Whether one of the models inherits from one of the keys, or points to it."""
    return any(key in keys for state in states for key in named(state))


def named(state: ModelState) -> Iterator[ModelKey]:
    """The models that a model cannot be rendered without."""
    relations = of(state)
    yield from relations.parents
    yield from relations.through
    yield from (relation.target for relation in relations.all)


def concrete(key: ModelKey, states: Models) -> ModelKey:
    """The model whose table a proxy uses; the model itself where it is none."""
    seen = {key}
    while key in states and states[key].options.get("proxy"):
        parents = of(states[key]).parents
        if not parents or parents[0] in seen:
            break
        key = parents[0]
        seen.add(key)
    return key


def _read(model: ModelState) -> Relations:
    here = model.app_label, model.name_lower
    fields: list[Any] = [field for field in model.fields.values() if getattr(field, "remote_field", None)]
    parents = tuple(resolve_relation(base, *here) for base in model.bases if isinstance(base, str))
    through = tuple(
        resolve_relation(field.remote_field.through, *here)
        for field in fields
        if getattr(field.remote_field, "through", None)
    )
    relations = [*_of_fields(model, fields), *_of_bases(model, parents)]
    linked = any(getattr(field.remote_field, "parent_link", False) for field in fields)
    implicit = bool(parents) and not linked and not model.options.get("proxy")
    return Relations(parents, through, tuple(relations), _is_plain(model), all(map(_is_certain, model.bases)), implicit)


def _of_fields(model: ModelState, fields: list[Any]) -> Iterator[Relation]:
    here = model.app_label, model.name_lower
    ordered_by: Any = model.options.get("order_with_respect_to")
    for field in fields:
        if not field.remote_field.model:
            continue
        accessors = [name] if (name := _accessor(model, field)) else []
        if model.fields.get(ordered_by) is field:
            accessors += [f"get_{model.name_lower}_order", f"set_{model.name_lower}_order"]
        key = bool(field.primary_key or getattr(field.remote_field, "parent_link", False))
        to = tuple(name for name in getattr(field, "to_fields", None) or () if name)
        target = resolve_relation(field.remote_field.model, *here)
        names = (*accessors, model.name_lower, _named(model, field.remote_field.related_query_name))
        one_to_one, unsure = bool(field.one_to_one), not _is_djangos(field)
        yield Relation(here, target, tuple(accessors), names, key, one_to_one, unsure, to)


def _of_bases(model: ModelState, parents: tuple[ModelKey, ...]) -> Iterator[Relation]:
    """A child is an attribute of its parent's instances, by a field that a migration need not mention."""
    here = model.app_label, model.name_lower
    accessors = () if model.options.get("proxy") else (model.name_lower,)
    for parent in parents:
        yield Relation(here, parent, accessors, (model.name_lower,), key=True, one_to_one=True)


def _accessor(model: ModelState, field: Any) -> str | None:
    """The attribute that a relation puts on the class it points to (Django's RelatedField and ForeignObjectRel).

    None where there is none. One name too many would do no harm.
    """
    if name := _named(model, field.remote_field.related_name or model.options.get("default_related_name")):
        return None if name.endswith("+") else name
    return model.name_lower if field.one_to_one else f"{model.name_lower}_set"


def _named(model: ModelState, name: str | None) -> str:
    """A name that was given for a relation, with what it says of its model in place; empty where none was."""
    own = {"class": model.name_lower, "model_name": model.name_lower, "app_label": model.app_label.lower()}
    return str(name) % own if name else ""


def _is_plain(model: ModelState) -> bool:
    fields = all(
        type(field) in EXACT if getattr(field, "remote_field", None) else _is_djangos(field)
        for field in model.fields.values()
    )
    parts = [*model.options["indexes"], *model.options["constraints"]]
    return fields and all(map(_is_certain, model.bases)) and all(map(_from_django, map(type, parts)))


def _is_certain(base: Any) -> bool:
    """Whether a base concerns nothing but the class itself: a model that is named, Model, or a plain mixin."""
    if isinstance(base, str) or base is models.Model:
        return True
    hooked = getattr(base.__init_subclass__, "__func__", None) is not None
    return type(base) is type and not hooked


def _is_djangos(field: Any) -> bool:
    """Whether what a field does to classes, its model's and the one it points to, is Django's doing."""
    parts = [getattr(type(field), name, None) for name in ("contribute_to_class", "contribute_to_related_class")]
    relation = getattr(field, "remote_field", None)
    return all(map(_from_django, [part for part in (*parts, relation and type(relation)) if part]))


def _from_django(part: Any) -> bool:
    return str(part.__module__).partition(".")[0] == "django"
