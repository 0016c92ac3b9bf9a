"""Fields that are copied are as Django's own clones: of every class that is copied, in every part."""

from __future__ import annotations

import copy
import inspect
from typing import Any

import pytest
from django.core.validators import MinLengthValidator
from django.db import models
from django.db.migrations.state import ModelState, StateApps
from django.db.models import fields as django_fields
from django.db.models.fields import json as django_json

from lockgate.project_state.field_copies import FieldPrototype, FieldPrototypes
from lockgate.project_state.relations import EXACT

NEEDS: dict[type[Any], dict[str, Any]] = {
    models.DecimalField: {"max_digits": 5, "decimal_places": 2},
    models.ForeignKey: {"to": "library.Author", "on_delete": models.CASCADE},
    models.OneToOneField: {"to": "library.Author", "on_delete": models.CASCADE},
    models.ManyToManyField: {"to": "library.Author"},
}
COPIED = sorted(
    {
        var
        for module in (django_fields, django_json)
        for var in vars(module).values()
        if inspect.isclass(var) and issubclass(var, models.Field) and var.__module__ == module.__name__
    }
    | set(EXACT),
    key=lambda each: each.__name__,
)


def _options() -> list[dict[str, Any]]:
    """Ways to construct any field; those that a class does not know are left out."""
    return [
        {},
        {"null": True, "blank": True, "db_index": True, "db_column": "c", "help_text": "h", "verbose_name": "v"},
        {"max_length": 7, "validators": [MinLengthValidator(2)], "error_messages": {"blank": "b"}, "unique": True},
        {"choices": [("a", "A"), ("g", [("b", "B")])], "default": [1]},
        {"choices": lambda: [("a", "A")], "default": dict, "db_default": models.Value(1)},
        {"related_name": "them", "related_query_name": "they", "limit_choices_to": {"n": 1}, "to_field": "code"},
        {"through": "library.Between", "through_fields": ("a", "b"), "swappable": False, "db_constraint": False},
        {"to": "auth.User"},
        {"to": "self", "symmetrical": False},
        {"primary_key": True, "auto_created": True, "serialize": False},
        {"auto_now": True},
        {"encoder": copy.Error},
        {"path": "/tmp", "recursive": True},
    ]


def made(kind: type[Any], options: dict[str, Any]) -> Any:
    """A field; None where its class does not know all of the options, or not together."""
    try:
        return kind(**{**NEEDS.get(kind, {}), **options})
    except (TypeError, ValueError, AssertionError, AttributeError):
        return None


EVERY = [
    pytest.param(kind, options, id=f"{kind.__name__}-{number}")
    for kind in COPIED
    for number, options in enumerate(_options())
    if made(kind, options) is not None
]


def parts(thing: Any, field: Any) -> dict[str, Any]:
    """What an object consists of, the field that it belongs to by name."""
    return {name: "the field" if value is field else value for name, value in vars(thing).items()}


def same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Whether parts are the same; objects of a field's own by what they consist of."""
    left_out = {"creation_counter", "remote_field", "validators", "_choices"}
    return one.keys() == other.keys() and all(one[name] == other[name] for name in one.keys() - left_out)


@pytest.mark.parametrize(("kind", "options"), EVERY)
def test_a_copy_is_what_a_clone_is(kind: type[Any], options: dict[str, Any]) -> None:
    field = made(kind, options)
    clone, copied = field.clone(), FieldPrototype(field).clone()
    assert type(copied) is type(clone)
    assert copied.deconstruct() == clone.deconstruct()
    assert same(parts(copied, copied), parts(clone, clone))
    assert copied.validators == clone.validators
    assert list(copied.flatchoices) == list(clone.flatchoices)
    assert type(vars(copied).get("_choices")) is type(vars(clone).get("_choices"))
    if clone.remote_field:
        assert type(copied.remote_field) is type(clone.remote_field)
        assert copied.remote_field.field is copied
        assert same(parts(copied.remote_field, copied), parts(clone.remote_field, clone))


@pytest.mark.parametrize(("kind", "options"), EVERY)
def test_a_copy_shares_what_a_clone_shares_and_no_more(kind: type[Any], options: dict[str, Any]) -> None:
    """Whoever appends to a list of a class's field must not append to that of another class."""
    field = made(kind, options)
    original = FieldPrototype(field)
    clone, copied, again = field.clone(), original.clone(), original.clone()
    for of in (lambda each: each, lambda each: each.remote_field or each):
        for name, value in vars(of(clone)).items():
            if isinstance(value, (list, dict, set)):
                shared = value is vars(of(field)).get(name)
                assert (vars(of(copied))[name] is vars(of(again))[name]) == shared, name


def test_fields_of_a_class_stand_in_the_order_of_the_state_whatever_was_copied_first() -> None:
    fields = [("id", models.BigAutoField(primary_key=True, auto_created=True)), ("a", models.TextField())]
    fields += [("b", models.TextField()), ("c", models.ForeignKey("library.Book", models.CASCADE))]
    originals = FieldPrototypes()
    for names in (["c"], ["b", "c"], ["a", "b"], ["id", "a", "b", "c"]):
        state = ModelState("library", "Book", [field for field in fields if field[0] in names])
        model = originals.in_place(state).render(StateApps([], {}))
        assert [field.name for field in model._meta.local_fields if field.name in names] == names
        counters = [field.creation_counter for field in model._meta.local_fields]
        assert len(set(counters)) == len(counters)


def test_a_field_that_is_replaced_is_not_copied_any_more() -> None:
    originals, apps = FieldPrototypes(), StateApps([], {})
    for length in (5, 6):
        state = ModelState("library", "Book", [("name", models.CharField(max_length=length))])
        assert originals.in_place(state).render(apps)._meta.get_field("name").max_length == length


class Own(models.CharField):  # type: ignore[type-arg]
    """A third party's."""


@pytest.mark.parametrize("field", [Own(max_length=3), models.FileField()], ids=lambda field: type(field).__name__)
def test_a_field_whose_constructor_may_run_code_of_the_project_is_left_to_django(field: Any) -> None:
    state = ModelState("library", "Book", [("name", field)])
    assert FieldPrototypes().in_place(state).fields["name"] is field


def test_a_state_stays_as_it_is() -> None:
    field = models.TextField()
    state = ModelState("library", "Book", [("name", field)])
    before = dict(vars(field))
    FieldPrototypes().in_place(state).render(StateApps([], {}))
    assert state.fields == {"name": field}
    assert state.fields["name"] is field
    assert vars(field) == before
