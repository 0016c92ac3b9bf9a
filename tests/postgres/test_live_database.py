"""The hazards that only a live database shows, each made for real: blockers, snapshots, invalid indexes, spent keys."""

from __future__ import annotations

import json
from collections.abc import Iterator

import psycopg
import pytest

from lockgate import policy
from tests.support.processes import until
from tests.support.sites import ADD_COLUMN, CREATE_COUNTER, Site

ADD_INDEX = 'migrations.AddIndex("Counter", models.Index(fields=["value"], name="counter_value"))'
BUILD_CONCURRENTLY = 'operations.AddIndexConcurrently("Counter", models.Index(fields=["value"], name="counter_value"))'
PRIMARY_KEY_OF_32_BITS = CREATE_COUNTER.replace("BigAutoField", "AutoField")


@pytest.fixture
def shop(site: Site) -> Site:
    """A table that counts as large, and a migration that would build an index on it concurrently."""
    site.lockgate = {"LARGE_TABLE_BYTES": 0}
    site.write_settings()
    site.migration("0001_initial", CREATE_COUNTER)
    assert site.migrate().code == 0
    imports = "from django.contrib.postgres import operations"
    site.migration("0002_index", BUILD_CONCURRENTLY, imports=imports, atomic="False")
    return site


def found(site: Site) -> dict[str, str]:
    """What is said of what is pending, by id."""
    result = site.run("lockgate", "lint", "--unapplied", "--format", "json")
    assert result.err == ""
    return {hazard["id"]: hazard["what"] for hazard in json.loads(result.out)["hazards"]}


@pytest.fixture
def reader(shop: Site) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
    """A transaction that has read the table, and been open long enough to be of interest."""
    with shop.database.connect(autocommit=False) as connection:
        connection.execute("SET application_name = 'report'")
        connection.execute("SELECT count(*) FROM shop_counter")
        query = "SELECT extract(epoch FROM clock_timestamp() - xact_start) FROM pg_stat_activity WHERE pid = %s"
        age = policy.SESSION_OF_INTEREST.total_seconds()
        until(lambda: shop.database.value(query, [connection.info.backend_pid]) > age, "an old transaction")
        yield connection


def test_nothing_is_said_of_a_quiet_database(shop: Site) -> None:
    assert found(shop) == {}


def test_a_blocker_on_the_table_is_named(shop: Site, reader: psycopg.Connection[tuple[object, ...]]) -> None:
    shop.migration("0002_index", ADD_COLUMN.format("step"))
    what = found(shop)["LG903"]
    assert f'is held by pid {reader.info.backend_pid} ("report", idle in transaction for' in what
    reader.rollback()
    assert "LG903" not in found(shop)


def test_a_snapshot_that_concurrently_would_wait_for_is_named(shop: Site) -> None:
    with shop.database.connect(autocommit=False) as connection:
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        connection.execute("SELECT 1")
        query = "SELECT extract(epoch FROM clock_timestamp() - xact_start) FROM pg_stat_activity WHERE pid = %s"
        age = policy.SESSION_OF_INTEREST.total_seconds()
        until(lambda: shop.database.value(query, [connection.info.backend_pid]) > age, "an old snapshot")
        assert f"waits for pid {connection.info.backend_pid}" in found(shop)["LG902"]
    assert "LG902" not in found(shop)


def test_an_invalid_index_is_named(shop: Site) -> None:
    shop.database.execute("INSERT INTO shop_counter (value) VALUES (1), (1)")
    with pytest.raises(psycopg.errors.UniqueViolation):
        shop.database.execute("CREATE UNIQUE INDEX CONCURRENTLY counter_value ON shop_counter (value)")
    assert 'index "counter_value" of "shop_counter"' in found(shop)["LG904"]


def test_an_index_that_is_there_already_is_named(shop: Site) -> None:
    shop.database.execute("CREATE INDEX by_hand ON shop_counter (value)")
    assert 'has the columns of "by_hand"' in found(shop)["LG905"]


def test_a_key_that_is_nearly_used_up_is_named(site: Site) -> None:
    site.migration("0001_initial", PRIMARY_KEY_OF_32_BITS)
    assert site.migrate().code == 0
    site.migration("0002_column", ADD_COLUMN.format("step"))
    assert "LG906" not in found(site)
    site.database.execute("SELECT setval(pg_get_serial_sequence('shop_counter', 'id'), 2000000000)")
    assert '"id" of "shop_counter"' in found(site)["LG906"]
    assert "93%" in found(site)["LG906"]


def test_a_constraint_that_was_never_validated_is_named(shop: Site) -> None:
    shop.database.execute("ALTER TABLE shop_counter ADD CONSTRAINT positive CHECK (value > 0) NOT VALID")
    assert 'constraint "positive"' in found(shop)["LG907"]


def test_a_table_over_the_budget_is_named(shop: Site) -> None:
    shop.lockgate = {"LARGE_TABLE_BYTES": 0, "SIZE_BUDGET_BYTES": 1}
    shop.write_settings()
    assert found(shop)["LG901"].startswith('build of all of "shop_counter"')


def test_a_partitioned_table_is_told_apart(site: Site) -> None:
    site.migration("0001_initial", CREATE_COUNTER)
    assert site.migrate().code == 0
    site.database.execute(
        "DROP TABLE shop_counter",
        "CREATE TABLE shop_counter (id bigint PRIMARY KEY, value integer) PARTITION BY RANGE (id)",
    )
    site.migration("0002_index", ADD_INDEX)
    assert "on all partitions of" in found(site)["LG103"]
