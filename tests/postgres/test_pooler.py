"""Behind PgBouncer: transaction mode is refused with its remedy and leaves nothing there; session mode works."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

from tests.postgres.test_session_limits import SLOW_CHECKS
from tests.support import servers
from tests.support.processes import kill_at, lock_is_free, running, says, until
from tests.support.servers import PASSWORD, Cluster, PrivateDatabase, assert_no_secret, assert_refused
from tests.support.sites import COUNT_UP, CREATE_COUNTER, SEED_COUNTER, Site, finish, sleep

pytestmark = pytest.mark.own_server
SETTINGS = ("application_name", "client_connection_check_interval", "lock_timeout", "statement_timeout", "TimeZone")

CONFIGURATION = """
[databases]
* = host=127.0.0.1 port={server_port}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = plain
auth_file = {users}
pool_mode = {mode}
default_pool_size = {size}
max_client_conn = {clients}
server_round_robin = {in_turn}
"""


@dataclass
class Pooler:
    """A PgBouncer in front of the server."""

    port: int
    mode: str

    def url(self, database: PrivateDatabase) -> str:
        return database.url_as(port=str(self.port))


@pytest.fixture
def shop(site: Site) -> Site:
    """Three migrations; the third shows if it is applied twice."""
    site.migration("0001_initial", CREATE_COUNTER)
    site.migration("0002_seed", SEED_COUNTER)
    site.migration("0003_count", COUNT_UP)
    return site


@contextlib.contextmanager
def pooler(cluster: Cluster, mode: str, size: int = 5, clients: int = 100, in_turn: bool = False) -> Iterator[Pooler]:
    """size: the backends it opens for one database and role, at most. clients: how many it takes in, at most.

    in_turn: it gives out the backend that has been idle for longest, not the last one used.
    """
    program = shutil.which("pgbouncer", path="/usr/sbin:/usr/local/bin:/usr/bin:/opt/homebrew/bin")
    if program is None:
        pytest.skip("NOT TESTED: migrating behind a pooler, because pgbouncer is not installed")
    with servers.directory() as home:
        port = servers.free_port()
        users, configuration = home / "users", home / "pgbouncer.ini"
        users.write_text(f'"owner" "{PASSWORD}"\n')
        configuration.write_text(
            CONFIGURATION.format(
                server_port=cluster.port,
                port=port,
                users=users,
                mode=mode,
                size=size,
                clients=clients,
                in_turn=int(in_turn),
            )
        )
        with (home / "log").open("wb") as log:
            process = subprocess.Popen(
                [program, str(configuration)],
                cwd=home,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                **servers.as_user(),
            )
        try:
            until(lambda: process.poll() is not None or listens(home), "the pooler listens")
            assert process.poll() is None, (home / "log").read_text()
            yield Pooler(port, mode)
        finally:
            process.kill()
            process.wait(10)


def listens(home: Path) -> bool:
    return "process up" in (home / "log").read_text()


def left_on_backends(url: str) -> list[tuple[int, dict[str, str]]]:
    """Each pooled backend that clients of this URL get, with the settings it has. Four at once, so that none hides."""
    found: dict[int, dict[str, str]] = {}
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(psycopg.connect(url, autocommit=False)) for _ in range(4)]
        for client in clients:  # an open transaction keeps its backend
            row = client.execute("SELECT pg_backend_pid()").fetchone()
            assert row is not None
            settings = {}
            for name in SETTINGS:
                value = client.execute("SELECT reset_val, setting FROM pg_settings WHERE name = %s", [name]).fetchone()
                assert value is not None
                if value[0] != value[1]:
                    settings[name] = value[1]
            found[row[0]] = settings
    return sorted(found.items())


def test_transaction_mode_is_refused_with_its_remedy_and_leaves_nothing(cluster: Cluster, shop: Site) -> None:
    with pooler(cluster, "transaction") as pool:
        url = pool.url(shop.database)
        result = shop.migrate(DATABASE_URL=url)
        assert_refused(
            result,
            "the connection goes through a pooler in transaction mode",
            why="a session lock there is given to whichever client comes next",
            state="nothing was changed",
            next_step="pool_mode=session",
        )
        assert servers.tables(shop.database) == []
        assert lock_is_free(shop.database)
        backends = left_on_backends(url)
        assert len(backends) > 1
        assert {pid: settings for pid, settings in backends if settings} == {}


@pytest.mark.parametrize("size", [1, 2])
def test_transaction_mode_is_refused_with_a_small_pool_too(cluster: Cluster, shop: Site, size: int) -> None:
    with pooler(cluster, "transaction", size) as pool:
        result = shop.migrate(DATABASE_URL=pool.url(shop.database))
    assert_refused(result, "the connection goes through a pooler in transaction mode", next_step="pool_mode=session")
    assert servers.tables(shop.database) == []


def test_transaction_mode_is_refused_while_other_clients_work(cluster: Cluster, shop: Site) -> None:
    """They keep backends busy, so that the probes are not all given the same one."""
    with pooler(cluster, "transaction", 3) as pool, contextlib.ExitStack() as stack:
        url = pool.url(shop.database)
        for _ in range(2):
            busy = stack.enter_context(psycopg.connect(url, autocommit=False))
            busy.execute("SELECT 1")
        result = shop.migrate(DATABASE_URL=url)
        assert_refused(result, "the connection goes through a pooler in transaction mode")
        assert servers.tables(shop.database) == []
        assert lock_is_free(shop.database)


def test_transaction_mode_is_known_by_our_own_next_backend(cluster: Cluster, shop: Site) -> None:
    """So many are idle that no probe is given ours; the owner is not to be asked for a word that would be wrong."""
    with pooler(cluster, "transaction", 40, in_turn=True) as pool:
        url = pool.url(shop.database)
        with contextlib.ExitStack() as stack:
            for _ in range(40):
                stack.enter_context(psycopg.connect(url, autocommit=False)).execute("SELECT 1")
        result = shop.migrate(DATABASE_URL=url)
    assert_refused(result, "the connection goes through a pooler in transaction mode")
    assert "LOCKGATE_POOLER" not in result.text
    assert servers.tables(shop.database) == []


def test_statement_mode_is_refused(cluster: Cluster, shop: Site) -> None:
    with pooler(cluster, "statement") as pool:
        result = shop.migrate(DATABASE_URL=pool.url(shop.database))
    assert_refused(result, "", state="nothing was changed")
    assert servers.tables(shop.database) == []
    assert lock_is_free(shop.database)


def test_nothing_pending_behind_transaction_mode_is_fine(cluster: Cluster, shop: Site) -> None:
    assert shop.migrate().code == 0
    with pooler(cluster, "transaction") as pool:
        result = shop.migrate(DATABASE_URL=pool.url(shop.database))
        assert (result.code, result.err) == (0, "")
        assert result.out.splitlines()[-1] == "nothing to migrate"
        assert_no_secret(result.text)
        assert {pid: settings for pid, settings in left_on_backends(pool.url(shop.database)) if settings} == {}


def test_a_repair_behind_transaction_mode_is_refused_and_settles_nothing(cluster: Cluster, shop: Site) -> None:
    shop.migration("0004_steps", COUNT_UP, 'migrations.RunSQL("SELECT 1/0")', atomic="False")
    assert shop.migrate().code == 1
    open_steps = "SELECT id, state FROM lockgate_journalentry ORDER BY id"
    before = shop.database.rows(open_steps)
    assert before
    with pooler(cluster, "transaction") as pool:
        result = shop.run("lockgate", "repair", "--forget", "--apply", DATABASE_URL=pool.url(shop.database))
    assert_refused(result, "the connection goes through a pooler in transaction mode")
    assert shop.database.rows(open_steps) == before


@pytest.mark.parametrize("size", [1, 5])
def test_session_mode_works(cluster: Cluster, shop: Site, size: int) -> None:
    """size 1: the pool has no backend for a second client while ours is kept for us."""
    with pooler(cluster, "session", size) as pool:
        result = shop.migrate(DATABASE_URL=pool.url(shop.database))
        assert result.code == 0, result.text
        assert_no_secret(result.text)
        assert shop.database.value("SELECT value FROM shop_counter") == 1
        assert lock_is_free(shop.database)
        assert "nothing to migrate" in shop.migrate(DATABASE_URL=pool.url(shop.database)).out


def test_a_build_behind_session_mode_says_for_whom_it_waits(cluster: Cluster, shop: Site) -> None:
    """The pid in the client's own key data is the pooler's; the one to ask about, and to note, is the backend's."""
    index = 'AddIndexConcurrently("counter", models.Index(fields=["value"], name="shop_value"))'
    imports = "from django.contrib.postgres.operations import AddIndexConcurrently"
    with pooler(cluster, "session") as pool:
        assert shop.migrate(DATABASE_URL=pool.url(shop.database)).code == 0
        shop.migration("0004_index", index, imports=imports, atomic="False")
        with shop.database.connect() as other:
            other.execute("BEGIN")
            other.execute("INSERT INTO shop_counter (value) VALUES (1)")
            runner = shop.start("migrate", "--noinput", DATABASE_URL=pool.url(shop.database))
            heard = says(runner, "s so far")
            builder, pid = running(shop.database, "CREATE INDEX CONCURRENTLY"), other.info.backend_pid
            other.execute("COMMIT")
        result = finish(runner)
    assert result.code == 0, result.text
    assert f"waits for pid {pid} (" in heard
    assert shop.database.value("SELECT backend_pid FROM lockgate_run ORDER BY id DESC LIMIT 1") == builder


