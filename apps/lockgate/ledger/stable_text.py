"""Any value as text that is the same in every process: for digests, and for nothing that people read."""

from __future__ import annotations

from typing import Any


def of(value: Any) -> str:
    """Sets in order, deconstructible objects by what they are made from, other objects by their class."""
    if isinstance(value, dict):
        return f"{{{', '.join(f'{of(key)}: {of(item)}' for key, item in value.items())}}}"
    if isinstance(value, set | frozenset):
        return f"{{{', '.join(sorted(map(of, value)))}}}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(of, value))}]"
    return repr(value) if value is None or isinstance(value, str | bytes | int | float) else _object(value)


def _object(value: Any) -> str:
    if isinstance(value, type):
        return f"{value.__module__}.{value.__qualname__}"
    if callable(deconstruct := getattr(value, "deconstruct", None)):
        return of(deconstruct())
    return f"{type(value).__module__}.{type(value).__qualname__} {getattr(value, '__qualname__', '')}"
