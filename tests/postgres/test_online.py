"""Migrations of large tables, carried out online: phases, the journal, and failures that leave nothing."""

from __future__ import annotations

import json

import pytest

from tests.support import databases
from tests.support.library import CREATE_BOOK
from tests.support.schema import dump
from tests.support.sites import Result, Site

ADD_INDEX = 'migrations.AddIndex("Book", models.Index(fields=["title"], name="book_title"))'
ADD_UNIQUE = 'migrations.AddConstraint("Book", models.UniqueConstraint(fields=["isbn"], name="book_isbn"))'
ADD_CHECK = """
migrations.AddConstraint("Book", models.CheckConstraint(condition=models.Q(pages__gt=0), name="book_pages"))
"""
NOT_NULL = 'migrations.AlterField("Book", "pages", models.IntegerField())'
ADD_DEFAULT = 'migrations.AddField("Book", "copies", models.IntegerField(default=1))'
DROP_INDEX = 'migrations.RemoveIndex("Book", "book_title")'


def steps(site: Site) -> list[tuple[str, str, str, bool]]:
    return site.database.rows(
        "SELECT name, phase, kind, state = 'done' FROM lockgate_journalentry WHERE app = 'shop' ORDER BY id"
    )


def happened(result: Result) -> list[str]:
    return [json.loads(line)["event"] for line in result.out.splitlines()]


def test_an_index_is_built_before_the_migration_counts(library: Site) -> None:
    library.migration("0002_index", ADD_INDEX)
    result = library.migrate()
    assert result.code == 0, result.text
    assert steps(library) == [("0002_index", "expand", "add index", True)]
    assert "expand 1 of 1: build index" in result.out
    assert library.database.value("SELECT indisvalid FROM pg_index WHERE indexrelid = 'book_title'::regclass")


def test_what_every_rewrite_does_ends_as_django_would(library: Site) -> None:
    library.migration("0002_all", ADD_INDEX, ADD_UNIQUE, ADD_CHECK, NOT_NULL, ADD_DEFAULT)
    library.migration("0003_drop", DROP_INDEX)
    result = library.migrate()
    assert result.code == 0, result.text
    assert all(done for _, phase, _, done in steps(library) if phase != "contract")
    assert [row[1:3] for row in steps(library) if row[1] in ("finish", "contract")] == [
        ("contract", "drop default"),
        ("finish", "drop index"),
    ]
    assert library.database.value("SELECT convalidated FROM pg_constraint WHERE conname = 'book_pages'")
    assert library.database.value("SELECT contype FROM pg_constraint WHERE conname = 'book_isbn'") == "u"
    assert library.database.value(
        "SELECT count(*) FROM pg_attribute WHERE attrelid = 'shop_book'::regclass AND attname = 'pages' AND attnotnull"
    )


def test_the_release_before_can_insert_until_the_contract(library: Site) -> None:
    library.migration("0002_default", ADD_DEFAULT)
    assert library.migrate().code == 0
    library.database.execute("INSERT INTO shop_book (title, isbn, pages) VALUES ('old release', 'x', 1)")
    assert library.database.value("SELECT copies FROM shop_book WHERE isbn = 'x'") == 1
    result = library.migrate("--contract")
    assert result.code == 0, result.text
    assert steps(library) == [("0002_default", "contract", "drop default", True)]
    default = "SELECT column_default FROM information_schema.columns WHERE column_name = 'copies'"
    assert library.database.value(default) is None


def test_what_the_contract_run_itself_has_left_is_not_due_yet(library: Site) -> None:
    library.migration("0002_default", ADD_DEFAULT)
    assert library.migrate("--contract").code == 0
    assert steps(library) == [("0002_default", "contract", "drop default", False)]
    library.database.execute("INSERT INTO shop_book (title, isbn, pages) VALUES ('old release', 'x', 1)")
    assert library.migrate("--contract").code == 0
    assert steps(library) == [("0002_default", "contract", "drop default", True)]


@pytest.mark.parametrize(
    ("operation", "spoil", "words"),
    [
        (
            ADD_UNIQUE,
            "UPDATE shop_book SET isbn = 'same' WHERE id IN (5, 6, 7)",
            "more than once: 3 times, as in id = 5 and id = 7",
        ),
        (ADD_CHECK, "UPDATE shop_book SET pages = -1 WHERE id IN (5, 6)", "2 rows violate it: id = 5; id = 6"),
        (NOT_NULL, "UPDATE shop_book SET pages = NULL WHERE id = 7", "1 row violates it: id = 7"),
    ],
    ids=["unique", "check", "not null"],
)
def test_rows_that_break_a_constraint_are_named_and_nothing_is_left(
    library: Site, operation: str, spoil: str, words: str
) -> None:
    library.database.execute(spoil)
    before = dump(library.database)
    library.migration("0002_rule", operation)
    result = library.migrate()
    assert result.code == 1
    assert f"{words}\n" in result.err  # all of them, so no dots
    assert "same" not in result.err
    assert "shop.0002_rule was rolled back" in result.err
    assert dump(library.database) == before
    assert not any(done for *_, done in steps(library))


