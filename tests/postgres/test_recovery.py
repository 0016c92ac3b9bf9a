"""What a run that died leaves, and what the next one makes of it."""

from __future__ import annotations

import re
import signal

import pytest

from tests.postgres.test_online import ADD_CHECK, ADD_INDEX, ADD_UNIQUE
from tests.support.processes import until
from tests.support.schema import dump
from tests.support.sites import Site, finish

ADD_AND_INDEX = (
    'migrations.AddField("Book", "shelf", models.IntegerField(null=True, db_index=True))',
    'migrations.AddField("Book", "code", models.IntegerField(null=True, db_index=True))',
)


BUSY = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE %s AND datname = current_database()"
RUNNERS = "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE %s AND datname = current_database()"


def killed_while(library: Site, statement: str) -> None:
    """Kill a run that is stuck in a statement: an older transaction keeps an index from becoming valid."""
    with library.database.connect() as other:
        other.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        other.execute("SELECT 1")  # takes the snapshot, and no lock on the table
        runner = library.start("migrate", "--noinput")
        until(lambda: library.database.value(BUSY, [f"{statement}%"]) == 1, f"{statement} is under way")
        until(lambda: invalid(library) == 1, "the index is there")  # before, a kill would leave nothing
        runner.send_signal(signal.SIGKILL)
        finish(runner)
        until(lambda: library.database.value(RUNNERS, ["lockgate%"]) == 0, "the dead run's session ends")
        other.execute("ROLLBACK")


def invalid(library: Site) -> int:
    return int(library.database.value("SELECT count(*) FROM pg_index WHERE NOT indisvalid"))


def test_an_index_that_a_kill_left_invalid_is_built_again(library: Site) -> None:
    library.migration("0002_index", ADD_INDEX)
    killed_while(library, "CREATE INDEX CONCURRENTLY")
    assert invalid(library) == 1
    result = library.migrate()
    assert result.code == 0, result.text
    assert "(0 of 1 steps done): carrying on" in result.err
    assert invalid(library) == 0
    assert library.database.rows("SELECT state, attempts, committed FROM lockgate_journalentry") == [("done", 2, True)]


def test_what_a_kill_left_of_an_edited_migration_is_undone(library: Site) -> None:
    library.migration("0002_index", ADD_INDEX, ADD_UNIQUE)
    killed_while(library, "CREATE INDEX CONCURRENTLY")
    library.migration("0002_index", ADD_CHECK, after="0001_initial")
    result = library.migrate()
    assert result.code == 0, result.text
    assert "undoing it" in result.err
    assert library.database.value("SELECT count(*) FROM pg_class WHERE relname IN ('book_title', 'book_isbn')") == 0
    assert library.database.value("SELECT convalidated FROM pg_constraint WHERE conname = 'book_pages'")


def test_what_a_kill_left_of_a_migration_that_this_release_does_not_have_stays(library: Site) -> None:
    path = library.migration("0002_index", ADD_INDEX)
    killed_while(library, "CREATE INDEX CONCURRENTLY")
    path.unlink()
    before = dump(library.database)
    result = library.migrate(LOCKGATE_RELEASE="without it")
    assert result.code == 0, result.text
    assert "left to the release that has it" in result.err
    assert dump(library.database) == before


def test_a_migration_that_is_applied_but_not_finished_is_finished(library: Site) -> None:
    library.migration("0002_fields", *ADD_AND_INDEX)
    killed_while(library, "CREATE INDEX CONCURRENTLY")
    assert ("shop", "0002_fields") in library.database.applied()
    result = library.migrate()
    assert result.code == 0, result.text
    assert "is applied, but not finished" in result.err
    assert invalid(library) == 0
    assert (
        library.database.value("SELECT count(*) FROM lockgate_journalentry WHERE state = 'done' AND phase = 'finish'")
        == 2
    )
    assert library.migrate().out.splitlines()[-1] == "nothing to migrate"


def test_an_invalid_index_of_somebody_else_is_reported_and_left(library: Site) -> None:
    library.database.execute("UPDATE shop_book SET isbn = 'same'")
    with pytest.raises(Exception, match="could not create unique index"):
        library.database.execute("CREATE UNIQUE INDEX CONCURRENTLY book_title ON shop_book (isbn)")
    library.migration("0002_index", ADD_INDEX)
    result = library.migrate()
    assert result.code == 1
    assert re.search(r'next +.*DROP INDEX CONCURRENTLY "book_title";', result.err)
    assert invalid(library) == 1


def test_a_valid_index_of_somebody_else_stays(library: Site) -> None:
    library.database.execute("CREATE INDEX book_title ON shop_book (isbn)")
    library.migration("0002_index", ADD_INDEX)
    result = library.migrate()
    assert result.code == 1
    assert 'an index "book_title" is there already' in result.err
    assert library.database.value("SELECT count(*) FROM pg_class WHERE relname = 'book_title'") == 1


def test_finish_that_meets_bad_rows_says_so_and_the_next_run_goes_on(library: Site) -> None:
    library.migration("0002_fields", *ADD_AND_INDEX)
    killed_while(library, "CREATE INDEX CONCURRENTLY")
    # An index of the name that the second finish step wants, by somebody else, in the meantime.
    name = library.database.value("SELECT object_name FROM lockgate_journalentry ORDER BY id DESC LIMIT 1")
    library.database.execute(f'CREATE INDEX "{name}" ON shop_book (pages)')
    result = library.migrate()
    assert result.code == 1
    assert "shop.0002_fields is applied but not finished" in result.err
    assert "1 of 2 steps are done" in result.err
    library.database.execute(f'DROP INDEX "{name}"')
    result = library.migrate()
    assert result.code == 0, result.text
