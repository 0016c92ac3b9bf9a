"""A cell of the stall benchmark: one migration under load."""

from __future__ import annotations

from dataclasses import replace

import pytest

from benchmarks.stall import contenders, shop
from benchmarks.stall.analytics import analytics
from benchmarks.stall.cell import Bench, measure
from benchmarks.stall.operations import Operation, chosen
from tests.support.databases import Database
from tests.support.sites import ROOT, Site


@pytest.fixture
def bench(site: Site) -> Bench:
    shop.build(site, 100)
    return Bench(site.database.name, ROOT / "apps", orders=100, rate=200.0, connections=8, limit=60.0)


def test_a_dropped_column_fails_the_queries_that_name_it_although_the_migration_succeeds(bench: Bench) -> None:
    (operation,) = chosen(["RemoveField"])
    cell = measure(bench, operation, contenders.LOCKGATE, "alone")
    assert cell.ended.code == 0
    assert set(cell.observed.failed) == {"42703"}


def test_a_migration_that_fails_is_shown_with_the_line_that_says_why(bench: Bench) -> None:
    broken = Operation("broken", 'migrations.RunSQL("SELECT 1 / 0")')
    cell = measure(bench, broken, contenders.STOCK, "beside")
    assert cell.ended.code == 1
    assert "division by zero" in cell.ended.reason
    assert cell.observed.failed == {}


def test_the_time_limit_ends_the_migration_and_what_it_left_in_the_server(bench: Bench) -> None:
    locking = 'migrations.RunSQL("LOCK TABLE shop_order; SELECT pg_sleep(120)")'
    cell = measure(replace(bench, limit=4.0), Operation("for ever", locking), contenders.STOCK, "alone")
    assert cell.ended.code is None
    assert cell.observed.failed == {}  # the load waited, and was let go


def test_the_analytics_transaction_holds_its_lock_until_nobody_measures(bench: Bench, database: Database) -> None:
    held = (
        "SELECT count(*) FROM pg_locks WHERE relation = 'shop_order'::regclass AND mode = 'AccessShareLock' AND granted"
    )
    with analytics(database, seconds=60):
        assert database.value(held) == 1
    assert database.value(held) == 0
