"""``manage.py lockgate roles``: SQL for an owner, who migrates, and a service, which cannot."""

from __future__ import annotations

from typing import Any

from django.contrib.postgres.operations import CreateExtension
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db.migrations.loader import MigrationLoader

from lockgate import configuration
from lockgate.database import roles
from lockgate.database.roles import RoleRequest
from lockgate.ledger import records
from lockgate.management import base
from lockgate.planning import selection

LONGEST_NAME = 63  # bytes of an identifier: PostgreSQL's NAMEDATALEN - 1; it cuts off what is longer


class Command(base.LockgateCommand, BaseCommand):
    help = "Prints the SQL that makes an owner's role, which migrates, and a service's, which cannot. Asks no server."
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--sql", action="store_true", required=True, help="Print the SQL; it is not run.")
        parser.add_argument(
            "--owner", required=True, metavar="NAME", help="The role that migrates, and owns the tables."
        )
        parser.add_argument(
            "--service", required=True, metavar="NAME", help="The role that reads and writes their rows."
        )
        parser.add_argument(
            "--schema", default="public", metavar="NAME", help="Where the tables are (default: public)."
        )
        base.add_database(parser)
        base.add_log_format(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        connection = base.postgres(options["database"])
        owner, service, schema = options["owner"], options["service"], options["schema"]
        database = str(connection.settings_dict["NAME"] or "")
        for what, name in (("owner", owner), ("service", service), ("schema", schema), ("database", database)):
            if not 0 < len(name.encode()) <= LONGEST_NAME or "\0" in name:
                raise CommandError(f"the name of the {what} has no or more than {LONGEST_NAME} bytes")
        if owner == service:
            raise CommandError(
                "owner and service are to be two roles: one that owns its tables may do anything with them"
            )
        request = RoleRequest(owner, service, database, schema, records.tables(), _extends())
        self.stdout.exact().write(roles.statements(request))


def _extends() -> bool:
    """Whether settings or migrations say that extensions are to be created, which takes CREATE on the database."""
    migrations = MigrationLoader(None).disk_migrations.values()
    creates = any(
        isinstance(operation, CreateExtension) for migration in migrations for operation in migration.operations
    )
    return creates or bool(configuration.in_force().extensions or selection.required_extensions(migrations))
