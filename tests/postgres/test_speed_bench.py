"""The speed benchmarks compare like with like: everybody ends with the schema that stock Django ends with."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from benchmarks import pairs, server
from benchmarks.pairs import Turns
from benchmarks.peers.dbmate import Dbmate
from benchmarks.peers.drizzle import BREAKPOINT, Drizzle
from benchmarks.peers.peer import Peer
from benchmarks.peers.yoyo import Yoyo
from benchmarks.speed import contenders, measurements, results
from benchmarks.speed.contenders import Contender
from benchmarks.speed.ground import Ground
from benchmarks.speed.results import Choice
from tests.support import databases, schema
from tests.support.databases import Database
from tests.support.sites import ROOT

LENGTH = 20
APP_TABLES = ("--table", "app*")


@pytest.fixture(scope="module")
def own_server() -> Iterator[None]:
    with server.running(fsync="off"):
        yield


@pytest.fixture(scope="module")
def ground(own_server: None, tmp_path_factory: pytest.TempPathFactory) -> Ground:
    return Ground(tmp_path_factory.mktemp("ground"), ROOT / "apps", LENGTH, "dense")


@pytest.fixture(scope="module")
def stock_end(ground: Ground) -> Database:
    return migrated(ground, contenders.STOCK)


def migrated(ground: Ground, contender: Contender) -> Database:
    database = databases.create()
    ground.manage(contender, database, "migrate", "--noinput")
    return database


def dump(database: Database, *options: str) -> list[str]:
    command = [str(schema.pg_dump()), "--schema-only", *options, "--dbname", database.url]
    text = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout
    return [line for line in text.splitlines() if line and not line.startswith(("--", "\\"))]


def rows(database: Database) -> dict[str, list[Any]]:
    """Without Lockgate's tables, and what Django says about them."""
    return {
        table: [row for row in found_row if "lockgate" not in row]
        for table, found_row in schema.rows(database).items()
        if not table.startswith("lockgate_")
    }


def test_stock_django_and_lockgate_end_alike(ground: Ground, stock_end: Database) -> None:
    ours = migrated(ground, contenders.ORDINARY)
    assert dump(ours, "--exclude-table", "lockgate_*") == dump(stock_end)
    assert rows(ours) == rows(stock_end)
    assert len(rows(stock_end)["app4_root"]) == 1  # what RunPython wrote


def test_a_database_made_of_scripts_is_the_one_that_stock_django_makes(ground: Ground, stock_end: Database) -> None:
    assert dump(ground.whole("stock")) == dump(stock_end)
    assert rows(ground.whole("stock")) == rows(stock_end)


@pytest.mark.parametrize("peer", [Dbmate(), Drizzle(), Yoyo()], ids=lambda peer: peer.name)
def test_a_peer_s_files_replay_to_the_schema_and_rows_of_stock_django(
    peer: Peer, ground: Ground, stock_end: Database, tmp_path: Path
) -> None:
    database = databases.create()
    peer.lay_out(tmp_path / "files", ground.scripts, server.url(database))
    files = sorted((tmp_path / "files").glob("*.sql"))
    assert len(files) == len(ground.scripts)
    with database.connect(autocommit=False) as connection:  # all in one transaction, as the strictest of them has it
        for path in files:
            for statement in path.read_text().split(BREAKPOINT):
                connection.execute(statement)  # type: ignore[arg-type]
            if not isinstance(peer, Drizzle):
                connection.commit()
    assert dump(database, *APP_TABLES) == dump(stock_end, *APP_TABLES)
    ours, expected = rows(database), rows(stock_end)
    apps = [table for table in expected if table.startswith("app")]
    assert len(apps) > 10
    assert {table: ours[table] for table in apps} == {table: expected[table] for table in apps}


def test_the_last_release_lacks_the_newest_migration_of_each_app(ground: Ground) -> None:
    short, whole = ground.short("stock").applied(), ground.whole("stock").applied()
    assert set(whole) - set(short) == ground.last
    assert len(ground.last) == 10


def test_a_command_that_does_not_apply_everything_is_found_out(ground: Ground) -> None:
    command = measurements.everything_pending(ground, contenders.STOCK)
    command.before()
    with pytest.raises(RuntimeError, match=r"exit 0, and there is no app0_0001_root"):
        command.check()
    measureds = pairs.measure([command], Turns(1, 1, 0))
    assert measureds["stock"].failed == ""


def test_a_start_that_imports_django_is_not_measured_as_one_that_does_not(ground: Ground) -> None:
    ordinary = measurements.nothing_pending(ground, contenders.ORDINARY)
    with pytest.raises(RuntimeError, match="makes a full start"):
        measurements._check_fast(ordinary)
    without = replace(ordinary, arguments=[ordinary.arguments[0], "-c", "import json"])
    measurements._check_fast(without)


def test_everything_that_is_measured_can_be(own_server: None, tmp_path: Path) -> None:
    choice = Choice(measurements.MEASUREMENTS, [10], ["dense"], ("stock", "lockgate"), Turns(1, 1, 0))
    found_results = list(results.run(choice, ROOT / "apps", tmp_path))
    assert [one_result.measurement for one_result in found_results] == list(measurements.MEASUREMENTS)
    for result in found_results:
        absent = {contender.name: contender.absent for contender in result.measurement.contenders}
        assert {
            name: measured.failed for name, measured in result.found.items() if measured.failed != absent[name]
        } == {}
        assert result.found["stock"].turns
