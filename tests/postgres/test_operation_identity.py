"""A name is not an identity: what somebody has put in the place of a step's work is told from it, and left."""

from __future__ import annotations

import re
import signal

import pytest

from tests.postgres.test_lock_retry import CREATE
from tests.postgres.test_non_atomic import BUILD, CONCURRENT, DROP, killed_in
from tests.postgres.test_online import ADD_CHECK, ADD_INDEX
from tests.postgres.test_recovery import BUSY, RUNNERS, invalid, killed_while
from tests.support.processes import until
from tests.support.sites import Site, finish

UNIQUE = """
migrations.AddConstraint("Book", models.UniqueConstraint(
    fields=["isbn"], condition=models.Q(pages__gt=0), name="book_partly_unique"))
"""
DEFINITION = "SELECT pg_get_indexdef(to_regclass(%s))"


@pytest.mark.parametrize(
    "other",
    [
        "CREATE INDEX book_partly_unique ON shop_book (title)",
        "CREATE INDEX book_partly_unique ON shop_book (isbn) WHERE pages > 0",
        "CREATE UNIQUE INDEX book_partly_unique ON shop_book (isbn) WHERE pages > 1",
        "CREATE UNIQUE INDEX book_partly_unique ON shop_book (isbn DESC) WHERE pages > 0",
        "CREATE UNIQUE INDEX book_partly_unique ON shop_book (isbn, title) WHERE pages > 0",
        'CREATE UNIQUE INDEX book_partly_unique ON shop_book (isbn COLLATE "C") WHERE pages > 0',
        "CREATE UNIQUE INDEX book_partly_unique ON shop_book (isbn) INCLUDE (title) WHERE pages > 0",
        "CREATE UNIQUE INDEX book_partly_unique ON shop_book (isbn varchar_pattern_ops) WHERE pages > 0",
    ],
)
def test_another_index_of_the_name_is_not_taken_for_the_one_that_was_begun(library: Site, other: str) -> None:
    library.migration("0002_unique", UNIQUE)
    killed_while(library, "CREATE UNIQUE INDEX CONCURRENTLY")
    library.database.execute("DROP INDEX book_partly_unique")
    library.database.execute(other)
    before = library.database.value(DEFINITION, ["book_partly_unique"])
    result = library.migrate()
    assert result.code == 1, result.text
    assert 'an index "book_partly_unique" is there already' in result.err
    assert "manage.py lockgate repair" in result.err
    assert library.database.value(DEFINITION, ["book_partly_unique"]) == before
    library.database.execute("DROP INDEX book_partly_unique")
    result = library.migrate()
    assert result.code == 0, result.text
    assert "UNIQUE" in library.database.value(DEFINITION, ["book_partly_unique"])


def test_the_same_index_completed_by_hand_is_accepted(library: Site) -> None:
    library.migration("0002_unique", UNIQUE)
    killed_while(library, "CREATE UNIQUE INDEX CONCURRENTLY")
    library.database.execute("DROP INDEX book_partly_unique")
    library.database.execute("CREATE UNIQUE INDEX book_partly_unique ON shop_book (isbn) WHERE pages > 0")
    oid = library.database.value("SELECT 'book_partly_unique'::regclass::oid")
    result = library.migrate()
    assert result.code == 0, result.text
    assert library.database.value("SELECT 'book_partly_unique'::regclass::oid") == oid


def killed_before_the_switch(library: Site) -> None:
    """Kill a run that has expanded: a lock on the table keeps its switch waiting."""
    with library.database.connect() as other:
        other.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        other.execute("SELECT 1")
        runner = library.start("migrate", "--noinput")
        until(lambda: library.database.value(BUSY, ["CREATE INDEX CONCURRENTLY%"]) == 1, "the index is being built")
        runner.send_signal(signal.SIGKILL)
        finish(runner)
        until(lambda: library.database.value(RUNNERS, ["lockgate%"]) == 0, "the dead run's session ends")


def test_another_check_of_the_name_is_not_taken_for_the_one_that_was_made(library: Site) -> None:
    library.migration("0002_both", ADD_CHECK, ADD_INDEX)
    killed_before_the_switch(library)
    assert library.database.value("SELECT convalidated FROM pg_constraint WHERE conname = 'book_pages'")
    library.database.execute("ALTER TABLE shop_book DROP CONSTRAINT book_pages")
    library.database.execute("ALTER TABLE shop_book ADD CONSTRAINT book_pages CHECK (pages > -100)")
    result = library.migrate()
    assert result.code == 1, result.text
    assert 'a constraint "book_pages" of shop_book is there already' in result.err
    library.database.execute("ALTER TABLE shop_book DROP CONSTRAINT book_pages")
    result = library.migrate()
    assert result.code == 0, result.text
    assert library.database.value("SELECT convalidated FROM pg_constraint WHERE conname = 'book_pages'")


