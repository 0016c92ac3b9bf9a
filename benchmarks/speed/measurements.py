"""What is measured: who takes part in it, and with what command on a history."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace

from psycopg import sql

from benchmarks import server
from benchmarks.pairs import Command, Turns
from benchmarks.speed import contenders
from benchmarks.speed.contenders import Contender
from benchmarks.speed.ground import MIGRATE, TABLES, Ground, reset, set_aside
from tests.support import databases
from tests.support.databases import Database

OFTEN = Turns(least=15, most=15, budget=0)
TEST_SUITE = ("test", "--noinput", "app0")
AS_FITS = Turns(least=2, most=15, budget=20)
_LOADED = "SELECT EXISTS (SELECT FROM lockgate_migrationrecord WHERE action = 'snapshot')"
_NOT_OURS = "SELECT datname FROM pg_database WHERE datname !~ '^(lg_|postgres$|template[01]$)' ORDER BY 1"


@dataclass(frozen=True)
class Measurement:
    """make: a contender's command on a history, with everything that it needs prepared.

    sparse: whether sparse histories are measured as well, without peers, whose files have no shape.
    """

    name: str
    title: str
    contenders: tuple[Contender, ...]
    make: Callable[[Ground, Contender], Command]
    turns: Turns = AS_FITS
    sparse: bool = False


def nothing_pending(ground: Ground, contender: Contender, *arguments: str) -> Command:
    if contender.peer:
        command = _command(ground, contender, ground.database())
        subprocess.run(
            command.arguments, cwd=command.folder, env=dict(command.environment), check=True, capture_output=True
        )
        return command
    database = ground.database(ground.whole(contender.variant))
    ground.manage(contender, database, *MIGRATE)  # this release, too, has been here before
    command = _command(ground, contender, database, *arguments)
    return replace(command, check=lambda: _check_fast(command)) if contender is contenders.FAST else command


def _check_fast(command: Command) -> None:
    """RuntimeError where a start that has a manifest imports Django nevertheless: then it is not what it is called."""
    python, *arguments = command.arguments
    asked = [python, "-X", "importtime", *arguments]
    done = subprocess.run(
        asked, cwd=command.folder, env=dict(command.environment), check=True, capture_output=True, text=True
    )
    if re.search(r"\| +django$", done.stderr, re.MULTILINE):
        raise RuntimeError("it has a manifest, and makes a full start")


def checked(ground: Ground, contender: Contender) -> Command:
    return nothing_pending(ground, contender, "migrate", "--check")


def everything_pending(ground: Ground, contender: Contender) -> Command:
    return _from(ground, contender, None)


def last_pending(ground: Ground, contender: Contender) -> Command:
    return _from(ground, contender, ground.short(contender.variant))


def _from(ground: Ground, contender: Contender, template: Database | None) -> Command:
    """A command that migrates what is pending in a copy of the template, made anew for each turn."""
    database = ground.database()
    return _command(
        ground,
        contender,
        database,
        before=lambda: reset(database, template),
        check=lambda: _check_whole(ground, database, contender),
    )


def _check_whole(ground: Ground, database: Database, contender: Contender) -> None:
    """RuntimeError where the command exited 0 and not all is there."""
    missing = set(ground.tables) - {name for (name,) in database.rows(TABLES)}
    if not contender.peer:
        applied = set(database.applied())
        missing |= {script.title for script in ground.scripts if (script.app, script.name) not in applied}
    if missing:
        raise RuntimeError(f"exit 0, and there is no {min(missing)}")
    if contender is contenders.LOADING and not database.value(_LOADED):
        raise RuntimeError("exit 0, and it did not load the snapshot")


def tests_begun(ground: Ground, contender: Contender) -> Command:
    """A suite of one test: what Django's test runner takes is the making of the database, and its end."""
    database = ground.test_database
    command = _command(ground, contender, database, *TEST_SUITE)
    if contender is contenders.TESTING_FIRST:
        return replace(command, before=_forget)
    if contender is not contenders.TESTING:
        return command
    kept: list[str] = []

    def before() -> None:
        if not kept or _kept() != kept:  # what is there may be another history's
            ground.manage(contender, database, *TEST_SUITE)
            kept[:] = _kept()

    def check() -> None:
        if not kept or _kept() != kept:
            raise RuntimeError("exit 0, and it has not used what the first left")

    return replace(command, before=before, check=check)


def _kept() -> list[str]:
    """The databases that a test runner has left for the next time."""
    with databases.admin() as connection:
        return [name for (name,) in connection.execute(_NOT_OURS)]


def _forget() -> None:
    with databases.admin() as connection:
        for name in _kept():
            connection.execute(sql.SQL("ALTER DATABASE {} IS_TEMPLATE false").format(sql.Identifier(name)))
            set_aside(name)


def _command(ground: Ground, contender: Contender, database: Database, *arguments: str, **options: object) -> Command:
    """By default the one that migrates."""
    if contender.peer:
        folder = ground.folder / f"{contender.name}-{database.name}"
        words = contender.peer.lay_out(folder, ground.scripts, server.url(database))
    else:
        folder = ground.project(contender)
        words = [sys.executable, "manage.py", *(arguments or MIGRATE)]
    return Command(contender.name, words, folder, ground.environment(folder, database), **options)  # type: ignore[arg-type]


MEASUREMENTS = (
    Measurement(
        "no-op",
        "Nothing pending",
        (contenders.STOCK, contenders.FAST, contenders.ORDINARY, *contenders.OTHERS),
        nothing_pending,
        OFTEN,
    ),
    Measurement(
        "check",
        "`migrate --check`, nothing pending",
        (contenders.STOCK, contenders.LOCKGATE),
        checked,
        OFTEN,
    ),
    Measurement(
        "all",
        "Everything pending, in an empty database",
        (contenders.STOCK, contenders.LAZILY, contenders.EAGERLY, contenders.LOADING, *contenders.OTHERS),
        everything_pending,
        sparse=True,
    ),
    Measurement(
        "last",
        "The newest migration of each of ten apps pending",
        (contenders.STOCK, contenders.LOCKGATE),
        last_pending,
        sparse=True,
    ),
    Measurement(
        "tests",
        "A test suite of one test",
        (contenders.STOCK, contenders.LOCKGATE, contenders.TESTING_FIRST, contenders.TESTING),
        tests_begun,
    ),
)
