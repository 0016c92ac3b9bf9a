"""Django's ``migrate``, behind the gate: every option of it, one runner at a time, all or nothing."""

from __future__ import annotations

import json
import sys
from typing import Any

from django.core.management.base import CommandParser, no_translations
from django.core.management.commands.migrate import Command as DjangoMigrate
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper

from lockgate import configuration, django_seams
from lockgate.execution import shutdown
from lockgate.gate import call, context, preflight, run
from lockgate.gate.context import Request
from lockgate.gate.django_command import DjangoCommand
from lockgate.management import base
from lockgate.reporting.terminal import live


class Command(base.LockgateCommand, DjangoMigrate):
    help = "Brings the database schema to what the code expects: one runner at a time, all or nothing."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        base.add_log_format(parser)
        parser.add_argument(
            "--format", choices=("text", "json"), default="text", help="With --plan: lines, or one JSON document."
        )
        parser.add_argument(
            "--contract",
            action="store_true",
            help="Also do what earlier runs left for the time when the release before them is gone.",
        )
        parser.add_argument(
            "--retry",
            action="store_true",
            help="Try again what this release failed at before, whether or not anything has changed.",
        )
        parser.add_argument(
            "--wait-seconds",
            type=float,
            help="How long to wait for the server (LOCKGATE_WAIT_SECONDS, default 60).",
        )
        parser.add_argument(
            "--lock-wait-seconds",
            type=float,
            help="How long to wait for another run (LOCKGATE_LOCK_WAIT_SECONDS, default 600).",
        )

    def execute(self, *args: Any, **options: Any) -> str | None:
        # Checks may ask the database (what this server version can do), so they come after the wait for it.
        self.checks_wanted = not options["skip_checks"]
        return super().execute(*args, **{**options, "skip_checks": True})

    @no_translations
    def handle(self, *args: Any, **options: Any) -> None:
        connection = connections[options["database"]]
        if connection.vendor != "postgresql":
            self._step_aside(connection, options)
        elif self._in_test_database(connection, options):
            self._migrate_test_database(connection, options)
        else:
            with shutdown.guarded(to_the_end=django_seams.called_from_command_line(self)):
                self._through_the_gate(connection, options)

    def _through_the_gate(self, connection: BaseDatabaseWrapper, options: dict[str, Any]) -> None:
        reads_only = options["plan"] or options["check_unapplied"]
        quiet = options["verbosity"] == 0 or bool(reads_only)
        console = base.console(self, options.get("log_format", "text"), quiet=quiet)
        django = self._django(options)
        with live(console, self.stdout) as listen:
            if reads_only and not options["prune"]:
                with context.reached(connection, call.limits_of(django), listen, django) as gated:
                    django.check()
                    self._read_only(gated, options)
            else:
                call.carry_out(django, listen, command=self._typed())

    def _django(self, options: dict[str, Any]) -> DjangoCommand:
        return DjangoCommand(self, super().handle, {**options, "skip_checks": not self.checks_wanted})

    def _typed(self) -> str:
        """For the ledger."""
        return " ".join(sys.argv[1:]) if django_seams.called_from_command_line(self) else "call_command migrate"

    def _read_only(self, gated: context.GateContext, options: dict[str, Any]) -> None:
        """``--plan`` and ``--check``: Django's answer, and under a plan our steps."""
        # Imported here: planning is a third of our code, and most runs have nothing to plan.
        from lockgate.gate import pending_plan, repair  # noqa: PLC0415
        from lockgate.reporting import open_steps, plan_document, plan_report  # noqa: PLC0415

        as_json = options.get("format") == "json"
        if options["plan"]:
            executor, planned = preflight.planned(gated)
            forwards = [migration for migration, backwards in planned if not backwards]
            with django_seams.routers_unasked_of("lockgate"):  # as the run will not ask them
                plans, facts = pending_plan.plan(gated.connection, executor.loader, forwards, gated.limits)
        try:
            gated.django.run(options, silent=as_json)  # ends the process where --check finds something
        finally:
            if options["plan"] and as_json:
                self.stdout.write(json.dumps(plan_document.document(plans, facts), indent=2))
            elif options["plan"] and forwards:
                for line in plan_report.text(plans, facts):
                    self.stdout.write(line)
            if options["plan"]:
                for line in open_steps.left_open(repair.left_open(gated)):
                    self.stderr.write(f"warning: {line}")
            if options["plan"] and planned and (refused := run.obstacle(gated)):
                self.stderr.write(f"warning: no run by this role would carry this out: {refused.what}")

    def _step_aside(self, connection: BaseDatabaseWrapper, options: dict[str, Any]) -> None:
        if options["verbosity"] > 0:
            self.stderr.write(
                f'lockgate steps aside: database "{connection.alias}" is {connection.vendor}, not PostgreSQL'
            )
        django = self._django(options)
        django.check()
        django.run(options)

    def _in_test_database(self, connection: BaseDatabaseWrapper, options: dict[str, Any]) -> bool:
        """A test runner's call: it waits for nothing, locks nothing and leaves no row in the ledger."""
        if django_seams.called_from_command_line(self) or not django_seams.is_test_database(connection):
            return False
        return bool(options["run_syncdb"] or connection.in_atomic_block)

    def _migrate_test_database(self, connection: BaseDatabaseWrapper, options: dict[str, Any]) -> None:
        limits, django = configuration.in_force(), self._django(options)
        if limits.extensions and not connection.in_atomic_block:
            console = base.console(self, "text", quiet=options["verbosity"] == 0)
            gated = context.already_open(connection, limits, console, django)
            run.migrate_ungated(gated, Request.of(options, self._typed()))
        elif limits.lazy_rendering:
            from lockgate.project_state.lazy_executor import LazyExecutor  # noqa: PLC0415  as above

            with django_seams.executor_in_place(LazyExecutor):
                django.run(options)
        else:
            django.run(options)
