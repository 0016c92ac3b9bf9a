"""What can be wrong with what ``migrate`` is given: one clear message, exit code 1, nothing half-applied, no password.

Each test runs a real process against a real server that asks for a password.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lockgate.database import driver
from tests.support import servers
from tests.support.libpqs import ANOTHER
from tests.support.processes import lock_is_free, running, until
from tests.support.servers import PASSWORD, WRONG_PASSWORD, Cluster, assert_no_secret, assert_refused
from tests.support.sites import ADD_COLUMN, CREATE_COUNTER, ROOT, Result, Site, finish, sleep

pytestmark = pytest.mark.own_server
CREATE_MODEL = 'migrations.CreateModel("{0}", [("id", models.BigAutoField(primary_key=True))])'
CAP_DAC_OVERRIDE = "-dac_override"  # what lets root write where the file's mode forbids it


@pytest.fixture
def shop(site: Site) -> Site:
    """A project with one migration, on an empty database."""
    site.migration("0001_initial", CREATE_COUNTER)
    return site


@pytest.fixture
def applied(shop: Site) -> Site:
    """The same, applied."""
    assert_succeeded(shop.migrate())
    return shop


def assert_succeeded(result: Result) -> None:
    assert result.code == 0, result.text
    assert_no_secret(result.text)


def assert_untouched(site: Site) -> None:
    """Nothing was done to the empty database."""
    assert servers.tables(site.database) == []
    assert lock_is_free(site.database)


def assert_stopped_before(site: Site, name: str) -> None:
    """Nothing of this migration is there, all before it is, and no lock is left."""
    applied = [each for app, each in site.database.applied() if app == "shop"]
    assert applied == sorted(path.stem for path in migrations(site) if path.stem < name)
    until(lambda: lock_is_free(site.database), "the lock is free")


def migrations(site: Site) -> list[Path]:
    return sorted((site.path / "shop" / "migrations").glob("0*.py"))


def columns(site: Site) -> list[str]:
    query = "SELECT attname FROM pg_attribute WHERE attrelid = 'shop_counter'::regclass AND attnum > 0"
    return sorted(name for (name,) in site.database.rows(query + " AND NOT attisdropped"))


# --- DATABASE_URL


@pytest.mark.parametrize(
    ("url", "what"),
    [
        pytest.param(None, "DATABASE_URL is not set", id="missing"),
        pytest.param("", "DATABASE_URL is empty", id="empty"),
        pytest.param(PASSWORD, "DATABASE_URL is not a URL", id="not-a-url"),
        pytest.param(f"mysql://me:{PASSWORD}@db/shop", "names a database that is not PostgreSQL", id="mysql"),
        pytest.param(f"sqlite:///{PASSWORD}", "names a database that is not PostgreSQL", id="sqlite"),
        pytest.param("postgresql://me:quagga@127.0.0.1:five/shop", "cannot be read", id="port-not-a-number"),
        pytest.param("postgresql://me:12/quagga@127.0.0.1/shop", "cannot be read", id="password-not-encoded"),
        pytest.param("postgresql://me:quagga@127.0.0.1", "names no database", id="no-database"),
    ],
)
def test_a_wrong_url_is_named_and_never_shown(shop: Site, url: str | None, what: str) -> None:
    result = shop.migrate(DATABASE_URL=url)
    assert_refused(result, what, state="no connection was tried", next_step="DATABASE_URL=postgresql://user:password@")
    assert result.out == ""
    assert_untouched(shop)


def test_an_option_that_libpq_does_not_know_is_refused_at_once(shop: Site) -> None:
    result = shop.migrate(DATABASE_URL=shop.database.url_as(sslmdoe="require"))
    assert_refused(
        result, "the connection parameters are not valid", why="sslmdoe", next_step="options in DATABASE_URL"
    )
    assert_untouched(shop)


def test_a_password_of_special_characters_works_percent_encoded(shop: Site) -> None:
    assert_succeeded(shop.migrate())
    assert ("shop", "0001_initial") in shop.database.applied()
    assert_no_secret(str(shop.database.rows("SELECT * FROM lockgate_run")))


def test_a_password_in_the_query_works_and_is_hidden_too(cluster: Cluster, shop: Site) -> None:
    shop.migration(
        "0002_tells", "migrations.RunPython(forwards)", imports=f"def forwards(*_): raise ValueError({PASSWORD!r})"
    )
    query = servers.urlencode({"user": "owner", "password": PASSWORD, "host": "127.0.0.1", "port": cluster.port})
    result = shop.migrate(DATABASE_URL=f"postgresql:///{shop.database.name}?{query}")
    assert_refused(result, "shop.0002_tells failed", why="ValueError: ***")


# --- refused by the server


def test_a_second_libpq_does_not_hide_why_a_connection_failed(shop: Site) -> None:
    """As GDAL brings one: which of them to ask for the SQLSTATE is known all the same."""
    shop.extra_settings = f"import ctypes\nctypes.CDLL({ANOTHER!r})"
    shop.write_settings()
    result = shop.migrate(DATABASE_URL=shop.database.url_as(password=WRONG_PASSWORD), LOCKGATE_WAIT_SECONDS="3")
    assert_refused(result, "cannot connect: the server refused the user or the password")


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_a_wrong_password_fails_at_once(shop: Site, log_format: str) -> None:
    started = time.monotonic()
    url = shop.database.url_as(password=WRONG_PASSWORD)
    result = shop.migrate("--log-format", log_format, DATABASE_URL=url)
    assert time.monotonic() - started < 20
    if log_format == "json":
        (line,) = result.err.splitlines()
        said = json.loads(line)
        assert (result.code, said["level"], said["event"]) == (1, "error", "failed")
        assert said["what"] == "cannot connect: the server refused the user or the password"
        assert all(said[part] for part in ("why", "state", "next"))
        assert_no_secret(result.text)
    else:
        assert_refused(
            result,
            "the server refused the user or the password",
            why="SQLSTATE 28P01",
            state="nothing was changed",
            next_step="percent-encoded",
        )
    assert_untouched(shop)


def test_a_role_that_is_not_there(shop: Site) -> None:
    result = shop.migrate(DATABASE_URL=shop.database.url_as(user="nobody_here"))
    assert_refused(result, "the server refused the user or the password", why="nobody_here", next_step="check user")
    assert_untouched(shop)


def test_a_role_that_may_not_log_in(cluster: Cluster, shop: Site) -> None:
    role = cluster.role()
    cluster.execute(f"ALTER ROLE {role} NOLOGIN")
    result = shop.migrate(DATABASE_URL=shop.database.url_as(user=role))
    assert_refused(result, "the server refused the user or the password", why="SQLSTATE 28000")
    assert_untouched(shop)


def test_a_database_that_is_not_there(shop: Site) -> None:
    result = shop.migrate(DATABASE_URL=shop.database.url.replace(shop.database.name, "not_made_yet"))
    assert_refused(result, "the server has no such database", why="SQLSTATE 3D000", next_step="create the database")


def test_a_role_without_connect(cluster: Cluster, shop: Site) -> None:
    shop.database.execute(f'REVOKE CONNECT ON DATABASE "{shop.database.name}" FROM PUBLIC')
    result = shop.migrate(DATABASE_URL=shop.database.url_as(user=cluster.role()))
    assert_refused(result, "may not connect to this database", why="SQLSTATE 42501", next_step="GRANT CONNECT")
    assert_untouched(shop)


def test_a_role_without_create(cluster: Cluster, shop: Site) -> None:
    shop.database.execute("REVOKE CREATE ON SCHEMA public FROM PUBLIC")
    result = shop.migrate(DATABASE_URL=shop.database.url_as(user=cluster.role()))
    assert_refused(result, "may not make the tables of the ledger", next_step="GRANT CREATE ON SCHEMA public TO role_")
    assert_untouched(shop)


def test_a_role_that_does_not_own_a_table(cluster: Cluster, applied: Site) -> None:
    role = cluster.role("IN ROLE pg_read_all_data, pg_write_all_data")
    applied.database.execute(f'GRANT CREATE ON SCHEMA public TO "{role}"')
    applied.migration("0002_extra", CREATE_MODEL.format("Other"), ADD_COLUMN.format("extra"))
    result = applied.migrate(DATABASE_URL=applied.database.url_as(user=role))
    assert_refused(result, "shop.0002_extra failed", why="SQLSTATE 42501", state="shop.0002_extra was rolled back")
    assert_stopped_before(applied, "0002_extra")
    assert "shop_other" not in servers.tables(applied.database)


def test_a_read_only_database_with_something_pending(shop: Site) -> None:
    shop.database.execute(f'ALTER DATABASE "{shop.database.name}" SET default_transaction_read_only = on')
    result = shop.migrate()
    assert_refused(
        result,
        "the database is read-only",
        why="default_transaction_read_only is on",
        state="nothing was changed",
        next_step="RESET default_transaction_read_only",
    )
    assert_untouched(shop)


def test_a_read_only_database_with_nothing_pending_is_fine(applied: Site) -> None:
    applied.database.execute(f'ALTER DATABASE "{applied.database.name}" SET default_transaction_read_only = on')
    result = applied.migrate()
    assert_succeeded(result)
    assert result.err == ""
    assert result.out.splitlines()[-1] == "nothing to migrate"


# --- in the middle of a migration


def test_our_backend_is_terminated_in_the_middle(applied: Site) -> None:
    long = applied.migration("0002_long", ADD_COLUMN.format("extra"), sleep(60))
    process = applied.start("migrate", "--noinput")
    pid = until(lambda: running(applied.database, "pg_sleep"), "the migration runs")
    servers.terminate(applied.database, pid)
    assert_refused(
        finish(process),
        "shop.0002_long failed",
        why="SQLSTATE 57P01",
        state="rolled back by the server, but for what its code had committed before",
        next_step="run again",
    )
    assert_stopped_before(applied, "0002_long")
    assert columns(applied) == ["id", "value"]
    long.write_text(long.read_text().replace("pg_sleep(60)", "pg_sleep(0)"))
    assert_succeeded(applied.migrate())
    assert columns(applied) == ["extra", "id", "value"]


def test_the_server_is_restarted_in_the_middle(cluster: Cluster, applied: Site) -> None:
    long = applied.migration("0002_long", ADD_COLUMN.format("extra"), sleep(60))
    process = applied.start("migrate", "--noinput")
    until(lambda: running(applied.database, "pg_sleep"), "the migration runs")
    cluster.stop(signal.SIGQUIT)
    cluster.start()
    assert_refused(
        finish(process),
        "shop.0002_long failed",
        state="rolled back by the server, but for what its code had committed before",
        next_step="run again when",
    )
    assert_stopped_before(applied, "0002_long")
    assert columns(applied) == ["id", "value"]
    long.write_text(long.read_text().replace("pg_sleep(60)", "pg_sleep(0)"))
    again = applied.migrate()
    assert_succeeded(again)
    assert "died without closing; marked interrupted" in again.err
    assert columns(applied) == ["extra", "id", "value"]


def test_the_disk_is_full(cluster: Cluster, applied: Site) -> None:
    fill = 'migrations.RunSQL("INSERT INTO shop_other SELECT generate_series(1, 500000)")'
    applied.migration("0002_fill", ADD_COLUMN.format("extra"), CREATE_MODEL.format("Other"), fill)
    with small_disk(cluster) as tablespace:
        applied.database.execute(f'ALTER DATABASE "{applied.database.name}" SET default_tablespace = {tablespace}')
        assert_refused(
            applied.migrate(),
            "shop.0002_fill failed",
            why="SQLSTATE 53100",
            state="shop.0002_fill was rolled back",
            next_step="free space",
        )
        assert_stopped_before(applied, "0002_fill")
        assert columns(applied) == ["id", "value"]
        assert "shop_other" not in servers.tables(applied.database)


@contextlib.contextmanager
def small_disk(cluster: Cluster) -> Iterator[str]:
    """A tablespace of 4 MB that ``owner`` may use."""
    folder = cluster.home / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, check=False, capture_output=True).returncode != 0:
        folder.rmdir()
        pytest.skip("NOT TESTED: a full disk, because only root in a capable container may mount a small one")
    try:
        shutil.chown(folder, servers.SYSTEM_USER)
        cluster.execute(f"CREATE TABLESPACE small LOCATION '{folder}'", "GRANT CREATE ON TABLESPACE small TO PUBLIC")
        yield "small"
        cluster.execute("DROP TABLESPACE small")
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_a_limit_of_the_server_is_exceeded(cluster: Cluster, applied: Site) -> None:
    role = cluster.role("IN ROLE owner")
    cluster.execute(f"ALTER ROLE {role} SET temp_file_limit = '1MB'", f"ALTER ROLE {role} SET work_mem = '64kB'")
    big = "SELECT g FROM generate_series(1, 1000000) AS g ORDER BY g DESC OFFSET 999999"
    applied.migration("0002_big", ADD_COLUMN.format("extra"), f'migrations.RunSQL("{big}")')
    result = applied.migrate(DATABASE_URL=applied.database.url_as(user=role))
    assert_refused(
        result, "shop.0002_big failed", why="SQLSTATE 53400", state="was rolled back", next_step="relieve the server"
    )
    assert_stopped_before(applied, "0002_big")
    assert columns(applied) == ["id", "value"]


def test_a_statement_timeout_of_the_migration(applied: Site) -> None:
    limit = "migrations.RunSQL(\"SET LOCAL statement_timeout = '100ms'\")"
    applied.migration("0002_long", ADD_COLUMN.format("extra"), limit, sleep(60))
    result = applied.migrate()
    assert_refused(
        result,
        "shop.0002_long failed",
        why="SQLSTATE 57014",
        state="shop.0002_long was rolled back",
        next_step="take out the statement_timeout that the migration's own code sets",
    )
    assert_stopped_before(applied, "0002_long")
    assert columns(applied) == ["id", "value"]


@pytest.mark.parametrize(
    ("bad", "sqlstate"),
    [
        ('migrations.RunSQL("SELECT 1/0")', "22012"),
        ('migrations.RunSQL("SELEC 1")', "42601"),
        ('migrations.RunSQL("INSERT INTO shop_other VALUES (1), (1)")', "23505"),
        ('migrations.RunSQL("CREATE TABLE shop_counter (id int)")', "42P07"),
        ("migrations.RunSQL(\"INSERT INTO nowhere VALUES ('x')\")", "42P01"),
    ],
)
def test_an_sql_error_after_other_operations_leaves_nothing_of_them(applied: Site, bad: str, sqlstate: str) -> None:
    applied.migration("0002_bad", ADD_COLUMN.format("extra"), CREATE_MODEL.format("Other"), bad)
    applied.migration("0003_never", ADD_COLUMN.format("later"))
    result = applied.migrate()
    assert_refused(
        result,
        "shop.0002_bad failed",
        why=f"SQLSTATE {sqlstate}",
        state="shop.0002_bad was rolled back",
    )
    assert_stopped_before(applied, "0002_bad")
    assert columns(applied) == ["id", "value"]
    assert "shop_other" not in servers.tables(applied.database)


TELLS = """
import os

