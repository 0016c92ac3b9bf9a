"""A snapshot, loaded into an empty database, ends where replaying the migrations ends; and what is newer follows."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from project import embedded
from tests.support import databases, everything, schema, servers
from tests.support.databases import Database
from tests.support.processes import until
from tests.support.quick import vouch
from tests.support.quick import with_snapshot as build
from tests.support.sites import ADD_COLUMN, COUNT_UP, CREATE_COUNTER, ROOT, SEED_COUNTER, Result, Site, finish

SNAPSHOT = "lockgate-snapshot.sql"
STOCK = ROOT / "tests" / "conformance" / "stock.py"


def loaded(result: Result) -> bool:
    assert result.code == 0, result.text
    return f"from {SNAPSHOT} in" in result.out


@pytest.fixture
def another() -> Iterator[Callable[[], Database]]:
    """More empty databases."""
    new_databases: list[Database] = []

    def create() -> Database:
        new_databases.append(databases.create())
        return new_databases[-1]

    yield create
    for database in new_databases:
        database.drop()


@pytest.fixture(scope="module", params=databases.several(), ids=lambda version: f"postgres{version}")
def server(request: pytest.FixtureRequest) -> Iterator[str]:
    with embedded.server(postgres=request.param) as url:
        yield url


def by_stock_django(site: Site, database: Database) -> None:
    """Django's own ``migrate``, under the same settings."""
    ended = subprocess.run(
        [sys.executable, "-P", str(STOCK), "migrate"],
        cwd=site.path,
        env=site.environment({"DATABASE_URL": database.url, "DJANGO_SETTINGS_MODULE": "site_settings"}),
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr


def test_everything_that_migrations_make_is_the_same(
    server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEST_DATABASE_URL", server)
    ours, stock = databases.create(), databases.create()
    site = Site(tmp_path, ours)
    everything.write(site)
    build(site)
    assert loaded(site.migrate())
    by_stock_django(site, stock)
    assert schema.differences(stock, ours) == []
    assert len(schema.whole(ours)) > 300


def test_watchstats_is_the_same(server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_DATABASE_URL", server)
    ours, stock = databases.create(), databases.create()
    site = Site(tmp_path, ours)
    if not stock.rows("SELECT FROM pg_available_extensions WHERE name = 'vector'"):
        pytest.skip("NOT TESTED: watchstats' snapshot, because this server has no pgvector")
    stock.execute("CREATE EXTENSION vector")  # Lockgate does, where stock Django fails
    settings = {"DJANGO_SETTINGS_MODULE": "project.settings.migrate", "PYTHONPATH": f"{ROOT}:{ROOT / 'apps'}"}
    snapshot = site.path / SNAPSHOT
    assert site.run("lockgate", "snapshot", "--output", str(snapshot), **settings).code == 0
    settings["LOCKGATE_SNAPSHOT"] = str(snapshot)
    built = site.run("lockgate", "manifest", **settings)
    assert built.code == 0, built.text
    assert loaded(site.migrate(**settings))
    ended = subprocess.run(
        [sys.executable, "-P", str(STOCK), "migrate"],
        env=site.environment({**settings, "DATABASE_URL": stock.url}),
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    assert schema.differences(stock, ours) == []


def test_a_loaded_database_is_finished_and_every_migration_is_in_the_ledger(site: Site, database: Database) -> None:
    site.migration("0001_initial", CREATE_COUNTER, SEED_COUNTER)
    build(site)
    assert loaded(site.migrate())
    assert "nothing to migrate" in site.migrate().out
    assert database.rows("SELECT outcome, count(*) FROM lockgate_run GROUP BY outcome") == [("succeeded", 1)]
    recorded = database.rows("SELECT app, name FROM lockgate_migrationrecord WHERE action = 'snapshot' ORDER BY 1, 2")
    assert recorded == database.applied()
    assert database.value("SELECT count(*) FROM django_content_type WHERE app_label = 'auth'") == 3
    assert database.value("SELECT min(id) FROM lockgate_run") == 1


def test_a_snapshot_older_than_the_code_is_loaded_and_the_rest_applied(
    site: Site, database: Database, another: Callable[[], Database]
) -> None:
    site.migration("0001_initial", CREATE_COUNTER, SEED_COUNTER)
    build(site)
    site.migration("0002_more", ADD_COLUMN.format("more"), COUNT_UP)
    result = site.migrate()
    assert loaded(result)
    assert "applied shop.0002_more" in result.out
    assert "applied shop.0001_initial" not in result.out
    replayed = another()
    assert not loaded(site.migrate(DATABASE_URL=replayed.url, LOCKGATE_SNAPSHOT="none"))
    assert schema.differences(replayed, database) == []
    assert database.value("SELECT value FROM shop_counter") == 1
    actions = dict(database.rows("SELECT name, action FROM lockgate_migrationrecord WHERE app = 'shop'"))
    assert actions == {"0001_initial": "snapshot", "0002_more": "apply"}


def test_a_migration_edited_after_it_was_loaded_is_noticed(site: Site) -> None:
    path = site.migration("0001_initial", CREATE_COUNTER, SEED_COUNTER)
    build(site)
    assert loaded(site.migrate())
    path.write_text(path.read_text().replace("VALUES (0)", "VALUES (1)"))
    assert "edited after they were applied: shop.0001_initial" in site.migrate().err


CHOOSE = """
def choose(apps, schema_editor):
    sites = apps.get_model("sites", "Site").objects
    sites.create(pk=1, domain="shop")
    apps.get_model("shop", "Choice").objects.create(site_id=1)
    choice = sites.get_current().choice
    choice.menu = apps.get_model("shop", "Menu").objects.create()
    choice.save()
"""


def test_what_django_keeps_of_rows_is_not_carried_from_one_replay_to_the_next(site: Site) -> None:
    """The current site, and what was looked up from it: instances of models that the other replay does not have."""
    site.apps, site.extra_settings = ("django.contrib.sites", *site.apps), "SITE_ID = 1"
    site.write_settings()
    key = '("id", models.BigAutoField(primary_key=True))'
    to_site = '("site", models.OneToOneField("sites.Site", models.CASCADE, related_name="choice"))'
    to_menu = '("menu", models.ForeignKey("shop.Menu", models.CASCADE, null=True))'
    site.migration(
        "0001_choice",
        f'migrations.CreateModel("Menu", [{key}])',
        f'migrations.CreateModel("Choice", [{key}, {to_site}, {to_menu}])',
        dependencies='[("sites", "0002_alter_domain_unique")]',
    )
    site.migration("0002_choose", "migrations.RunPython(choose)", imports=CHOOSE)
    build(site)
    assert loaded(site.migrate())


def test_pre_migrate_is_sent_once_with_the_whole_plan_and_post_migrate_once(site: Site) -> None:
    site.apps = (*site.apps, "listening")
    site.write_settings()
    folder = site.path / "listening"
    folder.mkdir()
    (folder / "models.py").touch()
    (folder / "__init__.py").touch()
    (folder / "apps.py").write_text(
        "import sys\n"
        "from django.apps import AppConfig\n"
        "from django.db.models.signals import pre_migrate, post_migrate\n"
        "def tell(name, plan, using, **rest):\n"
        "    from django.db import connections\n"
        "    there = 'shop_counter' in connections[using].introspection.table_names()\n"
        "    sys.stdout.write(f'HEARD {name} {len(plan)} {there}\\n')\n"
        "def pre(**rest): tell('pre', **rest)\n"
        "def post(**rest): tell('post', **rest)\n"
        "class Config(AppConfig):\n"
        "    name = 'listening'\n"
        "    def ready(self):\n"
        "        pre_migrate.connect(pre, sender=self)\n"
        "        post_migrate.connect(post, sender=self)\n"
    )
    site.migration("0001_initial", CREATE_COUNTER, SEED_COUNTER)
    build(site)
    result = site.migrate()
    assert loaded(result)
    heard = [line for line in result.out.splitlines() if line.startswith("HEARD")]
    replayed = site.migrate(LOCKGATE_SNAPSHOT="none", DATABASE_URL=databases.create().url)
    assert [line.split()[1] for line in heard] == ["pre", "post"]
    assert heard[0].split()[3] == "False"
    assert heard[1].split()[3] == "True"
    applied = len(site.database.applied())
    assert heard[0].split()[2] in (str(applied), str(applied - 3))
    assert [line.split()[1] for line in replayed.out.splitlines() if line.startswith("HEARD")] == ["pre", "post"]


def test_a_migration_that_depends_on_its_environment_runs_after_the_load(site: Site, database: Database) -> None:
    site.migration("0001_initial", CREATE_COUNTER, SEED_COUNTER)
    site.migration("0002_here", COUNT_UP, lockgate_snapshot="False")
    site.migration("0003_after", COUNT_UP)
    built = site.run("lockgate", "snapshot")
    assert built.code == 0, built.text
    assert "shop.0002_here is held: it says that it depends on its environment" in built.err
    vouch(site)
    result = site.migrate()
    assert loaded(result)
    assert "applied shop.0002_here" in result.out
    assert "applied shop.0003_after" in result.out
    assert database.value("SELECT value FROM shop_counter") == 2
    assert "nothing to migrate" in site.migrate().out


def test_a_squashed_history_is_loaded_with_all_its_rows(
    site: Site, database: Database, another: Callable[[], Database]
) -> None:
    site.migration("0001_initial", CREATE_COUNTER, SEED_COUNTER)
    site.migration("0002_more", ADD_COLUMN.format("more"))
    replaces = '[("shop", "0001_initial"), ("shop", "0002_more")]'
    squashed = (CREATE_COUNTER, SEED_COUNTER, ADD_COLUMN.format("more"))
    site.migration("0003_squashed", *squashed, after=None, replaces=replaces)
    (site.path / "shop/migrations/0001_initial.py").unlink()  # the usual second step, half done
    (site.path / "shop/migrations/0002_more.py").unlink()
    build(site)
    assert loaded(site.migrate())
    assert "nothing to migrate" in site.migrate().out
    replayed = another()
    assert site.migrate(DATABASE_URL=replayed.url, LOCKGATE_SNAPSHOT="none").code == 0
    assert schema.differences(replayed, database) == []
    assert ("shop", "0001_initial") in database.applied()


def test_two_runners_at_once_on_an_empty_database_load_it_once(site: Site, database: Database) -> None:
    site.migration("0001_initial", CREATE_COUNTER, SEED_COUNTER)
    build(site)
    ended = [finish(process) for process in [site.start("migrate", "--noinput") for _ in range(4)]]
    assert [result.code for result in ended] == [0, 0, 0, 0], ended
    assert sum(loaded(result) for result in ended) == 1
    assert database.value("SELECT count(*) FROM shop_counter") == 1
    assert len(set(database.applied())) == len(database.applied())


def test_values_made_anew_by_each_replay_are_named_when_it_is_built(site: Site) -> None:
    site.migration(
        "0001_initial",
        'migrations.RunSQL("CREATE TABLE shop_secret (id int, key uuid, made timestamptz)", migrations.RunSQL.noop)',
        'migrations.RunSQL("INSERT INTO shop_secret VALUES (1, gen_random_uuid(), now())", migrations.RunSQL.noop)',
    )
    built = site.run("lockgate", "snapshot")
    assert built.code == 0, built.text
    assert "would be the same in every database loaded from it: public.shop_secret.key;" in built.err
    assert "moments in it are those of its making: public.shop_secret.made" in built.out


def test_two_builds_of_a_release_are_the_same_file(site: Site) -> None:
    site.migration("0001_initial", CREATE_COUNTER, SEED_COUNTER)
    first = build(site).read_bytes()
    assert build(site).read_bytes() == first


def test_check_tells_whether_the_file_is_that_of_this_code(site: Site) -> None:
    site.migration("0001_initial", CREATE_COUNTER, SEED_COUNTER)
    missing = site.run("lockgate", "snapshot", "--check")
    assert missing.code == 1
    assert "there is no such file" in missing.err
    path = build(site)
    before = path.read_bytes()
    current = site.run("lockgate", "snapshot", "--check")
    assert current.code == 0, current.text
    assert "is current" in current.out
    site.migration("0002_more", ADD_COLUMN.format("more"))
    stale = site.run("lockgate", "snapshot", "--check")
    assert stale.code == 1
    assert "is not the snapshot of this release" in stale.err
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("statement", "named"),
    [
        ("GRANT SELECT ON shop_counter TO PUBLIC", "GRANT SELECT ON TABLE public.shop_counter TO PUBLIC"),
        ("ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO PUBLIC", "ALTER DEFAULT PRIVILEGES"),
        ("ALTER TABLE shop_counter OWNER TO pg_monitor", "OWNER TO pg_monitor"),
        ("DO 'BEGIN EXECUTE format($$ALTER DATABASE %%I SET work_mem = 9999$$, current_database()); END'", "work_mem"),
    ],
)
def test_what_a_snapshot_would_lack_ends_its_build(site: Site, statement: str, named: str) -> None:
    site.migration("0001_initial", CREATE_COUNTER, f"migrations.RunSQL({statement.replace('%%', '%')!r})")
    built = site.run("lockgate", "snapshot")
    assert built.code == 1, built.text
    assert "a snapshot would lack something that migrations do" in built.err
    assert named in built.err
    assert not (site.path / SNAPSHOT).exists()


def test_what_a_new_database_allows_is_no_migrations_doing(tmp_path: Path) -> None:
    """As of a server before version 15, of whose schema public a newer pg_dump tells this; until one changes it."""
    with servers.running() as cluster:
        cluster.execute(
            "UPDATE pg_database SET datallowconn = true WHERE datname = 'template0'", "ALTER ROLE owner CREATEDB"
        )
        with cluster.connect("template0") as connection:
            connection.execute("GRANT CREATE ON SCHEMA public TO PUBLIC")
        site = Site(tmp_path / "site", cluster.database())
        site.migration("0001_initial", CREATE_COUNTER)
        built = site.run("lockgate", "snapshot")
        assert built.code == 0, built.text
        site.migration("0002_less", 'migrations.RunSQL("REVOKE CREATE ON SCHEMA public FROM PUBLIC")')
        refused = site.run("lockgate", "snapshot")
        assert refused.code == 1, refused.text
        assert "no longer: GRANT ALL ON SCHEMA public TO PUBLIC;" in refused.err


REMEMBERING = """
def permit(apps, schema_editor):
    from django.contrib.auth.models import Permission
    from django.contrib.contenttypes.models import ContentType
    kind = ContentType.objects.get_for_model(apps.get_model("auth", "Group"))
    Permission.objects.create(content_type=kind, codename="shop", name="shop")
"""


def test_what_managers_remember_of_one_replay_is_forgotten_before_the_next(site: Site) -> None:
    """Content types have ids of their own in each database, and Django's manager keeps them."""
    site.migration(
        "0001_permit",
        "migrations.RunPython(permit)",
        imports=REMEMBERING,
        dependencies='[("auth", "0012_alter_user_first_name_max_length")]',
    )
    build(site)
    assert loaded(site.migrate())


def test_scratch_databases_are_gone_after_a_build_that_fails_too(site: Site) -> None:
    site.migration("0001_initial", 'migrations.RunSQL("SELECT 1/0")')
    scratch = "SELECT datname FROM pg_database WHERE datname LIKE 'lockgate_scratch%%'"
    before = set(site.database.rows(scratch))  # those of builds that other tests killed
    built = site.run("lockgate", "snapshot")
    assert built.code == 1
    assert "division by zero" in built.err
    # Others may be building just now, on the same server; theirs go when they are done.
    new = set(site.database.rows(scratch)) - before
    until(lambda: new.isdisjoint(site.database.rows(scratch)), "the scratch databases are gone")
