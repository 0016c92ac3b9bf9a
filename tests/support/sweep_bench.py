"""Where a sweep happens: a server, copies of the start schema, runners that fork, and the wire between them.

The start schema is made once, by stock Django, and filled; what Lockgate starts from is a copy of it that Lockgate has
seen, as a database that it has been in charge of for a while. Every run has a copy of its own.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from tests.support import databases, sweep_ends, sweep_forks, sweep_project, sweep_states, sweep_wire
from tests.support.processes import until
from tests.support.servers import Cluster
from tests.support.sites import Result
from tests.support.sweep_cases import APP, ROWS, Case
from tests.support.sweep_ends import End
from tests.support.sweep_forks import Forks
from tests.support.sweep_wire import Watch, Wire

OWNER = "sweep_owner"  # no superuser: runs as an application's role does
PATIENCE = 90.0  # seconds until a run is taken for hung, and killed
HUNG = 124  # the exit code that it is then given, as timeout(1) would

FILL = {
    "integer": "n",
    "bigint": "n",
    "numeric": "n",
    "boolean": "n % 2 = 0",
    "int4range": "int4range(n, n + 1)",
    "character varying": "'a line of text ' || n",
}


@dataclass
class Bench:
    """conninfo: of a superuser, over a socket. cluster: where the server is ours to restart."""

    conninfo: str
    project: Path
    wire: Wire
    forks: dict[str, Forks]
    cluster: Cluster | None = None
    suffix: str = field(default_factory=lambda: uuid.uuid4().hex[:8])
    _ends: dict[Case, End] = field(default_factory=dict)

    def template(self, runner: str, *, adopted: bool = True) -> str:
        return f"start_{'seen' if runner == 'lockgate' and adopted else 'stock'}_{self.suffix}"

    def admin(self) -> psycopg.Connection[Any]:
        return psycopg.connect(self.conninfo, autocommit=True)

    @contextlib.contextmanager
    def database(self, template: str = "template1") -> Iterator[str]:
        """The name of a new database of OWNER's, gone at the end of the block."""
        name = f"lg_{uuid.uuid4().hex[:12]}"
        with self.admin() as admin:
            _create(admin, name, template)
        try:
            yield name
        finally:
            with self.admin() as admin:
                _drop(admin, name)

    def run(
        self,
        runner: str,
        database: str,
        case: Case | None,
        *arguments: str,
        watch: Watch | None = None,
        first: Callable[[], object] = lambda: None,
    ) -> Result:
        """``manage.py`` with these arguments, by default ``migrate --noinput``, to its end.

        watch: where it has no ``strike`` of its own, it kills this runner. first: what is done before that kill.
        """
        started = threading.Event()
        pid = 0

        def kill(backend: int) -> None:
            assert started.wait(60)
            first()
            os.kill(pid, signal.SIGKILL)

        self.wire.watch = watch = watch or Watch()
        watch.strike = watch.strike or kill
        history = sweep_project.history(case) if case else sweep_project.START_ONLY
        url = self.wire.url(database, OWNER)
        pid = self.forks[runner].start(url, history, *(arguments or ("migrate", "--noinput")))
        started.set()
        ended = threading.Event()
        limit = threading.Thread(target=lambda: ended.wait(PATIENCE) or os.kill(pid, signal.SIGKILL), daemon=True)
        limit.start()
        began = time.monotonic()
        try:
            result = self.forks[runner].finish()
        finally:
            ended.set()
        hung = result.code == -signal.SIGKILL and time.monotonic() - began >= PATIENCE
        return Result(HUNG, result.out, f"{result.err}\nhung for {PATIENCE:g} s") if hung else result

    def watched(self, runner: str, database: str, case: Case | None, *arguments: str) -> tuple[Result, Watch]:
        """A run that nobody disturbs, and at each of its statements, and in the end, what is committed then."""
        with self.admin() as admin:
            watch = Watch(look=sweep_states.looking(admin))
            result = self.run(runner, database, case, *arguments, watch=watch)
            assert watch.look
            watch.seen.append((*watch.look(), ""))
        return result, watch

    def terminate(self, backend: int) -> None:
        """End a backend, and wait until it is gone."""
        with self.admin() as admin:
            admin.execute("SELECT pg_terminate_backend(%s)", [backend])
        until(lambda: _is_gone(backend), "the backend is gone")  # the server's own wait looks every 100 ms

    def restart(self, backend: int) -> None:
        """What ``pg_ctl stop -m immediate`` and a start do: every session is gone, and the log is replayed."""
        assert self.cluster
        self.cluster.stop(signal.SIGQUIT)
        self.cluster.start()

    def end(self, database: str) -> End:
        return sweep_ends.of(self.conninfo, database)

    def expected(self, case: Case) -> End:
        """Where stock Django ends, undisturbed."""
        if case not in self._ends:
            with self.database(self.template("stock")) as database:
                result = self.run("stock", database, case)
                assert result.code == 0, f"{case}\n{result.text}"
                self._ends[case] = self.end(database)
        return self._ends[case]

    def prepare(self) -> None:
        """Make the two start schemas."""
        with self.admin() as admin:
            if not admin.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [OWNER]).fetchone():
                admin.execute(sql.SQL("CREATE ROLE {} LOGIN").format(sql.Identifier(OWNER)))
            _create(admin, self.template("stock"), "template1")
            self._succeeds("stock")
            with psycopg.connect(make_conninfo(self.conninfo, dbname=self.template("stock"))) as connection:
                fill(connection)
            _create(admin, self.template("lockgate"), self.template("stock"))
            self._succeeds("lockgate")

    def _succeeds(self, runner: str) -> None:
        result = self.run(runner, self.template(runner), None)
        assert result.code == 0, result.text

    def clear(self) -> None:
        with self.admin() as admin:
            for runner in ("stock", "lockgate"):
                _drop(admin, self.template(runner))


