"""showmigrations, makemigrations and lockgate wait, as their users type them."""

from __future__ import annotations

import json
import time

import pytest

from tests.support.processes import until
from tests.support.sites import ADD_COLUMN, CREATE_COUNTER, SEED_COUNTER, Site, finish


@pytest.fixture
def counter(site: Site) -> Site:
    site.migration("0001_initial", CREATE_COUNTER)
    site.migration("0002_seed", SEED_COUNTER)
    return site


def as_stock(site: Site, *arguments: str) -> str:
    """The output of Django's own command for the same project and database."""
    site.stock = True
    site.write_settings()
    try:
        result = site.run(*arguments)
    finally:
        site.stock = False
        site.write_settings()
    assert result.code == 0, result.text
    return result.out


def without_ledger(listed: str) -> list[str]:
    """A listing without the app that stock Django does not have: its title and its migrations."""
    lines = listed.splitlines()
    if "lockgate" in lines:
        first = lines.index("lockgate")
        last = next((at for at in range(first + 1, len(lines)) if not lines[at].startswith(" ")), len(lines))
        del lines[first:last]
    return [line for line in lines if "lockgate." not in line]


@pytest.mark.parametrize("arguments", [(), ("shop",), ("--plan",), ("--verbosity", "2"), ("shop", "auth", "-v", "2")])
def test_showmigrations_prints_what_django_prints(counter: Site, arguments: tuple[str, ...]) -> None:
    counter.migrate("shop", "0001")
    ours = counter.run("showmigrations", *arguments)
    theirs = as_stock(counter, "showmigrations", *arguments)
    assert without_ledger(ours.out) == theirs.splitlines()


def test_showmigrations_on_a_squashed_history_prints_what_django_prints(counter: Site) -> None:
    counter.migrate()
    counter.migration(
        "0001_squashed_0002_seed",
        CREATE_COUNTER,
        SEED_COUNTER,
        after=None,
        replaces='[("shop", "0001_initial"), ("shop", "0002_seed")]',
    )
    ours = counter.run("showmigrations", "shop").out
    assert " [-] 0001_squashed_0002_seed (2 squashed migrations)" in ours
    assert ours == as_stock(counter, "showmigrations", "shop")


def test_showmigrations_refuses_an_unknown_app_as_django_does(counter: Site) -> None:
    result = counter.run("showmigrations", "nosuch")
    assert result.code == 2
    assert "No installed app with label 'nosuch'" in result.err


def test_history_shows_runs_and_what_they_did(counter: Site) -> None:
    counter.migrate(LOCKGATE_RELEASE="blue")
    counter.migration("0003_bad", 'migrations.RunSQL("SELECT 1/0")')
    counter.migrate(LOCKGATE_RELEASE="green")
    shown = counter.run("showmigrations", "--history").out
    assert shown.index("release green") < shown.index("release blue")
    assert "failed" in shown
    assert "error: shop.0003_bad: division by zero (SQLSTATE 22012)" in shown
    assert "      apply    shop.0002_seed" in shown
    document = json.loads(counter.run("showmigrations", "--history", "--format", "json", "--limit", "1").out)
    assert [run["outcome"] for run in document["runs"]] == ["failed"]


def test_history_of_a_database_that_never_saw_a_run(counter: Site) -> None:
    assert counter.run("showmigrations", "--history").out == "(no runs)\n"


def test_lockgate_wait_waits_until_another_process_has_migrated(counter: Site) -> None:
    waiter = counter.start("lockgate", "wait")
    until(lambda: (waiter.stdout.readline() if waiter.stdout else "").startswith("waiting for migrations"), "it waits")
    assert counter.migrate().code == 0
    migrated = time.monotonic()
    result = finish(waiter, timeout=30)
    assert result.code == 0, result.text
    assert "every migration of this release is applied" in result.out
    assert time.monotonic() - migrated < 20


def test_lockgate_wait_says_what_it_did_not_wait_for(counter: Site) -> None:
    counter.migration("0003_held", ADD_COLUMN.format("held"), requires_extensions='["no_such_extension"]')
    assert counter.migrate().code == 0
    assert "is applied but 1 that are held" in counter.run("lockgate", "wait").out


def test_lockgate_wait_is_for_postgresql(counter: Site) -> None:
    counter.extra_settings = 'DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "site.db"}}'
    counter.write_settings()
    result = counter.run("lockgate", "wait")
    assert (result.code, result.err) == (1, 'CommandError: database "default" is sqlite, not PostgreSQL\n')


def test_lockgate_wait_gives_up_at_its_deadline_and_names_what_is_missing(counter: Site) -> None:
    counter.migrate()
    counter.migration("0003_more", ADD_COLUMN.format("more"))
    result = counter.run("lockgate", "wait", "--timeout-seconds", "1")
    assert result.code == 1
    assert "not applied: shop.0003_more" in result.err


def test_lockgate_wait_takes_no_lock_and_writes_nothing(counter: Site) -> None:
    counter.migrate()
    with counter.database.connect() as other:
        other.execute("SELECT pg_advisory_lock(%s)", [int.from_bytes(b"lockgate", "big")])
        assert counter.run("lockgate", "wait").code == 0
    assert counter.database.value("SELECT count(*) FROM lockgate_run") == 1