def test_checks_that_take_long_behind_session_mode_do_not_cost_the_session(cluster: Cluster, shop: Site) -> None:
    (shop.path / "shop" / "apps.py").write_text(SLOW_CHECKS)
    cluster.execute(f"ALTER DATABASE \"{shop.database.name}\" SET idle_session_timeout = '1s'")
    with pooler(cluster, "session") as through:
        result = shop.migrate(DATABASE_URL=through.url(shop.database))
    assert result.code == 0, result.text


def test_two_runners_behind_session_mode_apply_once(cluster: Cluster, shop: Site) -> None:
    shop.migration("0004_slow", sleep(0.5))
    with pooler(cluster, "session") as pool:
        runners = [shop.start("migrate", "--noinput", DATABASE_URL=pool.url(shop.database)) for _ in range(2)]
        results = [finish(runner) for runner in runners]
    assert [result.code for result in results] == [0, 0], results
    assert shop.database.value("SELECT value FROM shop_counter") == 1
    assert shop.database.applied().count(("shop", "0003_count")) == 1


def test_a_runner_that_is_killed_behind_session_mode_strands_no_lock(cluster: Cluster, shop: Site) -> None:
    long = shop.migration("0004_long", sleep(30))
    with pooler(cluster, "session") as pool:
        process = shop.start("migrate", "--noinput", DATABASE_URL=pool.url(shop.database))
        kill_at(process, shop.database, "pg_sleep(30)")
        finish(process)
        until(lambda: lock_is_free(shop.database), "the lock is free", patience=10)
        long.write_text(long.read_text().replace("pg_sleep(30)", "pg_sleep(0)"))
        assert shop.migrate(DATABASE_URL=pool.url(shop.database)).code == 0


