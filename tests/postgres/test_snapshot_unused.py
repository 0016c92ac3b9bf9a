"""A snapshot that does not belong to this code or this database is left alone: migrations are replayed, saying why."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from lockgate.manifest import manifest_file
from tests.support import databases, schema, servers
from tests.support.databases import Database
from tests.support.quick import vouch, with_snapshot
from tests.support.servers import PASSWORD, WRONG_PASSWORD, assert_no_secret
from tests.support.sites import ADD_COLUMN, CREATE_COUNTER, SEED_COUNTER, Result, Site

SNAPSHOT = "lockgate-snapshot.sql"
MORE = ADD_COLUMN.format("more")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project's directory, with a snapshot of its two migrations."""
    site = Site(tmp_path_factory.mktemp("built"), databases.create())
    site.migration("0001_initial", CREATE_COUNTER, SEED_COUNTER)
    site.migration("0002_more", MORE)
    with_snapshot(site)
    assert site.database.applied() == []
    site.database.drop()
    return site.path


@pytest.fixture
def site(built: Path, tmp_path: Path, database: Database) -> Site:
    """That project, for one test."""
    shutil.copytree(built, tmp_path, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
    return Site(tmp_path, database)


def replayed(site: Site, result: Result, why: str) -> None:
    """It said why, and ended where a run without the snapshot ends."""
    assert result.code == 0, result.text
    lines = [line for line in result.out.splitlines() if f"{SNAPSHOT} is not used, and migrations are replayed" in line]
    assert len(lines) == 1, result.text
    assert why in lines[0]
    assert "applied shop.0001_initial" in result.out
    assert site.database.value("SELECT count(*) FROM shop_counter") == 1
    assert {name for app, name in site.database.applied() if app == "shop"} >= {"0001_initial", "0002_more"}
    assert "nothing to migrate" in site.migrate().out


def rewrite(site: Site, **changes: object) -> None:
    """The snapshot with another header, and a checksum that is right."""
    path = site.path / SNAPSHOT
    title, _, header, body = path.read_bytes().split(b"\n", 3)
    begin = str(changes.pop("body", "")).encode()
    line = f"-- {json.dumps({**json.loads(header[3:]), **changes})}\n".encode()
    rest = begin + body
    checksum = hashlib.sha256(line + rest).hexdigest()
    path.write_bytes(b"%s\n-- sha256 %s\n%s%s" % (title, checksum.encode(), line, rest))
    vouched_for(site, checksum)


def vouched_for(site: Site, checksum: str) -> None:
    """The manifest as if it had been made with a snapshot of this checksum."""
    path = site.path / manifest_file.NAME
    text = re.sub(r'(?<="snapshot )(\S+) \S+', rf"\1 {checksum}", path.read_text())
    body, _, rest = text.partition('\n"sum ')
    path.write_text(f'{body}\n"sum {manifest_file._sum(body)}"{rest.partition(chr(34))[2]}')


def test_it_is_used_where_nothing_is_in_the_way(site: Site) -> None:
    result = site.migrate()
    assert result.code == 0, result.text
    assert f"from {SNAPSHOT} in" in result.out
    assert "is not used" not in result.out


def test_nothing_of_it_is_committed_where_the_lock_is_lost_meanwhile(site: Site) -> None:
    (site.path / "shop" / "apps.py").write_text("""
from django.apps import AppConfig
from django.db import connection
from django.db.models.signals import pre_migrate

def release(**kwargs):
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_unlock_all()")

class Shop(AppConfig):
    name = "shop"
    def ready(self):
        pre_migrate.connect(release, sender=self)
""")
    result = site.migrate()
    assert result.code == 1, result.text
    assert "no longer holds the advisory lock" in result.err
    assert site.database.value("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'") == 0


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (lambda content: content[:-40], "its checksum is wrong"),
        (lambda content: content.replace(b"shop_counter", b"shop_kounter", 1), "its checksum is wrong"),
        (lambda content: content.replace(b'"server": ', b'"server":  ', 1), "its checksum is wrong"),
        (lambda content: content + b"DROP TABLE shop_counter;\n", "its checksum is wrong"),
        (lambda content: b"SELECT 1;\n" + content, "it is not a snapshot of format 2"),
        (lambda content: b"", "it is not a snapshot of format 2"),
    ],
)
def test_a_file_that_is_not_as_it_was_built(site: Site, spoil: Callable[[bytes], bytes], why: str) -> None:
    path = site.path / SNAPSHOT
    path.write_bytes(spoil(path.read_bytes()))
    replayed(site, site.migrate(), why)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"server": 13}, "it was made on PostgreSQL 13, this is"),
        ({"django": "4.2"}, "it was made with Django 4.2, this is"),
        ({"lockgate": "0.0.1"}, "it was made with Lockgate 0.0.1, this is"),
        ({"alias": "other"}, 'it was made for database "other", this is "default"'),
        ({"extensions": {"nosuch": "1.0"}}, 'extension "nosuch" is not there, and this role cannot create it'),
        ({"unknown": 1}, "unexpected keyword argument 'unknown'"),
    ],
)
def test_a_file_made_elsewhere(site: Site, changes: dict[str, object], why: str) -> None:
    rewrite(site, **changes)
    replayed(site, site.migrate(), why)


