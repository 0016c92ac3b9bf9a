"""Whether a snapshot is what replaying this code's migrations into this database would make; or why it may not be."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import django
from django.apps import apps
from django.conf import settings
from django.db import router
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations import Migration
from django.db.migrations.graph import MigrationGraph

import lockgate
from lockgate import configuration
from lockgate.database import extensions
from lockgate.facts import Key, ServerFacts
from lockgate.ledger import fingerprints
from lockgate.models import OWN
from lockgate.planning import selection
from lockgate.policy import PUBLIC_SCHEMA
from lockgate.snapshot import contents, settings_used
from lockgate.snapshot.snapshot_file import Header


@dataclass(frozen=True)
class Release:
    """The migrations of this code, and those that wait for an extension."""

    disk: Mapping[Key, Migration]
    graph: MigrationGraph
    held: Collection[Key] = ()


def why_not(header: Header, release: Release, connection: BaseDatabaseWrapper, server: ServerFacts) -> str:
    """The first thing in the way of loading it, in words; empty where it fits."""
    reasons = itertools.chain(
        _of_making(header, connection.alias),
        _of_migrations(header, release),
        _of_server(header, server),
        _of_database(header, connection),
    )
    return next(reasons, "")


def why_not_for_code(header: Header, release: Release, alias: str) -> str:
    """The same, as far as it can be told without a database."""
    return next(itertools.chain(_of_making(header, alias), _of_migrations(header, release)), "")


def _of_making(header: Header, alias: str) -> Iterator[str]:
    if header.django != django.get_version():
        yield f"it was made with Django {header.django}, this is {django.get_version()}"
    if header.lockgate != lockgate.__version__:
        yield f"it was made with Lockgate {header.lockgate}, this is {lockgate.__version__}"
    if header.alias != alias:
        yield f'it was made for database "{header.alias}", this is "{alias}"'
    if kept_away := models_kept_away(alias):
        yield f'a router keeps {kept_away[0]} away from "{alias}"'
    if header.settings_digest != digest_of_settings(header.settings):
        yield f"one of the settings that migrations read has another value: {', '.join(header.settings)}"


def _of_server(header: Header, server: ServerFacts) -> Iterator[str]:
    major = server.version_number // 10000
    if header.server != major:
        yield f"it was made on PostgreSQL {header.server}, this is {major}"


def _of_migrations(header: Header, release: Release) -> Iterator[str]:
    recorded, disk = header.recorded, release.disk
    replaced = {Key(*key) for name in recorded.keys() & disk.keys() for key in disk[name].replaces}
    for key in recorded.keys() - disk.keys() - replaced:
        yield f"it has {key}, which this release has not"
    for key in recorded.keys() & disk.keys():
        if not recorded[key].file_digest or fingerprints.source(disk[key]) is None:
            yield f"{key} has no source to compare"
        elif selection.depends_on_its_environment(disk[key]):
            yield f"{key} says that it depends on its environment"
    if edited := fingerprints.edited(recorded, disk):
        yield f"{edited[0]} says something else than when it was made"
    for key in sorted(recorded.keys() & set(release.held)):
        yield f"it has {key}, which is held here"
    yield from _of_order(recorded.keys(), release)


def _of_order(recorded: Collection[Key], release: Release) -> Iterator[str]:
    """What is newer must come after all of it, and must not stand for a part of it."""
    for key, migration in sorted(release.disk.items()):
        if key in recorded:
            continue
        if key.app == "lockgate":
            yield f"it was made before {key}"
        if {Key(*replace) for replace in migration.replaces} & set(recorded):
            yield f"{key} replaces migrations that it has"
    for key in recorded:
        if key in release.graph.node_map:
            for parent in release.graph.node_map[key].parents:
                if Key(*parent.key) not in recorded:
                    yield f"{Key(*parent.key)}, which it has not, comes before {key}"


def _of_database(header: Header, connection: BaseDatabaseWrapper) -> Iterator[str]:
    properties = contents.database_properties(connection)
    if properties.schema != PUBLIC_SCHEMA:
        yield f'new tables go to schema "{properties.schema}" here, not to "{PUBLIC_SCHEMA}"'
    if properties.encoding != "UTF8":
        yield f"the database's encoding is {properties.encoding}, not UTF8"
    if there := contents.own_objects(connection):
        yield f"the database is not empty: it has {', '.join(there[:3])}{' and more' if there[3:] else ''}"
    yield from _of_extensions(header.extensions, connection)


def _of_extensions(versions: Mapping[str, str], connection: BaseDatabaseWrapper) -> Iterator[str]:
    """Each is there, or can be created, in the version that it had."""
    present = {extension.name: extension.version for extension in contents.extensions(connection)}
    absent = versions.keys() - present.keys()
    for preflight in extensions.survey(connection, absent).values():
        if not preflight.creatable:
            yield f'extension "{preflight.name}" is not there, and this role cannot create it'
    here = {**contents.creatable_versions(connection, absent), **present}
    for name, version in versions.items():
        if here.get(name) != version:
            yield f'extension "{name}" is {here.get(name)} here, and was {version} where it was made'


def models_kept_away(alias: str) -> list[str]:
    """The models that a router wants elsewhere: what a replay makes then depends on more than migrations.

    The ledger's are not asked about: they are made in every database that is migrated.
    """
    models = (model for model in apps.get_models(include_auto_created=True) if model not in OWN)
    return [model._meta.label for model in models if not router.allow_migrate_model(alias, model)]


def digest_of_settings(names: Collection[str]) -> str:
    return settings_used.digest(names, _value_of)


def unlisted_settings(names: Collection[str]) -> list[str]:
    """Those of which no digest may be kept, because they may be secret."""
    listed = configuration.resolve(getattr(settings, "LOCKGATE", {}), {}).snapshot_settings
    return settings_used.unlisted(names, _value_of, listed)


def _value_of(name: str) -> Any:
    return getattr(settings, name, None)
