"""Everything Django's ``migrate`` can be asked for works behind the gate as it does without."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.postgres.test_guarantees import call
from tests.support import databases, schema
from tests.support.databases import Database
from tests.support.sites import ADD_COLUMN, CREATE_COUNTER, SEED_COUNTER, Site


@pytest.fixture
def counter(site: Site) -> Site:
    site.migration("0001_initial", CREATE_COUNTER)
    site.migration("0002_seed", SEED_COUNTER)
    site.migration("0003_extra", ADD_COLUMN.format("extra"))
    return site


@pytest.fixture
def other() -> Iterator[Database]:
    database = databases.create()
    yield database
    database.drop()


def columns(database: Database) -> set[str]:
    rows = database.rows("SELECT attname FROM pg_attribute WHERE attrelid = 'shop_counter'::regclass AND attnum > 0")
    return {name for (name,) in rows if not name.startswith("....")}


def actions(database: Database) -> list[tuple[str, str]]:
    return database.rows("SELECT action, name FROM lockgate_migrationrecord WHERE app = 'shop' ORDER BY id")


def test_backwards_to_a_named_migration_and_to_zero(counter: Site) -> None:
    counter.migrate()
    back = counter.migrate("shop", "0002")
    assert back.code == 0, back.text
    assert "unapplying shop.0003_extra (1 of 1)" in back.out
    assert columns(counter.database) == {"id", "value"}
    assert counter.migrate("shop", "zero").code == 0
    assert counter.database.value("SELECT to_regclass('shop_counter') IS NULL")
    assert not [key for key in counter.database.applied() if key[0] == "shop"]
    assert [action for action, _ in actions(counter.database)] == ["apply"] * 3 + ["unapply"] * 3
    assert counter.migrate().code == 0
    assert columns(counter.database) == {"id", "value", "extra"}


def test_a_failed_step_backwards_is_rolled_back_whole(counter: Site) -> None:
    counter.migration("0004_trap", 'migrations.RunSQL("SELECT 1", "SELECT 1/0")', ADD_COLUMN.format("more"))
    counter.migrate()
    result = counter.migrate("shop", "0003")
    assert result.code == 1
    assert "shop.0004_trap was rolled back" in result.err
    assert "more" in columns(counter.database)
    assert ("shop", "0004_trap") in counter.database.applied()


def test_fake_records_and_changes_nothing_and_the_ledger_is_real_all_the_same(counter: Site) -> None:
    counter.apps = ("shop",)  # Django's own post_migrate would miss the faked tables
    counter.write_settings()
    result = counter.migrate("--fake")
    assert result.code == 0, result.text
    assert "faked shop.0003_extra" in result.out
    assert counter.database.value("SELECT to_regclass('shop_counter') IS NULL")
    assert ("fake", "0003_extra") in actions(counter.database)
    back = counter.migrate("--fake", "shop", "0002")
    assert back.code == 0, back.text
    assert ("unfake", "0003_extra") in actions(counter.database)


def test_fake_initial_adopts_tables_that_exist(counter: Site) -> None:
    counter.database.execute("CREATE TABLE shop_counter (id bigserial PRIMARY KEY, value integer NOT NULL)")
    assert counter.migrate().code == 1
    result = counter.migrate("--fake-initial")
    assert result.code == 0, result.text
    assert actions(counter.database)[0] == ("fake", "0001_initial")
    assert columns(counter.database) == {"id", "value", "extra"}


def test_prune_removes_rows_of_files_that_are_gone(counter: Site) -> None:
    counter.migrate()
    counter.database.execute("INSERT INTO django_migrations (app, name, applied) VALUES ('shop', '0004_gone', now())")
    result = counter.migrate("shop", "--prune")  # though nothing is pending
    assert result.code == 0, result.text
    assert "Pruning shop.0004_gone OK" in result.out
    assert ("shop", "0004_gone") not in counter.database.applied()


def test_check_keeps_djangos_exit_codes(counter: Site) -> None:
    assert counter.run("migrate", "--check").code == 1
    counter.migrate()
    checked = counter.run("migrate", "--check")
    assert (checked.code, checked.text) == (0, "")


def test_plan_prints_djangos_lines_and_changes_nothing(counter: Site) -> None:
    stock = Site(counter.path / "stock", counter.database, stock=True)
    for number in ("0001_initial", "0002_seed", "0003_extra"):
        (stock.path / "shop" / "migrations" / f"{number}.py").write_text(
            (counter.path / "shop" / "migrations" / f"{number}.py").read_text()
        )
    ours = counter.run("migrate", "--plan", "shop")
    theirs = stock.run("migrate", "--plan", "shop").out
    assert ours.code == 0, ours.text
    assert ours.out.startswith(theirs)
    assert ours.out[len(theirs) :].startswith("Steps:")
    assert counter.database.applied() == []


def test_run_syncdb_makes_tables_of_apps_without_migrations(counter: Site) -> None:
    plain = counter.path / "plain"
    plain.mkdir()
    (plain / "__init__.py").touch()
    (plain / "models.py").write_text(
        "from django.db import models\nclass Note(models.Model):\n    class Meta:\n        app_label = 'plain'\n"
    )
    counter.apps = (*counter.apps, "plain")
    counter.write_settings()
    assert counter.migrate("--run-syncdb").code == 0
    assert counter.database.value("SELECT to_regclass('plain_note') IS NOT NULL")


def test_each_database_has_its_own_lock_plan_and_ledger(counter: Site, other: Database) -> None:
    counter.extra_settings = 'DATABASES["other"] = url.from_environment("OTHER_URL")'
    counter.write_settings()
    assert counter.migrate(OTHER_URL=other.url).code == 0
    assert other.applied() == []
    result = counter.migrate("--database", "other", OTHER_URL=other.url)
    assert result.code == 0, result.text
    assert other.applied() == counter.database.applied()
    assert other.value("SELECT count(*) FROM lockgate_run") == 1


def test_another_engine_is_djangos_and_that_is_said_once(counter: Site) -> None:
    counter.extra_settings = 'DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "site.db"}}'
    counter.write_settings()
    result = counter.migrate(PYTHONWARNINGS="default")
    assert result.code == 0, result.text
    assert result.err.count("lockgate steps aside") == 1
    assert "Applying shop.0003_extra... OK" in result.out


def test_the_ledger_itself_can_be_unapplied_and_comes_back(counter: Site) -> None:
    counter.migrate()
    gone = counter.migrate("lockgate", "zero")
    assert gone.code == 0, gone.text
    assert counter.database.value("SELECT to_regclass('lockgate_run') IS NULL")
    back = counter.migrate()
    assert back.code == 0, back.text
    assert counter.database.value("SELECT count(*) FROM lockgate_migrationrecord WHERE action = 'baseline'") > 0


def test_a_squashed_migration_replaces_what_it_names(counter: Site) -> None:
    counter.migrate()
    counter.migration(
        "0001_squashed_0003_extra",
        CREATE_COUNTER,
        SEED_COUNTER,
        ADD_COLUMN.format("extra"),
        after=None,
        replaces='[("shop", "0001_initial"), ("shop", "0002_seed"), ("shop", "0003_extra")]',
    )
    result = counter.migrate()
    assert result.code == 0, result.text
    assert ("shop", "0001_squashed_0003_extra") in counter.database.applied()
    assert "nothing to migrate" in counter.migrate().out


def test_a_fresh_database_may_start_from_the_squashed_migration(counter: Site) -> None:
    counter.migration(
        "0001_squashed_0003_extra",
        CREATE_COUNTER,
        SEED_COUNTER,
        ADD_COLUMN.format("extra"),
        after=None,
        replaces='[("shop", "0001_initial"), ("shop", "0002_seed"), ("shop", "0003_extra")]',
    )
    assert counter.migrate().code == 0
    assert len([key for key in counter.database.applied() if key[0] == "shop"]) == 4
    assert counter.database.value("SELECT count(*) FROM shop_counter") == 1


def test_the_end_is_the_same_as_stock_djangos(counter: Site, other: Database) -> None:
    stock = Site(counter.path, other, stock=True)
    assert stock.migrate().code == 0
    counter.write_settings()
    assert counter.migrate().code == 0
    assert counter.migrate("lockgate", "zero").code == 0
    assert schema.dump(counter.database) == schema.dump(other)


TEST_RUN = """
import os, sys
os.environ["DJANGO_SETTINGS_MODULE"] = "site_settings"
import django
django.setup()
from django.db import connection
from django.test.utils import setup_test_environment
setup_test_environment()
old = connection.settings_dict["NAME"]
connection.creation.create_test_db(verbosity=int(sys.argv[1]), autoclobber=True)
with connection.cursor() as cursor:
    cursor.execute("SELECT count(*) FROM shop_counter")
    assert cursor.fetchone() == (1,)
    cursor.execute("SELECT count(*) FROM lockgate_run")
    assert cursor.fetchone() == (0,), "a test database has no runs"
