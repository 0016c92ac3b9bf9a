"""What a plan answers to Django's questions about indexes is what Django's introspection answers."""

from __future__ import annotations

import json

import pytest

from tests.postgres.test_kept_defaults import CREATE_BOOK
from tests.support.sites import Site

CREATE = CREATE_BOOK.replace("max_length=100)", "max_length=100, db_index=True)")
PLAIN = 'migrations.AlterField("Book", "title", models.CharField(max_length=100))'
OTHER = 'migrations.AddIndex("Book", models.Index(fields=["-id"], name="book_other"))'


@pytest.mark.parametrize(
    "by_hand",
    [
        "CREATE INDEX by_hand ON shop_book (title) INCLUDE (id)",
        "CREATE INDEX by_hand ON shop_book (title) WITH (fillfactor = 70)",
        "CREATE INDEX by_hand_btree ON shop_book (title)",
        "CREATE INDEX by_hand ON shop_book USING hash (title)",
        "ALTER TABLE shop_book ADD CONSTRAINT by_hand UNIQUE (title)",
    ],
)
def test_an_index_that_django_does_not_take_for_its_own_is_not_planned_to_be_dropped(site: Site, by_hand: str) -> None:
    site.lockgate = {"LARGE_TABLE_BYTES": 65536}
    site.write_settings()
    site.migration("0001_initial", CREATE)
    assert site.migrate().code == 0
    site.database.execute("INSERT INTO shop_book (title) SELECT 'Title ' || n FROM generate_series(1, 3000) n")
    site.database.execute(by_hand)
    site.migration("0002_plain", PLAIN, OTHER)
    result = site.migrate("--log-format", "json")
    assert result.code == 0, result.text
    events = [json.loads(line)["event"] for line in (result.out + result.err).splitlines()]
    assert "in_place" not in events
    assert "step_undone" not in events
    names = "SELECT indexname FROM pg_indexes WHERE tablename = 'shop_book' AND starts_with(indexname, '%s')"
    assert len(site.database.rows(names % "by_hand")) == 1
    assert len(site.database.rows(names % "shop_book_title")) == 0


BACKEND = """
from django.db.backends.postgresql import base
from django.db.backends.postgresql.schema import DatabaseSchemaEditor


class SchemaEditor(DatabaseSchemaEditor):
    def _constraint_names(self, *args, **kwargs):
        return [name for name in super()._constraint_names(*args, **kwargs) if not name.startswith("shop_book_title")]


class DatabaseWrapper(base.DatabaseWrapper):
    SchemaEditorClass = SchemaEditor
"""


def test_nothing_is_built_online_where_a_backend_answers_otherwise_than_the_catalog(site: Site) -> None:
    site.lockgate = {"LARGE_TABLE_BYTES": 65536}
    (site.path / "answers").mkdir()
    (site.path / "answers" / "__init__.py").touch()
    (site.path / "answers" / "base.py").write_text(BACKEND, encoding="utf-8")
    site.extra_settings = 'DATABASES["default"]["ENGINE"] = "answers"'
    site.write_settings()
    site.migration("0001_initial", CREATE)
    assert site.migrate().code == 0
    site.database.execute("INSERT INTO shop_book (title) SELECT 'Title ' || n FROM generate_series(1, 3000) n")
    site.migration("0002_plain", PLAIN, OTHER)
    result = site.migrate("--log-format", "json")
    assert result.code == 0, result.text
    events = [json.loads(line)["event"] for line in (result.out + result.err).splitlines()]
    assert "in_place" in events
    assert "step_started" not in events
    assert site.database.value("SELECT count(*) FROM pg_indexes WHERE indexname = 'book_other'") == 1


# What it sends where a server is asked is another index than where a plan is made.
MOODY = """
class Moody(models.Index):
    def create_sql(self, model, schema_editor, using="", **kwargs):
        if schema_editor.connection.connection is not None:
            return models.Index(fields=["id"], name="by_other").create_sql(model, schema_editor, using, **kwargs)
        return super().create_sql(model, schema_editor, using, **kwargs)
"""


def test_what_was_built_online_is_taken_back_where_django_then_sends_something_else(site: Site) -> None:
    site.lockgate = {"LARGE_TABLE_BYTES": 0}
    site.write_settings()
    site.migration("0001_initial", CREATE)
    assert site.migrate().code == 0
    site.migration("0002_moody", 'migrations.AddIndex("Book", Moody(fields=["title"], name="by_title"))', imports=MOODY)
    result = site.migrate()
    assert result.code == 0, result.text
    assert "Django did not send what was planned" in result.text
    names = "SELECT indexname FROM pg_indexes WHERE indexname IN ('by_title', 'by_other')"
    assert site.database.rows(names) == [("by_other",)]
