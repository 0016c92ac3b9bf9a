"""Defaults that stay for the release before: functions, code that cannot be read, and collations."""

from __future__ import annotations

import pytest

from tests.support.sites import Site

CREATE_BOOK = """
migrations.CreateModel(
    name="Book",
    fields=[("id", models.BigAutoField(primary_key=True)), ("title", models.CharField(max_length=100))],
)
"""
AS_BEFORE = "INSERT INTO shop_book (title) VALUES ('old release') RETURNING %s::text"
DEFAULT = "SELECT column_default FROM information_schema.columns WHERE column_name = 'extra'"


@pytest.fixture
def library(site: Site) -> Site:
    """A table of 3,000 rows that counts as large."""
    site.lockgate = {"LARGE_TABLE_BYTES": 65536, "LOCK_ATTEMPTS_SECONDS": 2}
    site.write_settings()
    site.migration("0001_initial", CREATE_BOOK)
    assert site.migrate().code == 0
    site.database.execute("INSERT INTO shop_book (title) SELECT 'Title ' || n FROM generate_series(1, 3000) n")
    return site


def inserted(site: Site) -> list[str]:
    """What two rows of the release before get in the new column."""
    return [site.database.value(AS_BEFORE % "extra") for _ in range(2)]


def make_nondeterministic_collation(site: Site) -> None:
    """One that is called ci. A server that is built without ICU has none, and is told that one of its own is."""
    if site.database.value("SELECT count(*) FROM pg_collation WHERE collprovider = 'i'") > 1:  # unicode is always there
        site.database.execute("CREATE COLLATION ci (provider = icu, locale = 'und-u-ks-level2', deterministic = false)")
        return
    site.database.execute("CREATE COLLATION ci (provider = libc, locale = 'POSIX')")
    site.database.execute("UPDATE pg_collation SET collisdeterministic = false WHERE collname = 'ci'")


def test_each_row_of_the_release_before_gets_a_uuid_of_its_own(library: Site) -> None:
    field = '__import__("uuid").uuid4'
    library.migration("0002_uuid", f'migrations.AddField("Book", "extra", models.UUIDField(default={field}))')
    result = library.migrate()
    assert result.code == 0, result.text
    first, second = inserted(library)
    assert first != second
    assert library.migrate("--contract").code == 0
    assert library.database.value(DEFAULT) is None


def test_a_secret_is_never_one_constant_for_all_rows(library: Site) -> None:
    field = 'models.CharField(max_length=64, default=__import__("secrets").token_hex)'
    library.migration("0002_token", f'migrations.AddField("Book", "extra", {field})')
    result = library.migrate()
    assert result.code == 0, result.text
    assert "LG805" in result.text
    assert 'column "extra"' in result.text
    assert library.database.value(DEFAULT) is None


@pytest.mark.parametrize("atomic", [True, False])
def test_code_that_changes_the_type_of_a_column_with_a_kept_default_passes(library: Site, atomic: bool) -> None:
    library.migration("0002_flag", 'migrations.AddField("Book", "extra", models.BooleanField(default=False))')
    assert library.migrate().code == 0
    assert library.database.value(DEFAULT) == "false"
    alter = "ALTER TABLE shop_book ALTER extra TYPE smallint USING extra::int::smallint"
    code = f"lambda apps, schema_editor: schema_editor.execute({alter!r})"
    run = f"migrations.RunPython({code}, migrations.RunPython.noop, atomic={atomic})"
    library.migration("0003_small", run, atomic=str(atomic))
    result = library.migrate()
    assert result.code == 0, result.text
    assert library.database.value(DEFAULT) is None


@pytest.mark.parametrize("option", ["unique=True", "db_index=True"])
def test_a_column_with_a_nondeterministic_collation_gets_the_indexes_that_django_makes(
    library: Site, option: str
) -> None:
    make_nondeterministic_collation(library)
    title = f'models.CharField(max_length=100, db_collation="ci", {option})'
    library.migration(
        "0002_ci", 'migrations.AlterField("Book", "title", models.CharField(max_length=100, db_collation="ci"))'
    )
    library.migration("0003_key", f'migrations.AlterField("Book", "title", {title})')
    result = library.migrate()
    assert result.code == 0, result.text
    names = library.database.rows("SELECT indexname FROM pg_indexes WHERE tablename = 'shop_book'")
    assert len(names) == 2, names


SHAPES = '''
from django.db import models
from django.db.backends.signals import connection_created
from psycopg.types.string import StrDumper


class Shape:
    """What psycopg writes only on a connection that was taught how, as it is with geometries."""


class ShapeDumper(StrDumper):
    def dump(self, shape):
        return b"round"


def teach(connection, **kwargs):
    connection.connection.adapters.register_dumper(Shape, ShapeDumper)


connection_created.connect(teach)


class ShapeField(models.TextField):
    def get_db_prep_save(self, value, connection):
        return Shape()
'''


@pytest.mark.parametrize("options", ["", ", db_index=True"])
def test_a_default_that_only_a_connection_knows_how_to_write_is_kept(library: Site, options: str) -> None:
    (library.path / "shop" / "shapes.py").write_text(SHAPES, encoding="utf-8")
    (library.path / "shop" / "models.py").write_text("import shop.shapes", encoding="utf-8")
    field = f'__import__("shop.shapes").shapes.ShapeField(default="round"{options})'
    library.migration("0002_shape", f'migrations.AddField("Book", "extra", {field})')
    result = library.migrate()
    assert result.code == 0, result.text
    assert inserted(library) == ["round", "round"]


KEPT = 'migrations.AddField("Book", "extra", models.IntegerField(default=7))'


def state(site: Site) -> str:
    value: str = site.database.value(
        "SELECT state FROM lockgate_journalentry WHERE app = 'shop' AND phase = 'contract'"
    )
    return value


def test_a_default_that_somebody_has_set_again_to_the_same_stays(library: Site) -> None:
    library.migration("0002_kept", KEPT)
    assert library.migrate().code == 0
    library.database.execute("ALTER TABLE shop_book ALTER extra SET DEFAULT 7")
    result = library.migrate("--contract")
    assert result.code == 0, result.text
    assert library.database.value(DEFAULT) == "7"
    assert state(library) == "obsolete"


def test_a_kept_default_is_dropped_under_whatever_name_its_column_has_by_now(library: Site) -> None:
    library.migration("0002_kept", KEPT)
    assert library.migrate().code == 0
    library.database.execute("ALTER TABLE shop_book RENAME extra TO more")
    library.database.execute("ALTER TABLE shop_book ADD extra integer DEFAULT 7")
    result = library.migrate("--contract")
    assert result.code == 0, result.text
    assert library.database.value(DEFAULT) == "7"
    assert library.database.value(DEFAULT.replace("extra", "more")) is None
    assert state(library) == "done"


def test_a_journal_of_before_oids_knows_a_kept_default_by_its_expression(library: Site) -> None:
    library.migration("0002_kept", KEPT)
    assert library.migrate().code == 0
    library.database.execute("UPDATE lockgate_journalentry SET object_oid = NULL")
    assert library.migrate("--contract").code == 0
    assert library.database.value(DEFAULT) is None


def test_nor_does_it_take_another_expression_for_what_was_kept(library: Site) -> None:
    library.migration("0002_kept", KEPT)
    assert library.migrate().code == 0
    library.database.execute("UPDATE lockgate_journalentry SET object_oid = NULL")
    library.database.execute("ALTER TABLE shop_book ALTER extra SET DEFAULT 8")
    assert library.migrate("--contract").code == 0
    assert library.database.value(DEFAULT) == "8"
    assert state(library) == "obsolete"
