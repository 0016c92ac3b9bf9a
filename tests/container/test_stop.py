"""Signals to PID 1 of the real container: during a migration, around the hand-over, and while serving."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Callable

import pytest

from tests.container.conftest import Run
from tests.container.engine import SERVICE, Container, Database, Engine, docker, get, wait_until

SLOW = """[migrations.RunSQL(["CREATE TABLE slow_marker (id int)", "SELECT pg_sleep(60)"])]"""
SLEEPING = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND datname = current_database()"
LOCKED = (
    "SELECT count(*) FROM pg_locks JOIN pg_database ON pg_database.oid = pg_locks.database"
    " WHERE locktype = 'advisory' AND datname = current_database()"
)
STOPS: dict[str, Callable[[Container], object]] = {
    "SIGTERM": lambda container: container.kill("TERM"),
    "SIGINT": lambda container: container.kill("INT"),
    "SIGHUP": lambda container: container.kill("HUP"),
    "docker stop": lambda container: docker("stop", "--time", "30", container.id),
}


@pytest.fixture(scope="module")
def slow(engine: Engine, image: str) -> str:
    """The next release, whose migration takes a minute."""
    return engine.release(image, "slow", SLOW)


class Answers:
    """Asks a container over and over whether it serves; what it answered is kept."""

    def __init__(self, port: int) -> None:
        self.answers: list[tuple[int, str]] = []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._ask, args=(f"http://127.0.0.1:{port}/livez",))
        self._thread.start()

    def _ask(self, url: str) -> None:
        while not self._over.wait(0.02):
            if (answer := get(url, timeout=2))[0]:
                self.answers.append(answer)

    def stop(self) -> None:
        self._over.set()
        self._thread.join()


@pytest.mark.parametrize("how", STOPS)
def test_a_stop_during_a_long_migration_ends_it_and_nothing_is_served(
    database: Database, up_to_date: str, slow: str, run: Run, how: str
) -> None:
    container = run(slow, database.url(up_to_date))
    wait_until(lambda: database.query(SLEEPING, up_to_date) == "1", "the migration sleeps")
    assert database.query(LOCKED, up_to_date) == "1"
    answers = Answers(container.port())
    try:
        begun = time.monotonic()
        STOPS[how](container)
        code = container.wait(50)
        took = time.monotonic() - begun
    finally:
        answers.stop()
    print(f"{how}: gone after {took:.2f} s, exit code {code}")
    assert took < 45  # the migration would take a minute
    assert code != 0
    assert answers.answers == []
    assert "interrupted" in container.logs()
    assert "gunicorn" not in container.logs()
    assert database.query("SELECT to_regclass('slow_marker') IS NULL", up_to_date) == "t"
    assert database.query("SELECT count(*) FROM django_migrations WHERE name = '9999_slow'", up_to_date) == "0"
    assert database.query(LOCKED, up_to_date) == "0"
    assert database.query(SLEEPING, up_to_date) == "0"


def test_a_stop_while_it_waits_for_another_container_ends_it(
    database: Database, up_to_date: str, slow: str, run: Run
) -> None:
    first = run(slow, database.url(up_to_date))
    wait_until(lambda: database.query(SLEEPING, up_to_date) == "1", "the migration sleeps")
    second = run(slow, database.url(up_to_date))
    second.wait_for_log("waiting")
    second.kill("TERM")
    assert second.wait(45) != 0  # the first goes on for a minute
    assert first.running
    first.kill("TERM")
    assert first.wait(30) != 0


def test_a_stop_at_the_hand_over_is_not_lost(database: Database, up_to_date: str, image: str, run: Run) -> None:
    """From the migration's last line to gunicorn's first answer: a signal to a PID 1 without a handler is dropped.

    The shell cannot close the last millisecond, between its own handlers' end and the block, hence one may miss.
    """
    lost = 0
    for milliseconds in range(0, 800, 100):
        container = run(image, database.url(up_to_date))
        container.wait_for_log("nothing to migrate")
        time.sleep(milliseconds / 1000)
        begun = time.monotonic()
        container.kill("TERM")
        try:
            code = container.wait(30)  # a server that did not hear of it would go on for ever
            print(f"{milliseconds} ms: gone after {time.monotonic() - begun:.2f} s, exit code {code}")
        except subprocess.TimeoutExpired:
            lost += 1
            container.kill("KILL")
    assert lost <= 1


def test_gunicorn_is_pid_1_and_answers_what_is_in_flight_before_it_ends(
    database: Database, up_to_date: str, image: str, run: Run
) -> None:
    container = run(image, database.url(up_to_date))
    url = f"http://127.0.0.1:{container.port()}/api/playbacks"
    wait_until(lambda: get(url)[0], "gunicorn answers")
    assert "gunicorn" in container.execute("cat", "/proc/1/cmdline")

    nap = "DO $$BEGIN PERFORM pg_sleep(25); EXCEPTION WHEN query_canceled THEN NULL; END$$"
    blocked = f"BEGIN; LOCK TABLE watchstats_playback IN ACCESS EXCLUSIVE MODE; {nap}; COMMIT"
    blocker = threading.Thread(target=database.query, args=(blocked, up_to_date))
    blocker.start()
    wait_until(lambda: database.query(SLEEPING, up_to_date) == "1", "the table is locked")

    answers: list[tuple[int, str]] = []
    authorization = {"Authorization": f"Bearer {SERVICE['INGEST_TOKEN']}"}
    asker = threading.Thread(target=lambda: answers.append(get(url, timeout=60, **authorization)))
    asker.start()
    waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'watchstats_playback'::regclass"
    wait_until(lambda: database.query(waiting, up_to_date) == "1", "the request is in flight")
    container.kill("TERM")
    time.sleep(1)  # it is in flight while the server ends
    asleep = "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND datname = "
    database.query(f"{asleep}current_database()", up_to_date)
    code = container.wait(60)
    asker.join()
    blocker.join()
    assert [status for status, _ in answers] == [200]
    assert code == 0
