"""Django's own ``migrate``, as a run has it work: it validates and plans, it checks, it applies."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from typing import Any

from django.core.management.base import BaseCommand, OutputWrapper
from django.core.management.commands.migrate import Command as DjangoMigrate

from lockgate import django_seams, policy


class DjangoCommand:
    """handle: Django's, of this command. options: all that Django asks for."""

    def __init__(self, command: BaseCommand, handle: Callable[..., Any], options: Mapping[str, Any]) -> None:
        self.command, self.options, self._handle = command, options, handle

    @classmethod
    def silent(cls, alias: str, **options: Any) -> DjangoCommand:
        """One that is no command line's. What it would write goes nowhere; it asks nobody anything."""
        command = DjangoMigrate(stdout=io.StringIO(), stderr=io.StringIO())
        parsed = command.create_parser("manage.py", "migrate").parse_args(["--noinput", f"--database={alias}"])
        return cls(command, command.handle, {**vars(parsed), "verbosity": 0, **options})

    def plan(self) -> None:
        """Validate and plan, and change nothing. Raises what Django raises for what it cannot do."""
        self.run({**self.options, "plan": True, "check_unapplied": False, "prune": False}, silent=True)

    def check(self) -> None:
        """Run the system checks that say something about a schema. Raises SystemCheckError."""
        if not self.options.get("skip_checks"):
            kwargs: Any = self.command.get_check_kwargs(dict(self.options))
            self.command.check(**{"tags": list(policy.SCHEMA_CHECKS), **kwargs})  # a class may want others

    def apply(self) -> None:
        """Do what was asked for. Django's lines are left out where ours say the same."""
        self.run(self.options, silent=self.options["verbosity"] <= 1 and not self.options["prune"])

    def run(self, options: Mapping[str, Any], *, silent: bool = False) -> None:
        """silent: Django's lines go nowhere, but receivers of its signals write where they would."""
        if not silent:
            self._handle(**{**options, "skip_checks": True})
            return
        kept, self.command.stdout = self.command.stdout, OutputWrapper(io.StringIO())
        try:
            with django_seams.signals_sent_with(kept):
                self._handle(**{**options, "skip_checks": True})
        finally:
            self.command.stdout = kept
