"""Test databases that are copies: real test runs, by Django's runner and by pytest-django, on a real server."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests.support import databases, schema
from tests.support.databases import Database
from tests.support.processes import until
from tests.support.quick import with_snapshot
from tests.support.sites import ADD_COLUMN, CREATE_COUNTER, SEED_COUNTER, Result, Site, finish

CREATED = "Creating template 'test_lockgate_"
SECRET = "SECRET_KEY = 'x' * 50\n"
MODELS = """
from django.db import models
class Counter(models.Model):
    value = models.IntegerField(default=0)
"""
TESTS = """
from django.contrib.auth.models import Permission
from django.contrib.contenttypes.models import ContentType
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder
from django.test import TestCase, TransactionTestCase
from shop.models import Counter

class Seeded(TestCase):
    def test_rows_of_migrations_are_there(self):
        self.assertEqual(Counter.objects.count(), 1)
        self.assertIn(("shop", "0001_initial"), MigrationRecorder(connection).applied_migrations())

    def test_content_types_and_permissions_are_there(self):
        self.assertEqual(ContentType.objects.get(app_label="shop").model, "counter")
        self.assertEqual(Permission.objects.filter(content_type__app_label="shop").count(), 4)

class Another(TestCase):
    def test_a_row_gets_the_next_id(self):
        self.assertEqual(Counter.objects.create().pk, 2)

class RolledBack(TransactionTestCase):
    serialized_rollback = True
    def test_what_was_there(self):
        self.assertEqual(Counter.objects.count(), 1)
        Counter.objects.all().delete()

class RolledBackToo(TransactionTestCase):
    serialized_rollback = True
    def test_is_there_again(self):
        self.assertEqual(Counter.objects.count(), 1)
"""
PYTEST = """
import pytest
from shop.models import Counter

@pytest.mark.django_db
@pytest.mark.parametrize("number", range(4))
def test_rows_of_migrations_are_there(number):
    assert Counter.objects.count() == 1
"""


def family(project: Site) -> str:
    """What the names of a project's templates begin with: other tests run beside this one."""
    named = f"site_settings {project.database.name} default"
    return f"test_lockgate_{hashlib.sha256(named.encode()).hexdigest()[:8]}"


def templates(project: Site) -> list[str]:
    with databases.admin() as admin:
        query = "SELECT datname FROM pg_database WHERE starts_with(datname, %s) ORDER BY 1"
        return [name for (name,) in admin.execute(query, [family(project)])]


@pytest.fixture
def project(site: Site) -> Iterator[Site]:
    """A project with tests, and Django's runner replaced by ours; its templates go with it."""
    site.extra_settings = SECRET + 'TEST_RUNNER = "lockgate.testing.SnapshotRunner"\n'
    site.write_settings()
    site.migration("0001_initial", CREATE_COUNTER, SEED_COUNTER, atomic="False")
    (site.path / "shop/models.py").write_text(MODELS)
    (site.path / "shop/tests.py").write_text(TESTS)
    (site.path / "test_shop.py").write_text(PYTEST)
    yield site
    with databases.admin() as admin:
        for name in (*templates(site), f"test_{site.database.name}"):
            admin.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


def passed(result: Result, count: int = 5) -> Result:
    assert result.code == 0, result.text
    assert f"Ran {count} test{'' if count == 1 else 's'} in" in result.err
    return result


def by_pytest(project: Site, *arguments: str) -> Result:
    command = [sys.executable, "-m", "pytest", "-p", "lockgate.testing.pytest_plugin", "-p", "no:randomly"]
    ended = subprocess.run(
        [*command, "--ds", "site_settings", "-W", "error", "-q", "test_shop.py", *arguments],
        cwd=project.path,
        env=project.environment({}),
        capture_output=True,
        text=True,
        check=False,
    )
    return Result(ended.returncode, ended.stdout, ended.stderr)


def test_a_template_is_made_once_and_then_copied(project: Site) -> None:
    assert CREATED in passed(project.run("test")).err
    assert CREATED not in passed(project.run("test")).err
    assert len(templates(project)) == 1
    assert (
        project.database.rows("SELECT datname FROM pg_database WHERE datname = %s", [f"test_{project.database.name}"])
        == []
    )


def test_parallel_processes_copy_it(project: Site) -> None:
    assert CREATED in passed(project.run("test", "--parallel", "2")).err
    assert CREATED not in passed(project.run("test", "--parallel", "2")).err


def test_two_runs_that_start_together_make_it_once(project: Site) -> None:
    names = [{"DATABASE_URL": project.database.url}, {"DATABASE_URL": project.database.url}]
    project.extra_settings += "import os\nDATABASES['default']['TEST'] = {'NAME': 'test_lg_' + os.environ['RUN']}\n"
    project.write_settings()
    runs = [project.start("test", "--noinput", RUN=str(number), **name) for number, name in enumerate(names)]
    ended = [passed(finish(run)) for run in runs]
    assert sum(CREATED in result.err for result in ended) == 1


