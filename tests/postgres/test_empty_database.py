"""A start that finds an empty database loads the snapshot without Django, or leaves all of it to a full start."""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lockgate.database import advisory_lock
from lockgate.manifest import manifest_file
from project import embedded
from tests.support import databases, roles, schema, servers
from tests.support.databases import Database, another
from tests.support.processes import lock_is_free, until
from tests.support.quick import NAP, TAKEN, Quick, age, assert_ordinary, nap
from tests.support.servers import assert_no_secret
from tests.support.sites import ADD_COLUMN, CREATE_COUNTER, SEED_COUNTER, Result, Site, finish
from tests.support.sweep_wire import Moment, Watch, on_the_wire

SNAPSHOT = "lockgate-snapshot.sql"
LOADED = "start: the database was empty: the manifest's snapshot was loaded\n"
SLOW = 'migrations.RunSQL("CREATE MATERIALIZED VIEW slow AS SELECT 1 AS one FROM pg_sleep({0})")'
ROWS = (
    "SELECT app_label, model, codename, permission.id, type.id FROM auth_permission AS permission"
    " JOIN django_content_type AS type ON type.id = content_type_id"
)
RELATIONS = "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace"
LOCK = f"SELECT pg_advisory_lock({advisory_lock.KEY})"


def prepared(site: Site) -> Site:
    """With snapshot and manifest, as an image has them."""
    age(site.path)
    for verb in ("snapshot", "manifest"):
        built = site.run("lockgate", verb)
        assert built.code == 0, built.text
    return site


@contextlib.contextmanager
def made(folder: Path, *operations: str) -> Iterator[Quick]:
    site = Site(folder / "site", databases.create())
    site.migration("0001_initial", CREATE_COUNTER, SEED_COUNTER, *operations)
    prepared(site)
    yield Quick(site, site.database)
    site.database.drop()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Quick]:
    with made(tmp_path_factory.mktemp("at-start")) as quick:
        yield quick


@pytest.fixture(scope="module")
def shared_slow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Quick]:
    with made(tmp_path_factory.mktemp("slowly"), SLOW.format(NAP)) as quick:
        yield quick


@pytest.fixture
def shop(shared: Quick) -> Iterator[Quick]:
    """A site that has a snapshot, a manifest, and an empty database."""
    with shared.borrowed() as quick:
        yield quick


@pytest.fixture
def slow(shared_slow: Quick) -> Iterator[Quick]:
    """The same, with a snapshot that takes a minute to load, for now: in the middle a view is filled."""
    with shared_slow.borrowed() as quick:
        nap(quick.database, 60)
        yield quick


def assert_loaded(result: Result) -> None:
    assert (result.code, result.err) == (0, LOADED), result.text
    assert f" from {SNAPSHOT} in " in result.out


def assert_whole(shop: Quick, *, also: tuple[str, ...] = ()) -> None:
    """It is what a replay makes, and the next start has nothing to do. also: statements that were run before."""
    assert shop.start().err == TAKEN
    other = databases.create()
    other.execute(*also)
    replayed = shop.start(DATABASE_URL=other.url, LOCKGATE_SNAPSHOT="none")
    assert replayed.code == 0, replayed.text
    assert "applied shop.0001_initial" in replayed.out
    try:
        assert schema.differences(other, shop.database) == []
        assert sorted(other.rows(ROWS)) == sorted(shop.database.rows(ROWS))
        assert other.applied() == shop.database.applied()
        assert other.rows("SELECT * FROM shop_counter") == shop.database.rows("SELECT * FROM shop_counter")
    finally:
        other.drop()


def is_empty(database: Database) -> bool:
    return database.rows(RELATIONS) == []


def sleeping(database: Database) -> bool:
    """Whether the slow part of the load runs."""
    query = "SELECT count(*) FROM pg_stat_activity WHERE datname = %s AND wait_event = 'PgSleep'"
    return bool(database.value(query, [database.name]))


# --- it is loaded


def test_an_empty_database_is_filled_and_ends_as_a_replay_does(shop: Quick) -> None:
    assert_loaded(shop.start())
    assert_whole(shop)


