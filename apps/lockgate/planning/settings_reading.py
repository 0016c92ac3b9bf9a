"""Which of Django's settings a migration reads, from its source: what it makes may be another thing under others."""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from lockgate.planning import stable_text

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
    lines = [f"{name} {stable_text.of(value_of(name))}" for name in wanted]
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
