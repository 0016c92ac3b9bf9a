"""Every dead end has a way out: ``manage.py lockgate repair``, and ``--fake``."""

from __future__ import annotations

import re
import signal

import pytest

from tests.postgres.test_online import ADD_INDEX
from tests.postgres.test_recovery import ADD_AND_INDEX, BUSY, RUNNERS, invalid, killed_while
from tests.support.processes import running, says, until
from tests.support.sites import Result, Site, finish

DEFAULTS = (
    "SELECT count(*) FROM pg_attrdef WHERE adrelid = 'shop_book'::regclass AND pg_get_expr(adbin, adrelid) = 'false'"
)


def named_command(result: Result) -> list[str]:
    """The repair command that a message names, as arguments."""
    match = re.search(r"manage\.py (lockgate repair \d+)", result.err)
    assert match, result.text
    return match[1].split()


def test_with_nothing_open_it_says_so(library: Site) -> None:
    result = library.run("lockgate", "repair")
    assert (result.code, result.out.splitlines()[-1]) == (0, "no step is open")


def test_a_finish_step_whose_column_is_gone_is_forgotten(library: Site) -> None:
    library.migration("0002_fields", *ADD_AND_INDEX)
    killed_while(library, "CREATE INDEX CONCURRENTLY")
    library.database.execute("ALTER TABLE shop_book DROP COLUMN code")
    failed = library.migrate()
    assert failed.code == 1
    command = named_command(failed)
    before = library.database.rows("SELECT id, state FROM lockgate_journalentry ORDER BY id")
    dry = library.run(*command, "--forget")
    assert dry.code == 0, dry.text
    assert "nothing was changed" in dry.out
    assert library.database.rows("SELECT id, state FROM lockgate_journalentry ORDER BY id") == before
    assert library.run(*command, "--accept", "--apply").code == 1
    done = library.run(*command, "--forget", "--apply")
    assert done.code == 0, done.text
    assert library.migrate().code == 0
    assert library.database.value("SELECT count(*) FROM lockgate_run WHERE command LIKE 'lockgate repair%%'") == 2


def test_what_another_release_has_left_is_undone_by_a_person(library: Site) -> None:
    path = library.migration("0002_index", ADD_INDEX)
    killed_while(library, "CREATE INDEX CONCURRENTLY")
    path.unlink()
    assert library.migrate().code == 0
    assert invalid(library) == 1
    shown = library.run("showmigrations", "shop")
    assert "[~] 0002_index   begun by another release: this one does not have it" in shown.out
    listed = library.run("lockgate", "repair")
    assert "shop.0002_index" in listed.out
    assert 'the index "book_title" is there, but invalid' in listed.out
    result = library.run("lockgate", "repair", "--undo", "--apply")
    assert result.code == 0, result.text
    assert invalid(library) == 0
    assert library.run("lockgate", "repair").out.splitlines()[-1] == "no step is open"


def test_a_repair_that_waits_is_told_apart_and_lets_go_when_it_is_killed(library: Site) -> None:
    """A run that waits for it says what it is; its statement ends with it, and the lock is free."""
    path = library.migration("0002_index", ADD_INDEX)
    killed_while(library, "CREATE INDEX CONCURRENTLY")
    path.unlink()
    library.lockgate |= {"LOCK_ATTEMPTS_SECONDS": 60, "LOCK_REPORT_SECONDS": 0.5}
    library.write_settings()
    library.migration("0003_other", ADD_INDEX)
    with library.database.connect() as other:
        other.execute("BEGIN")
        other.execute("INSERT INTO shop_book (title, isbn) VALUES ('New', '1')")
        repair = library.start("lockgate", "repair", "--undo", "--apply")
        until(lambda: running(library.database, "DROP INDEX CONCURRENTLY"), "it waits for the other session")
        runner = library.start("migrate", "--noinput")
        assert "release repair on" in says(runner, "held by")
        repair.kill()
        finish(repair)
        until(lambda: running(library.database, "DROP INDEX CONCURRENTLY") is None, "the server has ended it", 10)
        runner.kill()
        finish(runner)


