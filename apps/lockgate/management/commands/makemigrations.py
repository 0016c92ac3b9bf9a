"""Django's ``makemigrations``, then the SQL that each new migration will run."""

from __future__ import annotations

from typing import Any

from django.core.management.commands.makemigrations import Command as DjangoMakeMigrations
from django.db import connections
from django.db.migrations import Migration
from django.db.utils import DEFAULT_DB_ALIAS, DatabaseError

from lockgate.management import boundary
from lockgate.reporting import migration_sql


class Command(boundary.Boundary, DjangoMakeMigrations):
    help = "Creates new migrations, and shows the SQL that they will run."

    def write_migration_files(self, changes: dict[str, list[Migration]], *args: Any, **kwargs: Any) -> None:
        super().write_migration_files(changes, *args, **kwargs)
        if self.verbosity < 1 or connections[DEFAULT_DB_ALIAS].vendor != "postgresql":
            return
        try:
            for migration, statements in migration_sql.of_new(changes, connections[DEFAULT_DB_ALIAS]):
                self.log(self.style.MIGRATE_HEADING(f"SQL of {migration.app_label}.{migration.name}:"))
                for statement in statements or ["(no SQL)"]:
                    self.log(f"    {statement}")
        except DatabaseError as error:
            self.log(
                f"SQL not shown: making it asks the database, which does not answer ({str(error).splitlines()[0]})"
            )
