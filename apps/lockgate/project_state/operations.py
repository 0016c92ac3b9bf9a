"""What is known of an operation from its class: whose it is, and whether its code is Django's own."""

from __future__ import annotations

import copy
import dis
import functools
from types import CodeType

from django.db.migrations import Migration
from django.db.migrations.operations.base import Operation

# What a function of ``pass`` alone is made of.
_CONSTANTS = frozenset({"LOAD_CONST", "RETURN_CONST"})
_EMPTY = _CONSTANTS | {"RESUME", "RETURN_VALUE", "NOP"}
_OF_SCHEMA = ("django.db.migrations.operations.fields", "django.db.migrations.operations.models")


def copy_of(migration: Migration) -> Migration:
    """A migration to plan: its operations are the class's, which will be executed; one that remembers being run must
    not see this. Raises whatever an operation raises that cannot be copied.
    """
    copied = copy.copy(migration)
    vars(copied)["operations"] = copy.deepcopy(migration.operations)
    return copied


def overridden(migration: Migration) -> str:
    """The method that a migration brings instead of Migration's; then its operations are not what runs."""
    for name in ("apply", "unapply"):
        if getattr(getattr(migration, name), "__func__", None) is not getattr(Migration, name):
            return name
    return ""


def is_djangos_schema(operation: Operation) -> bool:
    """Whether it is one of Django's core that changes a model or a field, and carries no code and no SQL."""
    return type(operation).__module__ in _OF_SCHEMA


def does_nothing(operation: Operation) -> bool:
    """Whether its code is empty, as that of a marker for some tool is; such code need not be run to be known."""
    code = getattr(type(operation).database_forwards, "__code__", None)
    return isinstance(code, CodeType) and _is_empty(code)


@functools.cache
def _is_empty(code: CodeType) -> bool:
    """Kept for each function: a history has thousands of operations of a dozen classes, and this takes them apart."""
    instructions = list(dis.get_instructions(code))
    empty = all(instruction.opname in _EMPTY for instruction in instructions)
    return empty and all(instruction.argval is None for instruction in instructions if instruction.opname in _CONSTANTS)
