"""What a migration that is not atomic had done before its run died is looked up, whatever the operation that did it."""

from __future__ import annotations

import re
from typing import NamedTuple

import pytest

from tests.support.processes import kill_at, lock_is_free, until
from tests.support.sites import Site

START = """
migrations.CreateModel("Shelf", [("id", models.AutoField(primary_key=True))]),
migrations.CreateModel("Case", [("id", models.AutoField(primary_key=True))]),
migrations.CreateModel("Book", [
    ("id", models.AutoField(primary_key=True)),
    ("title", models.CharField(max_length=20)),
    ("pages", models.IntegerField(null=True)),
    ("isbn", models.IntegerField(null=True)),
    ("code", models.IntegerField(null=True, db_index=True)),
])
"""
FAILS, PASSES = 'migrations.RunSQL("SELECT 1/0")', 'migrations.RunSQL("SELECT 1")'
SHELF = 'migrations.AddField("Book", "shelf", models.ForeignKey("shop.Shelf", models.CASCADE, null=True))'
WIDER = 'migrations.AlterField("Book", "pages", models.BigIntegerField(null=True))'
LONGER = 'migrations.AlterField("Book", "title", models.CharField(max_length=30))'
REMOVED = 'migrations.RemoveField("Book", "pages")'
SQL = 'migrations.RunSQL("CREATE INDEX CONCURRENTLY mine ON shop_book (isbn)", "DROP INDEX mine")'
INDEX = """SELECT indexrelid::regclass::text
    FROM pg_index JOIN pg_attribute ON attrelid = indrelid AND attnum = indkey[0]
    WHERE indrelid = 'shop_book'::regclass AND attname = '{}'"""
FOREIGN = "SELECT conname::text FROM pg_constraint WHERE conrelid = 'shop_book'::regclass AND contype = 'f'"
REFERENCES = """ALTER TABLE shop_book ADD CONSTRAINT "{}" FOREIGN KEY (shelf_id) REFERENCES shop_shelf (id)
    DEFERRABLE INITIALLY DEFERRED"""


class Deed(NamedTuple):
    """done: by hand. told: of it, by the rerun. back: by hand, with what ``name`` finds before the deed."""

    done: str
    told: str
    back: str
    name: str = "SELECT ''"


MISSING = (
    Deed(
        'DROP INDEX "{}"',
        "of shop_book is gone",
        'CREATE INDEX "{}" ON shop_book (shelf_id)',
        INDEX.format("shelf_id"),
    ),
    Deed('ALTER TABLE shop_book DROP CONSTRAINT "{}"', 'fk_shop_shelf_id" of shop_book is gone', REFERENCES, FOREIGN),
    Deed(
        "ALTER TABLE shop_book ALTER pages TYPE integer",
        'the column "pages" of shop_book was changed: it is integer now',
        "ALTER TABLE shop_book ALTER pages TYPE bigint",
    ),
    Deed(
        "ALTER TABLE shop_book ALTER title DROP NOT NULL",
        "was changed: it is character varying(30) now",
        "ALTER TABLE shop_book ALTER title SET NOT NULL",
    ),
    Deed("DROP INDEX mine", 'the index "mine" of shop_book is gone', "CREATE INDEX mine ON shop_book (isbn)"),
)
OTHERS = (
    Deed(
        'ALTER TABLE shop_book DROP CONSTRAINT "{0}", ADD CONSTRAINT "{0}" CHECK (id > 0)',
        "of shop_book is another one",
        'ALTER TABLE shop_book DROP CONSTRAINT "{0}"; ' + REFERENCES.replace("{}", "{0}"),
        FOREIGN,
    ),
    Deed(
        "ALTER TABLE shop_book RENAME name TO title",
        'the column "name" of shop_book is gone, and is "title" of shop_book now',
        "ALTER TABLE shop_book RENAME title TO name",
    ),
    Deed(
        "ALTER TABLE shop_book ADD pages date",
        'the column "pages" of shop_book is back',
        "ALTER TABLE shop_book DROP pages",
    ),
    Deed('CREATE INDEX "{}" ON shop_book (id)', "of shop_book is back", 'DROP INDEX "{}"'),
    Deed("CREATE TABLE shop_case (id text)", 'the table "shop_case" is back', "DROP TABLE shop_case"),
)
MAKING = (SHELF, WIDER, LONGER, SQL)
CHANGING = (
    SHELF,
    'migrations.RenameField("Book", "title", "name")',
    REMOVED,
    'migrations.AlterField("Book", "code", models.IntegerField(null=True))',
    'migrations.DeleteModel("Case")',
)