def test_a_migration_added_in_between_makes_another_template(project: Site) -> None:
    passed(project.run("test"))
    project.migration("0002_seed", 'migrations.RunSQL("INSERT INTO shop_counter (value) VALUES (9)", "")')
    failed = project.run("test")
    assert CREATED in failed.err
    assert "2 != 1" in failed.err
    assert len(templates(project)) == 2


@pytest.mark.parametrize("change", ["settings", "fixture", "helper", "unmigrated"])
def test_whatever_else_migrations_depend_on_makes_another_template(project: Site, change: str) -> None:
    (project.path / "shop/fixtures").mkdir()
    (project.path / "shop/fixtures/some.json").write_text("[]")
    (project.path / "shop/helping.py").write_text("def noop(apps, editor):\n    pass\n")
    project.migration("0002_help", "migrations.RunPython(noop)", imports="from shop.helping import noop")
    passed(project.run("test"))
    if change == "settings":
        project.extra_settings += "TIME_ZONE = 'Asia/Tokyo'\n"
        project.write_settings()
    elif change == "fixture":
        (project.path / "shop/fixtures/some.json").write_text("[ ]")
    elif change == "helper":
        (project.path / "shop/helping.py").write_text("def noop(apps, editor):\n    return None\n")
    else:
        folder = project.path / "plain"
        folder.mkdir()
        (folder / "__init__.py").touch()
        (folder / "models.py").write_text(MODELS.replace("Counter", "Plain"))
        project.apps = (*project.apps, "plain")
        project.write_settings()
    assert CREATED in passed(project.run("test")).err
    assert CREATED not in passed(project.run("test")).err


def test_no_template_is_named_by_a_digest_of_what_may_be_secret(project: Site) -> None:
    project.extra_settings += "SHOP_PIN = '4711'\n"
    project.write_settings()
    reads = "from django.conf import settings\nPIN = settings.SHOP_PIN"
    project.migration("0002_pin", ADD_COLUMN.format("pin"), imports=reads)
    refused = project.run("test", "shop.tests.Seeded")
    assert "is not copied from a template: its name would hold a digest of what may be a secret" in refused.err
    assert "SHOP_PIN" in refused.err
    assert "4711" not in refused.text
    assert templates(project) == []
    project.lockgate = {"SNAPSHOT_SETTINGS": ["SHOP_PIN"]}
    project.write_settings()
    assert CREATED in project.run("test", "shop.tests.Seeded").err


def test_only_the_last_few_templates_are_kept(project: Site) -> None:
    passed(project.run("test"))
    (first,) = templates(project)
    for number in range(2, 6):
        project.migration(f"000{number}_more", ADD_COLUMN.format(f"c{number}"))
        project.run("test", "shop.tests.Seeded")
    assert len(templates(project)) == 4
    assert first not in templates(project)


def test_an_app_without_migrations_has_its_tables(project: Site) -> None:
    folder = project.path / "plain"
    folder.mkdir()
    (folder / "__init__.py").touch()
    (folder / "models.py").write_text(MODELS.replace("Counter", "Plain"))
    (folder / "tests.py").write_text(
        "from django.test import TestCase\nfrom plain.models import Plain\n"
        "class There(TestCase):\n    def test_it(self):\n        self.assertEqual(Plain.objects.count(), 0)\n"
    )
    project.apps = (*project.apps, "plain")
    project.write_settings()
    passed(project.run("test"), 6)
    passed(project.run("test"), 6)


def test_a_killed_builder_leaves_nothing_that_is_taken_for_whole(project: Site) -> None:
    slow = project.migration("0002_slow", 'migrations.RunSQL("SELECT pg_sleep(60)", "")')
    process = project.start("test", "--noinput")
    until(lambda: sleeping(family(project)), "the template is being made")
    process.send_signal(signal.SIGKILL)
    finish(process)
    assert [name for name in templates(project) if not name.endswith("_new")] == []
    slow.write_text(slow.read_text().replace("pg_sleep(60)", "pg_sleep(0)"))
    assert CREATED in passed(project.run("test", "--noinput")).err
    assert [name for name in templates(project) if name.endswith("_new")] == []
    assert CREATED not in passed(project.run("test", "--noinput")).err


def sleeping(prefix: str) -> bool:
    with databases.admin() as admin:
        query = "SELECT count(*) FROM pg_stat_activity WHERE starts_with(datname, %s) AND wait_event = 'PgSleep'"
        row = admin.execute(query, [prefix]).fetchone()
        return bool(row and row[0])


def test_a_kept_database_is_used_and_brought_up_to_date(project: Site) -> None:
    passed(project.run("test", "--keepdb", "shop.tests.Seeded"), 2)
    made = templates(project)
    project.migration("0002_more", ADD_COLUMN.format("more"))
    kept = passed(project.run("test", "--keepdb", "shop.tests.Seeded"), 2)
    assert CREATED not in kept.err
    assert templates(project) == made
    test = Database(f"test_{project.database.name}")
    assert test.value("SELECT count(*) FROM information_schema.columns WHERE column_name = 'more'") == 1


