"""One cell of the table: a copy of the filled database, a load, one migration, and what the load saw of it."""

from __future__ import annotations

import contextlib
import re
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from psycopg import sql
from psycopg.conninfo import make_conninfo

from benchmarks.stall import load, shop
from benchmarks.stall.analytics import SECONDS, analytics
from benchmarks.stall.contenders import Contender
from benchmarks.stall.operations import Operation
from benchmarks.stall.traffic import Observed, observe, traffic
from tests.support import databases
from tests.support.databases import Database
from tests.support.sites import Site

LEAD = 0.5  # seconds of load before: caches fill
TAIL = 1.0  # seconds of load after: what the release that is still serving meets from then on
QUIET = 3.0  # seconds of load that are measured where nothing migrates
MEASURED = "0002_measured"
SITUATIONS = ("alone", "beside")  # beside the analytics transaction

_RAISED = re.compile(r"(?!(?:DETAIL|HINT|CONTEXT|STATEMENT):)[A-Za-z_][\w.]*: ")


@dataclass(frozen=True)
class Bench:
    """What all cells share. template: the filled database. apps: the copy of Lockgate's code that is measured."""

    template: str
    apps: Path
    orders: int
    rate: float
    connections: int
    limit: float


@dataclass(frozen=True)
class Ended:
    """How a migration ended. code: None where the time limit ended it. seconds: its start to its end, Python included.

    reason: the line that says why it failed.
    """

    code: int | None
    seconds: float
    reason: str = ""


@dataclass(frozen=True)
class Cell:
    operation: str
    contender: str
    situation: str
    observed: Observed
    ended: Ended


def measure(bench: Bench, operation: Operation, contender: Contender, situation: str) -> Cell:
    def migrate(database: Database) -> Ended:
        with tempfile.TemporaryDirectory() as folder:
            return _migrate(bench, operation, contender, Path(folder), database)

    observed, ended = _under_load(bench, situation, migrate)
    return Cell(operation.name, contender.name, situation, observed, ended)


def baseline(bench: Bench, situation: str) -> Observed:
    """The load's own: with everything but a migration."""

    def rest(database: Database) -> Ended:
        seconds = QUIET if situation == "alone" else SECONDS
        time.sleep(seconds)
        return Ended(0, seconds)

    return _under_load(bench, situation, rest)[0]


def _under_load(bench: Bench, situation: str, act: Callable[[Database], Ended]) -> tuple[Observed, Ended]:
    with _copy(bench.template) as database:
        conninfo = make_conninfo(databases.server(), dbname=database.name)
        with traffic(load.Demand(conninfo, bench.orders, bench.rate, bench.connections)) as running:
            time.sleep(LEAD)
            since = time.monotonic()
            with analytics(database) if situation == "beside" else contextlib.nullcontext():
                ended = act(database)
            time.sleep(TAIL)
            return observe(running.stop(), since), ended


def site(operation: Operation, contender: Contender, folder: Path, database: Database) -> Site:
    """The contender's project, in which nothing but the operation's migration is pending."""
    new_site = contender.site(folder, database)
    new_site.migration("0001_initial", *shop.TABLES)
    new_site.migration(MEASURED, operation.source, imports=operation.imports, atomic=str(operation.atomic))
    return new_site


def _migrate(bench: Bench, operation: Operation, contender: Contender, folder: Path, database: Database) -> Ended:
    measured = site(operation, contender, folder, database)
    started = time.monotonic()
    process = contender.start(measured, bench.apps, "migrate", "--noinput")
    try:
        out, err = process.communicate(timeout=bench.limit)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        _end_all_but_the_load(database)
        return Ended(None, time.monotonic() - started, f"no end within {bench.limit:g} s")
    seconds = time.monotonic() - started
    if process.returncode == 0 and ("shop", MEASURED) not in database.applied():
        raise RuntimeError(f"{contender.name} exited 0 and did not apply {operation.name}:\n{out}\n{err}")
    return Ended(process.returncode, seconds, _reason(err) if process.returncode else "")


def _end_all_but_the_load(database: Database) -> None:
    """A killed client's statement runs on in the server, and would hold its locks past the cell's end."""
    database.rows(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid() AND application_name <> %s",
        [load.APPLICATION],
    )


def _reason(err: str) -> str:
    """The first line of one of our messages, or the last exception of a traceback; for people, nothing hangs on it."""
    lines = [line.strip() for line in err.splitlines() if line.strip()]
    found = [line for line in lines if line.startswith("error: ")][:1] or [
        line for line in lines if _RAISED.match(line)
    ][-1:]
    return (found or lines[-1:] or ["it said nothing"])[0]


@contextlib.contextmanager
def _copy(template: str) -> Iterator[Database]:
    """A copy, file by file: every cell starts with the same pages, and it takes well under a second."""
    database = Database(f"{template}_copy")
    database.drop()
    with databases.admin() as connection:
        connection.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE {}{}").format(
                sql.Identifier(database.name), sql.Identifier(template), databases.copied_as_files(connection)
            )
        )
    try:
        yield database
    finally:
        database.drop()