@pytest.mark.usefixtures("pgvector")
def test_an_extension_of_another_version(site: Site, database: Database) -> None:
    database.execute("CREATE EXTENSION vector")
    rewrite(site, extensions={"vector": "0.0.1"})
    replayed(site, site.migrate(), "and was 0.0.1 where it was made")


@pytest.mark.usefixtures("pgvector")
def test_an_extension_that_would_be_created_in_another_version(site: Site) -> None:
    rewrite(site, extensions={"vector": "0.0.1"})
    replayed(site, site.migrate(), "and was 0.0.1 where it was made")


def test_a_snapshot_that_the_server_refuses_leaves_nothing(site: Site) -> None:
    rewrite(site, body="CREATE TABLE public.shop_left (); SELECT 1/0;\n")
    replayed(site, site.migrate(), "division by zero (SQLSTATE 22012)")
    assert site.database.value("SELECT to_regclass('shop_left') IS NULL")


def test_a_named_file_that_is_missing(site: Site) -> None:
    result = site.migrate(LOCKGATE_SNAPSHOT=str(site.path / "elsewhere.sql"))
    assert result.code == 0
    assert "elsewhere.sql is not used, and migrations are replayed: there is no such file" in result.out


def test_no_file_and_none_named_is_not_worth_a_word(site: Site) -> None:
    (site.path / SNAPSHOT).unlink()
    assert "is not used" not in site.migrate().text


def test_it_can_be_switched_off(site: Site) -> None:
    result = site.migrate(LOCKGATE_SNAPSHOT="none")
    assert "applied shop.0001_initial" in result.out
    assert SNAPSHOT not in result.text


def test_an_edited_migration(site: Site) -> None:
    path = site.path / "shop/migrations/0001_initial.py"
    path.write_text(path.read_text().replace("default=0", "default=3"))
    replayed(site, site.migrate(), "shop.0001_initial says something else than when it was made")


def test_a_migration_whose_formatting_changed_is_the_same(site: Site) -> None:
    path = site.path / "shop/migrations/0001_initial.py"
    path.write_text(f"# a comment\n{path.read_text()}")
    assert f"from {SNAPSHOT} in" in site.migrate().out
    assert "edited" not in site.migrate().text


def test_a_migration_that_is_gone(site: Site) -> None:
    (site.path / "shop/migrations/0002_more.py").rename(site.path / "shop/migrations/0002_other.py")
    result = site.migrate()
    assert "it has shop.0002_more, which this release has not" in result.out
    assert result.code == 0


def test_an_app_without_migrations_here(site: Site) -> None:
    site.extra_settings = "MIGRATION_MODULES = {'shop': None}"
    site.write_settings()
    result = site.migrate()
    assert result.code == 0
    assert "it has shop.0001_initial, which this release has not" in result.out or "shop.0002_more" in result.out


