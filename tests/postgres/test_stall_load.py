"""The load of the stall benchmark sees what users would: a stall, whole, and a query that fails."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from psycopg.conninfo import make_conninfo

from benchmarks.stall import shop
from benchmarks.stall.load import Demand, Sample
from benchmarks.stall.traffic import observe, traffic
from tests.support import databases
from tests.support.databases import Database
from tests.support.sites import Site

ORDERS = 100
RATE = 200.0
STALL = 0.3  # seconds


@pytest.fixture
def shop_database(tmp_path: Path, database: Database) -> Database:
    shop.build(Site(tmp_path, database, stock=True), ORDERS)
    return database


def during(database: Database, event: Callable[[], None]) -> list[Sample]:
    """The samples of a load while something happens in its midst."""
    conninfo = make_conninfo(databases.server(), dbname=database.name)
    with traffic(Demand(conninfo, ORDERS, RATE)) as running:
        time.sleep(0.3)
        event()
        time.sleep(0.3)
        return running.stop()


def test_an_undisturbed_load_sends_what_was_ordered_and_nothing_fails(shop_database: Database) -> None:
    samples = during(shop_database, lambda: None)
    assert len(samples) >= 0.6 * RATE
    assert [round(sample.due - samples[0].due, 6) for sample in samples] == [
        round(number / RATE, 6) for number in range(len(samples))
    ]
    assert {sample.query for sample in samples} == {
        f"{verb} {table}" for verb in ("select", "insert", "update") for table in ("order", "customer")
    }
    assert observe(samples).failed == {}


def test_a_stall_is_seen_whole_and_by_every_query_that_was_due_meanwhile(shop_database: Database) -> None:
    held: list[float] = []

    def stall() -> None:
        with shop_database.connect(autocommit=False) as connection:
            connection.execute("LOCK TABLE shop_order, shop_customer IN ACCESS EXCLUSIVE MODE")
            held.append(time.monotonic())
            time.sleep(STALL)
            held.append(time.monotonic())

    samples = during(shop_database, stall)
    begin, end = held
    # The first one that was due under the lock waited for what was left of it then, and so did all after it, although
    # there are more of them than connections to wait on.
    stalled = [sample for sample in samples if begin < sample.due < end]
    assert len(stalled) >= STALL * RATE - 1
    assert [sample for sample in stalled if sample.latency < end - sample.due] == []
    observed = observe(samples)
    assert observed.longest >= STALL - 1 / RATE
    assert observed.failed == {}


def test_a_column_that_the_release_names_and_that_is_gone_fails_its_queries(shop_database: Database) -> None:
    samples = during(shop_database, lambda: shop_database.execute("ALTER TABLE shop_order DROP COLUMN note"))
    observed = observe(samples)
    assert set(observed.failed) == {"42703"}
    assert {sample.query for sample in samples if sample.state} == {"select order", "insert order", "update order"}


def test_a_backend_that_is_ended_fails_its_query_and_the_load_goes_on(shop_database: Database) -> None:
    def end_all() -> None:
        shop_database.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )

    samples = during(shop_database, end_all)
    assert 1 <= observe(samples).failed.total() <= 8
    assert samples[-1].state == ""
