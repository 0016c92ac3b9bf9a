"""With models rendered lazily, migrations send what they send when Django renders them: the same, in order."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
from django.db.migrations import Migration

from tests.conformance import statements
from tests.support import databases, lazy_state, plans
from tests.support.databases import Database
from tests.support.lazy_state import History, different
from tests.support.lazy_state_cases import HISTORIES, SCHEMAS, renames
from tests.support.plan_case import BASE, Case
from tests.support.plan_cases import CASES
from tests.support.plans import Scratch
from tests.support.schema import dump
from tests.support.sites import Site
from tests.support.sweep_wire import on_the_wire


@pytest.mark.parametrize("case", CASES, ids=str)
def test_every_kind_of_operation_sends_the_same(scratch: Scratch, case: Case) -> None:
    def history() -> list[Migration]:
        operations = copy.deepcopy([*BASE, *case.before])
        earlier = [plans.migration(f"{number:04}_before", operation) for number, operation in enumerate(operations)]
        return [*earlier, plans.migration("9999_case", *copy.deepcopy(case.operations), atomic=case.atomic)]

    expected = lazy_state.by_django(scratch, history)
    assert different(lazy_state.lazily(scratch, history), expected) == []


@pytest.mark.parametrize("name", HISTORIES)
def test_every_history_sends_the_same_and_ends_alike(scratch: Scratch, name: str) -> None:
    history = HISTORIES[name]
    expected = lazy_state.by_django(scratch, history)
    schema = dump(scratch.database)
    assert different(lazy_state.lazily(scratch, history), expected) == []
    assert dump(scratch.database) == schema


@pytest.mark.parametrize("history", SCHEMAS, ids=lambda history: history.__name__)
def test_every_history_sends_the_same_backwards(scratch: Scratch, history: History) -> None:
    expected = lazy_state.by_django(scratch, history, back=True)
    assert different(lazy_state.lazily(scratch, history, back=True), expected) == []


@pytest.mark.parametrize("back", [False, True])
def test_a_renamed_models_relations_are_seen_to_in_whatever_order(scratch: Scratch, back: bool) -> None:
    """In Django's own case it differs from process to process, with the seed of hashes."""
    expected = lazy_state.by_django(scratch, renames, back=back)
    schema = dump(scratch.database)
    assert lazy_state.unordered(lazy_state.lazily(scratch, renames, back=back), expected) == []
    assert dump(scratch.database) == schema


# The whole command, in a process of its own

CONTRIB = tuple(
    f"django.contrib.{name}" for name in ("contenttypes", "auth", "admin", "sites", "flatpages", "redirects")
)
NOTE = 'migrations.CreateModel("Note", [("id", models.BigAutoField(primary_key=True)), ("text", models.TextField())])'
TELLING = """
def tell(apps, schema_editor):
    Note, User = apps.get_model("shop", "Note"), apps.get_model("auth", "User")
    user = User.objects.create(username="ann")
    Note.objects.create(text=type(apps).__name__)
    Note.objects.create(text=" ".join(sorted(each._meta.label for each in apps.get_models(include_auto_created=True))))
    Note.objects.create(text=str([user.owned.count(), User.objects.filter(owned__text="x").count(), user.delete()]))
"""


@pytest.fixture
def telling(tmp_path: Path, database: Database) -> Site:
    """Contrib apps, and an app whose code looks around, then renames what it has."""
    site = Site(
        tmp_path, database, apps=(*CONTRIB, "pgvector.django", "watchstats", "shop"), extra_settings="SITE_ID = 1"
    )
    site.migration("0001_note", NOTE)
    owner = 'migrations.AddField("Note", "owner", models.ForeignKey("auth.User", models.CASCADE, "owned", null=True))'
    site.migration("0002_owner", owner)
    dependencies = '[("shop", "0002_owner"), ("auth", "0012_alter_user_first_name_max_length")]'
    site.migration(
        "0003_tell", "migrations.RunPython(tell, migrations.RunPython.noop)", imports=TELLING, dependencies=dependencies
    )
    site.migration(
        "0004_rename", 'migrations.RenameModel("Note", "Memo")', 'migrations.RenameField("Memo", "text", "words")'
    )
    return site


def sent(site: Site, database: Database, *arguments: str, **environment: str) -> list[str]:
    """What ``migrate`` sends, without Lockgate's own and without moments."""
    with on_the_wire() as wire:
        environment = {**environment, "DATABASE_URL": wire.url(database.name), "PYTHONHASHSEED": "0"}  # for SQL of sets
        done = site.migrate(*arguments, **environment)
    assert done.code == 0, done.text
    return statements.comparable(wire.watch.statements)


def test_migrate_sends_the_same_with_lazy_rendering_off(telling: Site, database: Database) -> None:
    other = databases.create()
    off = {"LOCKGATE_LAZY_RENDERING": "off"}
    try:
        lazy, eager = sent(telling, database), sent(telling, other, **off)
        assert [each for each in lazy if "OnDemandApps" in each]
        assert [each.replace("StateApps", "OnDemandApps") for each in eager] == lazy
        assert dump(database) == dump(other)
        assert sent(telling, database, "shop", "0002") == sent(telling, other, "shop", "0002", **off)
        assert dump(database) == dump(other)
    finally:
        other.drop()


MAKES_TEST_DATABASE = """
import os
os.environ["DJANGO_SETTINGS_MODULE"] = "site_settings"
import django
django.setup()
from django.db import connection
old = connection.settings_dict["NAME"]
connection.creation.create_test_db(verbosity=0, autoclobber=True)
connection.creation.destroy_test_db(old, verbosity=0)
"""
SEES = """
def see(apps, schema_editor):
    print("sees", type(apps).__name__)
"""


@pytest.mark.parametrize(
    ("settings", "seen"),
    [({}, "OnDemandApps"), ({"EXTENSIONS": ["hstore"]}, "OnDemandApps"), ({"LAZY_RENDERING": False}, "StateApps")],
    ids=str,
)
def test_a_test_runners_database_is_rendered_lazily_too(site: Site, settings: dict[str, object], seen: str) -> None:
    site.lockgate = settings
    site.write_settings()
    site.migration("0001_note", NOTE)
    site.migration("0002_see", "migrations.RunPython(see)", imports=SEES)
    (site.path / "manage.py").write_text(MAKES_TEST_DATABASE)
    result = site.run()
    assert result.code == 0, result.text
    assert f"sees {seen}" in result.out
