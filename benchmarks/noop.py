"""``migrate`` with nothing pending, beside stock Django, on histories of several lengths."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

from benchmarks.pairs import Command, measure, table
from tests.support import databases
from tests.support.sites import ADD_COLUMN, CREATE_COUNTER, Site

LENGTHS = (10, 100, 1000)
TURNS = 15


def run(url: str) -> None:
    os.environ["TEST_DATABASE_URL"] = url
    for length in LENGTHS:
        with tempfile.TemporaryDirectory() as folder:
            commands = [_command(Path(folder) / name, length, stock=name == "stock") for name in ("stock", "lockgate")]
            found = measure(commands, TURNS)
        sys.stdout.write(table(f"nothing pending, {length} migrations", found, "stock") + "\n")


def _command(folder: Path, length: int, *, stock: bool) -> Command:
    """A project of this many migrations, all of them applied."""
    site = Site(folder, databases.create(), stock=stock)
    site.migration("0001_initial", CREATE_COUNTER)
    for number in range(2, length + 1):
        site.migration(f"{number:04}_step", _operation(number))
    done = site.migrate()
    if done.code:
        raise RuntimeError(done.text)
    return Command(
        folder.name, [sys.executable, "manage.py", "migrate", "--noinput"], folder, site.environment({}), lambda: None
    )


def _operation(number: int) -> str:
    """Columns come and go, so that the table stays narrow however long the history."""
    if number % 2 == 0:
        return ADD_COLUMN.format(f"field_{number}")
    return f'migrations.RemoveField("Counter", "field_{number - 1}")'