def test_what_is_in_a_copy_is_what_django_makes(project: Site) -> None:
    """Rows, ids and recorded migrations; the moments aside."""
    passed(project.run("test", "--keepdb", "shop.tests.Seeded"), 2)
    test = Database(f"test_{project.database.name}")
    ours, recorded = schema.whole(test), test.rows("SELECT id, app, name FROM django_migrations ORDER BY id")
    test.drop()
    project.extra_settings = SECRET
    project.write_settings()
    passed(project.run("test", "--keepdb", "shop.tests.Seeded"), 2)
    assert schema.whole(test) == ours
    assert sorted(test.rows("SELECT app, name FROM django_migrations")) == sorted(row[1:] for row in recorded)


def test_the_snapshot_fills_the_template_where_it_fits(project: Site) -> None:
    project.migration("0002_slow", 'migrations.RunSQL("SELECT pg_sleep(2)", "")')
    with_snapshot(project)
    process = project.start("test", "--noinput")
    seen = False
    while process.poll() is None:
        seen = seen or sleeping(family(project))
    passed(finish(process))
    assert not seen, "the migrations were replayed"


def test_a_test_template_of_the_projects_own_is_left_alone(project: Site) -> None:
    project.extra_settings += "DATABASES['default']['TEST'] = {'TEMPLATE': 'template0'}\n"
    project.write_settings()
    result = passed(project.run("test"))
    assert "not copied from a template: TEST['TEMPLATE'] names one already, template0" in result.err
    assert templates(project) == []


def test_without_migrations_it_is_as_django_does(project: Site) -> None:
    project.extra_settings += "DATABASES['default']['TEST'] = {'MIGRATE': False}\n"
    project.write_settings()
    result = project.run("test", "shop.tests.Another")
    assert "TEST['MIGRATE'] is False" in result.err
    assert "1 != 2" in result.err  # no row from a migration
    assert templates(project) == []


def test_a_migration_that_fails_fails_as_with_django(project: Site) -> None:
    project.migration("0002_bad", 'migrations.RunSQL("SELECT 1/0", "")')
    result = project.run("test", "--noinput")
    assert result.code != 0
    assert "division by zero" in result.err
    assert templates(project) == []


def test_several_databases_and_a_mirror(project: Site) -> None:
    second = databases.create()
    project.extra_settings += (
        f"DATABASES['second'] = url.parse({second.url!r})\n"
        f"DATABASES['replica'] = {{**url.parse({project.database.url!r}), 'TEST': {{'MIRROR': 'default'}}}}\n"
    )
    project.write_settings()
    (project.path / "shop/tests.py").write_text(
        "from django.test import TestCase\nfrom shop.models import Counter\n"
        "class All(TestCase):\n    databases = '__all__'\n"
        "    def test_it(self):\n"
        "        for alias in ('default', 'second', 'replica'):\n"
        "            self.assertEqual(Counter.objects.using(alias).count(), 1)\n"
    )
    assert passed(project.run("test"), 1).err.count(CREATED) == 2
    assert CREATED not in passed(project.run("test"), 1).err
    second.drop()


def test_a_runner_of_the_projects_own_takes_the_mixin(project: Site) -> None:
    (project.path / "running.py").write_text(
        "from django.test.runner import DiscoverRunner\n"
        "from lockgate.testing import SnapshotDatabases\n"
        "class Runner(SnapshotDatabases, DiscoverRunner):\n    pass\n"
    )
    project.extra_settings = SECRET + 'TEST_RUNNER = "running.Runner"\n'
    project.write_settings()
    assert CREATED in passed(project.run("test")).err


def test_pytest_copies_it_too(project: Site) -> None:
    assert by_pytest(project).code == 0
    made = templates(project)
    assert len(made) == 1
    oid = database_oid(made[0])
    for arguments in ([], ["-n", "2"], ["--reuse-db"], ["--reuse-db"], ["--create-db"]):
        result = by_pytest(project, *arguments)
        assert result.code == 0, (arguments, result.text)
        assert "4 passed" in result.out
    assert templates(project) == made
    assert database_oid(made[0]) == oid


def test_pytest_without_migrations_has_a_template_of_its_own(project: Site) -> None:
    assert by_pytest(project).code == 0
    result = by_pytest(project, "--nomigrations")
    assert "assert 0 == 1" in result.out
    assert len(templates(project)) == 2


def database_oid(name: str) -> int:
    with databases.admin() as admin:
        row = admin.execute("SELECT oid FROM pg_database WHERE datname = %s", [name]).fetchone()
        assert row is not None
        return int(row[0])


def test_nobody_can_connect_to_a_template(project: Site) -> None:
    passed(project.run("test"))
    with pytest.raises(psycopg.OperationalError, match="not currently accepting connections"):
        Database(templates(project)[0]).connect()


def test_the_runner_does_not_need_pytest(tmp_path: Path) -> None:
    (tmp_path / "pytest.py").write_text("raise ImportError('pytest is not here')\n")
    done = subprocess.run(
        [sys.executable, "-c", "import lockgate.testing.runner, lockgate.testing.contents"],
        env={**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{os.environ['PYTHONPATH']}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "pytest is not here" not in done.stderr
