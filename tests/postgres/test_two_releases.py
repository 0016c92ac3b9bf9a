"""Two releases on one database: what one has open is not the other's to finish, to undo, or to count as done."""

from __future__ import annotations

import shutil
import signal
from pathlib import Path

import pytest

from tests.postgres.test_lock_retry import CREATE
from tests.postgres.test_non_atomic import BUSY, CONCURRENT, COUNTING, FIELD, RUNNERS
from tests.postgres.test_online import ADD_INDEX
from tests.postgres.test_recovery import invalid, killed_while
from tests.support.processes import until
from tests.support.sites import Site, finish

COUNT = "migrations.RunPython(count, migrations.RunPython.noop)"
SLEEP = """
import os
def sleep(apps, schema_editor):
    schema_editor.execute("SELECT pg_sleep(" + os.environ.get("NAP", "0") + ")")
"""
NAP = "migrations.RunPython(sleep, migrations.RunPython.noop)"
OPEN = "SELECT name, ordinal, state, committed FROM lockgate_journalentry ORDER BY id"


def image(site: Site, path: Path) -> Site:
    """The release as it is now, in a folder of its own; the site goes on to become the next one."""
    shutil.copytree(site.path, path)
    return Site(path, site.database, apps=site.apps, lockgate=site.lockgate, extra_settings=site.extra_settings)


@pytest.fixture
def new(site: Site) -> Site:
    site.migration("0001_initial", CREATE.format("Counter"))
    assert site.migrate().code == 0
    return site


@pytest.fixture
def old(new: Site, tmp_path: Path) -> Site:
    return image(new, tmp_path / "old")


def killed_in_its_sleep(site: Site) -> None:
    runner = site.start("migrate", "--noinput", NAP="60")
    until(lambda: site.database.value(BUSY, ["SELECT pg_sleep(60)%"]) == 1, "it sleeps")
    runner.send_signal(signal.SIGKILL)
    finish(runner)
    until(lambda: site.database.value(RUNNERS, ["lockgate%"]) == 0, "its session ends")


def starts_without_the_lock(old: Site) -> None:
    before = old.database.rows(OPEN)
    result = old.migrate()
    assert result.code == 0, result.text
    assert "migration lock" not in result.text
    assert old.database.rows(OPEN) == before


def test_data_is_changed_once_where_an_old_image_starts_between_kill_and_rerun(new: Site, old: Site) -> None:
    new.migration("0002_steps", COUNT, NAP, atomic="False", imports=COUNTING + SLEEP)
    killed_in_its_sleep(new)
    starts_without_the_lock(old)
    result = new.migrate()
    assert result.code == 0, result.text
    assert new.database.value("SELECT count(*) FROM shop_counter") == 1


def test_a_column_is_added_once_where_an_old_image_starts_in_between(new: Site, old: Site) -> None:
    build = 'AddIndexConcurrently("Counter", models.Index(fields=["one"], name="counter_one"))'
    new.migration("0002_steps", FIELD.format("one"), NAP, build, atomic="False", imports=CONCURRENT + SLEEP)
    killed_in_its_sleep(new)
    starts_without_the_lock(old)
    result = new.migrate()
    assert result.code == 0, result.text
    assert new.database.value("SELECT indisvalid FROM pg_index WHERE indexrelid = 'counter_one'::regclass")


def test_an_old_image_between_a_failure_and_its_mend_leaves_what_is_done(new: Site, old: Site) -> None:
    new.migration(
        "0002_steps", FIELD.format("one"), COUNT, 'migrations.RunSQL("SELECT 1/0")', atomic="False", imports=COUNTING
    )
    assert new.migrate().code == 1
    starts_without_the_lock(old)
    new.migration(
        "0002_steps", FIELD.format("one"), COUNT, 'migrations.RunSQL("SELECT 1")', atomic="False", imports=COUNTING
    )
    result = new.migrate()
    assert result.code == 0, result.text
    assert new.database.value("SELECT count(*) FROM shop_counter") == 1


def test_an_old_image_that_waits_for_the_lock_at_the_kill_leaves_what_is_open(new: Site, old: Site) -> None:
    """It has to run itself: its name is new, so its receivers have not run yet."""
    new.migration("0002_steps", COUNT, NAP, atomic="False", imports=COUNTING + SLEEP)
    runner = new.start("migrate", "--noinput", NAP="60")
    until(lambda: new.database.value(BUSY, ["SELECT pg_sleep(60)%"]) == 1, "it sleeps")
    waiting = old.start("migrate", "--noinput", LOCKGATE_RELEASE="old, again")
    until(lambda: new.database.value(RUNNERS, ["lockgate%"]) == 2, "the old image waits")
    runner.send_signal(signal.SIGKILL)
    finish(runner)
    result = finish(waiting)
    assert result.code == 0, result.text
    assert "left to the release that has it" in result.err
    assert [row[2] for row in new.database.rows(OPEN)] == ["done", "running"]
    assert new.migrate().code == 0
    assert new.database.value("SELECT count(*) FROM shop_counter") == 1


def test_an_old_image_starts_while_the_new_one_builds_an_index_and_after_its_kill(
    library: Site, tmp_path: Path
) -> None:
    old = image(library, tmp_path / "old")
    library.migration("0002_index", ADD_INDEX)
    with library.database.connect() as other:
        other.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        other.execute("SELECT 1")
        runner = library.start("migrate", "--noinput")
        until(lambda: invalid(library) == 1, "the index is being built")
        starts_without_the_lock(old)
        runner.send_signal(signal.SIGKILL)
        finish(runner)
        until(lambda: library.database.value(RUNNERS, ["lockgate%"]) == 0, "the dead run's session ends")
        other.execute("ROLLBACK")
    starts_without_the_lock(old)
    assert invalid(library) == 1  # nothing is thrown away
    result = library.migrate()
    assert result.code == 0, result.text
    assert invalid(library) == 0


def test_an_old_image_starts_after_a_finish_step_has_failed(library: Site, tmp_path: Path) -> None:
    old = image(library, tmp_path / "old")
    library.migration(
        "0002_fields", 'migrations.AddField("Book", "shelf", models.IntegerField(null=True, db_index=True))'
    )
    killed_while(library, "CREATE INDEX CONCURRENTLY")
    starts_without_the_lock(old)
    result = old.migrate(LOCKGATE_RELEASE="a rollback")
    assert result.code == 0, result.text
    assert "left to the release that has it" in result.err
    assert library.migrate().code == 0
    assert invalid(library) == 0
