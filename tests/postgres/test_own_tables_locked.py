"""Somebody keeps the tables of a run's own from it: each wait ends, and says who it is."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest

from tests.support.processes import says, until
from tests.support.servers import assert_refused
from tests.support.sites import CREATE_COUNTER, Site, finish

WAITING = """
import pathlib, time

def wait(apps, editor):
    pathlib.Path("here").touch()
    while not pathlib.Path("go").exists():
        time.sleep(0.01)
"""
WAIT = "migrations.RunPython(wait, migrations.RunPython.noop)"
NOTE = 'migrations.AddField("counter", "note", models.IntegerField(null=True))'


@pytest.fixture
def counter(site: Site) -> Site:
    site.lockgate = {"LOCK_ATTEMPTS_SECONDS": 2}
    site.write_settings()
    site.migration("0001_initial", CREATE_COUNTER)
    assert site.migrate().code == 0
    return site


@contextlib.contextmanager
def locked(site: Site, table: str, mode: str = "ACCESS EXCLUSIVE") -> Iterator[int]:
    with site.database.connect() as other:
        other.execute("BEGIN")
        other.execute(f"LOCK TABLE {table} IN {mode} MODE")  # type: ignore[arg-type]
        yield other.info.backend_pid
        other.execute("ROLLBACK")


def next_of(pid: int) -> str:
    return f"SELECT pg_terminate_backend({pid});"


@pytest.mark.parametrize("table", ["django_migrations", "lockgate_run", "lockgate_journalentry"])
def test_at_the_start(counter: Site, table: str) -> None:
    """Also where nothing is pending: that has to be read."""
    with locked(counter, table) as pid:
        result = counter.migrate()
    assert_refused(
        result,
        f'"{table}" is kept from this run by others',
        why=f"held by pid {pid} (",
        state="nothing was changed",
        next_step=next_of(pid),
    )
    assert f'which holds AccessExclusiveLock on "{table}"' in result.err


@pytest.mark.parametrize(("table", "arguments"), [("django_migrations", []), ("lockgate_run", ["--history"])])
def test_whoever_only_looks_is_told_as_well(counter: Site, table: str, arguments: list[str]) -> None:
    with locked(counter, table) as pid:
        told = counter.run("showmigrations", *arguments)
        waited = counter.run("lockgate", "wait", "--timeout-seconds", "3")
    assert_refused(told, "is kept from", why=f"pid {pid} (", state="nothing was changed", next_step=next_of(pid))
    assert waited.code == int(table == "django_migrations"), waited.text  # what it reads, or need not


def test_before_the_lock_while_another_run_has_it(counter: Site) -> None:
    """The ledger is asked between two tries whether the other has done our work; that it cannot say so is no answer."""
    counter.migration("0002_note", NOTE)
    with counter.database.connect() as other:
        other.execute("SELECT pg_advisory_lock(%s)", [int.from_bytes(b"lockgate", "big")])
        runner = counter.start(
            "migrate", "--noinput", LOCKGATE_LOCK_WAIT_SECONDS="4", LOCKGATE_LOCK_REPORT_SECONDS="0.1"
        )
        says(runner, "waiting for the migration lock")
        with locked(counter, "lockgate_run"):
            assert_refused(finish(runner), "could not get the migration lock", state="no migration was", next_step="")


@pytest.mark.parametrize(
    "table", ["lockgate_run", "lockgate_journalentry", "lockgate_migrationrecord", "django_migrations"]
)
def test_while_an_operation_outside_a_transaction_is_recorded(counter: Site, table: str) -> None:
    counter.migration("0002_wait", WAIT, NOTE, imports=WAITING, atomic="False")
    runner = counter.start("migrate", "--noinput")
    until((counter.path / "here").exists, "its code runs")
    with locked(counter, table) as pid:
        (counter.path / "go").touch()
        result = finish(runner)
    assert_refused(
        result,
        "",
        why=f"held by pid {pid} (",
        state="",
        next_step=next_of(pid),
    )
    assert f'AccessExclusiveLock on "{table}"' in result.err
    assert (again := counter.migrate()).code == 0, again.text
    assert ("shop", "0002_wait") in counter.database.applied()


@pytest.mark.parametrize("table", ["lockgate_migrationrecord", "django_migrations"])
def test_while_a_migration_is_recorded_in_its_transaction(counter: Site, table: str) -> None:
    counter.migration("0002_wait", WAIT, NOTE, imports=WAITING)
    runner = counter.start("migrate", "--noinput")
    until((counter.path / "here").exists, "its code runs")
    with locked(counter, table) as pid:
        (counter.path / "go").touch()
        result = finish(runner)
    assert_refused(
        result, "shop.0002_wait could not lock", why=f"held by pid {pid} (", state="rolled back", next_step=next_of(pid)
    )
    assert f'AccessExclusiveLock on "{table}"' in result.err
    assert (again := counter.migrate()).code == 0, again.text


def test_at_the_end(counter: Site) -> None:
    """The migration counts; that the run ended well cannot be written, so it did not."""
    (counter.path / "shop" / "apps.py").write_text(
        f"{WAITING}\n"
        "from django.apps import AppConfig\n"
        "from django.db.models.signals import post_migrate\n"
        "class Shop(AppConfig):\n"
        "    name = 'shop'\n"
        "    def ready(self):\n"
        "        post_migrate.connect(lambda **given: wait(None, None), sender=self, weak=False)\n"
    )
    counter.migration("0002_note", NOTE)
    runner = counter.start("migrate", "--noinput")
    until((counter.path / "here").exists, "post_migrate has been sent")
    with locked(counter, "lockgate_run") as pid:
        (counter.path / "go").touch()
        result = finish(runner)
    assert_refused(
        result,
        '"lockgate_run" is kept from this run by others',
        why=f"held by pid {pid} (",
        state="done before it in this run: shop.0002_note",
        next_step=next_of(pid),
    )
    assert (again := counter.migrate()).code == 0, again.text


def test_a_row_that_somebody_has_changed_and_not_committed(counter: Site) -> None:
    """He keeps no table from anybody, and one row from us."""
    counter.migration("0002_wait", WAIT, imports=WAITING, atomic="False")
    runner = counter.start("migrate", "--noinput")
    until((counter.path / "here").exists, "its code runs")
    with counter.database.connect() as other:
        other.execute("BEGIN")
        other.execute("UPDATE lockgate_journalentry SET error = 'looked at'")
        (counter.path / "go").touch()
        result = finish(runner)
        pid = other.info.backend_pid
    assert_refused(result, "", why=f"held by pid {pid} (", state="", next_step=next_of(pid))
    assert 'RowExclusiveLock on "lockgate_journalentry"' in result.err
