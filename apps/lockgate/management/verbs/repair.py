"""``manage.py lockgate repair``: what the journal has open, what the catalog says of it, and a way out of each."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from lockgate import configuration, django_seams, foreign
from lockgate.execution import shutdown
from lockgate.gate import repair
from lockgate.gate.context import reached
from lockgate.management import base
from lockgate.reporting.open_steps import open_step


class Command(base.LockgateCommand, BaseCommand):
    help = "Lists the open steps of all migrations, and settles one or all of them. Changes nothing without --apply."
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("step", nargs="*", type=int, help="Numbers of steps; all open ones by default.")
        ways = parser.add_mutually_exclusive_group()
        for name, text in repair.WAYS.items():
            ways.add_argument(f"--{name}", dest="way", action="store_const", const=name, help=text)
        parser.add_argument("--apply", action="store_true", help="Do it; without it, only what would be done is said.")
        base.add_database(parser)
        base.add_log_format(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        connection = base.postgres(options["database"])
        if options["apply"] and not options["way"]:
            raise CommandError("--apply needs one of " + ", ".join(f"--{shown}" for shown in repair.WAYS))
        console = base.console(self, options["log_format"])
        with (
            shutdown.guarded(to_the_end=django_seams.called_from_command_line(self)),
            reached(connection, configuration.in_force(), console) as gate,
        ):
            damaged = repair.damaged(gate)
            for line in damaged:
                self.stdout.write(foreign.line(line))
            steps = repair.listed(gate, options["step"]) if not damaged or options["step"] else []
            for shown in steps:
                self.stdout.write(open_step(shown))
            for step in repair.settled(gate, options["step"]):
                self.stdout.write(f"step {step.pk}: {step.app}.{step.name} is settled: {step.state}")
            if damaged and not steps:
                self.stdout.write("nothing was changed; the next run makes again what it can:  manage.py migrate")
            elif not steps:
                self.stdout.write("no step is open")
            elif options["apply"]:
                for line in repair.settle(gate, [shown.step.pk for shown in steps], options["way"]):
                    self.stdout.write(foreign.line(line))
            else:
                self.stdout.write(_next(options))


def _next(options: dict[str, Any]) -> str:
    if options["way"]:
        return f"nothing was changed; --apply does it: {repair.WAYS[options['way']]}"
    ways = "".join(f"\n  --{name:<7} {text}" for name, text in repair.WAYS.items())
    return f"nothing was changed; to settle steps, name them, with --apply and one of{ways}"
