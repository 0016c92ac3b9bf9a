"""Builds and validations that wait for others: for whom, how long, and what is there at the end of the wait."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import servers
from tests.support.processes import says
from tests.support.servers import assert_refused
from tests.support.sites import Site, finish

CREATE_BOOK = """
migrations.CreateModel(
    name="Book",
    fields=[("id", models.BigAutoField(primary_key=True)), ("title", models.CharField(max_length=100))],
)
"""
FILL = "INSERT INTO shop_book (title) SELECT 'Title ' || n FROM generate_series(1, 3000) n"
INDEX = 'models.Index(fields=["title"], name="book_title")'
ADD_INDEX = f'migrations.AddIndex("Book", {INDEX})'
REMOVE_INDEX = 'migrations.RemoveIndex("Book", "book_title")'
CHECK = 'models.CheckConstraint(condition=models.Q(id__gt=0), name="book_id")'
IMPORTS = """
from django.contrib.postgres.operations import AddConstraintNotValid, AddIndexConcurrently, ValidateConstraint
"""
LOCKED = "INSERT INTO shop_book (title) VALUES ('New')"
READ = "SELECT FROM shop_book LIMIT 1"
BY_HAND = 'migrations.RunSQL("CREATE INDEX CONCURRENTLY book_title ON shop_book (title)", "DROP INDEX book_title")'
VALID = "SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass('book_title')"
INDEXES = "SELECT count(*) FROM pg_class WHERE relname = 'book_title'"


def large(site: Site) -> Site:
    site.lockgate = {"LARGE_TABLE_BYTES": 65536, "LOCK_ATTEMPTS_SECONDS": 2, "ONLINE_WAIT_SECONDS": 4}
    site.write_settings()
    site.migration("0001_initial", CREATE_BOOK)
    assert site.migrate().code == 0
    site.database.execute(FILL)
    return site


@pytest.fixture
def library(site: Site) -> Site:
    """A table of 3,000 rows that counts as large; others are waited for 4 s."""
    return large(site)


@pytest.fixture
def with_prepared(tmp_path: Path) -> Iterator[Site]:
    """The same, where transactions can be prepared."""
    with servers.running(max_prepared_transactions="4") as cluster:
        yield large(Site(tmp_path, cluster.database()))


def test_a_build_that_waits_for_a_snapshot_too_long_is_taken_back(library: Site) -> None:
    """Whoever has only a snapshot does not keep the invalid index from being dropped."""
    library.migration("0002_index", ADD_INDEX)
    with library.database.connect() as other:
        other.execute("SET application_name = 'report'")
        other.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        other.execute("SELECT 1")
        pid, role = other.info.backend_pid, other.info.user
        result = library.migrate()
    assert f'waits for pid {pid} ("report", idle in transaction for' in result.out
    assert_refused(
        result,
        "shop.0002_index waited 4 s for others: build index",
        why=f'for pid {pid} ("report", idle in transaction for',
        state="shop.0002_index was rolled back",
        next_step=f"SELECT pg_terminate_backend({pid});\nor allow more time with LOCKGATE_ONLINE_WAIT_SECONDS",
    )
    assert f's, role "{role}", last SELECT)' in result.err
    assert library.database.value(INDEXES) == 0
    assert (again := library.migrate()).code == 0, again.text
    assert library.database.value(VALID)


def test_a_build_that_waits_for_a_lock_too_long_leaves_its_index_to_the_next_run(library: Site) -> None:
    """The drop of the invalid index would have to wait for the same session, and has a bound, too."""
    library.migration("0002_index", ADD_INDEX)
    with library.database.connect() as other:
        other.execute("BEGIN")
        other.execute(LOCKED)
        result = library.migrate()
        pid = other.info.backend_pid
        other.execute("ROLLBACK")
    assert_refused(
        result,
        "waited 4 s for others",
        why=f"pid {pid} (",
        state="are in the database, for the next run; what they have left there, the next run takes back",
        next_step=f"SELECT pg_terminate_backend({pid});",
    )
    assert library.database.value(VALID) is False
    assert (again := library.migrate()).code == 0, again.text
    assert library.database.value(VALID)


@pytest.mark.parametrize("operation", [f'AddIndexConcurrently("Book", {INDEX})', BY_HAND])
def test_a_concurrent_build_of_the_project_s_own(library: Site, operation: str) -> None:
    library.migration("0002_index", operation, imports=IMPORTS, atomic="False")
    with library.database.connect() as other:
        other.execute("BEGIN")
        other.execute(LOCKED)
        result = library.migrate()
        pid = other.info.backend_pid
        other.execute("ROLLBACK")
    assert_refused(
        result, "shop.0002_index waited 4 s for others", why=f"pid {pid} (", state="", next_step="run again when"
    )
    if operation is BY_HAND:  # its own index is its own to drop
        library.database.execute("DROP INDEX book_title")
    assert (again := library.migrate()).code == 0, again.text
    assert library.database.value(VALID)


def test_a_validation_waits_for_others(library: Site) -> None:
    library.migration("0002_check", f'AddConstraintNotValid("Book", {CHECK})', imports=IMPORTS)
    assert library.migrate().code == 0
    library.migration("0003_validate", 'ValidateConstraint("Book", "book_id")', imports=IMPORTS, atomic="False")
    with library.database.connect() as other:
        other.execute("BEGIN")
        other.execute("LOCK TABLE shop_book IN SHARE UPDATE EXCLUSIVE MODE")
        result = library.migrate()
        pid = other.info.backend_pid
    assert_refused(result, "shop.0003_validate waited 4 s", why=f"pid {pid} (", state="", next_step="run again when")
    assert (again := library.migrate()).code == 0, again.text


def test_a_finish_step_that_waits_too_long_is_left_to_the_next_run(library: Site) -> None:
    library.migration("0002_index", ADD_INDEX)
    assert library.migrate().code == 0
    library.migration("0003_drop", REMOVE_INDEX)
    with library.database.connect() as other:
        other.execute("BEGIN")
        other.execute(READ)
        result = library.migrate()
        pid = other.info.backend_pid
    assert_refused(
        result,
        "shop.0003_drop is applied but not finished",
        why=f"pid {pid} (",
        state="0 of 1 steps are done",
        next_step=f"SELECT pg_terminate_backend({pid});",
    )
    assert (again := library.migrate()).code == 0, again.text
    assert library.database.value(INDEXES) == 0


@pytest.mark.parametrize("seconds", [4, 60])
def test_a_prepared_transaction_is_named_and_how_to_end_it(with_prepared: Site, seconds: int) -> None:
    """It has no session, outlives restarts, and is in nobody's sight: the most forgotten of all."""
    site = with_prepared
    site.lockgate["ONLINE_WAIT_SECONDS"] = seconds
    site.write_settings()
    site.migration("0002_index", ADD_INDEX)
    gid = "it's '1'"
    quoted = "'it''s ''1'''"
    with site.database.connect() as other:
        other.execute("BEGIN")
        other.execute(LOCKED)
        other.execute(f"PREPARE TRANSACTION {quoted}")  # type: ignore[arg-type]
    if seconds == 60:
        runner = site.start("migrate", "--noinput")
        heard = says(runner, "waits for")
        site.database.execute(f"ROLLBACK PREPARED {quoted}")
        assert (ended := finish(runner)).code == 0, ended.text
        assert f"waits for the prepared transaction {quoted} (prepared for" in heard
        return
    result = site.migrate()
    assert_refused(
        result,
        "waited 4 s for others",
        why=f"for the prepared transaction {quoted} (prepared for",
        state="",
        next_step=f"ROLLBACK PREPARED {quoted};",
    )
    site.database.execute(f"ROLLBACK PREPARED {quoted}")
    assert gid not in str(site.database.rows("SELECT gid FROM pg_prepared_xacts"))
    assert (again := site.migrate()).code == 0, again.text


