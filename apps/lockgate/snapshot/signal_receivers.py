"""Who hears of a migration's end, and of the rows that Django's own code then makes."""

from __future__ import annotations

from collections.abc import Iterator
from types import FunctionType, MethodType

from django.apps import apps
from django.db.models.signals import post_init, post_migrate, post_save, pre_init, pre_migrate, pre_save

from lockgate import django_seams

_KNOWN = "django.contrib."
_OF_RUNS = (pre_migrate, post_migrate)
_OF_ROWS = (pre_init, post_init, pre_save, post_save)
# What the receivers of django.contrib make rows of.
_MADE = ("contenttypes.ContentType", "auth.Permission", "sites.Site")


def strangers() -> Iterator[str]:
    """Those that are not Django's own, by module and name."""
    return (name for name in names() if not name.startswith(_KNOWN))


def names() -> Iterator[str]:
    """All of them, by module and name; of the same project always in the same order."""
    for signal in _OF_RUNS:
        for config in apps.get_app_configs():
            yield from sorted(map(_name, django_seams.receivers(signal, config)))
    models = [one for one in apps.get_models() if one._meta.label in _MADE]
    for signal in _OF_ROWS:
        for model in models:
            yield from sorted(map(_name, django_seams.receivers(signal, model)))


def _name(receiver: object) -> str:
    """Where the code is, whatever a decorator has it say of itself."""
    function = receiver.__func__ if isinstance(receiver, MethodType) else receiver
    if isinstance(function, FunctionType):
        return f"{function.__globals__.get('__name__')}.{function.__qualname__}"
    return f"{type(receiver).__module__}.{type(receiver).__qualname__}"
