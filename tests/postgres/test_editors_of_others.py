"""Schema editors of other packages at work in a whole run."""

from __future__ import annotations

import pytest

from tests.support import databases
from tests.support.sites import Site

# What is shared by all editors sends through the one that was made last.
BACKEND = """
from django.db.backends.postgresql import base, schema

class Shortness:
    def see_to(self, model, old, new):
        name = model._meta.db_table + "_" + new.column + "_short"
        if getattr(old, "help_text", "") == "short":
            self.execute(f'ALTER TABLE "{model._meta.db_table}" DROP CONSTRAINT "{name}"')
        if new.help_text == "short":
            check = f"CHECK (length({new.column}) < 9)"
            self.execute(f'ALTER TABLE "{model._meta.db_table}" ADD CONSTRAINT "{name}" {check}')

class Editor(schema.DatabaseSchemaEditor):
    shared = [Shortness()]

    def __init__(self, *given, **named):
        super().__init__(*given, **named)
        for each in self.shared:
            each.execute = self.execute

    def add_field(self, model, field):
        super().add_field(model, field)
        for each in self.shared:
            each.see_to(model, None, field)

    def alter_field(self, model, old, new, strict=False):
        super().alter_field(model, old, new, strict)
        for each in self.shared:
            each.see_to(model, old, new)

class DatabaseWrapper(base.DatabaseWrapper):
    SchemaEditorClass = Editor
"""
SHORT = "models.CharField(max_length={}, null=True, help_text='short')"
LONG = "models.CharField(max_length={}, null=True)"
IMPORTS = """
from django.contrib.postgres.operations import AddIndexConcurrently

def nothing(apps, schema_editor):
    apps.get_model("shop", "Counter").objects.update(a="x")
"""

# What the table's constraints and indexes are.
MADE = """
SELECT conname::text, pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = 'shop_counter'::regclass
UNION ALL
SELECT relname::text, pg_get_indexdef(oid) FROM pg_class JOIN pg_index ON indexrelid = oid
WHERE indrelid = 'shop_counter'::regclass ORDER BY 1
"""


@pytest.fixture
def counter(site: Site) -> Site:
    (site.path / "mine").mkdir()
    (site.path / "mine" / "__init__.py").touch()
    (site.path / "mine" / "base.py").write_text(BACKEND)
    site.extra_settings = 'DATABASES["default"]["ENGINE"] = "mine"'
    site.write_settings()
    site.migration(
        "0001_initial",
        'migrations.CreateModel("Counter", [("id", models.BigAutoField(primary_key=True)),'
        f' ("a", {LONG.format(20)}), ("b", {LONG.format(20)})])',
    )
    return site


def alter(name: str, field: str) -> str:
    return f'migrations.AlterField("Counter", "{name}", {field})'


def index(name: str) -> str:
    return f'AddIndexConcurrently("Counter", models.Index(fields=["{name}"], name="{name}_i"))'


LATER = {
    "0002_atomic": ((alter("a", SHORT.format(20)), f'migrations.AddField("Counter", "c", {SHORT.format(20)})'), "True"),
    "0003_not": (
        (index("a"), alter("b", SHORT.format(20)), "migrations.RunPython(nothing, nothing)", index("b"),
         f'migrations.AddField("Counter", "d", {SHORT.format(20)})', alter("c", LONG.format(30))),
        "False",
    ),
    "0004_again": (
        (alter("c", SHORT.format(30)), 'migrations.AddIndex("Counter", models.Index(fields=["c"], name="c_i"))',
         f'migrations.AddField("Counter", "e", {SHORT.format(20)})'),
        "True",
    ),
}  # fmt: skip


@pytest.mark.parametrize("at_once", [False, True])
def test_a_statement_that_an_editor_shares_is_sent_by_the_run(counter: Site, at_once: bool) -> None:
    assert counter.migrate().code == 0
    counter.database.execute("INSERT INTO shop_counter (a) SELECT 'x' FROM generate_series(1, 5000)", "ANALYZE")
    counter.lockgate = {"LARGE_TABLE_BYTES": 65536}
    counter.write_settings()
    for name, (operations, atomic) in LATER.items():
        counter.migration(name, *operations, atomic=atomic, imports=IMPORTS)
        if not at_once:
            result = counter.migrate()
            assert result.code == 0, result.text
    result = counter.migrate()
    assert result.code == 0, result.text
    rows = counter.database.rows(MADE)
    assert {name for name, _ in rows} >= {f"shop_counter_{column}_short" for column in "abde"}
    with databases.another() as stock:
        counter.database, counter.stock = stock, True
        counter.write_settings()
        assert counter.migrate().code == 0
        assert stock.rows(MADE) == rows
