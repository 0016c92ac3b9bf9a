"""The readiness check: the query of a start, run by a process that has loaded Django, for probes and waiting workers.

A process checks the manifest once, against the apps and files that it has loaded. Settings and DATABASE_URL do not
matter here, because the session is Django's own. Without a fitting manifest, each migration is examined.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

import psycopg
from django.apps import apps
from django.conf import settings
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations.loader import MigrationLoader

from lockgate import configuration, policy
from lockgate.errors import ConfigurationError
from lockgate.ledger import checkpoint, release
from lockgate.ledger.checkpoint import CheckpointQuery
from lockgate.manifest import manifest_file
from lockgate.manifest.manifest_file import Manifest, Unusable
from lockgate.status.migrations import Status, StatusWatch

CURRENT = Status((), ())  # nothing is pending, and nothing held


class ReadinessCheck:
    """The status of one database: one query that compares, and only where that says no, one that looks."""

    def __init__(self, alias: str) -> None:
        self._alias, self._watch = alias, StatusWatch(alias)

    def status(self) -> Status:
        """Raises django.db.Error where the database does not answer, ReadRefused where this role may not read it.

        Of what is applied it lists nothing.
        """
        connection = connections[self._alias]
        return CURRENT if self._is_current(connection) else self._watch.status()

    @cached_property
    def _wanted(self) -> CheckpointQuery | None:
        try:
            return wanted(configuration.resolve(getattr(settings, "LOCKGATE", {}), os.environ))
        except (Unusable, ConfigurationError):
            return None

    def _is_current(self, connection: BaseDatabaseWrapper) -> bool:
        # An error within a transaction would be the end of it, and without autocommit one would stay open.
        if connection.vendor != "postgresql" or self._wanted is None or not connection.get_autocommit():
            return False
        try:
            return checkpoint.read(connection, self._wanted).current
        except psycopg.Error:  # no ledger, or no server: the ordinary query says so to Django too
            return False


def wanted(limits: policy.Policy) -> CheckpointQuery | None:
    """What this release wants to find, by the manifest; None where that is not of what is loaded. Raises Unusable."""
    path = next(_places(), None)
    if path is None:
        return None
    manifest = manifest_file.read(str(path))
    return _as_loaded(manifest, limits, json.loads(path.read_text(encoding="utf-8")))


def _as_loaded(manifest: Manifest, limits: policy.Policy, document: dict[str, object]) -> CheckpointQuery | None:
    """What the manifest says, where apps, models, settings of extensions, and the migrations' files are the same."""
    migrations: list[dict[str, str]] = document["migrations"]  # type: ignore[assignment]
    contents = release.contents([(migration["app"], migration["name"]) for migration in migrations], apps)
    modules = {config.label: MigrationLoader.migrations_module(config.label)[0] for config in apps.get_app_configs()}
    extensions = tuple(manifest_file.extensions(manifest))
    if (
        contents != manifest.one("contents")
        or modules != document["modules"]
        or set(limits.extensions) - set(extensions)
    ):
        return None
    if manifest_file.why_files_differ(manifest, (manifest_file.EVERY,)):
        return None
    return CheckpointQuery(limits.release, contents, manifest.one("ast_digest"), extensions)


def _places() -> Iterator[Path]:
    """Where a manifest may be: a server is not started with manage.py, but finds its modules beside it."""
    if named := os.environ.get(manifest_file.VARIABLE):
        yield Path(named)
        return
    for folder in dict.fromkeys([str(Path(sys.argv[0]).parent.absolute()), *map(os.path.abspath, sys.path)]):
        if (path := Path(folder) / manifest_file.NAME).is_file():
            yield path
