"""Which migrations may see lazily rendered models, and how much of them; the rest is rendered as Django does."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from enum import Enum
from typing import Any

from django.db import router
from django.db.migrations import (
    AddField,
    AlterField,
    CreateModel,
    Migration,
    RenameField,
    RunPython,
    RunSQL,
    SeparateDatabaseAndState,
)
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ModelState
from django.db.models.signals import class_prepared

from lockgate.project_state.operations import is_djangos_schema, overridden


class Render(Enum):
    """What a state's ``apps`` gives.

    MODEL: the class that is asked for, beside sketches of what it points to: all that Django's schema operations and
    its schema editor look at. ON_DEMAND: everything that a registry is, each class when it is needed: for code of the
    project. EAGER: as Django does it.
    """

    MODEL = "model"
    ON_DEMAND = "on demand"
    EAGER = "eager"


def render_of(migration: Migration) -> Render:
    """How a migration's models are rendered. Only what is Django's own to the letter is known to ask for little."""
    operations = list(flat(migration.operations))
    own = overridden(migration) or type(migration).mutate_state is not Migration.mutate_state
    if class_prepared.receivers or own or not all(map(_is_djangos, operations)) or any(map(_renames_early, operations)):
        return Render.EAGER
    code = any(isinstance(operation, RunPython) for operation in operations)
    return Render.ON_DEMAND if code or routed() else Render.MODEL


def _renames_early(operation: Operation) -> bool:
    """Whether a field's new name is written into the fields that refer to it before statements are made of the old one.

    So it is where SeparateDatabaseAndState carries RenameField: states share fields, and Django renames in place.
    """
    if not isinstance(operation, SeparateDatabaseAndState) or not operation.database_operations:
        return False
    return any(isinstance(inner, RenameField) for inner in flat(operation.state_operations))


def says_all(migration: Migration, models: Mapping[tuple[str, str], ModelState]) -> bool:
    """Whether what a migration sends follows from it and the models before it, and no code of the project has a say.

    An added or altered field's default may be the project's function, which could look at anything, at any time.
    """
    fields: list[Any] = []
    for operation in migration.operations:
        if not is_djangos_schema(operation):
            return False
        fields += _fields(operation)
        if isinstance(operation, AlterField):
            model = models.get((migration.app_label, operation.model_name_lower))
            fields += [model.fields[operation.name]] if model and operation.name in model.fields else []
        if not all(map(_is_built_in, _parts(operation))):
            return False
    if len(migration.operations) == 1 and isinstance(migration.operations[0], CreateModel):
        return all(map(_is_built_in, fields))  # nobody asks for a default of a table without rows
    return all(_is_built_in(field) and not _calls_code(field) for field in fields)


def _fields(operation: Operation) -> list[Any]:
    if isinstance(operation, CreateModel):
        return [field for _, field in operation.fields]
    return [operation.field] if isinstance(operation, AddField | AlterField) else []


def _parts(operation: Operation) -> list[Any]:
    """Indexes and constraints that an operation makes."""
    options: dict[str, Any] = getattr(operation, "options", None) or {}
    parts = [getattr(operation, name) for name in ("index", "constraint") if hasattr(operation, name)]
    return [*parts, *options.get("indexes", ()), *options.get("constraints", ())]


def _is_built_in(part: Any) -> bool:
    return str(type(part).__module__).startswith("django.")


def _calls_code(field: Any) -> bool:
    function = field.default if field.has_default() and callable(field.default) else None
    return function is not None and getattr(function, "__module__", None) not in _PURE


def flat(operations: Iterable[Operation]) -> Iterator[Operation]:
    """Operations, and those that they carry."""
    for operation in operations:
        yield operation
        if isinstance(operation, SeparateDatabaseAndState):
            yield from flat([*operation.database_operations, *operation.state_operations])
        elif isinstance(operation, RunSQL):
            yield from flat(operation.state_operations)


def _is_djangos(operation: Operation) -> bool:
    own: dict[str, Any] = vars(operation)
    return type(operation).__module__.partition(".")[0] == "django" and not own.keys() & _METHODS


def routed() -> bool:
    """Whether code of the project is shown each model, to decide where it belongs."""
    return any(hasattr(one, "allow_migrate") for one in router.routers)


# Modules whose functions, as defaults, say the same whenever they are asked, or something new each time.
_PURE = {"builtins", "datetime", "decimal", "uuid", "django.utils.timezone"}
# What an instance could bring in place of its class's own.
_METHODS = {"state_forwards", "database_forwards", "database_backwards", "allow_migrate_model"}
