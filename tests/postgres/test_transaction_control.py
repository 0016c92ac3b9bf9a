"""A migration whose SQL would end the transaction that is to hold all of it is refused before anything runs."""

from __future__ import annotations

import json

import pytest

from tests.support.sites import ADD_COLUMN, CREATE_COUNTER, Site


@pytest.fixture
def shop(site: Site) -> Site:
    site.migration("0001_initial", CREATE_COUNTER)
    assert site.migrate().code == 0
    return site


def sql(text: str, reverse: str = "migrations.RunSQL.noop") -> str:
    return f"migrations.RunSQL({text}, {reverse})"


def columns(site: Site) -> list[str]:
    rows = site.database.rows(
        "SELECT attname FROM pg_attribute WHERE attrelid = 'shop_counter'::regclass AND attnum > 0"
    )
    return [str(name) for (name,) in rows]


@pytest.mark.parametrize(
    ("given", "statement"),
    [
        ('"COMMIT; BEGIN"', "COMMIT"),
        ('"SELECT 1; commit and chain"', "commit and chain"),
        ('"BEGIN; SELECT 1; END"', "END"),
        ('"/* a */ ROLLBACK WORK"', "ROLLBACK WORK"),
        ('"ABORT"', "ABORT"),
        ("\"PREPARE TRANSACTION 'a'\"", "PREPARE TRANSACTION '…'"),
        ('["SELECT 1", ("COMMIT", None)]', "COMMIT"),
        ('[("SELECT %s; COMMIT", [1])]', "COMMIT"),
    ],
)
def test_nothing_runs_of_a_plan_that_has_one(shop: Site, given: str, statement: str) -> None:
    shop.migration("0002_before", ADD_COLUMN.format("before"))
    shop.migration("0003_commits", ADD_COLUMN.format("stays"), sql(given))
    result = shop.migrate("--log-format", "json")
    assert result.code == 1
    (said,) = [json.loads(line) for line in result.err.splitlines() if '"event": "failed"' in line]
    assert said["what"] == "shop.0003_commits would end its own transaction"
    assert (said["operation"], said["statement"]) == ("operation 2 of 2, RunSQL", statement)
    assert said["state"] == "no migration was applied by this run"
    assert "atomic = False" in said["next"]
    assert columns(shop) == ["id", "value"]


def test_it_is_seen_in_what_separates_the_database_from_the_state(shop: Site) -> None:
    shop.migration("0002_commits", f"migrations.SeparateDatabaseAndState([{sql(repr('COMMIT'))}], [])")
    result = shop.migrate()
    assert result.code == 1
    assert "operation 1 of 1, SeparateDatabaseAndState" in result.err


def test_on_an_empty_database_it_is_refused_before_the_first_migration(site: Site) -> None:
    site.migration("0001_initial", CREATE_COUNTER)
    site.migration("0002_commits", sql('"COMMIT"'))
    result = site.migrate()
    assert result.code == 1
    assert "shop.0002_commits would end its own transaction" in result.err
    assert ("shop", "0001_initial") not in site.database.applied()


def test_backwards_it_is_the_reverse_sql_that_counts(shop: Site) -> None:
    shop.migration("0002_commits", ADD_COLUMN.format("more"), sql('"SELECT 1"', '"COMMIT"'))
    assert shop.migrate().code == 0
    result = shop.migrate("shop", "0001")
    assert result.code == 1
    assert "shop.0002_commits would end its own transaction when it is taken back" in result.err
    assert "more" in columns(shop)
    assert shop.migrate("shop", "0001", "--fake").code == 0


def test_faked_initial_or_not_an_initial_migration_is_refused_if_it_would_run(site: Site) -> None:
    site.migration("0001_initial", CREATE_COUNTER, sql('"COMMIT"'), initial="True")
    assert "would end its own transaction" in site.migrate("--fake-initial").err
    site.database.execute("CREATE TABLE shop_counter (id bigint PRIMARY KEY, value int)")
    result = site.migrate("--fake-initial")
    assert result.code == 0, result.text


@pytest.mark.parametrize(
    "harmless",
    [
        "SAVEPOINT a; SELECT 1; ROLLBACK TO SAVEPOINT a; RELEASE a",
        "SAVEPOINT a; ROLLBACK WORK TO a",
        "DO $$ BEGIN PERFORM 1; END $$",
        "SELECT ';COMMIT;' -- ; COMMIT",
        "CREATE FUNCTION one() RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT 1; SELECT CASE WHEN true THEN 1 END; END",
        "CREATE RULE twice AS ON UPDATE TO shop_counter DO ALSO (SELECT 1; SELECT 2)",
        "BEGIN",  # PostgreSQL warns, and goes on in the transaction that there is
    ],
)
def test_what_ends_no_transaction_runs(shop: Site, harmless: str) -> None:
    shop.migration("0002_sql", ADD_COLUMN.format("more"), sql(repr(harmless)))
    result = shop.migrate()
    assert result.code == 0, result.text


def test_what_is_not_to_run_is_not_refused(shop: Site) -> None:
    shop.migration("0002_alone", sql('"BEGIN; UPDATE shop_counter SET value = 1; COMMIT"'), atomic="False")
    shop.migration("0003_faked", sql('"COMMIT"'))
    assert shop.migrate("shop", "0002").code == 0
    assert shop.migrate("shop", "0003", "--fake").code == 0


def test_a_router_that_keeps_the_sql_away_is_heard(shop: Site) -> None:
    shop.extra_settings = 'DATABASE_ROUTERS = ["routers.Away"]'
    shop.write_settings()
    (shop.path / "routers.py").write_text(
        "class Away:\n"
        "    def allow_migrate(self, db, app_label, **hints):\n"
        "        return False if 'away' in hints else None\n"
    )
    shop.migration("0002_sql", 'migrations.RunSQL("COMMIT", hints={"away": True})')
    result = shop.migrate()
    assert result.code == 0, result.text
