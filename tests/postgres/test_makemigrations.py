"""``makemigrations``: Django's own lines and exit codes, then what the new migrations will do, without a database."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.support.sites import ADD_COLUMN, CREATE_COUNTER, Result, Site

NOWHERE = {"DATABASE_URL": "postgresql://nobody@127.0.0.1:1/nothing", "PYTHONWARNINGS": "ignore"}
COUNTER = """
from django.db import models

class Counter(models.Model):
    id = models.BigAutoField(primary_key=True)
    value = models.IntegerField({value})
    {more}
"""
LATER = """
class Later(models.Model):
    counter = models.ForeignKey(Counter, models.CASCADE)
    name = models.CharField(max_length=20, db_index=True)
"""
ASSUMED = "(no database was asked: every table that is there before counts as large)"


@pytest.fixture
def shop(site: Site) -> Site:
    site.migration("0001_initial", CREATE_COUNTER.replace("primary_key=True", "primary_key=True, serialize=False"))
    return site


def models(site: Site, more: str = "", after: str = "", value: str = "default=0") -> None:
    """What the app's models are now."""
    (site.path / "shop" / "models.py").write_text(COUNTER.format(value=value, more=more) + after)


def make(site: Site, *arguments: str, **environment: str) -> Result:
    result = site.run("makemigrations", *arguments, **{**NOWHERE, **environment})
    assert result.err == ""
    return result


def written(site: Site) -> list[str]:
    return sorted(path.stem for path in (site.path / "shop" / "migrations").glob("0*.py"))


def statements(text: str) -> list[str]:
    """SQL in a text, line by line, without comments and transactions."""
    lines = [line.strip() for line in text.splitlines()]
    return [line for line in lines if line.endswith(";") and not re.match("--|BEGIN|COMMIT", line)]


