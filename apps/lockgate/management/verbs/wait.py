"""Waits, cheaply and boundedly, until a database is at this code's level: for workers that start after the migrator."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from lockgate import configuration, django_seams
from lockgate.execution import shutdown
from lockgate.management import base
from lockgate.status import waiting
from lockgate.status.current import ReadinessCheck


class Command(base.LockgateCommand, BaseCommand):
    help = "Waits until every migration of this code is applied; exits 1 at the deadline. Changes nothing."
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        base.add_database(parser)
        parser.add_argument(
            "--timeout-seconds",
            type=float,
            help="How long to wait (LOCKGATE_WAIT_FOR_MIGRATIONS_SECONDS, default 1200).",
        )
        base.add_log_format(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        limits = configuration.in_force(wait_for_migrations=options["timeout_seconds"])
        console = base.console(self, options["log_format"], quiet=options["verbosity"] == 0)
        connection = base.postgres(options["database"])
        with shutdown.guarded(to_the_end=django_seams.called_from_command_line(self)):
            waiting.until_current(connection, limits, console, ReadinessCheck(connection.alias))
