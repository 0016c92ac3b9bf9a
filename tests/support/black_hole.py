"""A network that takes everything and delivers nothing, under runs that are each at another point of their work.

Runs in a network namespace of its own, where its loopback is nobody else's:

    unshare --net python -m tests.support.black_hole [other bounds than policy.KEEPALIVES, as key=value]

Prints a JSON object: for each phase the seconds from the cut to the end of the client, its exit code, and the seconds
until the server has ended its session, which is when the lock is free. A null: not seen within PATIENCE. The packets of
both sides are dropped, and no socket is closed; whoever observes does so over the server's Unix socket.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.support import servers
from tests.support.processes import running, says, until
from tests.support.servers import Cluster, PrivateDatabase
from tests.support.sites import CREATE_COUNTER, MANAGE, Site

PATIENCE = 150.0  # seconds
LOCK = int.from_bytes(b"lockgate", "big")
CODE = """
import pathlib, time

def ask(editor, statement, values=None):
    with editor.connection.cursor() as cursor:
        cursor.execute(statement, values)

def statement(apps, editor):
    ask(editor, "SELECT pg_sleep(600)")

def compute(apps, editor):
    pathlib.Path("here").touch()
    time.sleep(600)

def send(apps, editor):
    pathlib.Path("here").touch()
    while True:
        ask(editor, "SELECT length(%s)", ["x" * 4000000])

def lock(apps, editor):
    ask(editor, "LOCK TABLE shop_counter IN ACCESS EXCLUSIVE MODE")
