"""Judges migrations before they reach a live database: what would block, break the serving release, or lose data."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandParser, no_translations
from django.db import DEFAULT_DB_ALIAS, connections
from django.db.migrations import Migration
from django.db.migrations.loader import MigrationLoader

from lockgate import foreign
from lockgate.errors import WrongArgument
from lockgate.execution.outlook import history, linting, migration_files
from lockgate.execution.outlook.linting import Linted
from lockgate.management import boundary
from lockgate.management.kept_judgement import Kept
from lockgate.planning.plan import key_of
from lockgate.planning.rules import BY_ID
from lockgate.reporting import hazard_report, kept_report, rule_pages
from lockgate.reporting.hazard_report import Placed, Report

OWN = "lockgate"  # our own app's label


class Command(boundary.Boundary, BaseCommand):
    help = "Judges migrations: what would block, break the serving release, or lose data. Changes nothing."
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("app_label", nargs="?", help="App to judge (default: every app of this project).")
        parser.add_argument("migration_name", nargs="?", help="One migration of the app, or the beginning of its name.")
        parser.add_argument("--since", metavar="GITREF", help="Only files that changed since a commit, as one release.")
        parser.add_argument("--unapplied", action="store_true", help="Only what is pending, as one release.")
        parser.add_argument(
            "--format",
            dest="output",
            choices=tuple(hazard_report.FORMATS),
            default="text",
            help="For people, for machines, for GitHub's annotations, or SARIF (default: text).",
        )
        parser.add_argument("--explain", metavar="ID", help="Explains a rule, with an unsafe and a safe example.")
        parser.add_argument(
            "--cache",
            metavar="DIR",
            help="Keeps the judgement there, and takes it from there while nothing has changed.",
        )
        source = parser.add_mutually_exclusive_group()
        source.add_argument("--database", choices=tuple(connections), help="Ask this database for sizes and sessions.")
        source.add_argument(
            "--offline", action="store_true", help="Ask no database, and take every table for large (the default)."
        )

    @no_translations
    def handle(self, *args: Any, **options: Any) -> None:
        if options["explain"]:
            self.stdout.write(self._explained(options["explain"]))
            return
        if options["unapplied"] and options["offline"]:
            raise WrongArgument("--unapplied asks the database what is applied, so it cannot be --offline")
        if options["unapplied"]:
            options["database"] = options["database"] or DEFAULT_DB_ALIAS
        if options["cache"] and options["database"]:
            raise WrongArgument("--cache keeps no judgement by a database, whose facts are of this moment")
        report = self._judged(options)
        self.stdout.write(foreign.visible(hazard_report.FORMATS[options["output"]](report)))
        if report.errors:
            sys.exit(1)

    def _explained(self, identity: str) -> str:
        if rule := BY_ID.get(identity.upper()):
            return rule_pages.explain(rule)
        raise WrongArgument(f'there is no rule "{identity}"', next_step=f"the rules are {', '.join(BY_ID)}")

    def _judged(self, options: dict[str, Any]) -> Report:
        """What is found, or was found and is kept, where nothing has changed since."""
        if not options["cache"]:
            return self._judge(options, [])
        asked = {name: options[name] for name in ("app_label", "migration_name")}
        changed = sorted(migration_files.changed_since(options["since"])) if options["since"] else None
        kept = Kept(Path(options["cache"]), {**asked, "since": changed, "policy": boundary.policy_in_force()})
        if (found := kept.find()) is not None:
            return kept_report.report(found)
        kept.begin()
        ordered: list[Migration] = []
        report = self._judge(options, ordered)
        why = kept.keep(kept_report.document(report), ordered)
        return replace(report, notes=(*report.notes, f"not kept for the next run: {why}")) if why else report

    def _judge(self, options: dict[str, Any], ordered: list[Migration]) -> Report:
        """ordered: gets every migration there is."""
        alias = options["database"]
        connection = connections[alias] if alias else None
        loader = MigrationLoader(connection)
        ordered += history.in_order(loader)
        wanted = _wanted(ordered, loader, options)
        keys = {key_of(each) for each in wanted}
        limits = boundary.policy_in_force()
        if connection is None:
            together = bool(options["since"])
            linted = linting.offline(loader, keys, DEFAULT_DB_ALIAS, limits, together=together)
        else:
            linted = linting.online(loader, keys, connection, limits)
        left_out = _left_out(ordered, loader, options)
        if not linted.migrations:
            _refuse_nothing(ordered, left_out, options)
        return Report(_placed(linted), len(linted.migrations), tuple(_notes(linted, alias, len(left_out))))


def _wanted(ordered: list[Migration], loader: MigrationLoader, options: dict[str, Any]) -> list[Migration]:
    """The migrations to judge. Raises WrongArgument for an app or a name that does not exist."""
    label, name = options["app_label"], options["migration_name"]
    if label and label not in loader.migrated_apps:
        known = ", ".join(sorted({each.app_label for each in ordered}))
        raise WrongArgument(f'there is no app "{label}" with migrations', next_step=f"those are {known}")
    found = [each for each in ordered if each.app_label == label] if label else ordered
    found = found if label else [each for each in found if not migration_files.is_installed(each)]
    if name:
        exact = [each for each in found if each.name == name]
        found = exact or [each for each in found if each.name.startswith(name)]
        if len(found) != 1:
            raise WrongArgument(
                f'{len(found)} migrations of "{label}" begin with "{name}"',
                why=", ".join(each.name for each in found),
                next_step="give the whole name, or more of it; showmigrations lists them",
            )
    if options["since"]:
        found = migration_files.among(found, migration_files.changed_since(options["since"]))
    if options["unapplied"]:
        found = [each for each in found if (each.app_label, each.name) not in loader.applied_migrations]
    return found


def _left_out(ordered: list[Migration], loader: MigrationLoader, options: dict[str, Any]) -> list[Migration]:
    """Migrations of packages that would have been judged were they this project's."""
    if options["app_label"] or options["since"]:
        return []
    found = [each for each in ordered if migration_files.is_installed(each)]
    if options["unapplied"]:
        found = [each for each in found if (each.app_label, each.name) not in loader.applied_migrations]
    return found