@pytest.fixture
def library(site: Site) -> Site:
    site.migration("0001_initial", START)
    assert site.migrate().code == 0
    return site


def stopped(library: Site, *operations: str, code: str = "") -> None:
    """Of a migration that is not atomic, these operations are done, and the one after them has failed."""
    library.migration("0002_steps", *operations, FAILS, atomic="False", imports=code)
    assert library.migrate().code == 1
    library.migration("0002_steps", *operations, PASSES, atomic="False", imports=code)


@pytest.mark.parametrize(("operations", "deeds"), [(MAKING, MISSING), (CHANGING, OTHERS)], ids=["made", "changed"])
def test_what_somebody_does_to_done_work_is_told_and_its_way_back_works(
    library: Site, operations: tuple[str, ...], deeds: tuple[Deed, ...]
) -> None:
    known = library.database.value(INDEX.format("code"))
    stopped(library, *operations)
    names = [library.database.value(deed.name) or known for deed in deeds]
    for deed, name in zip(deeds, names, strict=True):
        library.database.execute(deed.done.format(name))
    result = library.migrate()
    assert result.code == 1, result.text
    assert [deed.told for deed in deeds if deed.told not in result.err] == [], result.err
    assert re.search(r"manage\.py lockgate repair[ \d]+ --forget --apply", result.err), result.err
    for deed, name in zip(deeds, names, strict=True):
        library.database.execute(deed.back.format(name))
    result = library.migrate("--retry")
    assert result.code == 0, result.text


def test_the_statements_that_a_refusal_tells_set_it_right(library: Site) -> None:
    stopped(library, SHELF, REMOVED)
    library.database.execute(
        f"DROP INDEX {library.database.value(INDEX.format('shelf_id'))}",
        f'ALTER TABLE shop_book DROP CONSTRAINT "{library.database.value(FOREIGN)}", ADD pages integer',
    )
    told = library.migrate().err
    statements = re.findall(r"^ +((?:CREATE|ALTER) .*;)$", told, re.MULTILINE)
    assert len(statements) == 3, told
    library.database.execute(*statements)
    result = library.migrate("--retry")
    assert result.code == 0, result.text


def test_no_statement_is_told_that_rows_would_refuse(library: Site) -> None:
    """A column that must have values, without a default in the database, and rows that have none for it."""
    library.database.execute("INSERT INTO shop_book (title) VALUES ('a title')")
    stopped(library, 'migrations.AddField("Book", "extra", models.IntegerField(default=7))')
    library.database.execute("ALTER TABLE shop_book DROP extra")
    told = library.migrate().err
    assert 'the column "extra" of shop_book is gone' in told
    assert "ADD COLUMN" not in told
    library.database.execute("ALTER TABLE shop_book ADD extra integer NOT NULL DEFAULT 7")
    result = library.migrate("--retry")
    assert result.code == 0, result.text


def test_an_operation_that_is_forgotten_runs_again_and_a_renamed_table_is_told(library: Site) -> None:
    stopped(library, 'migrations.AddField("Book", "extra", models.IntegerField(null=True))')
    library.database.execute("ALTER TABLE shop_book RENAME TO shop_tome")
    told = library.migrate().err
    assert 'the table "shop_book" is gone, and is "shop_tome" of shop_tome now' in told
    assert "extra" not in told
    library.database.execute("ALTER TABLE shop_tome RENAME TO shop_book", "ALTER TABLE shop_book DROP extra")
    command = re.search(r"manage\.py (lockgate repair \d+ --forget --apply)", library.migrate("--retry").err)
    assert command
    assert library.run(*command[1].split()).code == 0
    result = library.migrate("--retry")
    assert result.code == 0, result.text
    assert library.database.value("SELECT count(*) FROM pg_attribute WHERE attname = 'extra' AND NOT attisdropped") == 1


CODE = """
def change(apps, schema_editor):
    for sql in (
        "ALTER TABLE shop_book RENAME extra TO other",
        "ALTER TABLE shop_book ALTER other TYPE bigint",
        "DROP INDEX mine",
        "ALTER TABLE shop_book DROP COLUMN pages",
    ):
        schema_editor.execute(sql)
    {}
"""
EXTRA = 'migrations.AddField("Book", "extra", models.IntegerField(null=True, db_index=True))'
CHANGE = "migrations.RunPython(change, migrations.RunPython.noop)"


