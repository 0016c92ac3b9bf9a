"""Everything of Lockgate's that is no command of Django's: ``manage.py lockgate VERB``."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from lockgate.management import base
from lockgate.management.verbs import repair, roles

VERBS = {"repair": repair, "roles": roles}


class Command(base.Boundary, BaseCommand):
    help = "What Lockgate has beside Django's own commands: repair, roles."
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB", help="What to do.")
        for name, verb in VERBS.items():
            verb.add_arguments(verbs.add_parser(name, help=verb.HELP, description=verb.HELP))

    def handle(self, *args: Any, **options: Any) -> None:
        VERBS[options["verb"]].handle(self, options)
