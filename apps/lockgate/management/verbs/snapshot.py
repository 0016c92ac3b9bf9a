"""Builds the file that an empty database is filled from, in place of replaying every migration."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser, no_translations
from django.db import DEFAULT_DB_ALIAS, connections

from lockgate import configuration, policy
from lockgate.database import scratch
from lockgate.management import base
from lockgate.management.snapshot_replay import Replay
from lockgate.snapshot import build, load
from lockgate.snapshot.build import Built

EMBEDDED = (16, 18)  # major versions that the wheel brings
WRITTEN = "written"


class Command(base.LockgateCommand, BaseCommand):
    help = "Builds a snapshot of all migrations, which migrate loads into an empty database."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--output", type=Path, help="The file (default: where migrate looks for it).")
        parser.add_argument("--server", help="URL of a server to replay on, whose role may create databases.")
        parser.add_argument(
            "--postgres",
            type=int,
            choices=EMBEDDED,
            default=EMBEDDED[0],
            help="Major version of the server from the wheel, where that is used (default: 16).",
        )
        parser.add_argument(
            "--check", action="store_true", help="Write nothing; exit 1 unless the file is what would be built."
        )
        parser.add_argument(
            "--database", default=DEFAULT_DB_ALIAS, choices=tuple(connections), help="Alias whose migrations they are."
        )

    @no_translations
    def handle(self, *args: Any, **options: Any) -> None:
        alias = base.postgres(options["database"]).alias
        target = _target(options["output"])
        work = build.check if options["check"] else build.build
        quiet = options["verbosity"] == 0
        with scratch.server(alias, options["server"], options["postgres"]):
            built = work(alias, Replay(self.stdout, self.stderr, quiet=quiet), target)
        self._report(built, target, "is current" if options["check"] else WRITTEN)

    def _report(self, built: Built, target: Path, what: str) -> None:
        header = built.header
        size = f"{built.bytes / policy.KIBIBYTE:.0f} kB"
        self.stdout.write(f"{target} {what}: {len(header.recorded)} migrations, PostgreSQL {header.server}, {size}")
        if what == WRITTEN:
            self.stdout.write("starts load it once a manifest has its checksum:  manage.py lockgate manifest")
        if built.unsettled:
            self.stdout.write(f"starts load it with Django, not without: {built.unsettled}")
        if built.moments:
            self.stdout.write(f"moments in it are those of its making: {', '.join(built.moments)}")
        if built.values:
            self.stderr.write(
                f"warning: values that each replay makes anew would be the same in every database loaded from it: "
                f"{', '.join(built.values)}; say lockgate_snapshot = False on the migration where that matters"
            )


def _target(output: Path | None) -> Path:
    """The file: the flag, the setting, or beside manage.py. Raises CommandError where none of them says."""
    path = output or load.place(configuration.in_force()) or load.beside_manage_py(load.started_with())
    if path is None:
        raise CommandError("this is not manage.py, beside which it would be written: say where, with --output FILE")
    return path