def test_an_index_that_no_number_is_known_of_is_taken_back_from_a_table_that_was_renamed(library: Site) -> None:
    library.migration("0002_index", ADD_INDEX)
    killed_while(library, "CREATE INDEX CONCURRENTLY")
    library.database.execute("ALTER TABLE shop_book RENAME TO shop_tome")
    assert library.migrate().code == 1
    assert invalid(library) == 0
    library.database.execute("ALTER TABLE shop_tome RENAME TO shop_book")
    result = library.migrate("--retry")
    assert result.code == 0, result.text


def test_where_that_cannot_be_known_it_is_said_and_there_is_a_way_out(library: Site) -> None:
    library.migration("0002_index", ADD_INDEX)
    killed_while(library, "CREATE INDEX CONCURRENTLY")
    library.database.execute("CREATE SCHEMA old", "ALTER TABLE shop_book SET SCHEMA old")
    library.migration("0002_index", 'migrations.RunSQL("SELECT 1")', after="0001_initial")
    result = library.migrate()
    assert result.code == 1, result.text
    assert 'it is not known whether the index "book_title" is the one that shop.0002_index was building' in result.err
    command = re.search(r"manage\.py (lockgate repair \d+)$", result.err, re.MULTILINE)
    assert command, result.err
    assert library.run(*command[1].split(), "--forget", "--apply").code == 0
    result = library.migrate("--retry")
    assert result.code == 0, result.text
    assert invalid(library) == 1  # a person's by now


def test_what_was_made_is_taken_back_from_a_table_that_was_renamed(library: Site) -> None:
    library.migration("0002_both", ADD_CHECK, ADD_INDEX)
    killed_before_the_switch(library)
    library.database.execute("ALTER TABLE shop_book RENAME TO shop_tome")
    library.migration("0002_both", 'migrations.RunSQL("SELECT 1")', after="0001_initial")
    result = library.migrate()
    assert result.code == 0, result.text
    assert library.database.value("SELECT count(*) FROM pg_constraint WHERE conname = 'book_pages'") == 0
    assert library.database.value("SELECT count(*) FROM pg_index WHERE indexrelid = to_regclass('book_title')") == 0


@pytest.fixture
def counter(site: Site) -> Site:
    site.migration("0001_initial", CREATE.format("Counter"))
    assert site.migrate().code == 0
    return site


def test_another_index_is_not_what_add_index_concurrently_had_begun(counter: Site) -> None:
    counter.migration("0002_build", BUILD, atomic="False", imports=CONCURRENT)
    with counter.database.connect() as other:
        other.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        other.execute("SELECT count(*) FROM shop_counter")
        killed_in(counter, "CREATE INDEX CONCURRENTLY")
        other.execute("ROLLBACK")
    counter.database.execute("DROP INDEX counter_value")
    counter.database.execute("CREATE INDEX counter_value ON shop_counter (id)")
    result = counter.migrate()
    assert result.code == 1, result.text
    assert 'an index "counter_value" is there already' in result.err
    counter.database.execute("DROP INDEX counter_value")
    assert counter.migrate().code == 0
    assert invalid(counter) == 0


def test_another_index_is_not_what_remove_index_concurrently_had_begun_to_drop(counter: Site) -> None:
    counter.migration("0002_build", BUILD, atomic="False", imports=CONCURRENT)
    assert counter.migrate().code == 0
    counter.migration("0003_drop", DROP, atomic="False", imports=CONCURRENT)
    with counter.database.connect() as other:
        other.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        other.execute("SELECT count(*) FROM shop_counter")
        killed_in(counter, "DROP INDEX CONCURRENTLY")
        other.execute("ROLLBACK")
    counter.database.execute("DROP INDEX counter_value")
    counter.database.execute("CREATE INDEX counter_value ON shop_counter (id)")
    result = counter.migrate()
    assert result.code == 1, result.text
    assert counter.database.value("SELECT to_regclass('counter_value') IS NOT NULL")


FIELD = 'migrations.AddField("Counter", "one", models.IntegerField(null=True))'
FAILS = 'migrations.RunSQL("SELECT 1/0")'
PASSES = 'migrations.RunSQL("SELECT 1")'


