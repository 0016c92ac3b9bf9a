"""The digest of a release: equal digests mean that a finished run of one is a finished run of the other."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from django.apps.registry import Apps


def digest(migrations: Iterable[tuple[str, str]], registry: Apps, name: str) -> str:
    """sha256 over what a run brings about: migrations, and what post_migrate makes of models and permissions.

    name: the build's own name, where it has one; then every build runs post_migrate once, as receivers that
    Lockgate cannot see into may have changed.
    """
    lines = [f"release {name}"]
    lines += [f"migration {app}.{migration}" for app, migration in sorted(migrations)]
    for model in registry.get_models(include_auto_created=False):
        options = model._meta
        permissions = sorted([*options.default_permissions, *(codename for codename, _ in options.permissions)])
        lines.append(f"model {options.label} {options.db_table} {' '.join(permissions)}")
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def less_held(digest: str, held: Iterable[tuple[str, str]]) -> str:
    """The digest of what can be finished while some migrations are held: once they are not, there is more to finish."""
    names = [f"held {app}.{name}" for app, name in sorted(held)]
    return hashlib.sha256("\n".join([digest, *names]).encode()).hexdigest() if names else digest