def test_a_newer_migration_that_stands_for_some_of_it(site: Site) -> None:
    site.migration(
        "0003_squashed",
        CREATE_COUNTER,
        SEED_COUNTER,
        MORE,
        after=None,
        replaces='[("shop", "0001_initial"), ("shop", "0002_more")]',
    )
    result = site.migrate()
    assert result.code == 0, result.text
    assert "shop.0003_squashed replaces migrations that it has" in result.out
    assert "nothing to migrate" in site.migrate().out


def test_a_newer_migration_that_comes_before_some_of_it(site: Site) -> None:
    site.migration("0000_first", "migrations.RunSQL('SELECT 1')", after=None, run_before='[("shop", "0002_more")]')
    replayed(site, site.migrate(), "shop.0000_first, which it has not, comes before shop.0002_more")


def test_a_migration_that_says_now_that_it_depends_on_its_environment(site: Site) -> None:
    path = site.path / "shop/migrations/0002_more.py"
    path.write_text(path.read_text().replace("    operations", "    lockgate_snapshot = False\n    operations"))
    replayed(site, site.migrate(), "shop.0002_more says that it depends on its environment")


def test_other_settings(site: Site) -> None:
    site.extra_settings = "TIME_ZONE = 'Asia/Tokyo'"
    site.write_settings()
    replayed(site, site.migrate(), "one of the settings that migrations read has another value")


PIN = "SHOP_PIN = '4711'"
READS_PIN = "from django.conf import settings\nPIN = settings.SHOP_PIN"


def test_none_is_built_that_would_keep_a_digest_of_what_may_be_secret(site: Site) -> None:
    """Ten thousand guesses find four digits, whatever the setting is called."""
    path = site.path / SNAPSHOT
    path.unlink()
    site.extra_settings = PIN
    site.write_settings()
    migration = site.migration("0003_pin", ADD_COLUMN.format("pin"), imports=READS_PIN)
    built = site.run("lockgate", "snapshot")
    assert built.code == 1, built.text
    assert "shop.0003_pin reads settings.SHOP_PIN" in built.err
    assert 'LOCKGATE["SNAPSHOT_SETTINGS"]: SHOP_PIN;' in built.err
    assert "4711" not in built.text
    assert not path.exists()
    migration.unlink()
    site.migration("0003_pin", ADD_COLUMN.format("pin"), imports=READS_PIN, lockgate_snapshot="False")
    assert site.run("lockgate", "snapshot").code == 0
    assert "SHOP_PIN" not in path.read_text()


def test_a_setting_that_is_said_to_be_no_secret_is_compared(site: Site) -> None:
    site.lockgate, site.extra_settings = {"SNAPSHOT_SETTINGS": ["SHOP_PIN"]}, PIN
    site.write_settings()
    site.migration("0003_pin", ADD_COLUMN.format("pin"), imports=READS_PIN)
    with_snapshot(site)
    assert site.run("lockgate", "snapshot", "--check").code == 0
    site.lockgate = {}
    site.write_settings()
    checked = site.run("lockgate", "snapshot", "--check")
    assert checked.code == 1, checked.text
    assert "shop.0003_pin reads settings.SHOP_PIN" in checked.err
    site.extra_settings = PIN.replace("7", "8")
    site.write_settings()
    replayed(site, site.migrate(), "one of the settings that migrations read has another value")


def test_a_router_that_keeps_a_model_away(site: Site) -> None:
    (site.path / "routing.py").write_text(
        "class Router:\n"
        "    def allow_migrate(self, db, app_label, model_name=None, **hints):\n"
        "        return False if model_name == 'user' else None\n"
    )
    site.extra_settings = "DATABASE_ROUTERS = ['routing.Router']"
    site.write_settings()
    replayed(site, site.migrate(), 'a router keeps auth.User away from "default"')