def test_values_of_rows_are_told_where_a_setting_allows_it(library: Site) -> None:
    library.database.execute("UPDATE shop_book SET isbn = 'same' WHERE id IN (5, 6, 7)")
    library.migration("0002_rule", ADD_UNIQUE)
    library.lockgate["SHOW_VALUES"] = True
    library.write_settings()
    assert "isbn = same 3 times, as in id = 5 and id = 7" in library.migrate().err


NEW = 'migrations.AddField("Book", "level", models.IntegerField(default=0))'
NEW_UNIQUE = 'migrations.AddField("Book", "level", models.IntegerField(null=True, unique=True))'
UNIQUE_LEVEL = 'migrations.AddConstraint("Book", models.UniqueConstraint(fields=["level"], name="level_once"))'


@pytest.mark.parametrize(
    ("operations", "words"),
    [
        (
            (
                NEW,
                'migrations.AddConstraint("Book", models.CheckConstraint(condition=models.Q(level__gt=0), name="c"))',
            ),
            'check constraint "c" of relation "shop_book" is violated',
        ),
        ((NEW, UNIQUE_LEVEL), 'could not create unique index "level_once"'),
        (
            (
                'migrations.AddField("Book", "level", models.IntegerField(null=True))',
                'migrations.AddConstraint("Book", models.UniqueConstraint(fields=["level"], name="level_once",'
                " nulls_distinct=False))",
            ),
            'could not create unique index "level_once"',
        ),
        (
            (NEW_UNIQUE, 'migrations.AlterField("Book", "level", models.IntegerField(default=5, unique=True))'),
            "duplicate key value violates unique constraint",
        ),
        (
            (
                'migrations.RenameField("Book", "pages", "owner")',
                'migrations.AlterField("Book", "owner", models.ForeignKey("auth.Group", models.CASCADE, null=True))',
            ),
            'insert or update on table "shop_book" violates foreign key constraint',
        ),
        (
            (
                'migrations.AlterField("Book", "title", models.CharField(max_length=100, db_index=True))',
                'migrations.RenameField("Book", "title", "headline")',
                'migrations.AddField("Book", "title", models.CharField(max_length=100, null=True, db_index=True))',
            ),
            "already exists",
        ),
    ],
    ids=["check", "unique", "unique, NULLs too", "unique, then filled", "foreign key", "name taken"],
)
def test_what_could_fail_once_the_migration_counts_is_not_put_off(
    library: Site, operations: tuple[str, ...], words: str
) -> None:
    with databases.admin() as connection:
        if "nulls_distinct" in "".join(operations) and databases.version(connection) < 15:
            pytest.skip("NULLS NOT DISTINCT came with PostgreSQL 15")
    before = dump(library.database)
    library.migration("0002_bad", *operations)
    result = library.migrate()
    assert result.code == 1
    assert words in result.err
    assert "shop.0002_bad was rolled back" in result.err
    assert dump(library.database) == before
    assert ("shop", "0002_bad") not in library.database.applied()


def test_a_name_that_another_table_has_is_numbered_as_postgresql_does(library: Site) -> None:
    positive = "models.PositiveIntegerField(null=True)"
    library.migration("0002_rank", f'migrations.AddField("Book", "rank", {positive})')
    library.migration("0003_rename", 'migrations.RenameModel("Book", "Volume")', CREATE_BOOK)
    assert library.migrate().code == 0
    library.migration("0004_rank", f'migrations.AddField("Book", "rank", {positive})')
    assert library.migrate(LOCKGATE_LARGE_TABLE_BYTES="0").code == 0
    names = library.database.rows("SELECT conname, convalidated FROM pg_constraint WHERE contype = 'c' ORDER BY 1")
    assert [row for row in names if "rank" in row[0]] == [
        ("shop_book_rank_check", True),
        ("shop_book_rank_check1", True),
    ]


def test_an_index_of_that_name_in_another_schema_is_not_in_the_way(library: Site) -> None:
    library.database.execute(
        "CREATE SCHEMA tenant",
        "CREATE TABLE tenant.shop_book (LIKE public.shop_book INCLUDING ALL)",
        "INSERT INTO tenant.shop_book OVERRIDING SYSTEM VALUE SELECT * FROM public.shop_book",
        "CREATE INDEX book_title ON public.shop_book (title)",
    )
    library.migration("0002_index", ADD_INDEX)
    result = library.migrate(PGOPTIONS="-c search_path=tenant,public")
    assert result.code == 0, result.text
    assert library.database.rows(
        "SELECT schemaname::text FROM pg_indexes WHERE indexname = 'book_title' ORDER BY 1"
    ) == [("public",), ("tenant",)]


def test_a_switch_that_fails_takes_back_what_was_prepared(library: Site) -> None:
    before = dump(library.database)
    library.migration("0002_bad", ADD_INDEX, ADD_CHECK, 'migrations.RunSQL("SELECT 1/0")')
    result = library.migrate()
    assert result.code == 1
    assert "division by zero" in result.err
    assert dump(library.database) == before


def test_off_it_runs_as_django_does(library: Site) -> None:
    library.migration("0002_index", ADD_INDEX)
    result = library.migrate(LOCKGATE_ONLINE="false")
    assert result.code == 0, result.text
    assert steps(library) == []


def test_one_migration_opts_out(library: Site) -> None:
    library.migration("0002_index", ADD_INDEX, online="False")
    assert library.migrate().code == 0
    assert steps(library) == []