def test_an_index_that_an_earlier_run_has_built_is_built_again_where_somebody_has_dropped_it(counter: Site) -> None:
    counter.migration("0002_build", BUILD, FAILS, atomic="False", imports=CONCURRENT)
    assert counter.migrate().code == 1
    counter.database.execute("DROP INDEX counter_value")
    counter.migration("0002_build", BUILD, PASSES, atomic="False", imports=CONCURRENT)
    result = counter.migrate()
    assert result.code == 0, result.text
    assert counter.database.value("SELECT to_regclass('counter_value') IS NOT NULL")


def test_a_column_that_an_earlier_run_has_made_and_is_gone_is_told_with_a_way_to_make_it_again(counter: Site) -> None:
    counter.migration("0002_steps", FIELD, FAILS, atomic="False")
    assert counter.migrate().code == 1
    counter.database.execute("ALTER TABLE shop_counter DROP COLUMN one")
    counter.migration("0002_steps", FIELD, PASSES, atomic="False")
    result = counter.migrate()
    assert result.code == 1, result.text
    assert 'the column "one" of shop_counter is gone' in result.err
    command = re.search(r"manage\.py (lockgate repair \d+ --forget --apply)", result.err)
    assert command, result.err
    assert counter.run(*command[1].split()).code == 0
    result = counter.migrate("--retry")
    assert result.code == 0, result.text
    assert counter.database.value("SELECT count(*) FROM pg_attribute WHERE attname = 'one' AND NOT attisdropped") == 1


CHECK = """
migrations.AddConstraint("Counter", models.CheckConstraint(condition=models.Q(value__gte=0), name="counter_positive"))
"""
TABLE = 'migrations.CreateModel("Other", [("id", models.AutoField(primary_key=True))])'


@pytest.mark.parametrize(
    ("operation", "deeds", "told"),
    [
        (FIELD, ("DROP COLUMN one", "ADD COLUMN one date"), 'the column "one" of shop_counter'),
        (
            CHECK,
            ("DROP CONSTRAINT counter_positive", "ADD CONSTRAINT counter_positive CHECK (value < 99)"),
            'the constraint "counter_positive" of shop_counter',
        ),
        (TABLE, (), 'the table "shop_other"'),
    ],
)
def test_another_thing_of_the_name_is_not_taken_for_what_an_earlier_run_has_made(
    counter: Site, operation: str, deeds: tuple[str, ...], told: str
) -> None:
    counter.migration("0002_steps", operation, FAILS, atomic="False")
    assert counter.migrate().code == 1
    if operation == TABLE:
        counter.database.execute("ALTER TABLE shop_other RENAME TO mine", "CREATE TABLE shop_other (id text)")
    else:
        counter.database.execute(*(f"ALTER TABLE shop_counter {deed}" for deed in deeds))
    counter.migration("0002_steps", operation, PASSES, atomic="False")
    result = counter.migrate()
    assert result.code == 1, result.text
    assert f"{told} is another one" in result.err
    assert re.search(r"manage\.py lockgate repair \d+ --forget --apply", result.err)


def test_what_a_later_operation_has_had_made_anew_is_no_other(counter: Site) -> None:
    wider = 'migrations.AlterField("Counter", "value", models.BigIntegerField())'
    counter.migration("0002_steps", CHECK, FIELD, wider, FAILS, atomic="False")
    assert counter.migrate().code == 1
    counter.migration("0002_steps", CHECK, FIELD, wider, PASSES, atomic="False")
    result = counter.migrate()
    assert result.code == 0, result.text


def test_what_is_in_another_schema_by_its_table_name_is_there(counter: Site) -> None:
    """As projects write it, for want of a schema in Django: it goes into SQL between quotes."""
    counter.database.execute("CREATE SCHEMA audit")
    table = """migrations.CreateModel(
        "Log", [("id", models.IntegerField(primary_key=True))], options={"db_table": 'audit"."log'}
    )"""
    for last in ("SELECT 1/0", "SELECT 1"):
        field = 'migrations.AddField("log", "value", models.IntegerField(null=True))'
        counter.migration("0002_log", table, field, f'migrations.RunSQL("{last}")', atomic="False")
        result = counter.migrate()
    assert result.code == 0, result.text
    counter.migration("0003_more", 'migrations.AddField("log", "more", models.IntegerField(null=True))')
    assert counter.migrate().code == 0