CHANGES: dict[str, dict[str, Any]] = {
    "a column": {"more": "note = models.TextField(null=True)"},
    "a column with a default, an index and a unique constraint": {
        "more": "label = models.CharField(max_length=20, default='it''s 5 %', unique=True)"
    },
    "a constraint whose name only the history knows": {"value": ""},
    "tables that refer to each other": {
        "after": LATER,
        "more": "newest = models.ForeignKey('Later', models.CASCADE, null=True, related_name='+')",
    },
    "many to many": {"more": "others = models.ManyToManyField('self')"},
    "nothing but options": {"more": "class Meta: verbose_name = 'counted'"},
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_the_sql_is_djangos_statement_for_statement(shop: Site, change: dict[str, Any]) -> None:
    if change.get("value") == "":
        shop.migration("0002_unique", 'migrations.AlterField("Counter", "value", models.IntegerField(unique=True))')
    assert shop.migrate().code == 0
    models(shop, **change)
    shown = make(shop)
    assert shown.code == 0
    sent = shop.run("sqlmigrate", "shop", written(shop)[-1])
    assert sent.code == 0, sent.err
    assert statements(shown.out.partition("Steps of")[0]) == statements(sent.out)
    assert "SQL of shop.000" in shown.out
    assert shop.migrate().code == 0


def test_what_harms_nobody_stays_short(shop: Site) -> None:
    models(shop, after=LATER.replace("counter = models.ForeignKey(Counter, models.CASCADE)", "pass"))
    shown = make(shop, "--name", "later").out
    assert shown.splitlines()[3:5] == ["SQL of shop.0002_later:", "    -- Create model Later"]
    assert re.search("Steps|Locks|Hazards|no database", shown) is None


def test_a_momentary_lock_is_one_line(shop: Site) -> None:
    models(shop, "note = models.TextField(null=True)")
    assert make(shop, "--name", "note").out.splitlines()[-3:] == [
        "Locks of shop.0002_note:",
        "    shop_counter: ACCESS EXCLUSIVE for a moment; blocks reads and writes",
        ASSUMED,
    ]


def test_what_runs_online_is_shown_by_phase_with_locks_and_reasons(shop: Site) -> None:
    models(shop, "class Meta: indexes = [models.Index(fields=['value'], name='by_value')]")
    shown = make(shop, "--name", "indexed").out
    assert 'CREATE INDEX "by_value" ON "shop_counter" ("value");' in shown
    steps = shown.partition("Steps of shop.0002_indexed")[2]
    assert 'expand   build index "by_value"\n' in steps
    assert 'CREATE INDEX CONCURRENTLY "by_value" ON "shop_counter" ("value")\n' in steps
    assert "locks   shop_counter: SHARE UPDATE EXCLUSIVE while an index is built; blocks neither\n" in steps
    assert "why     " in steps


def test_what_is_kept_in_place_says_why(shop: Site) -> None:
    shop.migration("0002_seed", "migrations.RunPython(migrations.RunPython.noop, migrations.RunPython.noop)")
    models(shop, "class Meta: indexes = [models.Index(fields=['value'], name='by_value')]")
    updated = site_update(shop, "--name", "indexed")
    assert "in place, though there is an online way: RunPython runs before it in the same migration" in updated.out
    assert "SQL of shop.0002_indexed:\n    -- Raw Python operation\n    -- (Python)\n" in updated.out
    assert written(shop) == ["0001_initial", "0002_indexed"]


def site_update(site: Site, *arguments: str) -> Result:
    """``--update``, for which Django itself asks the database."""
    return make(site, "--update", *arguments, DATABASE_URL=site.database.url)


def test_hazards_are_shown_with_how_to_accept_them(shop: Site) -> None:
    (shop.path / "shop" / "models.py").write_text(
        COUNTER.format(value="default=0", more="").replace("value =", "price =")
    )
    shown = make(shop, "--name", "priced", "--noinput").out
    hazards = shown.partition("Hazards of shop.0002_priced:\n")[2]
    assert '    LG801 error    column-dropped\n      what  column "value" of "shop_counter" is dropped\n' in hazards
    assert 'in the class Migration:  lockgate_accept = {"LG801": "…"' in hazards
    assert shown.count(ASSUMED) == 1


SAFE = re.compile(
    r"^Safe for ([^\n]+), (shop/migrations/\w+\.py):\n\n(.+?)\n\n(?=Safe for|\()", re.DOTALL | re.MULTILINE
)


def test_what_to_write_instead_is_shown_whole_and_says_the_same_of_the_models(shop: Site) -> None:
    """Copied into the files that it names, it has the models as the code has them, and no error is left."""
    models(shop, more="label = models.TextField(null=True)")
    path = shop.path / "shop" / "models.py"
    path.write_text(path.read_text().replace("value = models.IntegerField(default=0)", ""))
    shown = make(shop, "--name", "label", "--noinput").out
    matches = SAFE.findall(shown)
    assert matches, shown
    assert [path for _, path, _ in matches] == [
        "shop/migrations/0002_label.py",
        "shop/migrations/0003_drop_counter_value.py",
    ]
    assert {rules for rules, _, _ in matches} == {"LG801"}
    for _, path, code in matches:
        assert code.startswith("# the release that still serves goes on; what follows is deployed when it is gone\n")
        (shop.path / path).write_text(code)
    assert "No changes detected" in make(shop, "--check", "--dry-run").out


def test_what_hazards_have_in_common_is_said_once(shop: Site) -> None:
    shop.migration("0002_more", ADD_COLUMN.format("one"), ADD_COLUMN.format("two"))
    models(shop)
    shown = make(shop, "--dry-run").out.partition("Hazards of")[2]
    assert (shown.count("LG801 error"), shown.count("      what  column"), shown.count("      next  ")) == (1, 2, 1)


def test_new_migrations_are_one_release(site: Site) -> None:
    """What one of them makes is new to the others, in whatever order their apps come."""
    (site.path / "aside" / "migrations").mkdir(parents=True)
    (site.path / "aside" / "__init__.py").touch()
    (site.path / "aside" / "migrations" / "__init__.py").touch()
    (site.path / "aside" / "models.py").write_text(
        "from django.db import models\n"
        "class Note(models.Model):\n"
        "    id = models.BigAutoField(primary_key=True)\n"
        "    counter = models.ForeignKey('shop.Counter', models.CASCADE)\n"
    )
    models(site)
    site.apps = ("aside", *site.apps)
    site.write_settings()
    shown = make(site).out
    assert shown.index("SQL of shop.0001_initial:") < shown.index("SQL of aside.0001_initial:")
    assert 'FOREIGN KEY ("counter_id") REFERENCES "shop_counter" ("id")' in shown
    assert re.search("Steps|Locks|Hazards", shown) is None


def test_check_and_dry_run_write_nothing_and_keep_djangos_exit_codes(shop: Site) -> None:
    models(shop, "note = models.TextField(null=True)")
    check, dry = make(shop, "--check"), make(shop, "--dry-run")
    assert (check.code, dry.code) == (1, 0)
    assert check.out == dry.out
    assert "SQL of shop.0002_counter_note:" in dry.out
    assert written(shop) == ["0001_initial"]
    models(shop)
    assert (make(shop, "--check").code, make(shop, "--check").out) == (0, "No changes detected\n")


def test_djangos_own_lines_come_first_and_whole(shop: Site) -> None:
    models(shop, "note = models.TextField(null=True)")
    ours = make(shop, "--dry-run", "--verbosity", "3").out
    shop.stock = True
    shop.write_settings()
    (shop.path / "manage.py").write_text(
        (shop.path / "manage.py").read_text().replace("lockgate.boot", "django.core.management")
    )
    theirs = make(shop, "--dry-run", "--verbosity", "3").out
    assert ours.startswith(theirs.rstrip("\n"))
    assert len(ours) > len(theirs)


def test_an_empty_migration_has_no_sql(shop: Site) -> None:
    models(shop)
    shown = make(shop, "--empty", "shop", "--name", "nothing")
    assert shown.out.endswith("SQL of shop.0002_nothing:\n    (no SQL)\n")


def test_merge_is_djangos(shop: Site) -> None:
    shop.migration("0002_one", ADD_COLUMN.format("one"), after="0001_initial")
    shop.migration("0002_two", ADD_COLUMN.format("two"), after="0001_initial")
    models(shop, "one = models.IntegerField(null=True)\n    two = models.IntegerField(null=True)")
    assert "Conflicting migrations" in site_conflict(shop)
    merged = make(shop, "--merge", "--noinput")
    assert merged.code == 0
    assert [name for name in written(shop) if name.startswith("0003_merge")]
    assert make(shop, "--check").code == 0


def site_conflict(site: Site) -> str:
    result = site.run("makemigrations", **NOWHERE)
    assert result.code == 1
    return result.err


def test_an_update_replaces_the_last_migration_and_shows_it_whole(shop: Site) -> None:
    shop.migration("0002_note", 'migrations.AddField("Counter", "note", models.TextField(null=True))')
    models(shop, "note = models.TextField(null=True)\n    more = models.TextField(null=True)")
    shown = site_update(shop)
    assert shown.code == 0
    assert written(shop) == ["0001_initial", "0002_counter_note_counter_more"]
    assert 'ADD COLUMN "note"' in shown.out
    assert 'ADD COLUMN "more"' in shown.out


def test_scriptable_output_is_the_files_alone(shop: Site) -> None:
    models(shop, "note = models.TextField(null=True)")
    result = shop.run("makemigrations", "--scriptable", **NOWHERE)
    assert (result.code, result.out) == (0, "shop/migrations/0002_counter_note.py\n")
    assert "SQL of shop.0002_counter_note:" in result.err


def test_verbosity_0_says_nothing(shop: Site) -> None:
    models(shop, "note = models.TextField(null=True)")
    assert make(shop, "--verbosity", "0").out == ""
    assert len(written(shop)) == 2


def test_a_history_that_cannot_be_planned_costs_the_preview_and_nothing_else(shop: Site) -> None:
    shop.migration("0002_odd", "Odd()", imports=ODD)
    models(shop, "note = models.TextField(null=True)")
    result = make(shop)
    assert result.code == 0
    assert "What they will do is not shown, because planning failed: " in result.out
    assert len(written(shop)) == 3


ODD = """
import sys
from django.db.migrations.operations.base import Operation

class Odd(Operation):
    reduces_to_sql = True
    def state_forwards(self, app_label, state): pass
    def database_forwards(self, *args): pass
    def describe(self):
        raise RuntimeError("indescribable")
"""