def forwards(apps, schema_editor):
    raise RuntimeError("cannot reach " + os.environ["DATABASE_URL"])
"""


def test_an_error_that_quotes_the_url_is_masked(applied: Site) -> None:
    applied.migration("0002_tells", "migrations.RunPython(forwards)", imports=TELLS)
    assert_refused(
        applied.migrate(), "shop.0002_tells failed", why="RuntimeError: cannot reach postgresql://owner:***@"
    )


def test_an_error_that_quotes_the_url_is_masked_in_the_ledger(applied: Site) -> None:
    applied.migration("0002_tells", "migrations.RunPython(forwards)", imports=TELLS)
    applied.migrate()
    assert_no_secret(str(applied.database.rows("SELECT error FROM lockgate_run")))
    assert_no_secret(applied.run("showmigrations", "--history").text)


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_a_password_that_is_a_word_of_ours_leaves_our_words_alone(shop: Site, log_format: str) -> None:
    result = shop.migrate("--log-format", log_format, PGPASSWORD="app", CACHE_URL="redis://me:apply@cache")
    assert_succeeded(result)
    assert "applying shop.0001_initial (" in result.out
    assert "***" not in result.text
    assert log_format == "text" or '"action": "apply"' in result.out


SPELT = """
import os, urllib.parse