def test_what_is_there_by_definition_is_accepted(library: Site) -> None:
    library.migration("0002_fields", *ADD_AND_INDEX)
    killed_while(library, "CREATE INDEX CONCURRENTLY")
    number, name = library.database.rows(
        "SELECT id, object_name FROM lockgate_journalentry WHERE title LIKE '%%shelf%%'"
    )[0]
    library.database.execute(f'DROP INDEX "{name}"')
    library.database.execute(f'CREATE INDEX "{name}" ON shop_book (code)')
    assert library.run("lockgate", "repair", str(number), "--accept", "--apply").code == 1
    library.database.execute(f'DROP INDEX "{name}"')
    library.database.execute(f'CREATE INDEX "{name}" ON shop_book (shelf)')
    result = library.run("lockgate", "repair", str(number), "--accept", "--apply")
    assert result.code == 0, result.text
    assert library.migrate().code == 0


@pytest.mark.parametrize("target", ["0001", "0002"])
def test_fake_settles_what_is_open_of_what_it_records(library: Site, target: str) -> None:
    path = library.migration("0002_fields", *ADD_AND_INDEX)
    killed_while(library, "CREATE INDEX CONCURRENTLY")
    assert library.migrate("shop", "0001", "--fake").code == 0
    if target == "0002":
        assert library.migrate("shop", "0002", "--fake").code == 0
    else:
        path.unlink()
    result = library.migrate()
    assert result.code == 0, result.text
    assert "not finished" not in result.text
    assert library.run("lockgate", "repair").out.splitlines()[-1] == "no step is open"


def test_a_number_that_is_not_open_is_refused(library: Site) -> None:
    result = library.run("lockgate", "repair", "4711", "--forget", "--apply")
    assert result.code == 1
    assert "no open step has the number 4711" in result.err


COUNT = "migrations.RunSQL('UPDATE shop_book SET pages = pages + 1', migrations.RunSQL.noop)"


def test_retry_leaves_what_is_done_alone(library: Site) -> None:
    before = library.database.value("SELECT sum(pages) FROM shop_book")
    rows = library.database.value("SELECT count(*) FROM shop_book")
    library.migration("0002_steps", COUNT, 'migrations.RunSQL("SELECT 1/0")', atomic="False")
    assert library.migrate().code == 1
    result = library.run("lockgate", "repair", "--retry", "--apply")
    assert result.code == 0, result.text
    library.migration("0002_steps", COUNT, 'migrations.RunSQL("SELECT 1")', atomic="False")
    assert library.migrate().code == 0
    assert library.database.value("SELECT sum(pages) FROM shop_book") == before + rows


def test_an_index_that_is_still_there_does_not_prove_that_it_was_dropped(library: Site) -> None:
    imports = "from django.contrib.postgres.operations import AddIndexConcurrently"
    build = 'AddIndexConcurrently("Book", models.Index(fields=["pages"], name="book_pages_index"))'
    library.migration("0002_build", build, atomic="False", imports=imports)
    assert library.migrate().code == 0
    with library.database.connect() as other:
        other.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        other.execute("SELECT count(*) FROM shop_book")
        runner = library.start("migrate", "--noinput", "shop", "0001")
        until(lambda: library.database.value(BUSY, ["DROP INDEX CONCURRENTLY%"]) == 1, "it is being dropped")
        runner.send_signal(signal.SIGKILL)
        finish(runner)
        until(lambda: library.database.value(RUNNERS, ["lockgate%"]) == 0, "its session ends")
        other.execute("ROLLBACK")
    library.database.execute("REINDEX INDEX book_pages_index")  # valid, with the very definition
    accepted = library.run("lockgate", "repair", "--accept", "--apply")
    assert accepted.code == 1, accepted.text
    assert 'the index "book_pages_index" is still there' in accepted.text
    assert library.migrate("shop", "0001").code == 0
    assert not library.database.value("SELECT to_regclass('book_pages_index') IS NOT NULL")


def test_fake_leaves_a_kept_default_to_be_dropped(library: Site) -> None:
    library.migration("0002_flag", 'migrations.AddField("Book", "flag", models.BooleanField(default=False))')
    assert library.migrate().code == 0
    assert library.migrate("shop", "0001", "--fake").code == 0
    assert library.migrate("shop", "0002", "--fake").code == 0
    assert library.migrate("--contract").code == 0
    assert library.database.value(DEFAULTS) == 0


def test_what_a_squashed_migration_has_kept_is_dropped(library: Site) -> None:
    flag = 'migrations.AddField("Book", "flag", models.BooleanField(default=False))'
    path = library.migration("0002_flag", flag)
    assert library.migrate().code == 0
    path.unlink()
    library.migration("0002_squashed", flag, after="0001_initial", replaces='[("shop", "0002_flag")]')
    assert library.migrate("--contract").code == 0
    assert library.database.value(DEFAULTS) == 0
