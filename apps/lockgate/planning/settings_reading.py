"""Which of Django's settings a migration reads, from its source: what it makes may be another thing under others."""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any

# What Django itself reads while it runs a migration: referred models, keys, places, moments and words.
ALWAYS = (
    "AUTH_USER_MODEL",
    "DEFAULT_AUTO_FIELD",
    "DEFAULT_INDEX_TABLESPACE",
    "DEFAULT_TABLESPACE",
    "LANGUAGE_CODE",
    "TIME_ZONE",
    "USE_TZ",
)


def names(sources: Iterable[bytes]) -> tuple[str, ...]:
    """The settings that the files name (``settings.NAME``, ``getattr(settings, "NAME")``), and ALWAYS; sorted."""
    found = set(ALWAYS)
    for source in sources:
        if b"settings" in source:
            found.update(_named(ast.parse(source)))
    return tuple(sorted(found))


def digest(wanted: Iterable[str], value_of: Callable[[str], Any]) -> str:
    """sha256 over the settings' values: one for all, because a value may be a secret."""
    lines = [f"{name} {_stable(value_of(name))}" for name in wanted]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _named(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(value=ast.Name(id="settings"), attr=name):
                yield name
            case ast.Call(
                func=ast.Name(id="getattr"), args=[ast.Name(id="settings"), ast.Constant(value=str(name)), *_]
            ):
                yield name


def _stable(value: Any) -> str:
    """A value as text that is the same in every process: sets have no order, and objects are where they are."""
    if isinstance(value, dict):
        return f"{{{', '.join(f'{_stable(key)}: {_stable(each)}' for key, each in value.items())}}}"
    if isinstance(value, set | frozenset):
        return f"{{{', '.join(sorted(map(_stable, value)))}}}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_stable, value))}]"
    if value is None or isinstance(value, str | bytes | int | float):
        return repr(value)
    return f"{type(value).__module__}.{type(value).__qualname__}"
