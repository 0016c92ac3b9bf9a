"""The sweep's own instruments: what is counted, where a client is stopped, and that a fork is a run like any other."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from tests.support import sweep, sweep_forks, sweep_sources, sweep_wire
from tests.support.databases import Database, admin, server
from tests.support.sweep_bench import OWNER
from tests.support.sweep_wire import Moment, Watch, Wire

INSERT = "INSERT INTO seen VALUES (1)"


@pytest.fixture
def wire(database: Database) -> Iterator[Wire]:
    where = conninfo_to_dict(server())
    if not str(where.get("host", "")).startswith("/"):
        pytest.skip("TEST_DATABASE_URL names a server that may want a password, or TLS, from the wire")
    database.execute("CREATE TABLE seen (n int)")
    with sweep_wire.wire(str(where["host"]), int(where.get("port") or 5432)) as new_wire:
        yield new_wire


def connect(wire: Wire, database: Database) -> psycopg.Connection[tuple[object, ...]]:
    return psycopg.connect(wire.url(database.name, str(conninfo_to_dict(server())["user"])), autocommit=True)


def terminate(backend: int) -> None:
    with admin() as connection:
        connection.execute("SELECT pg_terminate_backend(%s, 10000)", [backend])


def test_statements_of_all_connections_are_counted_whole_and_in_order(wire: Wire, database: Database) -> None:
    with connect(wire, database) as first, connect(wire, database) as second:
        with first.transaction():
            first.execute("SELECT 1,\n  2")
            second.execute("SELECT %s::int", [3], prepare=True)
        with first.pipeline():
            first.execute("SELECT 4")
            first.execute("SELECT 5")
        second.execute("SELECT %s::int", [6], prepare=True)
    expected = ["BEGIN", "SELECT 1, 2", "SELECT $1::int", "COMMIT", "SELECT 4", "SELECT 5", "SELECT $1::int"]
    assert [statement for statement in wire.watch.statements if not statement.startswith("DEALLOCATE")] == expected


def test_statements_adjoin_where_the_client_sends_nothing_between_them(wire: Wire, database: Database) -> None:
    """Only then is a kill after the one a kill before the other."""
    with connect(wire, database) as first:
        first.execute("SELECT 1")
        first.execute("SELECT 2")
        with connect(wire, database) as second:
            first.execute("SELECT 3")
            second.execute("SELECT 4")
            second.execute("SELECT 5")
            first.execute("SELECT 6")
            second.execute("SELECT 0")
        with first.pipeline():
            first.execute("SELECT 7")
            first.execute("SELECT 8")
    found = dict(zip(wire.watch.statements, wire.watch.adjoining, strict=True))
    assert [text for text, adjoining in found.items() if adjoining] == ["SELECT 2", "SELECT 5"]


@pytest.mark.parametrize(("moment", "rows"), [(Moment.BEFORE, 0), (Moment.AFTER, 1)])
@pytest.mark.parametrize("parameters", [None, [1]], ids=["simple", "extended"])
def test_a_session_ends_before_or_after_its_statement(
    wire: Wire, database: Database, moment: Moment, rows: int, parameters: list[int] | None
) -> None:
    wire.watch = Watch(1, moment, terminate)
    with connect(wire, database) as client:
        client.execute("SELECT 1")
        with pytest.raises(psycopg.OperationalError):
            client.execute(INSERT if parameters is None else "INSERT INTO seen VALUES (%s)", parameters)
    assert wire.watch.struck
    assert database.value("SELECT count(*) FROM seen") == rows


def test_a_statement_runs_on_when_its_client_is_struck_meanwhile(wire: Wire, database: Database) -> None:
    killed: list[int] = []
    wire.watch = Watch(0, Moment.DURING, killed.append)
    with connect(wire, database) as client:
        client.execute(INSERT)
    assert len(killed) == 1
    assert database.value("SELECT count(*) FROM seen") == 1


@pytest.mark.parametrize(
    ("moment", "at", "locked"), [(Moment.BEFORE, 1, 1), (Moment.BEFORE, 2, 2), (Moment.AFTER, 1, 2)]
)
def test_a_pipeline_is_stopped_between_its_statements(
    wire: Wire, database: Database, moment: Moment, at: int, locked: int
) -> None:
    """What was executed shows in the locks that the session holds at that moment."""
    held: list[int] = []

    def look_and_terminate(backend: int) -> None:
        held.append(database.value("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = %s", [backend]))
        terminate(backend)

    wire.watch = Watch(at, moment, look_and_terminate)
    with suppress(psycopg.OperationalError), connect(wire, database) as client, client.pipeline():
        for key in range(3):
            client.execute("SELECT pg_advisory_lock(%s)", [key])
    assert held == [locked]


def without_chance(statement: str) -> str:
    """A statement without what differs from run to run: pids, times, digests, durations."""
    return re.sub(r"'[^']*'|\d+(\.\d+)?(e-\d+)?", "?", statement)


def test_a_forked_runner_sends_what_a_process_of_its_own_sends() -> None:
    with sweep.own_bench() as bench:
        forked, own = Watch(), Watch()
        with bench.database() as database:
            result = bench.run("lockgate", database, None, watch=forked)
        assert result.code == 0, result.text
        with bench.database() as database:
            bench.wire.watch = own
            url = bench.wire.url(database, OWNER)
            done = subprocess.run(
                [sys.executable, "-X", "importtime", "manage.py", "migrate", "--noinput"],
                cwd=bench.project,
                env=sweep_forks.environment(bench.project, "site_settings", url),
                capture_output=True,
                text=True,
                timeout=60,
                check=False,
            )
        assert done.returncode == 0, done.stderr
    assert len(own.statements) > 50
    assert [*map(without_chance, forked.statements)] == [*map(without_chance, own.statements)]
    imported = set(re.findall(r"\blockgate(?:\.\w+)*$", done.stderr, re.MULTILINE))
    assert "lockgate.execution.lock_retry" in imported
    assert imported <= sweep_sources.modules()
