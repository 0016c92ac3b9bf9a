"""What a manifest says of a project that has just been loaded: its migrations, and the lines that a start compares.

Runs in the probe's process, with settings, apps and migrations loaded and nothing else done.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import django
from django.apps import apps
from django.conf import settings
from django.core.management import get_commands
from django.db import connections
from django.db.backends.signals import connection_created
from django.db.migrations.loader import MigrationLoader

import lockgate
from lockgate import command_conflicts, configuration, django_seams, policy
from lockgate.database import loaded_libpq
from lockgate.facts import Fingerprint, Key
from lockgate.ledger import fingerprints, release
from lockgate.manifest import manifest_file, snapshot_lines
from lockgate.manifest.inputs import Inputs
from lockgate.manifest.probe import ReadLog
from lockgate.planning import selection

# Django's, which connect as libpq does and run nothing of their own on a new connection.
_ENGINES = ("django.db.backends.postgresql", "django.contrib.gis.db.backends.postgis")
# Options of a connection that decide neither whom it reaches, nor as whom, nor what it sees there.
_HARMLESS = frozenset(
    (
        *("connect_timeout", "tcp_user_timeout", "application_name", "client_encoding", "pool"),
        *("keepalives", "keepalives_idle", "keepalives_interval", "keepalives_count"),
        *("server_side_binding", "isolation_level", "prepare_threshold", "cursor_factory"),
    )
)
# Read by Django, by psycopg, or by very many settings modules, and secret in none.
_NO_SECRETS = (
    *("DEBUG", "DJANGO_ALLOW_ASYNC_UNSAFE", "DJANGO_COLORS", "DJANGO_DEBUG", "DJANGO_ENV", "ENVIRONMENT", "TZ"),
    "PSYCOPG_IMPL",
)


def describe(log: ReadLog, loader: MigrationLoader, circumstances: dict[str, Any], started: int) -> dict[str, Any]:
    """Lines, obstacles and document; ``newest``: time of the last change to a file, in nanoseconds like ``started``."""
    limits = configuration.resolve(
        getattr(settings, "LOCKGATE", {}), {}
    )  # what the environment adds is each start's matter
    said = {Key(*key): fingerprints.of(migration) for key, migration in loader.disk_migrations.items()}
    inputs = Inputs.of(log, loader, circumstances, started - manifest_file.RACY_NANOSECONDS, limits.manifest_ignores)
    variables = list(_variables(log, limits, inputs.salt))
    library, unknown = _libpq()
    obstacles = [*log.obstacles, *inputs.obstacles, *_of_database(circumstances["database"]), *_of_migrations(loader)]
    if (owner := get_commands().get("migrate")) != "lockgate":
        obstacles.append(f"manage.py migrate is {owner}'s, not Lockgate's")
    obstacles += [
        conflict.what for conflict in command_conflicts.hidden() if conflict.command in command_conflicts.OVERRIDING
    ]
    if unknown:
        obstacles.append(unknown)
    extensions = sorted({*limits.extensions, *selection.required_extensions(loader.disk_migrations.values())})
    facts = [
        ("interpreter", manifest_file.interpreter()),
        ("settings", circumstances["settings"]),
        ("script", circumstances["script"]),
        *(("path", value) for value in manifest_file.search_path(circumstances["path"])),
        ("salt", inputs.salt),
        ("contents", release.contents(loader.disk_migrations, apps)),
        ("ast_digest", release.ast_digest({key: fingerprint.ast_digest for key, fingerprint in said.items()})),
        ("release", limits.release),
        ("libpq", library),
        *(("extension", value) for value in extensions),
    ]
    lines = [f"{kind} {manifest_file.encoded(value)}" for kind, value in facts]
    snapshot = snapshot_lines.lines(
        circumstances["script"], loader, limits, log.environment.get("LOCKGATE_SNAPSHOT", "")
    )
    return {
        "started": started,
        "newest": inputs.newest,
        "obstacles": obstacles,
        "lines": [*lines, *_options(), *snapshot, *variables, *inputs.lines],
        "document": _document(loader, said),
    }


def _options() -> Iterator[str]:
    """How each variable that overrides a setting must be spelt: ``policy`` refuses others, and so must a start."""
    for option in configuration.OPTIONS:
        default = getattr(policy.Policy(), option.attribute)
        if not option.variable or option.attribute == "release":
            continue
        if isinstance(default, timedelta):
            kind = f"seconds {policy.LONGEST.total_seconds():.0f}"
        elif isinstance(default, bool):
            kind = "words true false 1 0 on off"
        elif isinstance(default, int):
            kind = "number inf"
        elif option.choices:
            kind = f"words {' '.join(option.choices)}"
        else:
            kind = "text"
        yield f"option {option.variable} {kind}"


def _variables(log: ReadLog, limits: policy.Policy, salt: str) -> Iterator[str]:
    """The variables that were read; with a keyed digest of their value where that is no secret by its name.

    A name tells nothing of the others: whoever has the manifest has the key, and could try values on the digest.
    """
    digested = {*_NO_SECRETS, *(option.variable for option in configuration.OPTIONS), *limits.manifest_variables}
    for name in sorted(log.variables - set(limits.manifest_ignores)):
        value = log.environment.get(name)
        if value is None:
            yield f"variable {manifest_file.encoded(name)} unset"
        elif name in digested:
            yield f"variable {manifest_file.encoded(name)} {manifest_file.digest(salt, os.fsencode(value))}"
        else:
            log.obstacles[
                f"{name} was set at build, and a manifest keeps nothing of what may be secret; unset it, or put it "
                'into LOCKGATE["MANIFEST_VARIABLES"] if it is none, or into LOCKGATE["MANIFEST_IGNORES"] if nothing '
                "depends on it"
            ] = None


def _of_migrations(loader: MigrationLoader) -> Iterator[str]:
    if conflicts := loader.detect_conflicts():
        yield f"conflicting migrations in {', '.join(sorted(conflicts))}"


def _of_database(expected: dict[str, Any]) -> Iterator[str]:
    """What keeps libpq, given DATABASE_URL alone, from the very session that Django would have."""
    connection = connections["default"]
    values = {key: str(connection.settings_dict[key]) for key in ("HOST", "PORT", "USER", "PASSWORD", "NAME")}
    for key, value in values.items():
        if value != expected[key]:
            yield f'DATABASES["default"]["{key}"] is not what DATABASE_URL says'
    options = {key: value for key, value in connection.settings_dict["OPTIONS"].items() if key not in _HARMLESS}
    for name in sorted(options.keys() | expected["OPTIONS"].keys()):
        if options.get(name) != expected["OPTIONS"].get(name):
            yield f'DATABASES["default"]["OPTIONS"]["{name}"] is not what DATABASE_URL says'
    if connection.settings_dict["ENGINE"] not in _ENGINES:
        yield f"the engine {connection.settings_dict['ENGINE']} may do more than connect"
    if not connection.settings_dict["AUTOCOMMIT"]:
        yield 'DATABASES["default"]["AUTOCOMMIT"] is False'
    for receiver in django_seams.receivers(connection_created, type(connection)):
        module = getattr(receiver, "__module__", "") or type(receiver).__module__
        if not module.startswith("django."):
            yield f"a receiver of connection_created in {module} may change what a session sees"


def _libpq() -> tuple[str, str]:
    """The file of the libpq that psycopg uses; or why that cannot be told."""
    try:
        return loaded_libpq.file(), ""
    except loaded_libpq.Unknown as unknown:
        return "", str(unknown)


def _document(loader: MigrationLoader, said: dict[Key, Fingerprint]) -> dict[str, Any]:
    """What else is in the file: every migration, and where an app's are."""
    return {
        "made_by": {
            "lockgate": lockgate.__version__,
            "django": django.get_version(),
            "psycopg": importlib.import_module("psycopg").__version__,
            "python": ".".join(map(str, sys.version_info[:3])),
        },
        "modules": {config.label: loader.migrations_module(config.label)[0] for config in apps.get_app_configs()},
        "migrations": [
            {
                "app": key.app,
                "name": key.name,
                "file_digest": said[key].file_digest,
                "ast_digest": said[key].ast_digest,
                "dependencies": sorted(map(list, loader.disk_migrations[key].dependencies)),
                "replaces": sorted(map(list, loader.disk_migrations[key].replaces)),
                "requires_extensions": sorted(selection.required_extensions([loader.disk_migrations[key]])),
            }
            for key in sorted(said)
        ],
    }