def test_the_ledger_has_a_run_as_any_other(shop: Quick) -> None:
    assert_loaded(shop.start("migrate", "--noinput"))
    count = len(shop.database.applied())
    query = "SELECT outcome, command, error, ended_at >= started_at, lockgate_version, django_version FROM lockgate_run"
    ((*run, lockgate, django),) = shop.database.rows(query)
    other = databases.create()
    assert shop.start(DATABASE_URL=other.url, LOCKGATE_SNAPSHOT="none").code == 0
    assert run == ["succeeded", "migrate --noinput", "", True]
    assert (lockgate, django) == other.rows("SELECT lockgate_version, django_version FROM lockgate_run")[0]
    of_release = "SELECT release, release_digest, host FROM lockgate_run"
    assert shop.database.rows(of_release) == other.rows(of_release)
    records = "SELECT app, name, file_digest, ast_digest FROM lockgate_migrationrecord ORDER BY app, name"
    assert shop.database.rows(records) == other.rows(records)
    actions = shop.database.rows("SELECT action, count(*) FROM lockgate_migrationrecord GROUP BY 1")
    assert actions == [("snapshot", count)]
    other.drop()


def test_what_it_says_is_what_an_ordinary_load_says(shop: Quick) -> None:
    quick = shop.start("migrate", "--log-format=json", LOCKGATE_EXPLAIN_START=None)
    other = databases.create()
    ordinary = shop.start("migrate", "--log-format=json", DATABASE_URL=other.url, LOCKGATE_WAIT_SECONDS="60")
    other.drop()
    said = [json.loads(line) for line in quick.out.splitlines()]
    expected = [json.loads(line) for line in ordinary.out.splitlines()]
    kept = [each for each in expected if each["event"] in {"lock_acquired", "snapshot_loaded", "ended"}]
    varying = {"time": "", "message": "", "seconds": 0, "waited_seconds": 0}
    assert [{**each, **varying} for each in said] == [{**each, **varying} for each in kept]
    without_numbers = str.maketrans("", "", "0123456789")
    assert [each["message"].translate(without_numbers) for each in said] == [
        each["message"].translate(without_numbers) for each in kept
    ]
    assert (quick.code, quick.err) == (0, "")


def test_a_release_with_a_name_is_loaded_under_its_name(shop: Quick) -> None:
    assert_loaded(shop.start(LOCKGATE_RELEASE="spring 7"))
    assert shop.database.value("SELECT release FROM lockgate_run") == "spring-7"
    assert shop.start(LOCKGATE_RELEASE="spring 7").err == TAKEN
    assert_ordinary(shop.start(LOCKGATE_RELEASE="spring 8"), "not in the state that this manifest describes")


def test_eight_starts_at_once_load_it_once(shop: Quick) -> None:
    processes = [shop.site.start("migrate", "--noinput") for _ in range(8)]
    results = [finish(process) for process in processes]
    assert [result.code for result in results] == [0] * 8, "\n".join(result.text for result in results)
    assert sum(f"from {SNAPSHOT}" in result.out for result in results) == 1
    assert shop.database.value("SELECT count(*) FROM lockgate_run") == 1
    assert_whole(shop)


LIMITS = ("idle_in_transaction_session_timeout", "statement_timeout", "transaction_timeout", "lock_timeout")


def test_no_limit_of_a_role_or_a_database_ends_it(slow: Quick) -> None:
    """It takes longer than each of them; what is asked before it does not."""
    nap(slow.database, 2)
    for each in LIMITS:
        if slow.database.value("SELECT count(*) FROM pg_settings WHERE name = %s", [each]):
            slow.database.execute(f"ALTER DATABASE {slow.database.name} SET {each} = '1s'")
    assert_loaded(slow.start())


def test_one_connection_and_nothing_is_left_set(shop: Quick) -> None:
    with on_the_wire() as watched:
        assert_loaded(shop.start(DATABASE_URL=watched.url(shop.database.name)))
        assert watched.relay.connections == 1
    until(lambda: servers.sessions(shop.database) == [], "the session is gone")