def forwards(apps, schema_editor):
    written = os.environ["DATABASE_URL"]
    lower = written.replace("%2F", "%2f").replace("%3A", "%3a")
    raise RuntimeError(" ".join([written, lower, urllib.parse.unquote(written), urllib.parse.quote(written)]))
"""


@pytest.mark.parametrize("log_format", ["text", "json"])
@pytest.mark.parametrize("atomic", ["True", "False"])
def test_no_spelling_of_the_url_leaves_a_failed_migration(applied: Site, atomic: str, log_format: str) -> None:
    applied.migration("0002_tells", "migrations.RunPython(forwards)", imports=SPELT, atomic=atomic)
    result = applied.migrate("--log-format", log_format)
    assert result.code == 1
    assert result.text.count("***@127.0.0.1") == 3
    assert_no_secret(result.text, applied.migrate("--traceback").text, *stored(applied))


@pytest.mark.parametrize("atomic", ["True", "False"])
def test_no_part_of_the_url_leaves_a_statement_that_the_server_refuses(applied: Site, atomic: str) -> None:
    statement = f"SELEC pg_sleep(0), 'a rather long text before it: {applied.database.url}', 'and after it', 1, 2, 3"
    applied.migration("0002_tells", f"migrations.RunSQL({statement!r})", atomic=atomic)
    assert_refused(applied.migrate(), "shop.0002_tells failed", why="SQLSTATE 42601")
    assert_no_secret(*stored(applied), applied.migrate("--log-format", "json").text)


def stored(site: Site) -> list[str]:
    """What Lockgate keeps of runs and failures, and what its commands show of it."""
    rows = [
        str(site.database.rows(f"SELECT {each}"))
        for each in ("* FROM lockgate_run", "title, error FROM lockgate_journalentry")
    ]
    shown = [site.run("showmigrations", *each).text for each in (["--history"], ["--format", "json"])]
    return [*rows, *shown, site.run("lockgate", "repair").text]


def test_djangos_own_errors_are_masked(shop: Site) -> None:
    for log_format in ("text", "json"):
        result = shop.migrate("shop", PASSWORD, "--log-format", log_format)
        assert result.code == 1
        assert "Cannot find a migration matching '***'" in result.text
        assert_no_secret(result.text)


def test_a_traceback_of_the_settings_is_masked(shop: Site) -> None:
    shop.extra_settings = "import os; int(os.environ['DATABASE_URL'])"
    shop.write_settings()
    result = shop.migrate("--traceback")
    assert result.code == 1
    assert "Traceback" in result.err
    assert "postgresql://owner:***@" in result.err
    assert_no_secret(result.text)


def piped(site: Site, command: str) -> Result:
    """A command whose output nobody reads to its end."""
    done = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {sys.executable} manage.py {command}"],
        cwd=site.path, env=site.environment({}), capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    return Result(done.returncode, done.stdout, done.stderr)


@pytest.mark.parametrize("command", ["migrate --noinput | head -1", "migrate | true", "showmigrations | true"])
def test_an_output_that_nobody_reads_is_told_and_a_run_ends(shop: Site, command: str) -> None:
    result = piped(shop, command)
    assert result.code == 1
    what, *rest = result.err.splitlines()
    assert what == "error: the output was closed by its reader, so the command ended"
    assert all(line.startswith(("  state ", "  in ")) for line in rest), result.err
    assert_succeeded(shop.migrate())


def test_an_output_and_errors_that_nobody_reads_end_a_run(shop: Site) -> None:
    assert piped(shop, "migrate --noinput 2>&1 | true") == Result(1, "", "")


def test_a_question_without_a_terminal_is_told_in_one_line(applied: Site) -> None:
    (applied.path / "shop" / "models.py").write_text(
        "from django.db import models\nclass Counter(models.Model):\n"
        "    value = models.IntegerField(default=0)\n    name = models.TextField()\n"
    )
    result = applied.run("makemigrations", "shop")
    assert result.code == 1
    assert result.err == (
        "error: the command asks a question, and there is no terminal to answer it: run it in one, or with --noinput\n"
    )


# --- files


@pytest.mark.parametrize(
    ("text", "what", "why"),
    [
        pytest.param("class Migration(:\n", "cannot read the migrations", "SyntaxError: ", id="syntax-error"),
        pytest.param("import no_module\n", "cannot read the migrations", "No module named 'no_module'", id="import"),
        pytest.param("from shop.no import x\n", "cannot read the migrations", "No module named 'shop.no'", id="from"),
        pytest.param("x = 1 / 0\n", "", "ZeroDivisionError: division by zero", id="raises"),
        pytest.param("x = 1\n", "", "has no Migration class", id="no-class"),
    ],
)
def test_a_migration_file_that_cannot_be_loaded(shop: Site, text: str, what: str, why: str) -> None:
    (shop.path / "shop" / "migrations" / "0002_bad.py").write_text(text)
    message = assert_refused(shop.migrate(), what, why=why, state="nothing was changed")
    assert "0002_bad" in message
    assert_untouched(shop)


def test_a_migration_whose_parent_is_missing(shop: Site) -> None:
    shop.migration("0003_orphan", ADD_COLUMN.format("extra"), after="0002_gone")
    assert_refused(shop.migrate(), "", why="nonexistent parent node ('shop', '0002_gone')", state="nothing was changed")
    assert_untouched(shop)


@pytest.fixture
def forked(shop: Site) -> Site:
    """Two migrations whose numbers are the same, one after the other."""
    shop.migration("0002_one", ADD_COLUMN.format("one"), after="0001_initial")
    shop.migration("0002_two", ADD_COLUMN.format("two"), after="0002_one")
    return shop


DJANGO_SAYS_IT = [
    pytest.param(["nope"], "No installed app with label 'nope'", id="unknown-app"),
    pytest.param(["shop", "0009"], "Cannot find a migration matching '0009'", id="unknown-migration"),
    pytest.param(["shop", "0002"], "More than one migration matches '0002'", id="ambiguous-migration"),
]
ARGPARSE_SAYS_IT = [
    pytest.param(["--no-such-option"], "unrecognized arguments: --no-such-option", id="unknown-option"),
    pytest.param(["--database", "other"], "invalid choice: 'other'", id="unknown-alias"),
    pytest.param(["--wait-seconds", "abc"], "invalid float value: 'abc'", id="not-a-number"),
]


@pytest.mark.parametrize(("arguments", "what"), DJANGO_SAYS_IT)
def test_arguments_that_name_nothing_are_refused_in_djangos_words(
    forked: Site, arguments: list[str], what: str
) -> None:
    result = forked.migrate(*arguments)
    assert result.code == 1
    assert_one_line(result, f"CommandError: {what}")
    assert_untouched(forked)


@pytest.mark.parametrize(("arguments", "what"), ARGPARSE_SAYS_IT)
def test_arguments_that_cannot_be_parsed_exit_2_as_everywhere(forked: Site, arguments: list[str], what: str) -> None:
    result = forked.migrate(*arguments)
    assert result.code == 2
    assert result.out == ""
    usage, _, message = result.err.rpartition("manage.py migrate: error: ")
    assert usage.startswith("usage: ")
    assert what in message
    assert_no_secret(result.text)
    assert_untouched(forked)


def assert_one_line(result: Result, start: str) -> None:
    """Stderr is one line that starts like this, and no password is anywhere."""
    assert result.err.startswith(start), result.err
    assert result.err.count("\n") == 1, result.err
    assert_no_secret(result.text)


def test_a_negative_wait_is_refused(shop: Site) -> None:
    assert_refused(shop.migrate("--wait-seconds", "-1"), "the flag for WAIT_SECONDS is -1.0", why=None)
    assert_untouched(shop)


@pytest.fixture
def conflicting(shop: Site) -> Site:
    """Two migrations that both follow the first."""
    shop.migration("0002_one", ADD_COLUMN.format("one"), after="0001_initial")
    shop.migration("0002_two", ADD_COLUMN.format("two"), after="0001_initial")
    return shop


def test_conflicting_leaf_nodes_are_named_with_the_remedy(conflicting: Site) -> None:
    result = conflicting.migrate()
    assert result.code == 1
    assert result.err == (
        "CommandError: Conflicting migrations detected; multiple leaf nodes in the migration graph:"
        " (0002_one, 0002_two in shop).\nTo fix them run 'python manage.py makemigrations --merge'\n"
    )
    assert_no_secret(result.text)
    assert_untouched(conflicting)


@pytest.mark.parametrize("capability", ["mode", "file"])
def test_makemigrations_where_it_may_not_write(shop: Site, capability: str) -> None:
    """mode: the directory's mode forbids it; file: something else is where the directory should be."""
    (shop.path / "shop" / "models.py").write_text(
        "from django.db import models\nclass Thing(models.Model):\n    class Meta:\n        app_label = 'shop'\n"
    )
    folder = shop.path / "shop" / "migrations"
    if capability == "file":
        shutil.rmtree(folder)
        folder.write_text("")
    else:
        folder.chmod(0o555)
    try:
        result = without_capability(shop, "makemigrations", "shop")
    finally:
        folder.chmod(0o755)
    message = assert_refused(result, "", why=str(folder), state="nothing was changed")
    assert "Error: [Errno" in message
    assert capability == "file" or [path.name for path in migrations(shop)] == ["0001_initial.py"]
    assert_untouched(shop)