def fill(connection: psycopg.Connection[Any]) -> None:
    """ROWS rows in every table of the app, all values distinct and none NULL, so that every constraint holds."""
    columns = connection.execute(
        "SELECT table_name, column_name, data_type, is_identity = 'YES' FROM information_schema.columns"
        " WHERE table_schema = 'public' AND table_name LIKE %s ORDER BY table_name, ordinal_position",
        [f"{APP}_%"],
    ).fetchall()
    tables = {table: [row[1:] for row in columns if row[0] == table] for table, *_ in columns}
    connection.execute("SET session_replication_role = replica")  # any order of tables will do
    for table, found_table in tables.items():
        rows = 1 if table == f"{APP}_tally" else ROWS
        filled = [(column, kind) for column, kind, identity in found_table if not identity]
        connection.execute(
            sql.SQL("INSERT INTO {} ({}) SELECT {} FROM generate_series(1, {}) AS n").format(
                sql.Identifier(table),
                sql.SQL(", ").join(sql.Identifier(column) for column, _ in filled),
                sql.SQL(", ").join(sql.SQL(FILL[kind]) for _, kind in filled),  # type: ignore[arg-type]
                rows,
            )
        )
    connection.execute("ANALYZE")


@contextlib.contextmanager
def bench(conninfo: str, path: Path, cluster: Cluster | None = None) -> Iterator[Bench]:
    """A bench on a server that runs. path: an empty directory, for the project."""
    project = sweep_project.write(path / "project")
    where = conninfo_to_dict(conninfo)
    with (
        sweep_wire.wire(str(where["host"]), int(where.get("port") or 5432)) as wire,
        sweep_forks.forks(project, "site_settings") as gate,
        sweep_forks.forks(project, "stock_settings") as stock,
    ):
        new_bench = Bench(conninfo, project, wire, {"lockgate": gate, "stock": stock}, cluster)
        new_bench.prepare()
        try:
            yield new_bench
        finally:
            new_bench.clear()


def _create(admin: psycopg.Connection[Any], name: str, template: str) -> None:
    # FILE_COPY ends in a checkpoint. With the other strategy a crash before the next one sets sequences of the copy
    # back, since nextval() has nothing to log until its 32 values in advance are used up.
    admin.execute(
        sql.SQL("CREATE DATABASE {} TEMPLATE {} OWNER {}{}").format(
            *map(sql.Identifier, (name, template, OWNER)), databases.copied_as_files(admin)
        )
    )


def _is_gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def _drop(admin: psycopg.Connection[Any], name: str) -> None:
    admin.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))