@pytest.mark.usefixtures("pgvector")
def test_an_extension_is_made_with_it(tmp_path: Path, database: Database) -> None:
    site = Site(tmp_path / "site", database, lockgate={"EXTENSIONS": ["vector"]})
    site.migration("0001_initial", CREATE_COUNTER)
    shop = Quick(prepared(site), database)
    assert_loaded(shop.start())
    assert shop.start().err == TAKEN
    assert database.value("SELECT count(*) FROM pg_extension WHERE extname = 'vector'") == 1


# --- it is left to a full start


def edited(shop: Quick) -> None:
    path = shop.path / SNAPSHOT
    path.write_bytes(path.read_bytes().replace(b"INITIALLY DEFERRED", b"INITIALLY IMMEDIATE"))


def of_another_build(shop: Quick) -> None:
    """Whole, and not the one that the manifest was made for."""
    manifest = shop.manifest.read_bytes()
    shop.site.migration("0003_more", ADD_COLUMN.format("more"))
    assert shop.site.run("lockgate", "snapshot").code == 0
    other = (shop.path / SNAPSHOT).read_bytes()
    shutil.copytree(shop.kept, shop.path, dirs_exist_ok=True)
    (shop.path / "shop" / "migrations" / "0003_more.py").unlink()
    (shop.path / SNAPSHOT).write_bytes(other)
    assert shop.manifest.read_bytes() == manifest


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (edited, "its checksum is wrong: it was edited, or is not whole"),
        (lambda shop: (shop.path / SNAPSHOT).write_bytes(b""), "it is not a snapshot of format 2"),
        (lambda shop: (shop.path / SNAPSHOT).unlink(), "the snapshot cannot be read"),
        (of_another_build, "it is not the one that the manifest was made with"),
    ],
    ids=["edited", "empty", "gone", "another build"],
)
def test_a_file_that_is_not_the_manifests(shop: Quick, change: Callable[[Quick], object], why: str) -> None:
    change(shop)
    result = shop.start()
    assert_ordinary(result, why)
    assert result.code == 0
    assert "applied shop.0001_initial" in result.out
    assert_whole(shop)


def test_what_is_not_all_of_the_release_is_not_committed(shop: Quick) -> None:
    """The last look before the commit: this manifest wants an extension that the snapshot does not make."""
    known, _, document = shop.manifest.read_text().partition(',\n"sum ')
    lines = [line.strip('",') for line in known.split("\n") if line.startswith('"')][1:]  # its format comes by itself
    rest = document.partition("\n],\n")[2].removesuffix("}\n")
    shop.manifest.write_text(manifest_file.written([*lines, "extension spam"], rest))
    assert_ordinary(shop.start(), "what was loaded is not all of this release")


@pytest.mark.parametrize("statement", ["CREATE TABLE spam ()", "CREATE SCHEMA spam", "CREATE TYPE spam AS ENUM ('a')"])
def test_a_database_that_is_not_empty(shop: Quick, statement: str) -> None:
    shop.database.execute(statement)
    result = shop.start()
    assert_ordinary(result, "the database is not empty")
    assert result.code == 0
    assert "applied shop.0001_initial" in result.out
    assert_whole(shop, also=(statement,))


def test_a_table_of_djangos_that_is_none(shop: Quick) -> None:
    shop.database.execute("CREATE TABLE django_migrations ()")
    result = shop.start()
    assert_ordinary(result, "the server refuses the question")
    assert result.code == 1
    assert shop.database.rows(RELATIONS) == [("django_migrations",)]


@pytest.mark.usefixtures("pgvector")
def test_an_extension_of_another_version(tmp_path: Path, database: Database) -> None:
    """The server has one; the snapshot is told that it was made with another."""
    site = Site(tmp_path / "site", database, lockgate={"EXTENSIONS": ["vector"]})
    site.migration("0001_initial", CREATE_COUNTER)
    prepared(site)
    path = site.path / SNAPSHOT
    title, _, header, body = path.read_bytes().split(b"\n", 3)
    line = header.replace(b'"extensions": {"vector": "', b'"extensions": {"vector": "0.0.') + b"\n"
    assert line != header + b"\n"
    checksum = hashlib.sha256(line + body).hexdigest().encode()
    path.write_bytes(b"%s\n-- sha256 %s\n%s%s" % (title, checksum, line, body))
    assert site.run("lockgate", "manifest").code == 0
    assert_ordinary(result := Quick(site, database).start(), "an extension is of another version")
    assert result.code == 0
    assert "applied shop.0001_initial" in result.out