@pytest.mark.parametrize("mode", ["transaction", "session"])
def test_what_cannot_be_proven_is_refused_and_the_setting_named(cluster: Cluster, shop: Site, mode: str) -> None:
    """A second client, which would show the mode, is not taken in: that is no proof."""
    with pooler(cluster, mode, clients=1) as pool:
        result = shop.migrate(DATABASE_URL=pool.url(shop.database))
        assert_refused(
            result,
            "the connection goes through a pooler that is not proven to be in session mode",
            next_step="LOCKGATE_POOLER=session",
        )
        assert servers.tables(shop.database) == []


def test_the_owners_word_is_taken(cluster: Cluster, shop: Site) -> None:
    with pooler(cluster, "session", clients=1) as pool:
        result = shop.migrate(DATABASE_URL=pool.url(shop.database), LOCKGATE_POOLER="session")
    assert result.code == 0, result.text
    assert shop.database.value("SELECT value FROM shop_counter") == 1


def test_runners_that_share_a_backend_do_not_both_have_the_lock(cluster: Cluster, shop: Site) -> None:
    """The owner's word is wrong: one backend for all, on which PostgreSQL would give the lock again and again."""
    shop.migration("0004_slow", sleep(0.5), atomic="False")
    with pooler(cluster, "transaction", 1) as pool:
        url = pool.url(shop.database)
        runners = [shop.start("migrate", "--noinput", DATABASE_URL=url, LOCKGATE_POOLER="session") for _ in range(4)]
        results = [finish(runner) for runner in runners]
    applied = shop.database.applied() if servers.tables(shop.database) else []
    assert applied.count(("shop", "0003_count")) <= 1, results
    if ("shop", "0003_count") in applied:
        assert shop.database.value("SELECT value FROM shop_counter") == 1
