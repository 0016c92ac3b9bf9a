"""What the database can keep in place of a field's default that is a function.

Two calls that agree prove nothing: a function may read the clock, the day's date or the environment. So a function is
a constant only where its own code says so; what is not known is not kept, and said (LG805). A secret, above all, must
never be one value for all rows.
"""

from __future__ import annotations

import builtins
import dis
import enum
import uuid
from collections.abc import Callable
from types import CodeType, FunctionType
from typing import Any

from django.utils import timezone

# What the server computes for each row as the function would, by the type that the column must have.
_ON_THE_SERVER: tuple[tuple[Callable[[], Any], str, str], ...] = (
    (uuid.uuid4, "uuid", "gen_random_uuid()"),
    (timezone.now, "timestamp with time zone", "statement_timestamp()"),
)
_EMPTY = (dict, list, tuple, set, frozenset, str, bytes, int, float, bool)
_PLAIN = (str, bytes, int, float, bool, type(None))
_GLOBALS = {"LOAD_GLOBAL", "LOAD_NAME"}
_NAMES = {"LOAD_ATTR", "LOAD_METHOD"}
_OUTSIDE = {"IMPORT_NAME", "IMPORT_FROM", "LOAD_DEREF", "LOAD_CLOSURE", "STORE_GLOBAL", "LOAD_BUILD_CLASS"}
_HARMLESS = {"copy", "value"}


def on_the_server(default: object, column_type: str) -> str:
    """The expression that stands for a function on a column of this type; empty where none does."""
    return next((sql for known, kind, sql in _ON_THE_SERVER if default is known and column_type == kind), "")


def is_constant(default: Any) -> bool:
    """Whether a function is known to give the same whenever it is called."""
    if any(default is empty for empty in _EMPTY):
        return True
    if not isinstance(default, FunctionType) or default.__defaults__ or default.__kwdefaults__:
        return False
    if not _reads_nothing(default.__code__, default.__globals__):
        return False
    return bool(default() == default())


def _reads_nothing(code: CodeType, names: dict[str, Any]) -> bool:
    if any(isinstance(const, CodeType) and not _reads_nothing(const, names) for const in code.co_consts):
        return False
    return not code.co_freevars and all(_is_fixed(instruction, names) for instruction in dis.get_instructions(code))


def _is_fixed(instruction: dis.Instruction, names: dict[str, Any]) -> bool:
    if instruction.opname in _GLOBALS:
        missing = object()
        value = names.get(instruction.argval, getattr(builtins, instruction.argval, missing))
        empty = any(value is constant for constant in _EMPTY)
        return empty or _is_plain(value) or (isinstance(value, type) and issubclass(value, enum.Enum))
    if instruction.opname in _NAMES and instruction.argval not in _HARMLESS:
        return bool(instruction.argval.isupper())  # a member of an enumeration: nothing else has got here
    return instruction.opname not in _OUTSIDE


def _is_plain(value: object) -> bool:
    if isinstance(value, tuple | frozenset):
        return all(map(_is_plain, value))
    return type(value) in _PLAIN