@pytest.mark.parametrize(
    ("environment", "why"),
    [
        ({"LOCKGATE_SNAPSHOT": "none"}, "only a full start reads LOCKGATE_SNAPSHOT"),
        ({"LOCKGATE_ON_HAZARD": "refuse"}, "only a full start reads LOCKGATE_ON_HAZARD"),
        ({"LOCKGATE_LAZY_RENDERING": "off"}, "only a full start reads LOCKGATE_LAZY_RENDERING"),
        ({"PGOPTIONS": "-c default_transaction_read_only=on"}, "refuses a statement (25006)"),
        ({"PGOPTIONS": "-c search_path=elsewhere"}, "new tables go elsewhere"),
    ],
    ids=str,
)
def test_an_environment_that_an_ordinary_run_has_to_see_to(shop: Quick, environment: dict[str, str], why: str) -> None:
    assert_ordinary(shop.start(**environment), why)


@pytest.mark.parametrize(
    "arguments",
    [
        ("migrate", "--check"),
        (
            "lockgate",
            "wait",
        ),
    ],
    ids=" ".join,
)
def test_who_only_asks_changes_nothing(shop: Quick, arguments: tuple[str, ...]) -> None:
    process = shop.site.start(*arguments, LOCKGATE_EXPLAIN_START="1", LOCKGATE_WAIT_FOR_MIGRATIONS_SECONDS="1")
    assert_ordinary(finish(process), "the server refuses the question")
    assert is_empty(shop.database)


def test_another_servers_major_version_is_another_snapshots(shop: Quick) -> None:
    with databases.admin() as connection:
        here = databases.version(connection)
    with embedded.server(postgres=16 if here == 18 else 18) as url:
        assert_ordinary(result := shop.start(DATABASE_URL=url), f"the snapshot was made on PostgreSQL {here}")
        assert result.code == 0, result.text


def test_the_lock_is_waited_for_by_the_ordinary_path(shop: Quick) -> None:
    with shop.database.connect() as holder:
        holder.execute(LOCK)
        process = shop.site.start("migrate", "--noinput", LOCKGATE_EXPLAIN_START="1")
        until(lambda: waiting(shop.database), "a second runner is connected")
        assert is_empty(shop.database)
    assert_ordinary(result := finish(process), "another run has the migration lock")
    assert result.code == 0, result.text


def waiting(database: Database) -> bool:
    return bool(
        database.value(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = %s AND application_name LIKE 'lockgate - %%'",
            [database.name],
        )
    )


TELL = """
from django.db.models import signals
def tell(**rest): pass
signals.{signal}.connect(tell)
"""
CHECK = """
from django.core.checks import Error, register
@register("{tag}")
def check(**rest): return [{found}]
"""
OTHER_MIGRATE = """
from lockgate.management.commands.migrate import Command as Lockgates
class Command(Lockgates): pass
"""
HEARS = "{0} hears of what migrate does, and may do anything"


@pytest.mark.parametrize(
    ("path", "source", "why"),
    [
        ("shop/models.py", TELL.format(signal="post_migrate"), HEARS.format("shop.models.tell")),
        ("shop/models.py", TELL.format(signal="pre_migrate"), HEARS.format("shop.models.tell")),
        ("shop/models.py", TELL.format(signal="post_init"), HEARS.format("shop.models.tell")),
        ("shop/management/__init__.py", TELL.format(signal="post_migrate"), HEARS.format("shop.management.tell")),
        (
            "shop/models.py",
            CHECK.format(tag="models", found='Error("no", id="shop.E1")'),
            "a system check fails: shop.E1",
        ),
        ("shop/models.py", CHECK.format(tag="database", found=""), "a system check of shop.models asks the database"),
    ],
    ids=["post_migrate", "pre_migrate", "rows", "management", "a check", "a check of the database"],
)
def test_a_project_that_only_a_run_can_see_to(site: Site, path: str, source: str, why: str) -> None:
    site.migration("0001_initial", CREATE_COUNTER)
    age(site.path)
    built = site.run("lockgate", "snapshot")
    assert built.code == 0, built.text
    (site.path / path).parent.mkdir(exist_ok=True)
    (site.path / path).write_text(source)
    result = site.run("lockgate", "manifest")
    assert f"an empty database needs a full start: {why}" in result.out, result.text
    assert_ordinary(site.run("migrate", "--noinput", LOCKGATE_EXPLAIN_START="1"), why)