def test_a_prepared_transaction_in_the_way_of_lock_retries_is_named(with_prepared: Site) -> None:
    site = with_prepared
    site.migration("0002_note", 'migrations.AddField("Book", "note", models.IntegerField(null=True))')
    with site.database.connect() as other:
        other.execute("BEGIN")
        other.execute("SAVEPOINT one")
        other.execute(LOCKED)
        other.execute("PREPARE TRANSACTION 'forgotten'")
    assert_refused(
        site.migrate(),
        'could not lock "shop_book"',
        why="held by the prepared transaction 'forgotten' (prepared for",
        state="shop.0002_note was rolled back",
        next_step="ROLLBACK PREPARED 'forgotten';",
    )
    site.database.execute("ROLLBACK PREPARED 'forgotten'")


def test_a_lock_timeout_of_nothing_is_not_one_for_ever(library: Site) -> None:
    """PostgreSQL takes 0 for no limit; here, as everywhere, it is no time to wait."""
    library.lockgate |= {"LOCK_TIMEOUT_SECONDS": 0, "LOCK_ATTEMPTS_SECONDS": 1}
    library.write_settings()
    library.migration("0002_lock", 'migrations.RunSQL("LOCK TABLE shop_book", migrations.RunSQL.noop)')
    with library.database.connect() as other:
        other.execute("BEGIN")
        other.execute(READ)
        result = library.migrate()
    assert_refused(result, "shop.0002_lock could not lock", state="rolled back", next_step="")