def without_capability(site: Site, *arguments: str) -> Result:
    """``manage.py`` as a process for which the mode of a file counts, root or not."""
    command = [sys.executable, "manage.py", *arguments]
    if os.geteuid() == 0:
        setpriv = shutil.which("setpriv") or pytest.skip("NOT TESTED as root: setpriv is not installed")
        command = [setpriv, f"--bounding-set={CAP_DAC_OVERRIDE}", *command]
    done = subprocess.run(
        command, cwd=site.path, env=site.environment({}), capture_output=True, text=True, timeout=60, check=False
    )
    return Result(done.returncode, done.stdout, done.stderr)


# --- settings


@pytest.mark.parametrize(
    ("lockgate", "what"),
    [
        ({"WAIT": 5}, "LOCKGATE has unknown settings: WAIT"),
        ({"WAIT_SECONDS": "soon"}, "LOCKGATE[\"WAIT_SECONDS\"] is 'soon'"),
        ({"ON_AHEAD": "perhaps"}, "LOCKGATE[\"ON_AHEAD\"] is 'perhaps'"),
    ],
)
def test_a_wrong_setting(shop: Site, lockgate: dict[str, object], what: str) -> None:
    shop.lockgate = lockgate
    shop.write_settings()
    assert_refused(shop.migrate(), what, why=None, state="nothing was changed", next_step="")
    assert_untouched(shop)