def test_what_the_migrations_own_code_does_to_it_is_its_own_affair(library: Site) -> None:
    """Also where the code fails after it, and is mended."""
    operations = (EXTRA, WIDER, SQL, CHANGE)
    library.migration("0002_steps", *operations, PASSES, atomic="False", imports=CODE.format("1 / 0"))
    assert library.migrate().code == 1
    mended = "def change(apps, schema_editor): pass"
    library.migration("0002_steps", *operations, FAILS, atomic="False", imports=mended)
    result = library.migrate("--retry")
    assert "SQLSTATE 22012" in result.err, result.text
    library.migration("0002_steps", *operations, PASSES, atomic="False", imports=mended)
    result = library.migrate("--retry")
    assert result.code == 0, result.text
    assert library.database.value("SELECT count(*) FROM lockgate_effect WHERE catalog_objects <> '[]'") == 0


def test_backwards_and_where_it_is_applied_again_the_same_is_looked_up(library: Site) -> None:
    back = 'migrations.RunSQL("SELECT 1", "SELECT 1/0")'
    library.migration("0002_steps", back, REMOVED, 'migrations.DeleteModel("Case")', atomic="False")
    assert library.migrate().code == 0
    assert library.migrate("shop", "0001").code == 1
    library.database.execute("ALTER TABLE shop_book DROP pages", "ALTER TABLE shop_case RENAME TO shop_box")
    for arguments in (("shop", "0001"), ()):
        result = library.migrate(*arguments)
        assert result.code == 1, result.text
        assert 'the table "shop_case" is gone, and is "shop_box" of shop_box now' in result.err
        assert 'the column "pages" of shop_book is gone' in result.err
    library.database.execute("ALTER TABLE shop_book ADD pages integer", "ALTER TABLE shop_box RENAME TO shop_case")
    result = library.migrate()
    assert result.code == 0, result.text
    assert library.database.value("SELECT to_regclass('shop_case') IS NULL")


UNDER_WAY = "migrations.RunSQL('SELECT pg_sleep(60) -- a look', migrations.RunSQL.noop)"
SWAPPED = (
    (
        EXTRA.replace(", db_index=True", ""),
        "ALTER TABLE shop_book DROP extra, ADD extra date",
        'the column "extra" of shop_book is another one: date, and was integer',
    ),
    (WIDER, "ALTER TABLE shop_book ALTER pages TYPE smallint", "was changed: it is smallint now, and was bigint"),
    (
        SHELF,
        'ALTER TABLE shop_book DROP CONSTRAINT "{0}", ADD CONSTRAINT "{0}" CHECK (id > 0)',
        "is another one: CHECK ((id > 0)), and was FOREIGN KEY (shelf_id)",
    ),
    (REMOVED, "ALTER TABLE shop_book ADD pages integer", 'the column "pages" of shop_book is back, and was removed'),
)


def killed_under_way(library: Site) -> None:
    process = library.start("migrate", "--noinput")
    kill_at(process, library.database, "pg_sleep(60)")
    process.communicate()
    until(lambda: lock_is_free(library.database), "the lock is free")


@pytest.mark.parametrize(("operation", "deed", "told"), SWAPPED, ids=["column", "type", "constraint", "removed"])
def test_what_differs_while_code_was_under_way_is_named_with_both_definitions(
    library: Site, operation: str, deed: str, told: str
) -> None:
    """That code may have done it, so it goes on."""
    library.migration("0002_steps", operation, UNDER_WAY, atomic="False")
    killed_under_way(library)
    name = library.database.value(FOREIGN) if "{0}" in deed else ""
    library.database.execute(deed.format(name))
    library.migration("0002_steps", operation, UNDER_WAY.replace("60", "0"), atomic="False")
    result = library.migrate()
    assert result.code == 0, result.text
    (line,) = [
        one_line
        for one_line in result.err.splitlines()
        if "interrupted code of the migration may have changed it" in one_line
    ]
    assert told in line


def test_nothing_is_said_of_what_is_as_it_was_while_code_was_under_way(library: Site) -> None:
    library.migration("0002_steps", EXTRA, SHELF, UNDER_WAY, atomic="False")
    killed_under_way(library)
    library.migration("0002_steps", EXTRA, SHELF, UNDER_WAY.replace("60", "0"), atomic="False")
    result = library.migrate()
    assert result.code == 0, result.text
    assert "interrupted code of the migration may have changed it" not in result.err