@pytest.mark.parametrize(
    ("statement", "named"),
    [
        ("CREATE TABLE other (id int)", 'table "other"'),
        ("CREATE VIEW other AS SELECT 1 AS one", 'view "other"'),
        ("CREATE SEQUENCE other", 'sequence "other"'),
        ("CREATE TYPE other AS ENUM ('a')", 'type "other"'),
        ("CREATE DOMAIN other AS int", 'type "other"'),
        ("CREATE FUNCTION other() RETURNS int LANGUAGE sql AS 'SELECT 1'", 'function "other"'),
        ("CREATE SCHEMA other", 'schema "other"'),
        ('CREATE COLLATION other FROM "C"', 'collation "other"'),
    ],
)
def test_a_database_that_is_not_empty(site: Site, statement: str, named: str) -> None:
    site.database.execute(statement)
    replayed(site, site.migrate(), f"the database is not empty: it has {named}")


@pytest.mark.usefixtures("pgvector")
def test_what_an_extension_brought_does_not_count(site: Site) -> None:
    site.database.execute("CREATE EXTENSION vector")
    assert f"from {SNAPSHOT} in" in site.migrate().out


def test_another_schema_for_new_tables(site: Site, database: Database) -> None:
    database.execute("CREATE SCHEMA app")
    result = site.migrate(DATABASE_URL=database.url_as(options="-csearch_path=app"))
    assert result.code == 0, result.text
    assert 'new tables go to schema "app" here, not to "public"' in result.out
    assert database.value("SELECT to_regclass('app.shop_counter') IS NOT NULL")


@pytest.mark.parametrize("arguments", [("shop",), ("shop", "0001"), ("--fake",), ("--run-syncdb",)])
def test_something_else_than_everything_is_asked_for(site: Site, arguments: tuple[str, ...]) -> None:
    result = site.migrate(*arguments)
    assert result.code == 0, result.text
    assert "it is all of the migrations, and something else was asked for" in result.out
    assert site.database.value("SELECT count(*) FROM lockgate_migrationrecord WHERE action = 'snapshot'") == 0


def test_a_database_with_history_is_not_worth_a_word(site: Site) -> None:
    assert site.migrate().code == 0
    site.migration("0003_last", ADD_COLUMN.format("last"))
    result = site.migrate()
    assert "applied shop.0003_last" in result.out
    assert SNAPSHOT not in result.text


def test_reading_commands_do_not_load(site: Site) -> None:
    assert site.run("migrate", "--check").code == 1
    assert "shop.0001_initial" in site.run("migrate", "--plan").out
    assert site.database.applied() == []


def test_a_role_without_rights_fails_as_ever(site: Site) -> None:
    with servers.running() as cluster, databases.admin() as here:
        database = cluster.database()
        with database.connect() as connection:
            if databases.version(connection) != databases.version(here):
                pytest.skip("TEST_DATABASE_URL names a server of another version than those that tests start")
            connection.execute("REVOKE CREATE ON SCHEMA public FROM PUBLIC")
            connection.execute("ALTER SCHEMA public OWNER TO postgres")
        result = site.migrate(DATABASE_URL=database.url)
        assert SNAPSHOT not in result.out  # it is found out before either is tried
        assert result.code == 1
        assert "GRANT CREATE ON SCHEMA public TO owner;" in result.err
        assert servers.tables(database) == []


def test_a_build_shows_no_password(site: Site) -> None:
    with servers.running() as cluster:
        database = cluster.database()
        wrong = database.url_as(password=WRONG_PASSWORD)
        refused = site.run("lockgate", "snapshot", "--server", wrong)
        assert refused.code == 1
        assert_no_secret(refused.text)
        cluster.execute("ALTER ROLE owner CREATEDB")
        done = site.run("lockgate", "snapshot", "--server", database.url, DATABASE_URL=wrong)
        assert done.code == 0, done.text
        assert_no_secret(done.text, (site.path / SNAPSHOT).read_text())
        assert PASSWORD not in done.text
        vouch(site)
        assert f"from {SNAPSHOT} in" in site.migrate(DATABASE_URL=database.url).out


def test_the_end_is_the_same_with_and_without(site: Site) -> None:
    assert site.migrate().code == 0
    other = databases.create()
    assert site.migrate(DATABASE_URL=other.url, LOCKGATE_SNAPSHOT="none").code == 0
    assert schema.differences(other, site.database) == []
    other.drop()