"""
SLOW_COMMIT = (
    "CREATE FUNCTION slowly() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(600); RETURN NULL; END';"
    "CREATE CONSTRAINT TRIGGER slowly AFTER INSERT ON shop_counter DEFERRABLE INITIALLY DEFERRED"
    " FOR EACH ROW EXECUTE FUNCTION slowly()"
)
INSERT = 'migrations.RunSQL("INSERT INTO shop_counter (value) VALUES (1)", migrations.RunSQL.noop)'
INDEX = 'AddIndexConcurrently("counter", models.Index(fields=["value"], name="shop_value"))'
INDEX_IMPORT = "from django.contrib.postgres.operations import AddIndexConcurrently"


def code(name: str) -> str:
    return f"migrations.RunPython({name}, migrations.RunPython.noop)"


@dataclass
class Case:
    """A run at some point of its work, and the pid of its session on the server; none where it has none yet."""

    site: Site
    runner: subprocess.Popen[str]
    backend: int | None


class Stage:
    """Brings one run each to a phase. bounds: those that its KEEPALIVES have."""

    def __init__(self, cluster: Cluster, folder: Path, bounds: dict[str, int], stack: contextlib.ExitStack) -> None:
        self.cluster, self.folder, self.bounds, self.stack = cluster, folder, bounds, stack

    def lock_wait(self) -> Case:
        site, database = self._site("lock_wait")
        site.migration("0002_insert", INSERT)
        self._holding(database, f"SELECT pg_advisory_lock({LOCK})")
        runner = self._start(site, database)
        return Case(site, runner, until(lambda: _session(database), "it waits for the lock"))

    def statement(self) -> Case:
        site, database = self._site("statement")
        site.migration("0002_code", code("statement"), imports=CODE)
        runner = self._start(site, database)
        return Case(site, runner, until(lambda: running(database, "SELECT pg_sleep"), "its statement runs"))

    def commit(self) -> Case:
        site, database = self._site("commit")
        database.execute(SLOW_COMMIT)
        site.migration("0002_insert", INSERT)
        runner = self._start(site, database)
        return Case(site, runner, until(lambda: running(database, "COMMIT"), "its COMMIT runs"))

    def build(self) -> Case:
        site, database = self._site("build")
        site.migration("0002_index", INDEX, imports=INDEX_IMPORT, atomic="False")
        self._holding(database, "BEGIN", "INSERT INTO shop_counter (value) VALUES (1)")
        runner = self._start(site, database)
        says(runner, "waits for pid")
        return Case(site, runner, running(database, "CREATE INDEX CONCURRENTLY"))

    def retry_pause(self) -> Case:
        site, database = self._site("retry_pause")
        site.migration("0002_lock", code("lock"), imports=CODE)
        self._holding(database, "BEGIN", "SELECT FROM shop_counter")
        runner = self._start(site, database)
        for _ in range(6):
            says(runner, "trying again")
        return Case(site, runner, _session(database))

    def computing(self) -> Case:
        return self._own_code("compute")

    def sending(self) -> Case:
        return self._own_code("send")

    def connecting(self) -> Case:
        """Once the network is cut."""
        site, database = self._site("connecting", migrate=False)
        return Case(site, self._start(site, database), None)

    def _own_code(self, name: str) -> Case:
        site, database = self._site(name)
        site.migration("0002_code", code(name), imports=CODE)
        runner = self._start(site, database)
        until((site.path / "here").exists, "its code runs")
        return Case(site, runner, _session(database))

    def _site(self, name: str, *, migrate: bool = True) -> tuple[Site, PrivateDatabase]:
        database = self.cluster.database()
        site = Site(self.folder / name, database)
        site.lockgate = {"WAIT_SECONDS": 10}
        site.write_settings()
        (site.path / "manage.py").write_text(
            f"from lockgate import policy\npolicy.KEEPALIVES.update({self.bounds})\n{MANAGE}"
        )
        site.migration("0001_initial", CREATE_COUNTER)
        if migrate:
            done = site.migrate(DATABASE_URL=database.url_as())
            assert done.code == 0, done.text
        return site, database

    def _holding(self, database: PrivateDatabase, *statements: str) -> None:
        other = self.stack.enter_context(database.connect())
        for statement in statements:
            other.execute(statement)  # type: ignore[arg-type]

    def _start(self, site: Site, database: PrivateDatabase) -> subprocess.Popen[str]:
        runner = site.start("migrate", "--noinput", DATABASE_URL=database.url_as())
        self.stack.callback(runner.wait)
        self.stack.callback(runner.kill)
        return runner


def _session(database: PrivateDatabase) -> int | None:
    named = "SELECT pid FROM pg_stat_activity WHERE datname = %s AND application_name ~ '^lockgate (?!watch)'"
    rows = database.rows(named, [database.name])
    return int(rows[0][0]) if rows else None


@contextlib.contextmanager
def cut() -> Iterator[None]:
    """Drop what comes in over the loopback of this namespace."""
    for rule in ("add table inet hole", "add chain inet hole in { type filter hook input priority 0; policy drop; }"):
        subprocess.run(["nft", rule], check=True)
    try:
        yield
    finally:
        subprocess.run(["nft", "delete", "table", "inet", "hole"], check=True)


def observed(cluster: Cluster, cases: dict[str, Case], began: float) -> dict[str, dict[str, float | int | None]]:
    """What becomes of the runs, until all of it has, or patience ends."""
    found: dict[str, dict[str, float | int | None]] = {name: {"client": None, "server": None} for name in cases}
    with cluster.connect() as observer:
        while time.monotonic() - began < PATIENCE and any(map(_awaited, found.items())):
            alive = {pid for (pid,) in observer.execute("SELECT pid FROM pg_stat_activity")}
            for name, case in cases.items():
                now = round(time.monotonic() - began, 1)
                if found[name]["client"] is None and case.runner.poll() is not None:
                    found[name] |= {"client": now, "code": case.runner.returncode}
                if found[name]["server"] is None and case.backend not in alive:
                    found[name]["server"] = now
            time.sleep(0.1)
    return found


def _awaited(each: tuple[str, dict[str, float | int | None]]) -> bool:
    """A client whose own code computes asks nothing of the network, and cannot know."""
    name, ends = each
    return ends["server"] is None or (ends["client"] is None and name != "computing")


def main(bounds: dict[str, int]) -> None:
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    os.environ.setdefault("TEST_DATABASE_URL", "")
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="lockgate-hole-")))
        stage = Stage(stack.enter_context(servers.running()), folder, bounds, stack)
        phases = (stage.lock_wait, stage.statement, stage.commit, stage.build, stage.retry_pause, stage.computing)
        cases = {each.__name__: each() for each in (*phases, stage.sending)}
        late = stage.connecting
        with cut():
            began = time.monotonic()
            cases["connecting"] = late()
            print(json.dumps(observed(stage.cluster, cases, began)))


if __name__ == "__main__":
    main({key: int(value) for key, value in (each.split("=") for each in sys.argv[1:])})
