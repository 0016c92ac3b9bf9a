"""Django's ``showmigrations``, with what is held or ahead of this release; as JSON; and the history of runs."""

from __future__ import annotations

import contextlib
import json
from typing import Any

from django.core.management.base import CommandParser
from django.core.management.commands.showmigrations import Command as DjangoShowMigrations
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper

from lockgate import configuration, foreign, policy
from lockgate.database import parameters, session, wait
from lockgate.execution import ledger_locks
from lockgate.ledger import records
from lockgate.management import base
from lockgate.reporting import json_documents, migration_list
from lockgate.status import migrations

# What Django's --list and --plan put into ``format``; call_command(…, format="plan") means them, not our --format.
DJANGOS_FORMATS = ("list", "plan")
HISTORY_LENGTH = 20  # runs: about what fits on one screen


class Command(base.LockgateCommand, DjangoShowMigrations):
    help = "Shows all migrations: applied, pending, held, or unknown to this release; and the history of runs."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--format",
            dest="output",
            choices=("text", "json"),
            default="text",
            help="Text, or one JSON document (its schema is in the docs).",
        )
        parser.add_argument("--history", action="store_true", help="Shows the runs of the gate, newest first.")
        parser.add_argument(
            "--limit",
            type=int,
            default=HISTORY_LENGTH,
            help=f"With --history: how many (default {HISTORY_LENGTH}).",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        connection = connections[options["database"]]
        with contextlib.ExitStack() as bounded:
            if connection.vendor == "postgresql":  # hardly waiting: whoever looks wants to know now
                limits = configuration.in_force()
                briefly = policy.within(limits, limits.connect_timeout.total_seconds())
                wait.until_ready(connection, briefly, lambda event: None)
                bounded.enter_context(ledger_locks.named(connection))
                bounded.enter_context(parameters.lasting(session.raw(connection), limits, proven=False))
            self._show(connection, *args, **options)

    def _show(self, connection: BaseDatabaseWrapper, *args: Any, **options: Any) -> None:
        if options.get("output") in DJANGOS_FORMATS:
            options["format"] = options["output"]
        as_json = options.get("output") == "json"
        if options.get("history"):
            self._history(connection, options["limit"], as_json=as_json)
        elif as_json:
            self._json(connection, options["app_label"])
        else:
            super().handle(*args, **options)

    def show_list(self, connection: BaseDatabaseWrapper, app_names: list[str] | None = None) -> None:
        status = migrations.read(connection)
        self._validated(app_names)
        for label, lines in migration_list.by_app(status, app_names, with_time=self.verbosity >= 2):
            self.stdout.write(label, self.style.MIGRATE_LABEL)
            for line in lines:
                self.stdout.write(line)
            if not lines:
                self.stdout.write(" (no migrations)", self.style.ERROR)
        if status.damage:
            self.stderr.write(f"warning: what is half-done is unknown: {foreign.line(status.damage.why)}")
            self.stderr.write("  next   " + status.damage.next_step.replace("\n", "\n         "))

    def _json(self, connection: BaseDatabaseWrapper, app_names: list[str] | None) -> None:
        self._validated(app_names)
        self._write_json(json_documents.migrations(migrations.read(connection), connection.alias, app_names))

    def _history(self, connection: BaseDatabaseWrapper, limit: int, *, as_json: bool) -> None:
        known = connection.vendor == "postgresql" and records.exists(connection)
        runs = records.history(connection.alias, limit) if known else []
        if as_json:
            self._write_json(json_documents.history(runs, connection.alias))
            return
        for line in migration_list.history(runs):
            self.stdout.write(line)

    def _write_json(self, document: dict[str, Any]) -> None:
        self.stdout.write(json.dumps(document, indent=2, default=str))

    def _validated(self, app_names: list[str] | None) -> None:
        if app_names:
            self._validate_app_names(None, app_names)  # type: ignore[attr-defined]  # Django's, missing in the stubs