def test_another_apps_migrate_is_run_and_not_passed_by(site: Site) -> None:
    site.migration("0001_initial", CREATE_COUNTER)
    folder = site.path / "shop" / "management" / "commands"
    folder.mkdir(parents=True)
    (folder / "__init__.py").touch()
    (folder / "migrate.py").write_text(OTHER_MIGRATE)
    text = (site.path / "site_settings.py").read_text()
    (site.path / "site_settings.py").write_text(f"{text}\nINSTALLED_APPS = ['shop', *INSTALLED_APPS[:-1]]\n")
    prepared(site)
    why = "manage.py migrate is shop's, not Lockgate's"
    assert_ordinary(site.run("migrate", "--noinput", LOCKGATE_EXPLAIN_START="1"), why)


def test_a_migration_of_its_environment_is_left_to_a_run(site: Site) -> None:
    site.migration("0001_initial", CREATE_COUNTER)
    site.migration("0002_own", ADD_COLUMN.format("own"), lockgate_snapshot="False")
    prepared(site)
    assert_ordinary(result := site.run("migrate", "--noinput", LOCKGATE_EXPLAIN_START="1"), "it has not shop.0002_own")
    assert result.code == 0
    assert "applied shop.0002_own" in result.out


AUDITED = (
    "CREATE TABLE audit (id serial PRIMARY KEY, what text); "
    "CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN INSERT INTO audit (what) VALUES (NEW.model);"
    " RETURN NEW; END'; "
    "CREATE TRIGGER note AFTER INSERT ON django_content_type FOR EACH ROW EXECUTE FUNCTION note()"
)
TOKEN = "ALTER TABLE auth_permission ADD COLUMN token uuid DEFAULT gen_random_uuid()"
SECRET = (
    "CREATE TABLE conf (id integer, secret text); INSERT INTO conf VALUES (0, 'quagga'); "
    "CREATE FUNCTION bump() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN UPDATE conf SET id = id + 1; RETURN NEW; END'; "
    "CREATE TRIGGER bump AFTER INSERT ON django_content_type FOR EACH ROW EXECUTE FUNCTION bump()"
)


@pytest.mark.parametrize(
    ("statement", "why"),
    [
        (AUDITED, "rows that post_migrate makes cannot be loaded (23505): a trigger may make more of them"),
        (TOKEN, "post_migrate makes other values each time: public.auth_permission.token"),
        (SECRET, "post_migrate changes rows: INSERT INTO public.conf"),
    ],
    ids=["a trigger", "values by chance", "rows that change"],
)
def test_rows_of_post_migrate_that_are_more_than_added(site: Site, statement: str, why: str) -> None:
    """The snapshot is built all the same, and a run loads it."""
    path = site.migration("0001_initial", CREATE_COUNTER, f"migrations.RunSQL({statement!r})")
    needs = "[('contenttypes', '0002_remove_content_type_name'), ('auth', '0012_alter_user_first_name_max_length')]"
    path.write_text(path.read_text().replace("dependencies = []", f"dependencies = {needs}"))
    age(site.path)
    built = site.run("lockgate", "snapshot")
    assert built.code == 0, built.text
    assert f"starts load it with Django, not without: {why}\n" in built.out
    assert_no_secret(built.text)
    assert site.run("lockgate", "snapshot", "--check").code == 0
    assert site.run("lockgate", "manifest").code == 0
    assert_ordinary(result := site.run("migrate", "--noinput", LOCKGATE_EXPLAIN_START="1"), "is not in it")
    assert (result.code, f"from {SNAPSHOT}" in result.out) == (0, True)


