"""How an applied migration is recorded: with one statement of ours, or as Django does where somebody would notice."""

from __future__ import annotations

import re

import pytest
from django.db.migrations.recorder import MigrationRecorder
from psycopg.conninfo import conninfo_to_dict

from lockgate.database.sql import read
from lockgate.models import MigrationRecord
from tests.support.databases import server
from tests.support.sites import ADD_COLUMN, CREATE_COUNTER, Result, Site
from tests.support.sweep_wire import on_the_wire

# Of each migration, what does not depend on the file and the moment; and whether the moments are those of its run.
ROWS = """
    SELECT done.app, done.name, record.action, record.attempts, length(record.file_digest), length(record.ast_digest),
           record.seconds BETWEEN 0 AND 60, record.run_id = run.id, record.started_at <= done.applied,
           record.started_at > now() - interval '1 minute', done.applied <= now()
    FROM django_migrations AS done
    JOIN lockgate_migrationrecord AS record USING (app, name)
    JOIN lockgate_run AS run ON run.id = record.run_id AND run.outcome = 'succeeded'
    WHERE app = 'shop' ORDER BY name
"""
LISTENING = """
from django.apps import AppConfig
from django.db.models.signals import post_save

def receive(sender, **kwargs):
    print("heard of", sender.__name__)

class ShopConfig(AppConfig):
    name = "shop"

    def ready(self):
        post_save.connect(receive)
"""
STATEMENTS = """
import logging

class Sent(logging.Handler):
    def emit(self, record):
        if "migrationrecord" in record.getMessage():
            print("sent", "both rows" if "django_migrations" in record.getMessage() else "one row")

logging.getLogger("django.db.backends").setLevel("DEBUG")
logging.getLogger("django.db.backends").addHandler(Sent())
DEBUG, LOGGING_CONFIG = True, None
"""


@pytest.fixture
def shop(site: Site) -> Site:
    site.migration("0001_initial", CREATE_COUNTER)
    return site


def migrate(site: Site) -> Result:
    result = site.migrate()
    assert result.code == 0, result.text
    return result


@pytest.mark.parametrize(
    "settings",
    [
        "",
        'USE_TZ = False\nTIME_ZONE = "Asia/Tokyo"',
        'DATABASES["default"]["OPTIONS"] = {"server_side_binding": True}',
    ],
    ids=["usual", "local time", "server-side binding"],
)
def test_the_rows_are_those_that_the_models_would_have_written(shop: Site, settings: str) -> None:
    shop.extra_settings = settings + STATEMENTS
    shop.write_settings()
    assert "sent both rows" in migrate(shop).out
    (shop.path / "shop" / "apps.py").write_text(LISTENING)
    shop.migration("0002_more", ADD_COLUMN.format("more"))
    heard = migrate(shop).out
    assert "sent both rows" not in heard
    assert "sent one row" in heard
    ours, djangos = shop.database.rows(ROWS)
    assert ours[2:] == djangos[2:] == ("apply", 1, 64, 64, *[True] * 5)


def test_to_one_statement_of_a_migration_three_are_added(shop: Site) -> None:
    """Where nothing needs to be planned, and not all of it is sent whole."""
    shop.database.execute("CREATE TABLE of_others (id integer)")
    where = conninfo_to_dict(server())
    if not str(where.get("host", "")).startswith("/"):
        pytest.skip("TEST_DATABASE_URL names a server that may want a password, or TLS, from the wire")
    shop.migration("0002_more", ADD_COLUMN.format("more"))
    with on_the_wire() as wire:
        result = shop.migrate(DATABASE_URL=wire.url(shop.database.name))
    assert result.code == 0, result.text
    sent = wire.watch.statements
    (at,) = (number for number, text in enumerate(sent) if text.startswith('ALTER TABLE "shop_counter" ADD COLUMN'))
    beginning, _, record, commit = sent[at - 1 : at + 3]
    assert beginning.startswith("BEGIN")
    assert "set_config('lockgate.migration', 'shop.0002_more', true)" in beginning
    assert commit == "COMMIT"
    assert "INSERT INTO django_migrations" in record


def test_who_listens_to_saved_models_hears_of_djangos_rows_and_not_of_ours(shop: Site) -> None:
    (shop.path / "shop" / "apps.py").write_text(LISTENING)
    heard = [line for line in migrate(shop).out.splitlines() if line.startswith("heard of Migration")]
    assert heard.count("heard of Migration") == len(shop.database.applied())
    assert heard.count("heard of MigrationRecord") == 0


def test_code_that_replaces_djangos_recording_is_called(shop: Site) -> None:
    (shop.path / "shop" / "apps.py").write_text(
        "from django.apps import AppConfig\n"
        "from django.db.migrations.recorder import MigrationRecorder\n"
        "class ShopConfig(AppConfig):\n"
        "    name = 'shop'\n"
        "    def ready(self):\n"
        "        original = MigrationRecorder.record_applied\n"
        "        def record_applied(self, app, name):\n"
        "            print('recording', app, name)\n"
        "            original(self, app, name)\n"
        "        MigrationRecorder.record_applied = record_applied\n"
    )
    assert "recording shop 0001_initial" in migrate(shop).out


def test_a_lock_that_is_gone_when_a_migration_is_recorded_takes_back_the_migration(shop: Site) -> None:
    migrate(shop)
    unlock = 'migrations.RunSQL("SELECT pg_advisory_unlock_all()")'
    shop.migration("0002_unlocks", ADD_COLUMN.format("more"), unlock)
    result = shop.migrate()
    assert result.code == 1
    assert "the database session that holds the migration lock was lost" in result.err
    assert ("shop", "0002_unlocks") not in shop.database.applied()
    assert not shop.database.rows("SELECT FROM lockgate_migrationrecord WHERE name = '0002_unlocks'")
    assert not shop.database.rows(
        "SELECT FROM pg_attribute WHERE attrelid = 'shop_counter'::regclass AND attname = 'more'"
    )


@pytest.mark.parametrize("model", [MigrationRecorder.Migration, MigrationRecord])
def test_the_statement_fills_every_column(model: type[MigrationRecord]) -> None:
    match = re.search(rf"INSERT INTO {model._meta.db_table}\s+\(([^)]*)\)", read("record_applied"))
    assert match is not None
    columns = {field.column for field in model._meta.concrete_fields if not field.primary_key}
    assert set(match[1].split(", ")) == columns
