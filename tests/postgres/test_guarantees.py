"""What code in migrations and receivers may do to a run, and what the run promises all the same."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest

from tests.support.processes import running, says, until
from tests.support.sites import ADD_COLUMN, CREATE_COUNTER, Result, Site, finish, sleep


@pytest.fixture
def shop(site: Site) -> Site:
    site.migration("0001_initial", CREATE_COUNTER)
    assert site.migrate().code == 0
    return site


def python(body: str) -> str:
    return f"def forwards(apps, schema_editor):\n    connection = schema_editor.connection\n    {body}\n"


def run_python(site: Site, body: str, **attributes: str) -> Result:
    """One more migration, whose Python this is."""
    site.migration("0002_python", "migrations.RunPython(forwards)", imports=python(body), **attributes)
    return site.migrate()


def receiver(site: Site, body: str) -> None:
    """A post_migrate receiver of the shop."""
    (site.path / "shop" / "apps.py").write_text(
        "from django.apps import AppConfig\n"
        "from django.db import connection, close_old_connections\n"
        "from django.db.models.signals import post_migrate\n"
        f"def receive(**kwargs):\n    {body}\n"
        "class ShopConfig(AppConfig):\n"
        "    name = 'shop'\n"
        "    def ready(self):\n"
        "        post_migrate.connect(receive, sender=self)\n"
    )


def outcome(site: Site) -> str:
    return str(site.database.value("SELECT outcome FROM lockgate_run ORDER BY id DESC LIMIT 1"))


def test_code_that_ends_the_process_does_not_end_it_as_a_success(shop: Site) -> None:
    result = run_python(shop, "raise SystemExit(0)")
    assert result.code == 1
    assert "its code called sys.exit(0)" in result.err
    assert ("shop", "0002_python") not in shop.database.applied()
    assert outcome(shop) == "failed"


def test_a_receiver_that_ends_the_process_does_not_end_it_as_a_success(shop: Site) -> None:
    receiver(shop, "raise SystemExit(0)")
    shop.migration("0002_more", ADD_COLUMN.format("more"))
    assert shop.migrate().code == 1
    assert outcome(shop) == "failed"


def test_what_another_release_did_while_we_waited_is_judged_again(shop: Site) -> None:
    mine = shop.migration("0002_mine", ADD_COLUMN.format("mine"))
    with shop.database.connect() as other:
        other.execute("SELECT pg_advisory_lock(%s)", [int.from_bytes(b"lockgate", "big")])
        waiting = shop.start("migrate", "--noinput", LOCKGATE_LOCK_REPORT_SECONDS="0.1")
        says(waiting, "waiting for the migration lock")
        other.execute("INSERT INTO django_migrations (app, name, applied) VALUES ('shop', '0002_theirs', now())")
    result = finish(waiting)
    assert result.code == 1
    assert "the database is ahead of this release: it has shop.0002_theirs" in result.err
    assert ("shop", mine.stem) not in shop.database.applied()


# Tried, not waited for: its lock_timeout would end the wait.
WAITS = (
    'migrations.RunSQL("DO $$BEGIN WHILE NOT pg_try_advisory_xact_lock(7) LOOP PERFORM pg_sleep(0.01); END LOOP; '
    'END$$", migrations.RunSQL.noop)'
)


def test_autocommit_that_is_off_is_refused(shop: Site) -> None:
    shop.extra_settings = 'DATABASES["default"]["AUTOCOMMIT"] = False'
    shop.write_settings()
    shop.migration("0002_more", ADD_COLUMN.format("more"))
    result = shop.migrate()
    assert result.code == 1
    assert "migrate cannot run inside a transaction" in result.err


def test_a_session_left_in_a_transaction_does_not_count_as_done(shop: Site) -> None:
    result = run_python(shop, "connection.set_autocommit(False)", atomic="False")
    assert result.code == 1
    assert "the session was left in a transaction" in result.err
    assert outcome(shop) == "failed"


@pytest.mark.parametrize("body", ["connection.close()", "connection.cursor().execute('DISCARD ALL')"])
def test_the_last_migration_cannot_lose_the_lock_unnoticed(shop: Site, body: str) -> None:
    result = run_python(shop, body, atomic="False")
    assert result.code == 1
    assert "the database session that holds the migration lock was lost" in result.err
    assert ("shop", "0002_python") not in shop.database.applied()


@pytest.mark.parametrize(
    "body", ["connection.close()", "connection.cursor().execute('SELECT pg_advisory_unlock_all()')"]
)
def test_a_receiver_cannot_lose_the_lock_unnoticed(shop: Site, body: str) -> None:
    receiver(shop, body)
    shop.migration("0002_more", ADD_COLUMN.format("more"))
    result = shop.migrate()
    assert result.code == 1
    assert "the database session that holds the migration lock was lost" in result.err
    assert "done before it in this run: shop.0002_more" in result.err


def test_the_lock_is_free_when_a_call_returns_to_code_that_goes_on(shop: Site) -> None:
    shop.migration("0002_more", ADD_COLUMN.format("more"))
    output = call(
        shop,
        "call_command('migrate', verbosity=0)",
        "cursor = connection.cursor()",
        "cursor.execute(\"SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()\")",
        "from django.conf import settings",
        "print(cursor.fetchone(), settings.DATABASES['default']['OPTIONS'])",
    )
    assert output.splitlines()[-1] == "(0,) {}", "the settings belong to every thread: they stay as they were"


def test_a_call_inside_a_transaction_is_refused_and_leaves_it_alone(shop: Site) -> None:
    output = call(
        shop,
        "from django.db import transaction",
        "from django.contrib.auth.models import Group",
        "with transaction.atomic():",
        "    Group.objects.create(name='mine')",
        "    try: call_command('migrate', verbosity=0)",
        "    except Exception as error: print(error)",
        "print(Group.objects.count())",
    )
    assert "migrate cannot run inside a transaction" in output
    assert output.splitlines()[-1] == "1"


@pytest.mark.parametrize(
    ("atomic", "said"),
    [("True", "migrate cannot run inside a transaction"), ("False", "this session has the migration lock already")],
)
def test_a_migration_that_calls_migrate_is_refused(shop: Site, atomic: str, said: str) -> None:
    shop.migration("0003_other", ADD_COLUMN.format("other"), after="0002_python")
    body = "from django.core.management import call_command; call_command('migrate', 'shop', '0001')"
    result = run_python(shop, body, atomic=atomic)
    assert result.code == 1
    assert said in result.err
    assert "operation 1 of 1, RunPython" in result.err
    assert ("shop", "0002_python") not in shop.database.applied()


def call(site: Site, *lines: str) -> str:
    """Python that calls commands, in a process of its own."""
    (site.path / "call.py").write_text(
        "import os\nos.environ['DJANGO_SETTINGS_MODULE'] = 'site_settings'\nimport django\ndjango.setup()\n"
        "from django.core.management import call_command\nfrom django.db import connection\n" + "\n".join(lines) + "\n"
    )
    done = subprocess.run(
        [sys.executable, "call.py"],
        cwd=site.path,
        env=site.environment({}),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_a_partial_run_does_not_finish_a_release(shop: Site) -> None:
    """Another release finishes the migrations, but not post_migrate; this one must not think that all is done."""
    late = shop.migration(
        "0002_late", 'migrations.CreateModel("Late", [("id", models.BigAutoField(primary_key=True))])'
    )
    shop.database.execute("TRUNCATE lockgate_run CASCADE")
    assert shop.migrate("shop", "0001").code == 0
    shop.database.execute("CREATE TABLE shop_late (id bigint PRIMARY KEY GENERATED BY DEFAULT AS IDENTITY)")
    shop.database.execute(f"INSERT INTO django_migrations (app, name, applied) VALUES ('shop', '{late.stem}', now())")
    result = shop.migrate()
    assert "done: 0 migrations" in result.out, result.text
    assert shop.database.value("SELECT count(*) FROM django_content_type WHERE model = 'late'") == 1


def test_once_nothing_is_held_any_more_the_release_is_finished_again(shop: Site) -> None:
    held = shop.migration("0002_held", ADD_COLUMN.format("held"), requires_extensions='["no_such_extension"]')
    assert "1 held" in shop.migrate().out
    assert "nothing to migrate; 1 held" in shop.migrate().out
    shop.database.execute(f"INSERT INTO django_migrations (app, name, applied) VALUES ('shop', '{held.stem}', now())")
    assert "done: 0 migrations" in shop.migrate().out


@pytest.mark.parametrize("arguments", [("--run-syncdb",), ("shop", "--prune"), ("--fake",)])
def test_a_held_migration_fails_no_command_that_did_what_it_was_asked(shop: Site, arguments: tuple[str, ...]) -> None:
    shop.migration("0002_held", ADD_COLUMN.format("held"), requires_extensions='["no_such_extension"]')
    result = shop.migrate(*arguments)
    assert result.code == 0, result.text
    assert (("shop", "0002_held") in shop.database.applied()) == ("--fake" in arguments)


def test_a_commit_in_a_migrations_code_is_found_out_and_not_called_a_rollback(shop: Site) -> None:
    result = run_python(shop, "connection.cursor().execute('COMMIT; BEGIN')")
    assert result.code == 1
    assert "shop.0002_python ended its own transaction" in result.err
    assert "rolled back" not in result.err
    assert ("shop", "0002_python") not in shop.database.applied()


@pytest.mark.usefixtures("pgvector")
def test_an_extension_that_a_migration_requires_is_created_for_it(shop: Site) -> None:
    shop.migration("0002_vector", ADD_COLUMN.format("more"), requires_extensions='["vector"]')
    result = shop.migrate()
    assert result.code == 0, result.text
    assert 'extension "vector" created' in result.out


@pytest.mark.usefixtures("pgvector")
def test_an_extension_that_fails_to_install_ends_no_run(shop: Site) -> None:
    shop.database.execute("CREATE TYPE vector AS (x int)")  # what its script wants to make is there already
    shop.lockgate = {"EXTENSIONS": ["vector"]}
    shop.write_settings()
    shop.migration("0002_more", ADD_COLUMN.format("more"))
    result = shop.migrate()
    assert result.code == 0, result.text
    assert 'extension "vector" is not available: creating it failed' in result.err
    assert ("shop", "0002_more") in shop.database.applied()


def test_a_release_may_have_the_name_of_an_image_with_its_digest(shop: Site) -> None:
    name = f"registry.example/team/watch stats@sha256:{'0123456789abcdef' * 16}"
    assert shop.migrate(LOCKGATE_RELEASE=name).code == 0
    kept = shop.database.value("SELECT release FROM lockgate_run ORDER BY id DESC LIMIT 1")
    assert kept == name.replace(" ", "-")[-255:]


def test_a_very_long_expression_is_applied_as_django_does(shop: Site) -> None:
    terms = " + ".join(["1"] * 1500)
    shop.migration("0002_long", ADD_COLUMN.format("more"), imports=f"TOTAL = {terms}")
    result = shop.migrate()
    assert result.code == 0, result.text


def test_an_interrupted_call_does_not_kill_the_process_that_goes_on(shop: Site) -> None:
    shop.migration("0002_long", sleep(30))
    (shop.path / "manage.py").write_text(
        "import os, time\nos.environ['DJANGO_SETTINGS_MODULE'] = 'site_settings'\nimport django\ndjango.setup()\n"
        "from django.core.management import call_command\n"
        "try:\n    call_command('migrate', verbosity=0)\n"
        "except KeyboardInterrupt:\n    print('caught', flush=True)\n"
        "time.sleep(2.5)\nprint('alive')\n"
    )
    process = shop.start()
    until(lambda: running(shop.database, "pg_sleep(30)"), "it runs")
    started = time.monotonic()
    process.terminate()
    result = finish(process)
    assert (result.code, result.out) == (0, "caught\nalive\n"), result.text
    assert time.monotonic() - started > 2


def test_a_session_killed_while_it_waits_is_explained(shop: Site) -> None:
    shop.migration("0002_more", ADD_COLUMN.format("more"))
    with shop.database.connect() as other:
        other.execute("SELECT pg_advisory_lock(%s)", [int.from_bytes(b"lockgate", "big")])
        waiting = shop.start("migrate", "--noinput", LOCKGATE_LOCK_REPORT_SECONDS="0.1")
        says(waiting, "waiting for the migration lock")
        other.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE application_name LIKE 'lockgate - %' AND datname = current_database()"
        )
        result = finish(waiting)
    assert result.code == 1
    assert "no migration was applied by this run" in result.err
    assert "Traceback" not in result.err


def test_whoever_waited_for_the_one_that_did_the_work_says_so_and_writes_nothing(shop: Site) -> None:
    shop.migration("0002_slow", WAITS)
    with shop.database.connect() as gate:
        gate.execute("SELECT pg_advisory_lock(7)")
        first = shop.start("migrate", "--noinput")
        until(lambda: running(shop.database, "pg_try_advisory_xact_lock"), "the first one migrates")
        second = shop.start("migrate", "--noinput", LOCKGATE_LOCK_REPORT_SECONDS="0.1")
        says(second, "waiting for the migration lock")
        gate.execute("SELECT pg_advisory_unlock(7)")
        results = [finish(each) for each in (first, second)]
    assert [result.code for result in results] == [0, 0], results
    assert results[1].out.splitlines()[-1] == "nothing left to migrate: another run has done it"
    assert shop.database.value("SELECT count(*) FROM lockgate_run") == 2  # of which one made what there was before