def _refuse_nothing(ordered: list[Migration], left_out: list[Migration], options: dict[str, Any]) -> None:
    """Raise WrongArgument where something was asked for, and nothing judged: a build must not be content with that."""
    apps = sorted({each.app_label for each in left_out} - {OWN})
    if apps:
        raise WrongArgument(
            "no migration was judged",
            why=f"all {len(left_out)} are of installed packages, which are judged only by their app's name",
            next_step=f"name an app (lintmigrations {apps[0]}), or run it where the project is a checkout; "
            f"the apps are {', '.join(apps)}",
        )
    changed = migration_files.changed_since(options["since"]) if options["since"] else set()
    for path in sorted(changed):
        if path.parent.name == "migrations" and (twin := migration_files.installed_twin(path, ordered)):
            raise WrongArgument(
                "no migration was judged",
                why=f"{_shown(path)} changed, and Python loads {key_of(twin)} from {migration_files.path_of(twin)}",
                next_step="put the checkout first on Python's path, or run it where no copy is installed",
            )


def _placed(linted: Linted) -> tuple[Placed, ...]:
    files = {key_of(each): migration_files.path_of(each) for each in linted.migrations}
    found = []
    for hazard in linted.hazards:
        path = files[hazard.migration]
        line = migration_files.line_of(path, hazard.operation) if path else 1
        found.append(Placed(hazard, _shown(path) if path else "", line))
    return tuple(found)


def _shown(path: Path) -> str:
    here = Path.cwd()
    return path.relative_to(here).as_posix() if path.is_relative_to(here) else path.as_posix()


def _notes(linted: Linted, alias: str | None, left_out: int) -> list[str]:
    notes = []
    if alias is None:
        notes.append(
            "offline: no database was asked, so every table counts as large; "
            f"--database {DEFAULT_DB_ALIAS} judges by real sizes, sessions and indexes"
        )
    if linted.unread:
        notes.append(
            f"squawk is not installed, so {linted.unread} SQL statement{'s were' if linted.unread > 1 else ' was'} not "
            "looked into: pip install django-lockgate[lint]"
        )
    if left_out:
        notes.append(f"{left_out} migrations of installed packages were left out; name an app to judge its own")
    return notes
