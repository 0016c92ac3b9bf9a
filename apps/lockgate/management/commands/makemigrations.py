"""Django's ``makemigrations``, then what each new migration will do: its SQL, its locks and steps, its hazards."""

from __future__ import annotations

from pathlib import Path

from django.core.management.commands.makemigrations import Command as DjangoMakeMigrations
from django.db.migrations import Migration
from django.db.migrations.loader import MigrationLoader

from lockgate import configuration
from lockgate.execution import failures
from lockgate.facts import Key
from lockgate.linting import databases, preview
from lockgate.linting.databases import Databases
from lockgate.management import base
from lockgate.reporting import migration_sql


class Command(base.LockgateCommand, DjangoMakeMigrations):
    help = "Creates new migrations, and shows what they will do: SQL, locks, steps and hazards."

    def write_migration_files(
        self, changes: dict[str, list[Migration]], update_previous_migration_paths: dict[str, str] | None = None
    ) -> None:
        """Django's, then ours: new migrations stand after what was on disk before, less what they are to replace."""
        where = databases.of_project()
        if self.verbosity < 1 or where.assumed:
            super().write_migration_files(changes, update_previous_migration_paths)
            return
        loader = MigrationLoader(None, ignore_no_migrations=True)
        super().write_migration_files(changes, update_previous_migration_paths)
        gone = {Key(label, Path(path).stem) for label, path in (update_previous_migration_paths or {}).items()}
        try:
            previews = preview.of_project(loader, changes, gone, where, configuration.in_force())
        except Exception as error:  # the files are written, and exit codes are Django's
            self.log(f"What they will do is not shown, because planning failed: {failures.why(error, None)}")
        else:
            self._show(previews, where)

    def _show(self, previews: preview.Previews, where: Databases) -> None:
        for migration in previews.migrations:
            for title, lines in migration_sql.sections(migration):
                self.log(self.style.MIGRATE_HEADING(title))
                for line in lines:
                    self.log(f"    {line}")
            for title, lines in migration_sql.instead(migration):
                self.log(self.style.MIGRATE_HEADING(title))
                self.log("\n".join(["", *lines, "", ""]))
        for note in migration_sql.notes(previews, where):
            self.log(f"({note})")
