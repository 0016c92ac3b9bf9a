"""Many runners at once, runners killed at random, index builds beside waiting runners; and stock Django beside them.

``make test`` runs a sample; ``make sweep`` (LOCKGATE_SWEEP=whole) the full number of rounds.
"""

from __future__ import annotations

import contextlib
import os
import random
import re
import signal
import subprocess
from collections import Counter
from pathlib import Path

import pytest

from tests.support import databases, schema
from tests.support.databases import Database
from tests.support.processes import lock_is_free, until
from tests.support.sites import ADD_COLUMN, COUNT_UP, CREATE_COUNTER, SEED_COUNTER, Result, Site, finish

pytestmark = [pytest.mark.sweep, pytest.mark.timeout(3000)]

WHOLE = os.environ.get("LOCKGATE_SWEEP") == "whole"
ROUNDS = 20 if WHOLE else 1
RUNNERS = 16
KILLS = 50 if WHOLE else 4
BUILDS = 20 if WHOLE else 1


def shop(path: Path, database: Database, *, stock: bool = False) -> Site:
    """Four migrations with a foreign key and an index (deferred SQL), one of which shows if it runs twice."""
    site = Site(path, database, stock=stock)
    site.migration("0001_initial", CREATE_COUNTER)
    site.migration("0002_seed", SEED_COUNTER)
    site.migration(
        "0003_child",
        'migrations.CreateModel("Child", [("id", models.BigAutoField(primary_key=True)),'
        ' ("note", models.CharField(max_length=20, db_index=True)),'
        ' ("counter", models.ForeignKey("shop.Counter", models.CASCADE))])',
        ADD_COLUMN.format("extra"),
    )
    site.migration("0004_count", COUNT_UP)
    return site


def all_at_once(site: Site, runners: int = RUNNERS) -> list[Result]:
    processes = [site.start("migrate", "--noinput") for _ in range(runners)]
    return [finish(process) for process in processes]


def applied_once(database: Database) -> bool:
    return all(count == 1 for count in Counter(database.applied()).values())


def test_sixteen_runners_on_an_empty_database_all_succeed_and_apply_once(tmp_path: Path) -> None:
    for number in range(ROUNDS):
        database = databases.create()
        site = shop(tmp_path / str(number), database)
        results = all_at_once(site)
        assert [result.code for result in results] == [0] * RUNNERS, "\n".join(result.text for result in results)
        assert database.value("SELECT value FROM shop_counter") == 1
        assert applied_once(database)
        assert database.rows("SELECT outcome FROM lockgate_run") == [("succeeded",)]
        database.drop()


def test_sixteen_runners_with_a_pending_counter_all_succeed_and_count_once(tmp_path: Path) -> None:
    for number in range(ROUNDS):
        database = databases.create()
        site = shop(tmp_path / str(number), database)
        assert site.migrate().code == 0
        site.migration("0005_again", COUNT_UP)
        results = all_at_once(site)
        assert [result.code for result in results] == [0] * RUNNERS, "\n".join(result.text for result in results)
        assert database.value("SELECT value FROM shop_counter") == 2
        assert applied_once(database)
        database.drop()


def test_stock_django_fails_the_same_race(tmp_path: Path) -> None:
    """Without this, the tests above would prove nothing. Bounded: it takes a round or two."""
    for number in range(10):
        database = databases.create()
        site = shop(tmp_path / str(number), database, stock=True)
        results = all_at_once(site)
        wrong = any(result.code for result in results) or not applied_once(database)
        database.drop()
        if wrong:
            return
    pytest.fail("stock Django survived ten rounds: the race is not provoked here")


def killed_during_run(site: Site, moment: float) -> bool:
    """Kill a runner this long after it got the lock; whether it still ran then."""
    process = site.start("migrate", "--noinput")
    until(lambda: not lock_is_free(site.database) or process.poll() is not None, "the run has the lock")
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(moment)
    alive = process.poll() is None
    if alive:
        os.kill(process.pid, signal.SIGKILL)
    finish(process)
    return alive


def test_a_runner_killed_at_any_moment_leaves_work_that_the_next_one_finishes(tmp_path: Path) -> None:
    undisturbed = databases.create()
    site = shop(tmp_path, undisturbed)
    first = site.migrate()
    assert first.code == 0, first.text
    duration = float(re.findall(r"in ([0-9.]+) s$", first.out)[-1])  # from the lock to the end
    expected = schema.dump(undisturbed), schema.rows(undisturbed)
    chance = random.Random(os.environ.get("LOCKGATE_SEED"))
    killed = 0
    for _ in range(KILLS):
        database = databases.create()
        site.database = database
        moment = chance.uniform(0, 0.9 * duration)
        if killed_during_run(site, moment):
            killed += 1
        else:
            duration = moment  # the first run was a slow one
        result = site.migrate()
        assert result.code == 0, f"killed after {moment:.3f} s:\n{result.text}"
        assert (schema.dump(database), schema.rows(database)) == expected, f"killed after {moment:.3f} s"
        database.drop()
    undisturbed.drop()
    assert killed * 4 >= KILLS, "the kills came too late to prove anything"


def test_an_index_is_built_concurrently_while_seven_runners_wait(tmp_path: Path) -> None:
    for number in range(BUILDS):
        database = databases.create()
        site = shop(tmp_path / str(number), database)
        assert site.migrate().code == 0
        database.execute(
            "INSERT INTO shop_child (note, counter_id) SELECT n::text, 1 FROM generate_series(1, 100000) n"
        )
        site.migration(
            "0005_index",
            'operations.AddIndexConcurrently("Child", models.Index(fields=["note", "counter"], name="built"))',
            imports="from django.contrib.postgres import operations",
            atomic="False",
        )
        results = all_at_once(site, 8)
        assert [result.code for result in results] == [0] * 8, "\n".join(result.text for result in results)
        assert database.value("SELECT indisvalid FROM pg_index WHERE indexrelid = 'built'::regclass")
        assert applied_once(database)
        database.drop()
