"""The fast path never says "current" when it is not, and it is taken where it should be."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from ctypes.util import find_library
from pathlib import Path

import pytest

from lockgate.manifest import manifest_file
from project import embedded
from tests.support import databases, relays, roles, servers
from tests.support.libpqs import ANOTHER
from tests.support.processes import kill_at, running, until
from tests.support.quick import TAKEN, Quick, age, assert_ordinary, assert_quick, quick
from tests.support.relays import relay
from tests.support.servers import Cluster, assert_no_secret
from tests.support.sites import ADD_COLUMN, CREATE_COUNTER, Site, finish
from tests.support.sweep_wire import on_the_wire

CHANGED = "not in the state that this manifest describes"


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Quick]:
    with quick(tmp_path_factory.mktemp("quick")) as new_quick:
        yield new_quick


@pytest.fixture
def shop(shared: Quick) -> Iterator[Quick]:
    """A site whose database and manifest agree."""
    with shared.borrowed() as found_quick:
        yield found_quick


# --- it is taken


def test_nothing_pending_is_answered_without_django(shop: Quick) -> None:
    assert_quick(shop.start())


@pytest.mark.parametrize(
    "arguments",
    [("migrate",), ("migrate", "--no-input"), ("migrate", "--noinput", "--log-format", "text")],
    ids=" ".join,
)
def test_it_knows_what_an_entrypoint_asks(shop: Quick, arguments: tuple[str, ...]) -> None:
    assert_quick(shop.start(*arguments))


def test_it_says_nothing_but_the_line_unless_it_is_asked_to(shop: Quick) -> None:
    result = shop.start(LOCKGATE_EXPLAIN_START=None)
    assert (result.code, result.out, result.err) == (0, "nothing to migrate\n", "")


def test_its_json_is_that_of_an_ordinary_start(shop: Quick) -> None:
    arguments = ("migrate", "--noinput", "--log-format=json")
    fast, slow = shop.start(*arguments), shop.start(*arguments, "--skip-checks")
    assert fast.err == TAKEN
    ordinary = json.loads(slow.out.splitlines()[-1])
    document = json.loads(fast.out)
    assert document["time"] < ordinary["time"]
    assert {**document, "time": ""} == {**ordinary, "time": ""}
    assert list(document) == list(ordinary)
    assert len(document["time"]) == len(ordinary["time"])


def test_check_is_silent_as_django_is(shop: Quick) -> None:
    result = shop.start("migrate", "--check")
    assert (result.code, result.out, result.err) == (0, "", TAKEN)


def test_lockgate_wait_asks_the_same(shop: Quick) -> None:
    fast, slow = shop.start("lockgate", "wait"), shop.start("lockgate", "wait", "--timeout-seconds", "9")
    assert (fast.code, fast.err) == (0, TAKEN)
    assert (slow.code, re.sub("[0-9.]+ s", "0.0 s", slow.out)) == (0, fast.out)
    as_json = [shop.start("lockgate", "wait", "--log-format", "json", *more).out for more in ((), ("-v", "1"))]
    first, second = map(json.loads, as_json)
    assert {**first, "time": "", "waited_seconds": 0, "message": ""} == {
        **second,
        "time": "",
        "waited_seconds": 0,
        "message": "",
    }


@pytest.mark.parametrize("flags", [("-P",), ("-W", "ignore"), ("-X", "utf8")], ids=" ".join)
def test_how_python_is_started_does_not_matter(shop: Quick, flags: tuple[str, ...]) -> None:
    command = [sys.executable, *flags, str(shop.path / "manage.py"), "migrate"]
    environ = shop.site.environment({"LOCKGATE_EXPLAIN_START": "1"})
    done = subprocess.run(command, check=False, cwd="/", env=environ, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "nothing to migrate\n", TAKEN)


def test_it_is_one_connection_and_one_statement_and_nothing_is_left(shop: Quick) -> None:
    with on_the_wire() as watched:
        assert_quick(shop.start(DATABASE_URL=watched.url(shop.database.name)))
        assert len(watched.watch.statements) == 1
        assert watched.relay.connections == 1
    until(lambda: servers.sessions(shop.database) == [], "the session is gone")


def test_thirty_two_starts_at_once_all_take_it(shop: Quick) -> None:
    started = [shop.site.start("migrate", "--noinput", LOCKGATE_EXPLAIN_START="1") for _ in range(32)]
    for process in started:
        assert_quick(finish(process))


def test_a_manifest_elsewhere_is_named_by_a_variable(shop: Quick, tmp_path: Path) -> None:
    elsewhere = shop.manifest.rename(tmp_path / "manifest")
    assert_ordinary(shop.start(), "the manifest: there is none")
    assert_quick(shop.start(LOCKGATE_MANIFEST=str(elsewhere)))


def test_a_password_from_the_environment_and_a_name_of_the_sessions_own(shop: Quick) -> None:
    with servers.running() as own:
        database = own.database()
        url = database.url_as(application_name="mine")
        assert shop.start(DATABASE_URL=url).code == 0
        assert_quick(shop.start(DATABASE_URL=url))
        assert_quick(shop.start(DATABASE_URL=re.sub(":[^:@]+@", "@", url), PGPASSWORD=servers.PASSWORD))
        two = url.replace(f"127.0.0.1:{own.port}", f"127.0.0.1:{servers.free_port()},127.0.0.1:{own.port}")
        assert_quick(shop.start(DATABASE_URL=two))


# --- the database says something else


def test_a_row_that_is_gone_is_applied_again(shop: Quick) -> None:
    shop.database.execute("DELETE FROM django_migrations WHERE name = '0002_seed'")
    result = shop.start()
    assert_ordinary(result, CHANGED)
    assert "applied shop.0002_seed" in result.out
    assert_quick(shop.start())


def test_a_row_of_another_release_is_named(shop: Quick) -> None:
    shop.database.execute("INSERT INTO django_migrations (app, name, applied) VALUES ('shop', '0003_newer', now())")
    result = shop.start()
    assert_ordinary(result, CHANGED)
    assert "shop.0003_newer" in result.err


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE django_migrations SET name = '0002_sead' WHERE name = '0002_seed'",
        "UPDATE django_migrations SET applied = applied + interval '1 microsecond' WHERE name = '0002_seed'",
        "UPDATE django_migrations SET id = 1000 WHERE name = '0002_seed'",
        "INSERT INTO django_migrations (app, name, applied) SELECT app, name, applied FROM django_migrations LIMIT 1",
        "DELETE FROM lockgate_checkpoint",
        "UPDATE lockgate_run SET outcome = 'failed'",
        "UPDATE lockgate_run SET outcome = 'running'",
        "UPDATE lockgate_run SET release_digest = ''",
        "DROP TABLE lockgate_checkpoint",
        "TRUNCATE lockgate_run CASCADE",
    ],
)
def test_any_other_row_leads_to_the_ordinary_path(shop: Quick, change: str) -> None:
    shop.database.execute(change)
    assert_ordinary(shop.start(), "the database is not in the state" if "DROP" not in change else "the server refuses")


@pytest.mark.parametrize(
    ("state", "phase", "committed", "open_"),
    [
        ("planned", "finish", True, True),
        ("running", "finish", True, True),
        ("failed", "finish", True, True),
        ("done", "expand", False, True),
        ("done", "finish", True, False),
        ("undone", "expand", False, False),
        ("planned", "contract", True, False),
    ],
)
def test_a_step_that_is_unfinished(shop: Quick, state: str, phase: str, committed: bool, open_: bool) -> None:
    shop.database.execute(
        "INSERT INTO lockgate_journalentry (run_id, app, name, ordinal, phase, title, kind, committed, state)"
        f" SELECT id, 'shop', '0002_seed', 0, '{phase}', 't', 'k', {committed}, '{state}' FROM lockgate_run LIMIT 1"
    )
    result = shop.start()
    assert_ordinary(result, CHANGED) if open_ else assert_quick(result)


def test_a_run_that_died_in_post_migrate_is_finished_first(shop: Quick) -> None:
    name = {"LOCKGATE_RELEASE": "next"}  # of which no run has finished
    dying = shop.site.start("migrate", "--noinput", **name, SHOP_LINGERS="1")
    kill_at(dying, shop.database, "lingering")
    finish(dying)
    result = shop.start(**name)
    assert_ordinary(result, CHANGED)
    assert "done: 0 migrations" in result.out
    assert_quick(shop.start(**name))


def test_a_run_under_way_is_waited_for(shop: Quick) -> None:
    name = {"LOCKGATE_RELEASE": "next"}
    working = shop.site.start("migrate", "--noinput", **name, SHOP_LINGERS="1")
    until(lambda: running(shop.database, "lingering"), "post_migrate")
    second = shop.start("migrate", "--noinput", "--log-format", "json", **name, LOCKGATE_LOCK_WAIT_SECONDS="0.1")
    assert_ordinary(second, CHANGED)
    assert second.code == 1
    kill_at(working, shop.database, "lingering", signal.SIGTERM)
    finish(working)


def test_a_failed_run_leaves_nothing_to_agree_with(shop: Quick) -> None:
    shop.site.migration("0003_bad", 'migrations.RunSQL("SELECT 1/0", migrations.RunSQL.noop)')
    age(shop.path)
    assert shop.site.run("lockgate", "manifest").code == 0
    for _ in range(2):
        result = shop.start()
        assert_ordinary(result, CHANGED)
        assert result.code == 1


def test_a_backup_of_an_older_state(shop: Quick, tmp_path: Path) -> None:
    programs = embedded.programs(max(embedded.VERSIONS))
    dump = str(tmp_path / "dump")
    subprocess.run([programs / "pg_dump", "-Fc", "-f", dump, shop.database.url], check=True)
    shop.site.migration("0003_more", ADD_COLUMN.format("more"))
    age(shop.path)
    assert shop.site.run("lockgate", "manifest").code == 0
    assert "applied shop.0003_more" in shop.start().out
    assert_quick(shop.start())
    restored = databases.create()
    try:
        command = [programs / "pg_restore", "--no-owner", "-d", restored.url, dump]
        subprocess.run(command, check=False, stderr=subprocess.DEVNULL)  # settings that an older server does not know
        assert len(restored.applied()) == len(shop.database.applied()) - 1
        result = shop.start(DATABASE_URL=restored.url)
        assert_ordinary(result, CHANGED)
        assert "applied shop.0003_more" in result.out
    finally:
        restored.drop()


def test_migrating_back_and_forth_is_looked_at_by_the_ordinary_path(shop: Quick) -> None:
    assert shop.start("migrate", "shop", "0001").code == 0
    assert_ordinary(shop.start("migrate", "--check"), CHANGED)
    assert shop.start("migrate", "shop", "0002").code == 0
    assert_ordinary(shop.start(), CHANGED)


def test_another_release_name_is_another_release(shop: Quick) -> None:
    for name in ("2026.12", "  a name,\twith “quotes”  ", "x" * 200):
        result = shop.start(LOCKGATE_RELEASE=name)
        assert_ordinary(result, CHANGED)
        assert "done: 0 migrations" in result.out
        assert_quick(shop.start(LOCKGATE_RELEASE=name))
    assert_quick(shop.start(LOCKGATE_RELEASE=""))


def test_a_wanted_extension_that_is_missing(shop: Quick) -> None:
    shop.site.lockgate = {"EXTENSIONS": ["hstore"]}
    shop.site.write_settings()
    age(shop.path)
    assert shop.site.run("lockgate", "manifest").code == 0
    result = shop.start()
    shop.site.lockgate = {}
    if shop.database.value("SELECT count(*) FROM pg_available_extensions WHERE name = 'hstore'"):
        assert_ordinary(result, CHANGED)
        assert shop.database.value("SELECT count(*) FROM pg_extension WHERE extname = 'hstore'") == 1
        assert_quick(shop.start())
        shop.database.execute("DROP EXTENSION hstore")
    assert_ordinary(shop.start(), CHANGED)


@pytest.mark.parametrize("where", ["url", "role", "database"])
def test_another_search_path_is_another_place(shop: Quick, where: str) -> None:
    database, url = shop.database, shop.database.url
    database.execute("CREATE SCHEMA elsewhere")
    role = f"lg_{database.name}"
    if where == "url":
        url += "&options=-csearch_path%3Delsewhere"
    elif where == "role":
        database.execute(
            f"CREATE ROLE {role} SUPERUSER LOGIN PASSWORD '{roles.PASSWORD}'",
            f"ALTER ROLE {role} SET search_path = elsewhere",
        )
        url = database.url_as(role, roles.PASSWORD)
    else:
        database.execute(f"ALTER DATABASE {database.name} SET search_path = elsewhere")
    try:
        result = shop.start(DATABASE_URL=url)
        assert_ordinary(result, "the server refuses the question")
        assert "applied shop.0002_seed" in result.out
        assert_quick(shop.start(DATABASE_URL=url))
    finally:
        if where == "role":
            database.execute(f"DROP OWNED BY {role}", f"DROP ROLE {role}")


# --- the release is not what the manifest says


def rewrite(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


CHANGES: dict[str, tuple[Callable[[Quick], object], str]] = {
    "a migration edited": (
        lambda shop: rewrite(shop.path / "shop/migrations/0002_seed.py", "(0)", "(7)"),
        "0002_seed.py has changed",
    ),
    "a migration added": (
        lambda shop: shop.site.migration("0003_more", ADD_COLUMN.format("more")),
        "0003_more.py is new",
    ),
    "a migration removed": (lambda shop: (shop.path / "shop/migrations/0002_seed.py").unlink(), "0002_seed.py is gone"),
    "a migration renamed": (
        lambda shop: (shop.path / "shop/migrations/0002_seed.py").rename(shop.path / "shop/migrations/0002_sown.py"),
        "0002_sown.py is new",
    ),
    "another file among migrations": (
        lambda shop: (shop.path / "shop/migrations/rows.sql").write_text(""),
        "rows.sql is new",
    ),
    "models edited": (
        lambda shop: rewrite(shop.path / "shop/models.py", "linger", "dawdle"),
        "models.py has changed",
    ),
    "settings edited": (
        lambda shop: rewrite(shop.path / "site_settings.py", "USE_TZ = True", "USE_TZ = 1"),
        "site_settings.py has changed",
    ),
    "manage.py edited": (lambda shop: rewrite(shop.path / "manage.py", "import os", "import os, io"), "manage.py has"),
    "a file that settings read": (lambda shop: (shop.path / "labels.txt").write_text("two"), "labels.txt has changed"),
    "a file that settings looked for": (lambda shop: (shop.path / "local.txt").write_text("x"), "local.txt is new"),
    "a module before another": (
        lambda shop: (shop.path / "dj_database_url.py").write_text(""),
        "dj_database_url.py is new",
    ),
    "a package before another": (lambda shop: package(shop.path / "psycopg"), "psycopg is new"),
    "the manifest is gone": (lambda shop: shop.manifest.unlink(), "there is none"),
    "half a manifest": (lambda shop: shop.manifest.write_text(shop.manifest.read_text()[:-500]), "not all of one"),
    "an empty manifest": (lambda shop: shop.manifest.write_text(""), "not a manifest"),
    "no text": (lambda shop: shop.manifest.write_bytes(b"\xff\xfe\x00" * 99), "it cannot be read"),
    "another JSON": (lambda shop: shop.manifest.write_text('{"format": 1}\n'), "not a manifest"),
    "a damaged manifest": (lambda shop: rewrite(shop.manifest, '"variable', '"variably'), "it is damaged"),
    "another format": (lambda shop: rewrite(shop.manifest, '"format 1"', '"format 2"'), "another format"),
}


def package(path: Path) -> None:
    path.mkdir()
    (path / "__init__.py").touch()


@pytest.mark.parametrize("name", CHANGES)
def test_a_release_that_is_not_the_manifests(shop: Quick, name: str) -> None:
    change, why = CHANGES[name]
    change(shop)
    assert_ordinary(shop.start("migrate", "--check"), why)


def test_an_edit_of_the_same_length_is_seen_by_its_time(shop: Quick) -> None:
    path = shop.path / "shop/migrations/0002_seed.py"
    rewrite(path, "(0)", "(7)")
    assert_ordinary(shop.start(), "0002_seed.py has changed")


def test_an_edit_with_its_time_put_back_is_seen_where_the_file_was_young(shop: Quick) -> None:
    """Younger than two seconds when the manifest was made: nobody could tell by the time stamp."""
    path = shop.path / "shop/migrations/0002_seed.py"
    tomorrow = time.time() + 86400
    os.utime(path, (tomorrow, tomorrow))
    assert shop.site.run("lockgate", "manifest").code == 0
    assert_quick(shop.start())
    rewrite(path, "(0)", "(7)")
    os.utime(path, (tomorrow, tomorrow))
    assert_ordinary(shop.start(), "0002_seed.py has changed")


def test_a_file_that_is_only_touched_or_copied_is_the_same(shop: Quick) -> None:
    for path in shop.path.rglob("*.py"):
        path.touch()
    assert_quick(shop.start())


def test_times_cut_to_the_second_are_the_same_and_no_other_cut_is(shop: Quick) -> None:
    path = shop.path / "shop/migrations/0002_seed.py"
    at = path.stat().st_mtime_ns
    assert at % 10**9
    os.utime(path, ns=(at, at - at % 10**9))
    assert_quick(shop.start())
    rewrite(path, "(0)", "(7)")  # the same size: only its time could tell
    os.utime(path, ns=(at, at - at % 10**6))
    assert_ordinary(shop.start(), "0002_seed.py has changed")


def test_a_migration_that_was_edited_after_it_was_applied_is_named_under_a_new_manifest_too(shop: Quick) -> None:
    rewrite(shop.path / "shop/migrations/0002_seed.py", "(0)", "(7)")
    age(shop.path)
    assert shop.site.run("lockgate", "manifest").code == 0
    result = shop.start()
    assert_ordinary(result, CHANGED)
    assert "shop.0002_seed" in result.err


def test_a_migration_that_was_only_reformatted_is_the_same_release(shop: Quick) -> None:
    rewrite(shop.path / "shop/migrations/0002_seed.py", "class Migration", "# nothing but a comment\nclass Migration")
    age(shop.path)
    assert shop.site.run("lockgate", "manifest").code == 0
    assert_quick(shop.start())


def test_a_manifest_from_another_build(shop: Quick) -> None:
    text = shop.manifest.read_text()
    shop.site.migration("0003_more", ADD_COLUMN.format("more"))
    age(shop.path)
    assert shop.site.run("lockgate", "manifest").code == 0
    result = shop.start()
    assert_ordinary(result, CHANGED)
    assert "applied shop.0003_more" in result.out
    shop.manifest.write_text(text)
    assert_ordinary(shop.start(), "0003_more.py is new")


@pytest.mark.parametrize(
    ("environment", "why"),
    [
        ({"SHOP_FLAG": "on"}, "the settings read SHOP_FLAG"),
        ({"DJANGO_SETTINGS_MODULE": "other_settings"}, "made under other settings"),
        ({"LOCKGATE_WAIT_SECONDS": "soon"}, "LOCKGATE_WAIT_SECONDS cannot be read"),
        ({"LOCKGATE_ON_AHEAD": "maybe"}, "LOCKGATE_ON_AHEAD cannot be read"),
        ({"LOCKGATE_ONLINE": "perhaps"}, "LOCKGATE_ONLINE cannot be read"),
        ({"LOCKGATE_LARGE_TABLE_BYTES": "-1"}, "LOCKGATE_LARGE_TABLE_BYTES cannot be read"),
        ({"DATABASE_URL": None}, "DATABASE_URL is not set"),
        ({"DATABASE_URL": "sqlite:///x"}, "names no PostgreSQL"),
        ({"DATABASE_URL": "postgresql://localhost"}, "has no path"),
        ({"DATABASE_URL": "postgresql:///x?options=-c+search_path%3Dx"}, "not everybody reads alike"),
        ({"DATABASE_URL": "postgresql:///x?assume_role=me"}, "libpq does not take DATABASE_URL"),
        ({"PYTHONPATH": "/usr"}, ""),
        ({"PYTHONOPTIMIZE": "1"}, "made by another Python"),
    ],
    ids=lambda value: str(value)[:50],
)
def test_another_environment_is_another_start(shop: Quick, environment: dict[str, str | None], why: str) -> None:
    if "PYTHONPATH" in environment:
        environment, why = {"PYTHONPATH": f"{shop.site.environment({})['PYTHONPATH']}:/usr"}, "sys.path is another one"
    waits = {"LOCKGATE_LOCK_WAIT_SECONDS": "3", "LOCKGATE_WAIT_SECONDS": "0.5"}
    assert_ordinary(shop.start(**{**waits, **environment}), why)


def test_good_values_of_our_own_variables_are_no_reason(shop: Quick) -> None:
    given = {"LOCKGATE_WAIT_SECONDS": "2.5", "LOCKGATE_ON_AHEAD": "refuse", "LOCKGATE_ONLINE": "off"}
    assert_quick(shop.start(**given, LOCKGATE_LARGE_TABLE_BYTES="9"))


@pytest.mark.parametrize(
    "arguments",
    [
        ("--plan",),
        ("--fake",),
        ("--run-syncdb",),
        ("--database", "default"),
        ("--verbosity", "1"),
        ("--skip-checks",),
        ("--settings", "site_settings"),
        ("--contract",),
        ("--noinp",),
        ("--log-format", "xml"),
        ("--log-format",),
        ("shop",),
        ("shop", "0002"),
        ("--prune", "shop"),
        ("--help",),
    ],
    ids=" ".join,
)
def test_whoever_asks_for_more_gets_the_ordinary_path(shop: Quick, arguments: tuple[str, ...]) -> None:
    assert_ordinary(
        shop.start("migrate", "--noinput", *arguments), "log-format" if "--log-format" in arguments else "asks"
    )


# --- the server does not answer


def test_a_wrong_password_is_explained_by_the_ordinary_path(shop: Quick, cluster: Cluster) -> None:
    url = cluster.database().url_as(password=servers.WRONG_PASSWORD)
    result = shop.start(DATABASE_URL=url)
    assert_ordinary(result, "the server cannot be connected to")
    assert result.code == 1
    assert "error: cannot connect: " in result.err
    assert_no_secret(result.text)


def test_a_server_that_is_down_is_waited_for_as_ever(shop: Quick) -> None:
    url = f"postgresql://nobody@127.0.0.1:{servers.free_port()}/none"
    result = shop.start(DATABASE_URL=url, LOCKGATE_WAIT_SECONDS="0.5")
    assert_ordinary(result, "the server cannot be connected to")
    assert "waiting for the server: nothing answers there yet" in result.out
    assert result.code == 1


def test_a_server_that_never_answers_costs_five_seconds_and_then_the_ordinary_path(shop: Quick) -> None:
    with relay(relays.silent) as mute:
        url = f"postgresql://nobody@127.0.0.1:{mute.port}/none"
        result = shop.start(DATABASE_URL=url, LOCKGATE_WAIT_SECONDS="0.5", LOCKGATE_CONNECT_TIMEOUT_SECONDS="1")
    assert_ordinary(result, "did not answer in time")
    assert result.code == 1


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 1), (signal.SIGTERM, -signal.SIGTERM)])
def test_a_signal_ends_it_without_a_traceback(shop: Quick, number: signal.Signals, code: int) -> None:
    with relay(relays.silent) as mute:
        process = shop.site.start("migrate", DATABASE_URL=f"postgresql://nobody@127.0.0.1:{mute.port}/none")
        until(lambda: mute.connections, "it has connected")
        time.sleep(0.1)
        process.send_signal(number)
        result = finish(process)
    assert result.code == code
    assert "Traceback" not in result.text


def test_a_warning_of_the_servers_is_not_passed_on(shop: Quick) -> None:
    shop.database.execute(
        "CREATE FUNCTION loud() RETURNS boolean LANGUAGE plpgsql AS $$BEGIN RAISE WARNING 'loud'; RETURN true; END$$",
        "ALTER TABLE lockgate_checkpoint RENAME TO quiet",
        "CREATE VIEW lockgate_checkpoint AS SELECT * FROM quiet WHERE loud()",
    )
    assert_quick(shop.start())


# --- projects that it is not for


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        (
            'DATABASES["default"]["OPTIONS"] = {"options": "-c search_path=public"}',
            '"options"] is not what',
        ),
        (
            'DATABASES["default"].setdefault("OPTIONS", {})["sslmode"] = "prefer"',
            '"sslmode"] is not what',
        ),
        ('DATABASES["default"]["NAME"] += "x"', '["NAME"] is not what DATABASE_URL says'),
        ('DATABASES["default"]["ENGINE"] = "quaint"', "the engine quaint may do more than connect"),
        ("import os\nEVERYTHING = dict(os.environ)", "reads the whole environment"),
        ("import subprocess\nsubprocess.run(['true'])", "runs a program"),
        ("import subprocess\nsubprocess.run(['/sbin/ldconfig', '-v', '-N', '-X'])", "runs a program"),
        ("import socket\nsocket.getaddrinfo('127.0.0.1', 1)", "asks the network"),
        ("import os\nKEY = os.environ.get('API_KEY')", "keeps nothing of what may be secret"),
        ("import os\nSMTP = os.environ.get('SMTP_PWD')", "SMTP_PWD was set at build"),
        ("import os\nDSN = os.environ.get('SHOP_DSN')", "SHOP_DSN was set at build"),
        (
            "from django.db.backends.signals import connection_created\n"
            "def hear(**kwargs): pass\nconnection_created.connect(hear)",
            "a receiver of connection_created",
        ),
    ],
    ids=lambda value: value[:40],
)
def test_a_project_that_no_manifest_can_stand_for(tmp_path: Path, site: Site, settings: str, why: str) -> None:
    """The manifest is written, says so, and is not trusted."""
    package(site.path / "quaint")
    (site.path / "quaint" / "base.py").write_text("from django.db.backends.postgresql.base import *\n")
    site.migration("0001_initial", CREATE_COUNTER)
    site.extra_settings = settings
    site.write_settings()
    age(site.path)
    secrets = {"API_KEY": "hemlock", "SMTP_PWD": "hemlock", "SHOP_DSN": "hemlock"}
    built = site.run("lockgate", "manifest", **secrets)
    assert built.code == 0, built.text
    assert why in built.out
    assert_nothing_of(site, "hemlock")
    assert_ordinary(site.run("migrate", "--check", LOCKGATE_EXPLAIN_START="1", **secrets), why)
    checked = site.run("lockgate", "manifest", "--check", **secrets)
    assert checked.code == 1
    assert why in checked.err


def assert_nothing_of(site: Site, secret: str) -> None:
    """The manifest has neither a secret nor a digest on which guesses could be tried, though it has the key."""
    path = site.path / "lockgate-manifest.json"
    text, salt = path.read_text(), manifest_file.read(str(path)).one("salt")
    assert secret not in text
    assert manifest_file.digest(salt, secret.encode()) not in text


def test_of_a_file_that_is_no_code_no_digest_is_kept(tmp_path: Path, site: Site) -> None:
    """A start compares its size and time of change."""
    site.extra_settings = "from pathlib import Path\nSECRET = (Path(__file__).parent / '.env').read_text()"
    site.write_settings()
    (site.path / ".env").write_text("hemlock")
    site.migration("0001_initial", CREATE_COUNTER)
    age(site.path)
    assert site.migrate().code == 0
    assert site.run("lockgate", "manifest").code == 0
    assert_nothing_of(site, "hemlock")
    assert_quick(site.run("migrate", LOCKGATE_EXPLAIN_START="1"))
    (site.path / ".env").write_text("hamlets")
    assert_ordinary(site.run("migrate", LOCKGATE_EXPLAIN_START="1"), ".env has changed")


def test_a_variable_that_is_said_to_be_no_secret_is_compared(tmp_path: Path, site: Site) -> None:
    site.lockgate = {"MANIFEST_VARIABLES": ["SHOP_REGION"]}
    site.extra_settings = "import os\nREGION = os.environ.get('SHOP_REGION')"
    site.write_settings()
    site.migration("0001_initial", CREATE_COUNTER)
    age(site.path)
    assert site.migrate().code == 0
    assert site.run("lockgate", "manifest", SHOP_REGION="north").code == 0
    assert_quick(site.run("migrate", LOCKGATE_EXPLAIN_START="1", SHOP_REGION="north"))
    changed = site.run("migrate", LOCKGATE_EXPLAIN_START="1", SHOP_REGION="south")
    assert_ordinary(changed, "the settings read SHOP_REGION, which is another one now")


def test_a_router_that_would_keep_the_ledger_away_has_no_say(tmp_path: Path, site: Site) -> None:
    router = (
        "class Router:\n    def allow_migrate(self, db, app_label, **hints):\n        return app_label != 'lockgate'\n"
    )
    site.path.joinpath("routing.py").write_text(router)
    site.extra_settings = 'DATABASE_ROUTERS = ["routing.Router"]'
    site.write_settings()
    site.migration("0001_initial", CREATE_COUNTER)
    age(site.path)
    assert site.migrate().code == 0
    assert site.run("lockgate", "manifest").code == 0
    assert_quick(site.run("migrate", LOCKGATE_EXPLAIN_START="1"))


@pytest.mark.parametrize(
    ("later", "why"),
    [("migrations.py", "migrations.py has changed"), ("migrations/__init__.py", "plain/migrations is new")],
)
def test_an_app_whose_migrations_are_a_module_has_none(site: Site, later: str, why: str) -> None:
    """As Django has it: only a package can have any."""
    (plain := site.path / "plain").mkdir()
    (plain / "__init__.py").touch()
    (plain / "migrations.py").write_text("HOW = 'by hand'\n")
    site.apps = (*site.apps, "plain")
    site.write_settings()
    site.migration("0001_initial", CREATE_COUNTER)
    age(site.path)
    for command in (
        (
            "lockgate",
            "manifest",
        ),
        ("migrate", "--noinput"),
    ):
        result = site.run(*command)
        assert result.code == 0, result.text
    explain = {"LOCKGATE_EXPLAIN_START": "1"}
    assert_quick(site.migrate(**explain))
    (plain / later).parent.mkdir(exist_ok=True)
    (plain / later).write_text("HOW = 'by ourselves'\n")
    assert_ordinary(site.migrate(**explain), why)


LOADED = f"import ctypes\nctypes.CDLL({ANOTHER!r})"
LOOKED_FOR = "from ctypes.util import find_library\nPLACE = find_library('c')"
needs_libpq = pytest.mark.skipif(not find_library("pq"), reason="the system has no libpq")


@pytest.mark.parametrize(
    ("settings", "implementation"),
    [
        (LOADED, ""),  # as GDAL, which is linked with the system's libpq
        (LOOKED_FOR, ""),  # as GeoDjango looks for GDAL and GEOS
        pytest.param("", "python", marks=needs_libpq),
        pytest.param(LOADED, "python", marks=needs_libpq),
    ],
)
def test_a_second_libpq_or_one_that_is_looked_for_is_no_reason(site: Site, settings: str, implementation: str) -> None:
    site.extra_settings = settings
    site.write_settings()
    site.migration("0001_initial", CREATE_COUNTER)
    age(site.path)
    environment = {"LOCKGATE_EXPLAIN_START": "1", "PSYCOPG_IMPL": implementation or None}
    built = site.run("lockgate", "manifest", **environment)
    assert (built.code, built.out.count("\n")) == (0, 1), built.text
    assert_ordinary(site.migrate(**environment), "")
    assert_quick(site.migrate(**environment))
    # What the answer to such a question rests on is compared.
    asked = "LOOKED" if settings == LOOKED_FOR else implementation
    manifest = (site.path / "lockgate-manifest.json").read_text()
    assert ('"folder named /etc ld.so.cache:' in manifest) == bool(asked)
    if implementation:
        assert_ordinary(site.migrate(LOCKGATE_EXPLAIN_START="1"), "PSYCOPG_IMPL")


def test_what_a_project_says_does_not_matter_is_not_compared(tmp_path: Path, site: Site) -> None:
    site.lockgate = {"MANIFEST_IGNORES": ["API_KEY", str(site.path / "notes.txt")]}
    site.extra_settings = (
        "import os\nfrom pathlib import Path\nKEY = os.environ.get('API_KEY')\n"
        "NOTES = (Path(__file__).parent / 'notes.txt').read_text()"
    )
    site.write_settings()
    (site.path / "notes.txt").write_text("one")
    site.migration("0001_initial", CREATE_COUNTER)
    age(site.path)
    assert site.migrate().code == 0
    assert site.run("lockgate", "manifest", API_KEY="at build").code == 0
    (site.path / "notes.txt").write_text("two")
    assert_quick(site.run("migrate", LOCKGATE_EXPLAIN_START="1", API_KEY="at the start"))


def test_a_held_migration_and_an_older_ledger_keep_the_ordinary_path(tmp_path: Path, site: Site) -> None:
    site.migration("0001_initial", CREATE_COUNTER)
    site.migration("0002_vector", ADD_COLUMN.format("more"), requires_extensions='["no_such_extension"]')
    age(site.path)
    assert site.migrate().code == 0
    assert site.run("lockgate", "manifest").code == 0
    result = site.run("migrate", LOCKGATE_EXPLAIN_START="1")
    assert_ordinary(result, CHANGED)
    assert "shop.0002_vector" in result.err


# --- the command


def test_check_accepts_what_starts_can_use_and_says_what_they_cannot(shop: Quick) -> None:
    good = shop.site.run("lockgate", "manifest", "--check")
    assert (good.code, good.err) == (0, "")
    rewrite(shop.path / "shop/models.py", "linger", "dawdle")
    stale = shop.site.run("lockgate", "manifest", "--check")
    servers.assert_refused(
        stale, "starts cannot use the manifest", why="models.py has changed", next_step="lockgate manifest"
    )
    shop.manifest.unlink()
    missing = shop.site.run("lockgate", "manifest", "--check")
    servers.assert_refused(missing, "starts cannot use the manifest", why="there is none")


def test_a_manifest_is_made_without_a_server_and_is_json(shop: Quick, tmp_path: Path) -> None:
    output = tmp_path / "made.json"
    url = "postgresql://nobody@nowhere.invalid/none"
    result = shop.site.run("lockgate", "manifest", "--output", str(output), DATABASE_URL=url)
    assert result.code == 0, result.text
    assert f"wrote {output}" in result.out
    document = json.loads(output.read_text())
    seed = next(migration for migration in document["migrations"] if migration["name"] == "0002_seed")
    assert seed["dependencies"] == [["shop", "0001_initial"]]
    assert (len(seed["file_digest"]), len(seed["ast_digest"])) == (64, 64)
    assert document["modules"]["shop"] == "shop.migrations"


def test_settings_that_do_not_load_are_named(shop: Quick) -> None:
    (shop.path / "site_settings.py").write_text(
        (shop.path / "site_settings.py").read_text() + '\nassert "127.0.0.1" not in str(DATABASES) or 1\n'
        'if "invalid" in str(DATABASES): raise ValueError("which database is this")\n'
    )
    result = shop.site.run("lockgate", "manifest")
    servers.assert_refused(result, "cannot load settings, apps and migrations", why="which database is this")


def test_files_that_change_while_they_are_read_make_no_manifest(site: Site) -> None:
    site.extra_settings = (
        "from pathlib import Path\nCOUNT = Path(__file__).with_name('count.txt')\n"
        "COUNT.write_text('1')\nCOUNT.read_text()"
    )
    site.write_settings()
    result = site.run("lockgate", "manifest")
    servers.assert_refused(result, "files of the project change while it is loaded", state="no manifest was written")
    assert not (site.path / "lockgate-manifest.json").exists()
