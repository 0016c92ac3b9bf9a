"""LOCKGATE["LISTENERS"] and the logger ``lockgate``: told of every event of a run, and unable to change it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.postgres.test_guarantees import call
from tests.support.sites import CREATE_COUNTER, SEED_COUNTER, Result, Site

FAILS = "migrations.RunSQL('SELECT 1 / 0', migrations.RunSQL.noop)"
EARS = """
import os, sys, threading, time
from pathlib import Path
from django.db import connection

def write(line):
    with Path("heard.txt").open("a") as file:
        file.write(line + "\\n")

def hear(event):
    write(f"{event.kind} {event.level}: {event.message}".splitlines()[0])

def stumble(event):
    raise RuntimeError("no ear for it")

def leave(event):
    sys.exit(5)

def hang(event):
    if event.kind == "migration_started":
        time.sleep(60)

def ask(event):
    # In the run's own session this would break the migration's transaction.
    with connection.cursor() as cursor:
        if event.kind == "started":
            cursor.execute("SELECT pg_backend_pid()")
            write(f"pid {cursor.fetchone()[0]}")
        else:
            cursor.execute("SELECT nothing")
"""
LOGGING = """
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "{levelname} {lockgate.kind}: {message}", "style": "{"}},
    "handlers": {"file": {"class": "logging.FileHandler", "filename": "log.txt", "formatter": "line"}},
    "loggers": {"lockgate": {"handlers": ["file"], "level": "DEBUG"}},
}
"""
SHORTLY = """
from datetime import timedelta
from lockgate import policy
policy.LISTENERS_FINISH = timedelta(seconds=0.2)
"""


@pytest.fixture
def counter(site: Site) -> Site:
    site.migration("0001_initial", CREATE_COUNTER)
    site.migration("0002_seed", SEED_COUNTER)
    (site.path / "shop" / "ears.py").write_text(EARS)
    return site


def listening(site: Site, *names: str, settings: str = "") -> Result:
    site.lockgate = {"LISTENERS": [f"shop.ears.{name}" for name in names]}
    site.extra_settings = settings
    site.write_settings()
    return site.migrate()


def lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []


def kinds(site: Site) -> list[str]:
    return [line.split(" ")[0] for line in lines(site.path / "heard.txt")]


def test_a_listener_hears_what_the_console_says_in_its_order(counter: Site) -> None:
    result = listening(counter, "hear")
    assert result.code == 0, result.text
    said = [line for line in result.out.splitlines() if not line.startswith("warning: ")]
    heard = [line.partition(": ")[2] for line in lines(counter.path / "heard.txt") if " info: " in line]
    assert [each for each in heard if each] == said
    assert kinds(counter)[0] == "started"
    assert kinds(counter)[-1] == "ended"


def test_a_listener_hears_that_nothing_was_to_be_done_and_that_a_run_failed(counter: Site) -> None:
    listening(counter, "hear")
    counter.migrate()
    assert kinds(counter)[-1] == "nothing_pending"
    counter.migration("0003_fails", FAILS)
    failed = counter.migrate()
    assert failed.code == 1
    assert lines(counter.path / "heard.txt")[-1] == "failed error: shop.0003_fails failed"


@pytest.mark.parametrize(
    ("name", "why"), [("stumble", "RuntimeError: no ear for it"), ("leave", "SystemExit: 5")], ids=["raises", "exits"]
)
def test_a_listener_that_fails_changes_nothing_and_is_named_once(counter: Site, name: str, why: str) -> None:
    result = listening(counter, name, "hear")
    assert result.code == 0, result.text
    assert counter.database.applied()[-1] == ("shop", "0002_seed")
    told = f"shop.ears.{name} failed at started, and is told of later events all the same: {why}"
    assert result.err.count(told) == result.err.count(name) == 1
    assert kinds(counter)[-1] == "ended"


def test_a_listener_that_hangs_keeps_nobody_waiting(counter: Site) -> None:
    result = listening(counter, "hang", settings=SHORTLY)
    assert result.code == 0, result.text
    assert "a listener is still busy; " in result.err
    assert counter.database.applied()[-1] == ("shop", "0002_seed")


def test_a_listeners_queries_are_those_of_another_session(counter: Site) -> None:
    result = listening(counter, "ask")
    assert result.code == 0, result.text
    (pid,) = (line.split(" ")[1] for line in lines(counter.path / "heard.txt"))
    assert counter.database.rows("SELECT backend_pid FROM lockgate_run WHERE outcome = 'succeeded'") != [(int(pid),)]
    assert counter.database.value("SELECT value FROM shop_counter") is not None


@pytest.mark.parametrize(
    ("path", "what"),
    [
        ("shop.ears.nobody", 'names "shop.ears.nobody", which cannot be imported'),
        ("shop.nowhere.hear", 'names "shop.nowhere.hear", which cannot be imported'),
        ("shop.ears.EARS", 'names "shop.ears.EARS", which cannot be called'),
    ],
)
def test_a_listener_that_cannot_be_had_is_an_error_of_the_checks(counter: Site, path: str, what: str) -> None:
    (counter.path / "shop" / "ears.py").write_text(EARS + "\nEARS = 1\n")
    counter.lockgate = {"LISTENERS": [path]}
    counter.write_settings()
    for result in (counter.run("check"), counter.migrate()):
        assert result.code == 1, result.text
        assert f'(lockgate.E004) LOCKGATE["LISTENERS"] {what}' in result.err
    assert counter.database.value("SELECT to_regclass('shop_counter')") is None
    assert counter.migrate("--skip-checks").code == 0


def test_the_logger_gets_each_event_at_its_level(counter: Site) -> None:
    listening(counter, settings=LOGGING)
    counter.migration("0003_drop", "migrations.RemoveField('counter', 'value')")
    counter.migrate()
    counter.migration("0004_fails", FAILS)
    counter.migrate()
    logged = lines(counter.path / "log.txt")
    assert any(line.startswith("INFO migration_ended: applied shop.0001_initial in ") for line in logged)
    assert any(line.startswith("WARNING hazard: ") for line in logged)
    assert any(line == "ERROR failed: shop.0004_fails failed" for line in logged)


def test_without_handlers_the_logger_repeats_nothing_on_stderr(counter: Site) -> None:
    counter.migrate()
    counter.migration("0003_drop", "migrations.RemoveField('counter', 'value')")
    result = counter.migrate()
    assert result.err.count("hazard LG") == 1


def test_a_call_from_python_tells_them_too(counter: Site) -> None:
    counter.lockgate = {"LISTENERS": ["shop.ears.hear"]}
    counter.write_settings()
    assert call(counter, "import lockgate", "lockgate.migrate()") == ""
    assert kinds(counter)[-1] == "ended"


def test_a_snapshot_is_left_to_a_run_that_can_tell_of_it(counter: Site) -> None:
    counter.lockgate = {"LISTENERS": ["shop.ears.hear"]}
    counter.write_settings()
    assert counter.run("lockgate", "snapshot").code == 0
    result = counter.run("lockgate", "manifest")
    assert "an empty database needs a full start: listeners are to be told" in result.out, result.text
