"""A run of ``migrate`` that fills a scratch database with what is the same wherever migrations run.

Left out are migrations that depend on their environment, with what depends on them: whoever loads the outcome runs
them there, where they see the settings, the models and the newer migrations of that place. post_migrate is a step of
its own.
"""

from __future__ import annotations

import dataclasses
import io
from typing import Any

from django.core.management.commands.migrate import Command as DjangoMigrate
from django.db.backends.base.base import BaseDatabaseWrapper

from lockgate import django_seams
from lockgate.events import Event, ExtensionOutcome, Held, WaitingForServer
from lockgate.gate import context, run
from lockgate.management import base
from lockgate.management.commands.migrate import Command as Migrate


class Replay:
    """Runs that say only what they leave out, once."""

    def __init__(self, stdout: Any, stderr: Any, *, quiet: bool) -> None:
        self._command = Migrate(stdout=stdout, stderr=stderr)
        self._console = base.console(self._command, "text", quiet=quiet)
        self._told: set[str] = set()

    def run(self, connection: BaseDatabaseWrapper) -> None:
        """Apply every migration that can be. Raises LockgateError."""
        limits = dataclasses.replace(base.policy_in_force(), online=False, on_hazard="report")
        request = self._command.request(self._options(connection))._replace(snapshot=None, portable=True)
        reached = context.reached(connection, limits, self._listen)
        with django_seams.without_post_migrate(), reached as gated:
            run.migrate(gated, request)

    def settle(self, connection: BaseDatabaseWrapper) -> None:
        """Send post_migrate as the end of a run does: Django's own command, which finds nothing to apply."""
        command = DjangoMigrate(stdout=io.StringIO(), stderr=io.StringIO())
        command.handle(**self._options(connection))

    def _listen(self, event: Event) -> None:
        """Only what is left out: the rest is said by whoever replays."""
        if isinstance(event, Held | ExtensionOutcome | WaitingForServer) and str(event) not in self._told:
            self._told.add(str(event))
            self._console(event)

    def _options(self, connection: BaseDatabaseWrapper) -> dict[str, Any]:
        parser = self._command.create_parser("manage.py", "migrate")
        defaults = vars(parser.parse_args(["--noinput", "--skip-checks", f"--database={connection.alias}"]))
        self._command.checks_wanted = False
        return {**defaults, "verbosity": 0}
