"""A cell of the stall benchmark: one migration under load, and what is said of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.stall import contenders, report, shop, verdict
from benchmarks.stall.analytics import analytics
from benchmarks.stall.cell import Bench, baseline, measure
from benchmarks.stall.operations import Operation, chosen
from tests.support.databases import Database
from tests.support.sites import ROOT, Site, sleep


@pytest.fixture
def bench(site: Site) -> Bench:
    shop.build(site, 100)
    return Bench(site.database.name, ROOT / "apps", orders=100, rate=200.0, connections=8, limit=60.0)


def test_a_dropped_column_is_a_miss_although_the_migration_succeeds(bench: Bench) -> None:
    (operation,) = chosen(["RemoveField"])
    cell = measure(bench, operation, contenders.LOCKGATE, "alone")
    assert cell.ended.code == 0
    assert set(cell.observed.failed) == {"42703"}
    missed = verdict.misses(cell, {"alone": baseline(bench, "alone")})
    assert missed[0].startswith("failed queries: 42703: ")


def test_a_refusal_is_a_miss_with_the_line_that_says_why(bench: Bench) -> None:
    broken = Operation("broken", 'migrations.RunSQL("SELECT 1 / 0")')
    cell = measure(bench, broken, contenders.STOCK, "alone")
    assert cell.ended.code == 1
    assert "division by zero" in cell.ended.reason
    assert "exit 1" in " ".join(verdict.misses(cell, {"alone": cell.observed}))


def test_the_time_limit_ends_the_migration_and_what_it_left_in_the_server(bench: Bench) -> None:
    locking = 'migrations.RunSQL("LOCK TABLE shop_order; SELECT pg_sleep(120)")'
    limited = Bench(bench.template, bench.apps, bench.orders, bench.rate, bench.connections, limit=4.0)
    cell = measure(limited, Operation("for ever", locking), contenders.STOCK, "alone")
    assert cell.ended.code is None
    assert cell.observed.failed == {}  # the load waited, and was let go


def test_the_analytics_transaction_holds_its_lock_until_nobody_measures(bench: Bench, database: Database) -> None:
    held = (
        "SELECT count(*) FROM pg_locks WHERE relation = 'shop_order'::regclass AND mode = 'AccessShareLock' AND granted"
    )
    with analytics(database, seconds=60):
        assert database.value(held) == 1
    assert database.value(held) == 0


def test_a_page_gets_the_table_between_its_marks_and_nothing_else_changes(bench: Bench, tmp_path: Path) -> None:
    quick = Operation("quick", sleep(0))
    cell = measure(bench, quick, contenders.STOCK, "beside")
    results = report.Results(report.Environment(("measured here",)), {"beside": cell.observed}, [cell])
    page = tmp_path / "page.md"
    page.write_text(f"above\n{report.BEGIN}\nold\n{report.END}\nbelow\n")
    report.write(page, results, [contenders.STOCK])
    text = page.read_text()
    assert text.startswith(f"above\n{report.BEGIN}\n")
    assert text.endswith(f"{report.END}\nbelow\n")
    assert "old" not in text
    assert "| quick | " in text
    assert "- Django: 1 of 1 as asked" in text


def test_a_page_without_marks_is_refused(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("no marks")
    with pytest.raises(ValueError, match="has no marks"):
        report.write(page, report.Results(report.Environment(()), {}, []), [])
    assert page.read_text() == "no marks"
