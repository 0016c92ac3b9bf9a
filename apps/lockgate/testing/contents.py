"""The digest of what a test database will hold: equal digests mean that one may be a copy of the other.

Migrations run code, so their files are not enough: what lies beside them (SQL, fixtures), and the modules whose names
they import, count as well. One that reads the network, the clock or a file elsewhere cannot be seen through; who edits
such a thing drops the template, as docs/testing.md says.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import ModuleType

import django
from django.apps import AppConfig, apps
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations import Migration
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.operations import RunSQL

import lockgate
from lockgate import configuration
from lockgate.ledger import fingerprints, stable_text
from lockgate.snapshot import compatibility, settings_used


class Unknowable(Exception):
    """What a test database will hold cannot be told in advance; its text says why."""


def digest(connection: BaseDatabaseWrapper) -> str:
    """sha256 over all that decides about a test database. Raises Unknowable."""
    loader = MigrationLoader(None, ignore_no_migrations=True)
    hasher = hashlib.sha256()
    for line in _lines(connection, loader):
        hasher.update(line.encode())
        hasher.update(b"\n")
    return hasher.hexdigest()


def _lines(connection: BaseDatabaseWrapper, loader: MigrationLoader) -> Iterator[str]:
    yield f"lockgate {lockgate.__version__}, Django {django.get_version()}"
    yield f"database {connection.alias} {connection.settings_dict['TEST']['CHARSET']}"
    yield f"extensions {configuration.in_force().extensions}"
    yield f"kept away {compatibility.models_kept_away(connection.alias)}"
    migrations = sorted(loader.disk_migrations.items())
    sources = {key: fingerprints.source(migration) for key, migration in migrations}
    for (app, name), source in sources.items():
        if source is None:
            raise Unknowable(f"{app}.{name} has no source to compare")
        yield f"migration {app}.{name} {hashlib.sha256(source).hexdigest()}"
    names = settings_used.names(source for source in sources.values() if source)
    if unlisted := compatibility.unlisted_settings(names):
        raise Unknowable(
            f"its name would hold a digest of what may be a secret, and migrations read: {', '.join(unlisted)}; "
            'name what is none in LOCKGATE["SNAPSHOT_SETTINGS"]'
        )
    yield f"settings {compatibility.digest_of_settings((*names, 'INSTALLED_APPS'))}"
    for _, migration in migrations:
        yield from (
            f"sql {stable_text.of(operation.sql)}"
            for operation in migration.operations
            if isinstance(operation, RunSQL)
        )
    for path in sorted(set(_beside(migration for _, migration in migrations))):
        yield f"file {path} {hashlib.sha256(path.read_bytes()).hexdigest()}"
    for label in sorted(loader.unmigrated_apps):
        yield from _models(apps.get_app_config(label))


def _beside(migrations: Iterable[Migration]) -> Iterator[Path]:
    """The files that code of migrations may use: beside them, in their app's fixtures, and the modules they import."""
    folders: set[Path] = set()
    for migration in migrations:
        module = sys.modules[type(migration).__module__]
        folder = Path(module.__file__ or "").parent
        folders |= {folder, folder.parent / "fixtures"}
        yield from _imported(module)
    for folder in folders:
        yield from (path for path in folder.rglob("*") if path.is_file() and path.suffix not in (".py", ".pyc"))


def _imported(module: ModuleType) -> Iterator[Path]:
    """The files of the modules whose contents a module has names for; Django's go with its version."""
    names = {getattr(value, "__module__", None) or getattr(value, "__name__", None) for value in vars(module).values()}
    for name in names:
        imported = sys.modules.get(name) if isinstance(name, str) and not name.startswith("django.") else None
        path = getattr(imported, "__file__", None)
        if path and path.endswith(".py") and not path.startswith(sys.base_prefix + "/lib/python"):
            yield Path(path)


def _models(app: AppConfig) -> Iterator[str]:
    """Models without migrations: their tables are made from what they say now."""
    for model in app.get_models(include_auto_created=True):
        options = {key: value for key, value in model._meta.original_attrs.items() if key != "apps"}
        fields = [field.deconstruct() for field in model._meta.local_fields]
        yield f"model {model._meta.label} {model._meta.db_table} {stable_text.of(options)} {stable_text.of(fields)}"