def test_a_receiver_of_djangos_that_is_gone_is_not_stood_in_for(site: Site) -> None:
    site.migration("0001_initial", CREATE_COUNTER)
    age(site.path)
    assert site.run("lockgate", "snapshot").code == 0
    (site.path / "shop" / "apps.py").write_text(
        "from django.apps import AppConfig\n"
        "from django.db.models.signals import post_migrate\n"
        "class Config(AppConfig):\n"
        "    name = 'shop'\n"
        "    def ready(self):\n"
        "        uid = 'django.contrib.auth.management.create_permissions'\n"
        "        assert post_migrate.disconnect(dispatch_uid=uid)\n"
    )
    assert "post_migrate would make something else" in site.run("lockgate", "manifest").out


def test_moments_are_read_in_the_time_zone_of_djangos_sessions(site: Site) -> None:
    """A view is filled when it is loaded, by a session whose settings the database decides over."""
    view = "CREATE MATERIALIZED VIEW days AS SELECT timestamptz '2024-01-01 02:00+00'::date AS day"
    site.migration("0001_initial", CREATE_COUNTER, f"migrations.RunSQL({view!r})")
    prepared(site)
    site.database.execute(f"ALTER DATABASE {site.database.name} SET timezone = 'America/New_York'")
    assert_loaded(site.run("migrate", "--noinput", LOCKGATE_EXPLAIN_START="1"))
    assert str(site.database.value("SELECT day FROM days")) == "2024-01-01"


def test_permissions_that_have_changed_since_are_not_loaded(site: Site) -> None:
    site.migration("0001_initial", CREATE_COUNTER)
    age(site.path)
    assert site.run("lockgate", "snapshot").code == 0
    (site.path / "shop" / "models.py").write_text(
        "from django.db import models\nclass Told(models.Model):\n"
        "    class Meta:\n        managed = False\n        permissions = [('tell', 'Can tell')]\n"
    )
    assert "post_migrate would make something else" in site.run("lockgate", "manifest").out
    assert_ordinary(result := site.run("migrate", "--noinput", LOCKGATE_EXPLAIN_START="1"), "something else")
    assert result.code == 0


def test_rows_that_migrations_made_of_what_post_migrate_makes(site: Site) -> None:
    """A migration that makes content types itself: post_migrate adds to them, and the load does too."""
    site.migration(
        "0001_initial",
        CREATE_COUNTER,
        "migrations.RunSQL(\"INSERT INTO django_content_type (app_label, model) VALUES ('shop', 'counter')\")",
    )
    path = site.path / "shop" / "migrations" / "0001_initial.py"
    path.write_text(path.read_text().replace("dependencies = []", "dependencies = [('contenttypes', '__latest__')]"))
    shop = Quick(prepared(site), site.database)
    assert_loaded(shop.start())
    assert_whole(shop)


def test_a_role_that_may_not_create_is_explained_by_the_ordinary_path(shop: Quick) -> None:
    role = f"reader_{shop.database.name}"
    shop.database.execute(
        f"CREATE ROLE {role} LOGIN PASSWORD '{roles.PASSWORD}'", "REVOKE CREATE ON SCHEMA public FROM PUBLIC"
    )
    try:
        result = shop.start(DATABASE_URL=shop.database.url_as(role, roles.PASSWORD))
        assert_ordinary(result, "the server refuses a statement (42501)")
        assert (result.code, is_empty(shop.database)) == (1, True)
    finally:
        shop.database.execute(f"DROP ROLE {role}")


# --- it is interrupted


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_in_the_middle_leaves_nothing_and_is_told(slow: Quick, number: int) -> None:
    process = slow.site.start("migrate", "--noinput")
    until(lambda: sleeping(slow.database), "the load has come to the view")
    process.send_signal(number)
    result = finish(process)
    name = signal.Signals(number).name
    assert (result.code, result.out) == (1, "")
    assert result.err == f"error: interrupted by {name}\n  state  nothing was changed\n  next   run again\n"
    until(lambda: lock_is_free(slow.database), "the lock is free")
    assert is_empty(slow.database)
    nap(slow.database, 0)
    assert_loaded(slow.start())
    assert_whole(slow)


