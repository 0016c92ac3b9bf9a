"""Which migrations a lint is about; what it leaves out is counted, and a lint that leaves out everything is refused."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from django.db.migrations import Migration
from django.db.migrations.loader import MigrationLoader

from lockgate.errors import ConfigurationError, WrongArgument
from lockgate.facts import Key
from lockgate.linting import migration_files
from lockgate.planning.selection import key_of

OWN = "lockgate"  # our own app's label
SETTING = 'LOCKGATE["LINT_START_AFTER"]'


@dataclass(frozen=True)
class LintRequest:
    """What the command line says. changed: the files that changed since a commit, where one is given.

    start_after: migrations, as ``app.name``, up to which each app's are the project's history.
    """

    app_label: str | None
    migration_name: str | None
    changed: frozenset[Path] | None
    unapplied: bool
    start_after: tuple[str, ...] = ()

    @property
    def whole(self) -> bool:
        """Whether it is about everything."""
        return not (self.app_label or self.changed is not None or self.unapplied)


@dataclass(frozen=True)
class Selection:
    """migrations: to be judged. installed: left out because they came with packages. early: before where linting
    starts."""

    migrations: tuple[Migration, ...]
    installed: tuple[Migration, ...]
    early: tuple[Migration, ...]


def select(asked: LintRequest, ordered: list[Migration], loader: MigrationLoader) -> Selection:
    """Raises WrongArgument for an app or a name that does not exist, or where nothing is left of what was asked for."""
    migrations = _named(asked, ordered, loader)
    if asked.unapplied:
        migrations = [migration for migration in migrations if key_of(migration) not in loader.applied_migrations]
    installed = (
        [] if asked.app_label else [migration for migration in migrations if migration_files.is_installed(migration)]
    )
    migrations = [migration for migration in migrations if migration not in installed]
    if asked.changed is not None:
        migrations = migration_files.among(migrations, set(asked.changed))
    history = set() if asked.migration_name or asked.changed is not None else _history(asked.start_after, loader)
    early = [migration for migration in migrations if key_of(migration) in history]
    pending = [migration for migration in migrations if key_of(migration) not in history]
    if not pending and not early:
        _refuse(asked, ordered, installed)
    return Selection(tuple(pending), tuple(installed) if asked.changed is None else (), tuple(early))


def _named(asked: LintRequest, ordered: list[Migration], loader: MigrationLoader) -> list[Migration]:
    label, name = asked.app_label, asked.migration_name
    if label and label not in loader.migrated_apps:
        known = ", ".join(sorted({migration.app_label for migration in ordered}))
        raise WrongArgument(f'there is no app "{label}" with migrations', next_step=f"those are {known}")
    migrations = [migration for migration in ordered if not label or migration.app_label == label]
    if not name:
        return migrations
    exact = [migration for migration in migrations if migration.name == name]
    migrations = exact or [migration for migration in migrations if migration.name.startswith(name)]
    if len(migrations) != 1:
        raise WrongArgument(
            f'{len(migrations)} migrations of "{label}" begin with "{name}"',
            why=", ".join(migration.name for migration in migrations),
            next_step="give the whole name, or more of it; showmigrations lists them",
        )
    return migrations


def _history(start_after: tuple[str, ...], loader: MigrationLoader) -> set[Key]:
    """Each of these migrations, and those of its app that it depends on. Raises ConfigurationError."""
    keys: set[Key] = set()
    for starting_point in start_after:
        app, _, name = starting_point.partition(".")
        replaced = (squash for squash, by in loader.replacements.items() if (app, name) in by.replaces)
        key = (app, name) if (app, name) in loader.graph.nodes else next(replaced, None)
        if key not in loader.graph.nodes:
            raise ConfigurationError(
                f'{SETTING} names "{starting_point}", which is no migration', next_step='write it as "app.0041_name"'
            )
        keys |= {Key(*before) for before in loader.graph.forwards_plan(key) if before[0] == app}
    return keys


def _refuse(asked: LintRequest, ordered: list[Migration], installed: list[Migration]) -> None:
    """Raise WrongArgument where something was asked for, and nothing is judged: no build must be content with that."""
    apps = sorted({migration.app_label for migration in installed} - {OWN})
    if apps and asked.changed is None:
        raise WrongArgument(
            "no migration was judged",
            why=f"all {len(installed)} are of installed packages, which are judged only by their app's name",
            next_step=f"name an app (lockgate lint {apps[0]}), or run it where the project is a checkout; "
            f"the apps are {', '.join(apps)}",
        )
    for path in sorted(asked.changed or ()):
        if path.parent.name == "migrations" and (twin := migration_files.installed_twin(path, ordered)):
            raise WrongArgument(
                "no migration was judged",
                why=f"{path} changed, and Python loads {key_of(twin)} from {migration_files.path_of(twin)}",
                next_step="put the checkout first on Python's path, or run it where no copy is installed",
            )
