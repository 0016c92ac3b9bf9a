"""A migration with ``atomic = False`` that is taken back is journaled too: a kill half-way never passes for the end."""

from __future__ import annotations

import signal

import pytest

from tests.postgres.test_lock_retry import CREATE
from tests.postgres.test_non_atomic import BUSY, CONCURRENT, FIELD, RUNNERS
from tests.support.processes import until
from tests.support.schema import dump
from tests.support.sites import Site, finish

BUILD = 'AddIndexConcurrently("Counter", models.Index(fields=["one"], name="counter_one"))'
SLEEP = """
import os
def sleep(apps, schema_editor):
    schema_editor.execute("SELECT pg_sleep(" + os.environ.get("NAP", "0") + ")")
def up(apps, schema_editor):
    schema_editor.execute("UPDATE shop_counter SET value = value + 1")
def down(apps, schema_editor):
    schema_editor.execute("UPDATE shop_counter SET value = value - 1")
"""
NAP = "migrations.RunPython(migrations.RunPython.noop, sleep)"
DATA = "migrations.RunPython(up, down, atomic=True)"


@pytest.fixture
def counter(site: Site) -> Site:
    site.migration("0001_initial", CREATE.format("Counter"))
    assert site.migrate().code == 0
    site.database.execute("INSERT INTO shop_counter (value) VALUES (0)")
    site.migration(
        "0002_steps",
        FIELD.format("one"),
        NAP,
        DATA,
        BUILD,
        FIELD.format("two"),
        atomic="False",
        imports=CONCURRENT + SLEEP,
    )
    return site


def killed_half_way_back(site: Site) -> None:
    runner = site.start("migrate", "--noinput", "shop", "0001", NAP="60")
    until(lambda: site.database.value(BUSY, ["SELECT pg_sleep(60)%"]) == 1, "it sleeps")
    runner.send_signal(signal.SIGKILL)
    finish(runner)
    until(lambda: site.database.value(RUNNERS, ["lockgate%"]) == 0, "its session ends")


def test_backwards_carries_on_after_a_kill(counter: Site) -> None:
    before = dump(counter.database)
    assert counter.migrate().code == 0
    killed_half_way_back(counter)
    result = counter.migrate("shop", "0001")
    assert result.code == 0, result.text
    assert "(3 of 5 steps done): carrying on" in result.err
    assert dump(counter.database) == before
    assert counter.database.value("SELECT value FROM shop_counter") == 0
    assert ("shop", "0002_steps") not in counter.database.applied()
    assert counter.migrate().code == 0
    assert counter.database.value("SELECT value FROM shop_counter") == 1


def test_forwards_after_a_kill_applies_again_what_was_taken_back(counter: Site) -> None:
    assert counter.migrate().code == 0
    after = dump(counter.database)
    killed_half_way_back(counter)
    assert dump(counter.database) != after
    result = counter.migrate()
    assert result.code == 0, result.text
    assert "nothing to migrate" not in result.out
    assert "(3 of 5 steps done): applying the undone operations again" in result.err
    assert dump(counter.database) == after
    assert counter.database.value("SELECT value FROM shop_counter") == 1
    assert counter.migrate().out.splitlines()[-1] == "nothing to migrate"
    assert counter.migrate("shop", "0001").code == 0


def test_backwards_that_fails_half_way_is_not_current(counter: Site) -> None:
    bad = "migrations.RunSQL('SELECT 1', 'SELECT 1/0')"
    counter.migration("0003_more", bad, FIELD.format("three"), atomic="False")
    assert counter.migrate().code == 0
    after = dump(counter.database)
    failed = counter.migrate("shop", "0002")
    assert failed.code == 1
    assert "division by zero" in failed.err
    assert dump(counter.database) != after
    result = counter.migrate()
    assert result.code == 0, result.text
    assert dump(counter.database) == after


def test_an_irreversible_operation_is_found_before_anything_is_taken_back(counter: Site) -> None:
    counter.migration("0003_more", "migrations.RunSQL('SELECT 1')", FIELD.format("three"), atomic="False")
    assert counter.migrate().code == 0
    after = dump(counter.database)
    assert counter.migrate("shop", "0002").code == 1
    assert dump(counter.database) == after
    assert counter.migrate().out.splitlines()[-1] == "nothing to migrate"


def test_a_kill_while_it_is_applied_again_leaves_the_rest_to_the_next_run(counter: Site) -> None:
    assert counter.migrate().code == 0
    after = dump(counter.database)
    killed_half_way_back(counter)
    with counter.database.connect() as other:
        other.execute("BEGIN")
        other.execute("SELECT count(*) FROM shop_counter")  # its lock keeps a column from being added
        runner = counter.start("migrate", "--noinput")
        until(
            lambda: counter.database.value(BUSY, ["ALTER TABLE%"]) == 1 or runner.poll() is not None,
            "it tries to add the column again",
        )
        runner.send_signal(signal.SIGKILL)
        finish(runner)
        until(lambda: counter.database.value(RUNNERS, ["lockgate%"]) == 0, "its session ends")
        other.execute("ROLLBACK")
    result = counter.migrate()
    assert result.code == 0, result.text
    assert dump(counter.database) == after


def test_what_cannot_be_applied_again_says_so_and_is_tried_again(counter: Site) -> None:
    assert counter.migrate().code == 0
    after = dump(counter.database)
    killed_half_way_back(counter)
    counter.database.execute("ALTER TABLE shop_counter ADD COLUMN two text")
    # Code was under way at the kill, so that nobody knows who did it; the second time it is known.
    for told in ("shop.0002_steps could not be applied again", 'the column "two" of shop_counter is back'):
        failed = counter.migrate()
        assert failed.code == 1
        assert told in failed.err
        assert "receiver" not in failed.err
        assert "shop.0002_steps counts as applied, and is half-way back" in failed.err
    counter.database.execute("ALTER TABLE shop_counter DROP COLUMN two")
    assert counter.migrate().code == 0
    assert dump(counter.database) == after
