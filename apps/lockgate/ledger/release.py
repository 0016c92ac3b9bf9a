"""The digest of a release: equal digests mean that a finished run of one is a finished run of the other."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping

from django.apps.registry import Apps

from lockgate.facts import Key


def digest(name: str, contents: str) -> str:
    """sha256 over a build's name, where it has one, and its contents.

    The name is in it so that every build runs post_migrate once: receivers that Lockgate cannot see into may have
    changed. ``database/sql/current.sql`` has the same sum.
    """
    return _sha256([f"release {name}", contents])


def contents(migrations: Iterable[tuple[str, str]], registry: Apps) -> str:
    """sha256 over what a run brings about: migrations, and what post_migrate makes of models and permissions."""
    lines = [f"migration {app}.{migration}" for app, migration in sorted(migrations)]
    for model in registry.get_models(include_auto_created=False):
        options = model._meta
        permissions = sorted([*options.default_permissions, *(codename for codename, _ in options.permissions)])
        lines.append(f"model {options.label} {options.db_table} {' '.join(permissions)}")
    return _sha256(lines)


def ast_digest(said: Mapping[Key, str]) -> str:
    """sha256 over what each migration says, given by the digest of its syntax tree."""
    return _sha256(f"{key} {text}" for key, text in sorted(said.items()))


def less_held(digest: str, held: Iterable[tuple[str, str]]) -> str:
    """The digest of what can be finished while some migrations are held: once they are not, there is more to finish."""
    names = [f"held {app}.{name}" for app, name in sorted(held)]
    return _sha256([digest, *names]) if names else digest


def _sha256(lines: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