def test_killed_before_and_after_every_statement_it_is_all_or_nothing(shop: Quick) -> None:
    """And so it is where the backend is ended: then the full start goes on at once."""
    assert_loaded(shop.start())
    with on_the_wire() as watched, another() as database:
        assert shop.start(DATABASE_URL=watched.url(database.name)).err == LOADED
        statements = len(watched.watch.statements)
    assert statements > 10
    before, after = (
        [struck(shop, Watch(at, moment), killed=True) for at in range(statements)]
        for moment in (Moment.BEFORE, Moment.AFTER)
    )
    assert before == [False] * statements
    assert after == [False] * (statements - 1) + [True]  # the last is the commit
    ended = range(0, statements, 4)
    assert all(
        struck(shop, Watch(at, moment), killed=False) for at in ended for moment in (Moment.BEFORE, Moment.AFTER)
    )


def struck(shop: Quick, watch: Watch, *, killed: bool) -> bool:
    """Whether a run that is killed there, or whose backend is ended there, leaves all; otherwise it leaves nothing."""
    with another() as database, on_the_wire(watch) as watched:
        process = watch.started(
            lambda: shop.site.start("migrate", "--noinput", DATABASE_URL=watched.url(database.name)),
            lambda process, backend: process.kill() if killed else terminate(backend),
        )
        result = finish(process)
        assert watch.struck
        assert result.code == (-signal.SIGKILL if killed else 0), result.text
        until(lambda: lock_is_free(database), "the lock is free")
        left = bool(database.applied())
        assert left or is_empty(database)
        again = shop.start(DATABASE_URL=database.url)
        assert (again.code, again.err) == (0, TAKEN if left else LOADED), again.text
        assert schema.differences(shop.database, database) == []
        return left


def terminate(backend: int) -> None:
    with databases.admin() as connection:
        connection.execute("SELECT pg_terminate_backend(%s, 10000)", [backend])


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_while_it_commits_does_not_keep_it_from_saying_so(shop: Quick, number: int) -> None:
    with on_the_wire() as watched, another() as database:
        assert shop.start(DATABASE_URL=watched.url(database.name)).err == LOADED
        commit = len(watched.watch.statements) - 1
    watch = Watch(commit, Moment.AFTER)
    with on_the_wire(watch) as watched:
        url = watched.url(shop.database.name)
        process = watch.started(
            lambda: shop.site.start("migrate", "--noinput", DATABASE_URL=url, LOCKGATE_EXPLAIN_START="1"),
            lambda process, backend: process.send_signal(number),
        )
        result = finish(process)
    assert watch.struck
    # The relay keeps the answer to itself, so it is the full start that finds all of it there.
    assert_ordinary(result, "")
    assert (result.code, result.out.splitlines()[-1]) == (0, "nothing to migrate")
    assert shop.start().err == TAKEN


def test_a_killed_load_does_not_go_on_in_the_server(tmp_path: Path, database: Database) -> None:
    """It would hold the lock meanwhile."""
    site = Site(tmp_path / "site", database)
    site.migration("0001_initial", CREATE_COUNTER, SLOW.format("60 * (current_database() = 'NAME')::int"))
    path = site.path / "shop" / "migrations" / "0001_initial.py"
    path.write_text(path.read_text().replace("NAME", database.name))
    prepared(site)
    process = site.start("migrate", "--noinput")
    until(lambda: sleeping(database), "the load has come to the view")
    process.kill()
    finish(process)
    until(lambda: lock_is_free(database), "the lock is free")


def test_a_backend_that_is_ended_in_the_middle_is_followed_by_the_ordinary_path(slow: Quick) -> None:
    process = slow.site.start("migrate", "--noinput", LOCKGATE_EXPLAIN_START="1")
    until(lambda: sleeping(slow.database), "the load has come to the view")
    nap(slow.database, 0)
    slow.database.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        f"WHERE datname = '{slow.database.name}' AND wait_event = 'PgSleep'"
    )
    result = finish(process)
    assert result.code == 0, result.text
    assert_ordinary(result, "")
    assert f"from {SNAPSHOT}" in result.out  # through Django
    assert_whole(slow)