connection.creation.destroy_test_db(old, verbosity=0)
"""


@pytest.mark.parametrize("extensions", [[], ["hstore"]])
def test_a_test_database_is_made_silently_without_lock_or_ledger(counter: Site, extensions: list[str]) -> None:
    counter.lockgate = {"EXTENSIONS": extensions}
    counter.write_settings()
    (counter.path / "manage.py").write_text(TEST_RUN)
    result = counter.run("1")
    assert result.code == 0, result.text
    assert "lock" not in result.out


def test_code_that_asks_showmigrations_for_djangos_plan_gets_it(counter: Site) -> None:
    said = call(counter, "call_command('showmigrations', 'shop', format='plan')")
    assert said.splitlines() == ["[ ]  shop.0001_initial", "[ ]  shop.0002_seed", "[ ]  shop.0003_extra"]


def test_an_app_without_migrations_in_its_package_is_shown_so(site: Site) -> None:
    assert "shop\n (no migrations)\n" in site.run("showmigrations").out


def test_what_django_refuses_is_a_command_error_for_code_that_calls_it(counter: Site) -> None:
    lines = ("try: call_command('migrate', prune=True, verbosity=0)", "except Exception as error: print(repr(error))")
    assert call(counter, *lines).startswith("CommandError('Migrations can be pruned only when an app is specified")


def test_a_failed_run_is_a_command_error_for_code_that_calls_it(counter: Site) -> None:
    counter.migration("0004_fails", "migrations.RunSQL('SELECT 1 / 0', migrations.RunSQL.noop)")
    lines = (
        "from django.core.management import CommandError",
        "try: call_command('migrate', verbosity=0)",
        "except CommandError as error: print(type(error).__name__, error.returncode, error.why)",
    )
    assert call(counter, *lines).startswith("MigrationFailed 1 division by zero")


def test_on_the_command_line_its_parts_are_shown_and_not_djangos_line(counter: Site) -> None:
    counter.migration("0004_fails", "migrations.RunSQL('SELECT 1 / 0', migrations.RunSQL.noop)")
    failed = counter.migrate()
    assert (failed.code, failed.out.count("MigrationFailed"), failed.err.count("MigrationFailed")) == (1, 0, 0)
    assert failed.err.startswith("error: shop.0004_fails failed")
    assert "DivisionByZero" in counter.migrate("--retry", "--traceback").err


def test_receivers_write_to_the_commands_stdout_although_djangos_lines_are_left_out(counter: Site) -> None:
    said = call(
        counter,
        "from django.db.models.signals import post_migrate",
        "def receive(stdout, **options): stdout.write('received')",
        "post_migrate.connect(receive, weak=False)",
        "call_command('migrate')",
    )
    assert "received" in said
    assert "Running migrations" not in said