@pytest.mark.parametrize(
    ("operation", "renamed"),
    [
        (FIELD, "ALTER TABLE shop_counter RENAME COLUMN one TO uno"),
        (CHECK, "ALTER TABLE shop_counter RENAME CONSTRAINT counter_positive TO counter_sound"),
        (TABLE, "ALTER TABLE shop_other RENAME TO mine"),
        (BUILD, "ALTER INDEX counter_value RENAME TO counter_values"),
    ],
)
def test_what_the_migrations_own_sql_has_renamed_is_not_missed(counter: Site, operation: str, renamed: str) -> None:
    sql = f'migrations.RunSQL("{renamed}")'
    counter.migration("0002_steps", operation, sql, FAILS, atomic="False", imports=CONCURRENT)
    assert counter.migrate().code == 1
    counter.migration("0002_steps", operation, sql, PASSES, atomic="False", imports=CONCURRENT)
    result = counter.migrate()
    assert result.code == 0, result.text
    assert counter.database.value("SELECT to_regclass('counter_value') IS NULL")


def test_of_several_of_a_name_the_last_one_counts(counter: Site) -> None:
    removed = 'migrations.RemoveField("Counter", "one")'
    counter.migration("0002_steps", FIELD, removed, FIELD, FAILS, atomic="False")
    assert counter.migrate().code == 1
    counter.migration("0002_steps", FIELD, removed, FIELD, PASSES, atomic="False")
    result = counter.migrate()
    assert result.code == 0, result.text


def test_what_a_later_operation_has_removed_is_not_missed(counter: Site) -> None:
    removed = 'migrations.RemoveField("Counter", "one")'
    counter.migration("0002_steps", FIELD, removed, FAILS, atomic="False")
    assert counter.migrate().code == 1
    counter.migration("0002_steps", FIELD, removed, PASSES, atomic="False")
    result = counter.migrate()
    assert result.code == 0, result.text


def test_a_finished_index_is_built_again_where_somebody_drops_it_before_the_rest_is_finished(library: Site) -> None:
    field = 'migrations.AddField("Book", "{0}", models.IntegerField(null=True, db_index=True))'
    library.migration("0002_fields", field.format("shelf"), field.format("room"))
    index = "SELECT count(*) FROM pg_indexes WHERE tablename = 'shop_book' AND indexdef LIKE '%%(' || %s || ')'"
    assert library.migrate().code == 0
    # As a kill between the two leaves it; and then somebody drops the first one.
    library.database.execute(
        "UPDATE lockgate_journalentry SET state = 'planned', attempts = 0, object_oid = NULL"
        " WHERE object_name LIKE '%_room_%'",
        *(
            f'DROP INDEX "{name}"'
            for (name,) in library.database.rows(
                "SELECT indexname FROM pg_indexes WHERE indexdef ~ 'ON public.shop_book .*(shelf|room)'"
            )
        ),
    )
    result = library.migrate()
    assert result.code == 0, result.text
    assert [library.database.value(index, [each]) for each in ("shelf", "room")] == [1, 1]


def test_a_step_that_was_taken_back_as_its_run_was_refused_is_told_as_settled(library: Site) -> None:
    library.migration("0002_unique", UNIQUE)
    killed_while(library, "CREATE UNIQUE INDEX CONCURRENTLY")
    library.database.execute("DROP INDEX book_partly_unique")
    library.database.execute("CREATE INDEX book_partly_unique ON shop_book (title)")
    result = library.migrate()
    assert result.code == 1, result.text
    command = re.search(r"manage\.py (lockgate repair \d+)", result.err)
    assert command, result.err
    typed = library.run(*command[1].split())
    assert typed.code == 0, typed.text
    assert "is settled: undone" in typed.out


def test_an_index_that_is_to_be_dropped_and_was_renamed_does_not_count_as_dropped(library: Site) -> None:
    library.migration("0002_index", ADD_INDEX)
    assert library.migrate().code == 0
    library.migration("0003_remove", 'migrations.RemoveIndex("Book", "book_title")')
    with library.database.connect() as other:
        other.execute("BEGIN")
        other.execute("SELECT count(*) FROM shop_book")
        killed_in(library, "DROP INDEX CONCURRENTLY")
        other.execute("ROLLBACK")
    library.database.execute("ALTER TABLE shop_book RENAME TO shop_tome")
    result = library.migrate()
    assert result.code == 1, result.text
    assert 'somebody has renamed it, or its table, since: it is "book_title"' in result.err
    accepted = library.run("lockgate", "repair", "--accept", "--apply")
    assert accepted.code == 1, accepted.text
    library.database.execute("ALTER TABLE shop_tome RENAME TO shop_book")
    result = library.migrate()
    assert result.code == 0, result.text
    assert not library.database.value("SELECT to_regclass('book_title') IS NOT NULL")
