"""``lockgate lint`` and ``makemigrations`` with several databases: each operation is judged where it runs."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator

import pytest

from tests.support import databases
from tests.support.databases import Database
from tests.support.sites import CREATE_COUNTER, Result, Site

NOWHERE = "postgresql://nobody@127.0.0.1:1/nowhere"
SECOND = 'DATABASES["second"] = url.from_environment("SECOND_URL")\n'
ROUTED = 'DATABASE_ROUTERS = ["routers.Router"]\n'
LITE = 'DATABASES["lite"] = {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}\n'
ROUTER = """
class Router:
    def allow_migrate(self, db, app_label, **hints):
        wanted = hints.get("target") or ("WANTED" if app_label == "shop" else "default")
        return db == wanted
"""
DROP = 'migrations.RemoveField("Counter", "value")'
SQL = 'migrations.RunSQL("DROP TABLE shop_counter", migrations.RunSQL.noop, hints={"target": "default"})'


@pytest.fixture
def second() -> Iterator[Database]:
    with databases.another() as database:
        yield database


@pytest.fixture
def shop(site: Site) -> Site:
    """A project of two databases, of which a router gives the app's models to the second."""
    site.migration("0001_initial", CREATE_COUNTER)
    site.migration("0002_drop", DROP)
    return routed(site, SECOND, "second")


def routed(site: Site, settings: str, wanted: str) -> Site:
    (site.path / "routers.py").write_text(ROUTER.replace("WANTED", wanted))
    site.extra_settings = settings + ROUTED
    site.write_settings()
    return site


def lint(site: Site, *arguments: str, **environment: str) -> Result:
    return site.run("lockgate", "lint", *arguments, **{"DATABASE_URL": NOWHERE, "SECOND_URL": NOWHERE, **environment})


def test_what_a_router_sends_to_another_database_is_judged_there_and_the_database_is_named(shop: Site) -> None:
    result = lint(shop)
    assert result.code == 1, result.text
    assert "judged for the databases default, second" in result.out
    assert "LG801 error    column-dropped  shop/migrations/0002_drop.py:9" in result.out
    assert 'what  column "value" of "shop_counter" is dropped, in the database second' in result.out
    sarif = json.loads(lint(shop, "--format", "sarif").out)["runs"][0]["results"]
    assert [each["properties"]["databases"] for each in sarif] == [["second"]]
    assert "in the database second" in sarif[0]["message"]["text"]


def test_a_database_that_is_named_is_the_only_one_judged(shop: Site) -> None:
    narrowed = lint(shop, "--database", "second", "--offline")
    assert narrowed.code == 1, narrowed.text
    assert "in the database second" in narrowed.out
    other = lint(shop, "--database", "default", "--offline")
    assert other.code == 0, other.text
    assert "judged for the database default; not for second" in other.out
    assert (
        "2 migrations do not run in default, as the project's routers say, and were not judged: shop.0001_initial"
        in other.out
    )
    assert "0 migrations judged" in other.out


def test_code_and_sql_are_judged_where_their_hints_send_them(shop: Site) -> None:
    """The hint sends the SQL to the first database, and what follows on the models runs in the second."""
    shop.migration("0002_drop", SQL, DROP)
    document = json.loads(lint(shop, "--format", "json").out)
    found = {(hazard["id"], hazard["operation"], *hazard["databases"]) for hazard in document["hazards"]}
    assert {("LG802", 0, "default"), ("LG801", 1, "second")} <= found
    assert not [each for each in found if each[1:] in ((0, "second"), (1, "default"))]


def test_what_is_found_in_every_database_is_one_finding(site: Site) -> None:
    site.migration("0001_initial", CREATE_COUNTER)
    site.migration("0002_drop", DROP)
    site.extra_settings = SECOND
    site.write_settings()
    assert "is dropped, in the databases default, second" in lint(site).out


def test_a_replica_of_another_database_is_none_of_its_own(site: Site) -> None:
    site.migration("0001_initial", CREATE_COUNTER)
    site.migration("0002_drop", DROP)
    site.extra_settings = SECOND + 'DATABASES["second"]["TEST"] = {"MIRROR": "default"}\n'
    site.write_settings()
    document = json.loads(lint(site, "--format", "json").out)
    assert [hazard["databases"] for hazard in document["hazards"]] == [[]]


