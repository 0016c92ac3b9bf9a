"""A run of ``migrate`` that fills a scratch database with what is the same wherever migrations run.

Left out are migrations that depend on their environment, with what depends on them: whoever loads the outcome runs
them there, where they see the settings, the models and the newer migrations of that place. post_migrate is a step of
its own.
"""

from __future__ import annotations

import dataclasses
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper

from lockgate import configuration, django_seams
from lockgate.events import Event, ExtensionOutcome, Held, WaitingForServer
from lockgate.gate import context, run
from lockgate.gate.context import Request
from lockgate.gate.django_command import DjangoCommand
from lockgate.reporting.console import TextConsole


class Replay:
    """Runs that say only what they leave out, once."""

    def __init__(self, stdout: Any, stderr: Any, *, quiet: bool) -> None:
        self._console = TextConsole(stdout, stderr, quiet=quiet)
        self._told: set[str] = set()

    def run(self, connection: BaseDatabaseWrapper) -> None:
        """Apply every migration that can be. Raises LockgateError."""
        limits = dataclasses.replace(configuration.in_force(), online=False, on_hazard="report")
        django = DjangoCommand.silent(connection.alias, skip_checks=True)
        request = Request.of(django.options, "lockgate snapshot", portable=True)
        reached = context.reached(connection, limits, self._listen, django)
        with django_seams.without_post_migrate(), reached as gated:
            run.migrate(gated, request)

    def settle(self, connection: BaseDatabaseWrapper) -> None:
        """Send post_migrate as the end of a run does: Django's own command, which finds nothing to apply."""
        django = DjangoCommand.silent(connection.alias)
        django.run(django.options)

    def _listen(self, event: Event) -> None:
        """Only what is left out: the rest is said by whoever replays."""
        if isinstance(event, Held | ExtensionOutcome | WaitingForServer) and str(event) not in self._told:
            self._told.add(str(event))
            self._console(event)
