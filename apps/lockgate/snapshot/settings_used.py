"""Which of Django's settings a migration reads, from its source: what it makes may be another thing under others."""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Any

from django.apps import apps

from lockgate.ledger import stable_text

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
# Stands for DATABASES where nothing but engines is read of it: names and places differ from each build to each start.
ENGINES = "DATABASES ENGINE"
# Of these a digest may be kept: they are secret in no project.
_NO_SECRETS = frozenset((*ALWAYS, ENGINES, "INSTALLED_APPS", "LANGUAGES", "SITE_ID"))


def names(sources: Iterable[bytes]) -> tuple[str, ...]:
    """The settings that the files name (``settings.NAME``, ``getattr(settings, "NAME")``), and ALWAYS; sorted."""
    names_used = set(ALWAYS)
    for source in sources:
        if b"settings" in source:
            names_used.update(_named(ast.parse(source)))
    return tuple(sorted(names_used))


def unlisted(names_wanted: Iterable[str], value_of: Callable[[str], Any], listed: Collection[str]) -> list[str]:
    """Those whose values may be secret: guesses could be tried on a digest of them. listed: the project's word."""
    known = _NO_SECRETS.union(listed)
    return [name for name in names_wanted if name not in known and not _tells_nothing(value_of(name))]


def digest(names_wanted: Iterable[str], value_of: Callable[[str], Any]) -> str:
    """sha256 over the settings' values; to be kept only where none of them is ``unlisted``."""
    lines = [f"{name} {stable_text.of(_value(name, value_of))}" for name in names_wanted]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _tells_nothing(value: Any) -> bool:
    """Nothing, a truth, or the name of an installed model: no secret, whatever the setting's name is."""
    if value is None or isinstance(value, bool) or value in ("", [], (), {}):
        return True
    try:
        return isinstance(value, str) and apps.get_model(value) is not None
    except (LookupError, ValueError):
        return False


def _value(name: str, value_of: Callable[[str], Any]) -> Any:
    if name != ENGINES:
        return value_of(name)
    databases: Mapping[str, Mapping[str, Any]] = value_of("DATABASES") or {}
    return {alias: database.get("ENGINE") for alias, database in databases.items()}


def _named(tree: ast.AST) -> Iterator[str]:
    engines = {databases for node in ast.walk(tree) if (databases := _asked_for_engine(node))}
    if engines:
        yield ENGINES
    for node in ast.walk(tree):
        if node in engines:
            continue
        match node:
            case ast.Attribute(value=ast.Name(id="settings"), attr=name):
                yield name
            case ast.Call(
                func=ast.Name(id="getattr"), args=[ast.Name(id="settings"), ast.Constant(value=str(name)), *_]
            ):
                yield name


def _asked_for_engine(node: ast.AST) -> ast.AST | None:
    """The ``settings.DATABASES`` of ``settings.DATABASES[…]["ENGINE"]``."""
    match node:
        case ast.Subscript(
            value=ast.Subscript(value=ast.Attribute(value=ast.Name(id="settings"), attr="DATABASES") as databases),
            slice=ast.Constant(value="ENGINE"),
        ):
            return databases
    return None