def test_an_acceptance_counts_for_all_databases(shop: Site) -> None:
    """Where the rule finds something in one of them, it accepts something."""
    shop.migration("0002_drop", DROP, lockgate_accept='{"LG801": "unused since 41"}')
    result = lint(shop)
    assert (result.code, "LG003" in result.out) == (0, False), result.text
    shop.migration("0002_drop", DROP, lockgate_accept='{"LG801": "unused since 41", "LG102": "idle"}')
    assert lint(shop).out.count("LG003") == 1


def test_what_runs_on_no_postgresql_is_said_not_to_be_judged(shop: Site) -> None:
    routed(shop, LITE, "lite")
    result = lint(shop)
    assert result.code == 0, result.text
    assert "judged for the database default; not for lite (sqlite)" in result.out
    assert "2 migrations do not run in default" in result.out
    assert "0 migrations judged: 0 errors" in result.out


def test_what_is_unapplied_is_asked_of_each_database(shop: Site, second: Database) -> None:
    for alias in ("default", "second"):
        done = shop.migrate("shop", "0001", "--database", alias, SECOND_URL=second.url)
        assert done.code == 0, done.text
    second.execute("INSERT INTO shop_counter (value) SELECT generate_series(1, 100)")
    urls = {"DATABASE_URL": shop.database.url, "SECOND_URL": second.url}
    result = lint(shop, "--unapplied", **urls)
    assert result.code == 1, result.text
    assert "is dropped, in the database second" in result.out
    assert "1 migration judged: 1 error" in result.out
    alone = lint(shop, "--unapplied", "--database", "default", **urls)
    assert alone.code == 0, alone.text


def test_a_kept_judgement_of_several_databases_is_the_same_and_goes_with_the_router(shop: Site) -> None:
    def kept() -> str:
        for path in shop.path.rglob("*"):
            os.utime(path, (1_700_000_000, 1_700_000_000))  # what changed a moment ago is not kept
        return lint(shop, "--cache", "kept", "--format", "json").out

    fresh = kept()
    assert (json.loads(fresh)["hazards"][0]["databases"], kept()) == (["second"], fresh)
    assert list((shop.path / "kept").glob("*.json"))
    routed(shop, SECOND, "default")
    assert json.loads(kept())["hazards"][0]["databases"] == ["default"]


MODEL = """
from django.db import models

class Counter(models.Model):
    id = models.BigAutoField(primary_key=True)
"""


@pytest.mark.parametrize("settings", [SECOND, LITE], ids=["second", "lite"])
def test_makemigrations_shows_what_happens_where_it_runs(site: Site, settings: str) -> None:
    alias = "second" if settings == SECOND else "lite"
    site.migration("0001_initial", CREATE_COUNTER.replace("primary_key=True", "primary_key=True, serialize=False"))
    (site.path / "shop" / "models.py").write_text(MODEL)
    routed(site, settings, alias)
    result = site.run(
        "makemigrations",
        DATABASE_URL=NOWHERE,
        SECOND_URL=NOWHERE,
        PYTHONWARNINGS="ignore",
        LOCKGATE_LAZY_RENDERING="on",
    )
    assert result.code == 0, result.text
    assert "(no-op)" not in result.out
    if alias == "second":
        assert "SQL of shop.0002_remove_counter_value in the database second:" in result.out
        assert 'ALTER TABLE "shop_counter" DROP COLUMN "value" CASCADE;' in result.out
        assert "LG801 error    column-dropped" in result.out
    else:
        assert "shop.0002_remove_counter_value does not run in default, as the project's routers say" in result.out


def test_makemigrations_shows_once_what_is_the_same_in_every_database(site: Site) -> None:
    site.migration("0001_initial", CREATE_COUNTER.replace("primary_key=True", "primary_key=True, serialize=False"))
    (site.path / "shop" / "models.py").write_text(MODEL)
    site.extra_settings = SECOND
    site.write_settings()
    result = site.run("makemigrations", DATABASE_URL=NOWHERE, SECOND_URL=NOWHERE, PYTHONWARNINGS="ignore")
    assert result.out.count("DROP COLUMN") == 1, result.text
    assert "SQL of shop.0002_remove_counter_value in the databases default, second:" in result.out


def test_a_plan_has_no_sql_that_a_router_keeps_away(shop: Site, second: Database) -> None:
    shop.migration("0002_drop", SQL)
    shown = shop.run("migrate", "--plan", "--format", "json", "--database", "second", SECOND_URL=second.url)
    assert shown.code == 0, shown.text
    assert "DROP TABLE" not in shown.out
