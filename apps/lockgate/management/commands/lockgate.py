"""Everything of Lockgate's that is no command of Django's: ``manage.py lockgate VERB``."""

from __future__ import annotations

import argparse
from importlib import import_module
from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandParser

from lockgate.errors import WrongArgument
from lockgate.management import base

# Verbs by who types them, each the name of a module of ``lockgate.management.verbs``.
GROUPS = {"container": ("wait",), "developer": ("lint", "manifest", "snapshot"), "operator": ("repair", "roles")}
VERBS = [verb for verbs in GROUPS.values() for verb in verbs]


def command_of(verb: str) -> BaseCommand:
    """Raises WrongArgument for a verb that does not exist."""
    if verb not in VERBS:
        raise WrongArgument(f'there is no verb "{verb}"', next_step=f"the verbs are {', '.join(VERBS)}")
    command: BaseCommand = import_module(f"lockgate.management.verbs.{verb}").Command()
    return command


def overview() -> str:
    """The verbs in groups, one line each."""
    lines = ["usage: manage.py lockgate VERB [options]; manage.py lockgate VERB --help says which"]
    for group, verbs in GROUPS.items():
        lines += ["", group, *(f"  {verb:<10}{command_of(verb).help}" for verb in verbs)]
    return "\n".join(lines)


class Command(base.LockgateCommand, BaseCommand):
    help = f"What Lockgate has beside Django's own commands: {', '.join(VERBS)}."
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("verb", nargs="?", help="What to do; without it, the verbs are listed.")
        parser.add_argument("arguments", nargs=argparse.REMAINDER, help="What the verb is told.")

    def run_from_argv(self, argv: list[str]) -> None:
        """A verb is a command of its own, with its own options, checks and help."""
        if len(argv) < 3 or argv[2].startswith("-"):
            super().run_from_argv(argv)
            return
        try:
            command = command_of(argv[2])
        except WrongArgument as error:
            self._fail(error, argv)
        else:
            command.run_from_argv([argv[0], f"{argv[1]} {argv[2]}", *argv[3:]])

    def handle(self, *args: Any, **options: Any) -> None:
        if options["verb"]:
            call_command(command_of(options["verb"]), *options["arguments"], stdout=self.stdout, stderr=self.stderr)
        else:
            self.stdout.write(overview())