@pytest.mark.parametrize(
    ("variable", "value"),
    [("LOCKGATE_WAIT_SECONDS", "abc"), ("LOCKGATE_LOCK_WAIT_SECONDS", "-1"), ("LOCKGATE_ON_EDITED", "maybe")],
)
def test_a_wrong_variable(shop: Site, variable: str, value: str) -> None:
    assert_refused(shop.migrate(**{variable: value}), f"{variable} is '{value}'", why=None, state="nothing was changed")
    assert_untouched(shop)


@pytest.mark.parametrize(
    ("line", "why"),
    [
        pytest.param("this is no Python", 'site_settings.py", line', id="syntax-error"),
        pytest.param("import no_such_module", "No module named 'no_such_module'", id="import-error"),
        pytest.param("import os; os.environ['NOT_THERE']", "KeyError: 'NOT_THERE'", id="missing-variable"),
        pytest.param("import os; int(os.environ['DATABASE_URL'])", "ValueError: invalid literal", id="quotes-the-url"),
    ],
)
def test_settings_that_cannot_be_loaded(shop: Site, line: str, why: str) -> None:
    shop.extra_settings = line
    shop.write_settings()
    result = shop.migrate()
    assert_refused(result, "cannot load the settings", why=why, state="nothing was changed", next_step="--traceback")
    assert_untouched(shop)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        pytest.param("class Thing(:\n", 'models.py", line 1', id="syntax-error"),
        pytest.param("import no_such_module\n", "No module named 'no_such_module'", id="import-error"),
    ],
)
def test_an_app_that_cannot_be_loaded(shop: Site, text: str, why: str) -> None:
    (shop.path / "shop" / "models.py").write_text(text)
    assert_refused(shop.migrate(), "cannot load the apps", why=why, state="nothing was changed", next_step="run again")
    assert_untouched(shop)


