"""Which migrations may see lazily rendered models, and how much of them; the rest is rendered as Django does."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from enum import Enum
from typing import Any

from django.db import router
from django.db.migrations import Migration, RunPython, RunSQL, SeparateDatabaseAndState
from django.db.migrations.operations.base import Operation
from django.db.models.signals import class_prepared

from lockgate.planning.operations import overridden


class View(Enum):
    """What a state's ``apps`` gives.

    NEAR: the class that is asked for, beside sketches of what it points to: all that Django's schema operations and
    its schema editor look at. WHOLE: everything that a registry is, each class when it is needed: for code of the
    project. FULL: as Django does it.
    """

    NEAR = "near"
    WHOLE = "whole"
    FULL = "full"


def view_of(migration: Migration) -> View:
    """How a migration's models are rendered. Only what is Django's own to the letter is known to ask for little."""
    operations = list(_flat(migration.operations))
    own = overridden(migration) or type(migration).mutate_state is not Migration.mutate_state
    if class_prepared.receivers or own or not all(map(_is_djangos, operations)):
        return View.FULL
    code = any(isinstance(each, RunPython) for each in operations)
    return View.WHOLE if code or routed() else View.NEAR


def _flat(operations: Iterable[Operation]) -> Iterator[Operation]:
    """Operations, and those that they carry."""
    for operation in operations:
        yield operation
        if isinstance(operation, SeparateDatabaseAndState):
            yield from _flat([*operation.database_operations, *operation.state_operations])
        elif isinstance(operation, RunSQL):
            yield from _flat(operation.state_operations)


def _is_djangos(operation: Operation) -> bool:
    own: dict[str, Any] = vars(operation)
    return type(operation).__module__.partition(".")[0] == "django" and not own.keys() & _METHODS


def routed() -> bool:
    """Whether code of the project is shown each model, to decide where it belongs."""
    return any(hasattr(each, "allow_migrate") for each in router.routers)


# What an instance could bring in place of its class's own.
_METHODS = {"state_forwards", "database_forwards", "database_backwards", "allow_migrate_model"}
