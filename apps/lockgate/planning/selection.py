"""What is held, and what the database has that this release has not. Pure: nothing is asked of a server.

A plan here is Django's: pairs of a migration and whether it runs backwards, in the order they will run.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from django.db.migrations import Migration
from django.db.migrations.graph import MigrationGraph

from lockgate.events import ExtensionOutcome, Held
from lockgate.facts import Key

Plan = Sequence[tuple[Migration, bool]]


def key_of(migration: Migration) -> Key:
    return Key(migration.app_label, migration.name)


def required_extensions(migrations: Iterable[Migration]) -> set[str]:
    """The extensions that migrations declare: ``requires_extensions = ["vector"]`` on their class."""
    return {name for migration in migrations for name in getattr(migration, "requires_extensions", ())}


def depends_on_its_environment(migration: Migration) -> bool:
    """Whether a migration says that what it does depends on where it runs: ``lockgate_snapshot = False``."""
    return getattr(migration, "lockgate_snapshot", True) is False


def held(
    plan: Plan, graph: MigrationGraph, outcomes: Mapping[str, ExtensionOutcome], *, portable: bool = False
) -> dict[Key, Held]:
    """The forward migrations of a plan that must wait for an extension, with those that depend on them.

    portable: also those that depend on their environment, which is another one than where the outcome is wanted.
    """
    waiting: dict[Key, Held] = {}
    for migration, backwards in plan:
        if backwards:
            continue
        if portable and depends_on_its_environment(migration):
            reason = "it says that it depends on its environment (lockgate_snapshot = False)"
        else:
            reason = _reason(migration, graph, outcomes, waiting)
        if reason:
            waiting[key_of(migration)] = Held(key_of(migration), reason)
    return waiting


def _reason(
    migration: Migration,
    graph: MigrationGraph,
    outcomes: Mapping[str, ExtensionOutcome],
    waiting: Mapping[Key, Held],
) -> str:
    for name in getattr(migration, "requires_extensions", ()):
        if name in outcomes and not outcomes[name].available:
            return f'needs extension "{name}" ({outcomes[name].state})'
    for parent in sorted(node.key for node in graph.node_map[key_of(migration)].parents):
        if parent in waiting:
            return f"depends on {Key(*parent)}, which is held"
    return ""


def known(disk: Iterable[Migration]) -> set[Key]:
    """The migrations of a release, with those that its squashed ones replace: their files may be gone."""
    return {
        key for migration in disk for key in (key_of(migration), *(Key(*replaced) for replaced in migration.replaces))
    }


def ahead(
    applied: Collection[tuple[str, str]],
    disk: Iterable[Migration],
    installed_apps: Collection[str],
    recorded_later: Collection[tuple[str, str]] = (),
) -> tuple[Key, ...]:
    """Applied migrations that this release does not have, sorted.

    Those of an app that is installed here, unless a squashed migration names them; and those of any app that the
    ledger saw applied after this release last finished (a newer release's new app). Rows of apps that were
    removed long ago are neither.
    """
    unknown = {Key(*key) for key in applied} - known(disk)
    later = {Key(*key) for key in recorded_later}
    return tuple(sorted(key for key in unknown if key.app in installed_apps or key in later))