def test_an_app_that_is_not_installed(shop: Site) -> None:
    shop.apps = (*shop.apps, "basement")
    shop.write_settings()
    assert_refused(shop.migrate(), "cannot load the apps", why="No module named 'basement'", state="nothing was")
    assert_untouched(shop)


@pytest.mark.parametrize("version", ["3.1.8", "3.1.20"])
def test_a_driver_that_is_too_old_is_named_before_anything_is_connected_to(shop: Site, version: str) -> None:
    """It says so itself: an old one would fail in the first statement that it lacks something for."""
    shop.extra_settings = f"import psycopg\npsycopg.__version__ = '{version}'"
    shop.write_settings()
    result = shop.migrate(DATABASE_URL="postgresql://nobody@127.0.0.1:1/none")
    assert_refused(result, f"psycopg {version} is older than what Lockgate works with", next_step="pip install")
    checked = shop.run("check", "--tag", "lockgate")
    assert (checked.code, "lockgate.E003" in checked.err) == (1, True), checked.text


@pytest.mark.parametrize("version", ["3.2", "3.10.1", "4.0.0.dev1"])
def test_a_driver_that_is_not_older_will_do(shop: Site, version: str) -> None:
    shop.extra_settings = f"import psycopg\npsycopg.__version__ = '{version}'"
    shop.write_settings()
    assert_succeeded(shop.migrate())


def test_the_oldest_driver_is_the_one_that_the_package_wants() -> None:
    (wanted,) = re.findall(r'"psycopg>=([0-9.]+)"', (ROOT / "pyproject.toml").read_text())
    assert tuple(map(int, wanted.split("."))) == driver.OLDEST


def test_no_driver_at_all_is_one_message(shop: Site) -> None:
    shop.fresh = True
    (shop.path / "psycopg.py").write_text("raise ModuleNotFoundError(\"No module named 'psycopg'\")")
    result = shop.migrate()
    assert result.code == 1
    assert "Traceback" not in result.text
    assert "Error loading psycopg2 or psycopg module" in result.err
