"""A relay that stops a client at a statement: it reads PostgreSQL's protocol, and counts what the client has run.

A statement is a simple Query or an Execute, of whatever connection of the client, in the order they arrive; BEGIN and
COMMIT are statements too. Several Executes before one Sync (a pipeline) are several statements.
Source: https://www.postgresql.org/docs/current/protocol-flow.html

Invariant: before the statement that is waited for, the relay changes nothing; nor does it when none is.
"""

from __future__ import annotations

import contextlib
import enum
import select
import socket
import struct
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from urllib.parse import quote

from tests.support import databases, relays
from tests.support.relays import CHUNK, Relay

Process = subprocess.Popen[str]

PATIENCE = 60.0  # seconds for a statement's answer
QUERY, PARSE, BIND, EXECUTE, SYNC, FLUSH = b"Q", b"P", b"B", b"E", b"S", b"H"
READY, KEY_DATA = b"Z", b"K"
# CommandComplete, ErrorResponse, EmptyQueryResponse, PortalSuspended: an Execute has come to its end.
ENDS = (b"C", b"E", b"I", b"s")
# A copy begins: the server waits for the client, or sends until it is done.
COPIES = (b"G", b"H", b"W")


class Moment(enum.StrEnum):
    BEFORE = "before"  # the server has not seen the statement
    DURING = "during"  # the server has it, and nobody waits for the answer
    AFTER = "after"  # the server has answered, and the client does not know


@dataclass
class Watch:
    """What is known of one client's statements. strike: called with the backend's pid at statement ``at`` (from 0).

    adjoining: of each statement, whether it was the very next thing that the client sent, on any connection, once the
    one before it was answered. The server cannot tell a client that is killed before it from one killed after that.

    look: asked as each statement comes, before the server has it. seen: its answers, each with a last part that is
    empty, or tells it from all others: then something was under way, and a moment later the answer might be another.
    """

    at: int | None = None
    moment: Moment = Moment.BEFORE
    strike: Callable[[int], object] | None = None
    statements: list[str] = field(default_factory=list)
    adjoining: list[bool] = field(default_factory=list)
    look: Callable[[], tuple[str, ...]] | None = None
    seen: list[tuple[str, ...]] = field(default_factory=list)
    struck: bool = False  # the statement came
    _latest: object = None  # the connection that sent the latest message, where that was a statement
    _busy: set[object] = field(default_factory=set)  # the connections whose statements are not answered
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def passes(self, statement: str, connection: object, *, answered: bool) -> bool:
        """Count a statement; whether it is not the one. answered: all that this connection sent before it."""
        with self._lock:
            if self.look:
                alone = answered and not self._busy
                self.seen.append((*self.look(), "" if alone else str(len(self.statements))))
            self._busy.add(connection)
            self.statements.append(statement)
            self.adjoining.append(answered and self._latest is connection)
            self._latest = connection
            found = not self.struck and self.at == len(self.statements) - 1
            self.struck |= found
            return not found

    def answered(self, connection: object) -> None:
        """All that a connection sent is answered, or it has ended."""
        with self._lock:
            self._busy.discard(connection)

    def started(self, start: Callable[[], Process], strike: Callable[[Process, int], object]) -> Process:
        """Start a process to be struck, with its backend's pid: that may be before ``start`` is over."""
        made = Future[Process]()
        self.strike = lambda backend: strike(made.result(PATIENCE), backend)
        made.set_result(start())
        return made.result()

    def interrupted(self) -> None:
        """Something came that is no statement: a connection began or ended, or said something else."""
        with self._lock:
            self._latest = None


@dataclass
class Wire:
    """A relay to one server, and who watches the clients that come now. host, port: as libpq's. role, password: who
    comes, and what the server wants to hear, if anything."""

    host: str
    port: int
    watch: Watch = field(default_factory=Watch)
    role: str = ""
    password: str = field(default="", repr=False)
    relay: Relay = field(init=False)

    def __post_init__(self) -> None:
        self.relay = Relay(self._serve)

    def url(self, database: str, role: str | None = None) -> str:
        options = "sslmode=disable&gssencmode=disable"
        secret = f":{quote(self.password, safe='')}" if self.password and not role else ""
        return f"postgresql://{role or self.role}{secret}@127.0.0.1:{self.relay.port}/{database}?{options}"

    def connect(self) -> socket.socket:
        if not self.host.startswith("/"):
            return socket.create_connection((self.host, self.port))
        opened = socket.socket(socket.AF_UNIX)
        opened.connect(f"{self.host}/.s.PGSQL.{self.port}")
        return opened

    def _serve(self, client: socket.socket) -> None:
        with client, self.connect() as server:
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            first = relays.startup(client)
            server.sendall(struct.pack("!i", len(first) + 4) + first)
            _Session(client, server, self.watch).run()


@contextlib.contextmanager
def wire(host: str, port: int, kind: type[Wire] = Wire) -> Iterator[Wire]:
    new_wire = kind(host, port)
    new_wire.relay.open()
    try:
        yield new_wire
    finally:
        new_wire.relay.close()


@contextlib.contextmanager
def on_the_wire(watch: Watch | None = None, kind: type[Wire] = Wire) -> Iterator[Wire]:
    """To the session's server, as the role that the tests have there."""
    with databases.admin() as connection:
        info = connection.info
        host, port, role, password = info.host, info.port, info.user, info.password
    with wire(host, port, kind) as new_wire:
        new_wire.watch, new_wire.role, new_wire.password = watch or new_wire.watch, role, password
        yield new_wire


Message = tuple[bytes, bytes]  # its type, and all of it


class Reader:
    """Whole messages out of a stream."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[Message]:
        self._rest += data
        found = []
        while len(self._rest) >= 5:
            end = 1 + struct.unpack("!i", self._rest[1:5])[0]
            if len(self._rest) < end:
                break
            found.append((self._rest[:1], self._rest[:end]))
            self._rest = self._rest[end:]
        return found


class _Session:
    """One connection of a client."""

    def __init__(self, client: socket.socket, server: socket.socket, watch: Watch) -> None:
        self.client, self.server, self.watch = client, server, watch
        self.backend = 0
        self._from_client, self._from_server = Reader(), Reader()
        self._answered = False
        self._group: list[Message] = []  # what the client expects no answer to yet
        self._sources: dict[bytes, str] = {}  # prepared statements and portals, by kind and name

    def run(self) -> None:
        self.watch.interrupted()
        try:
            self._pass_on()
        finally:
            self.watch.answered(self)
            self.watch.interrupted()

    def _pass_on(self) -> None:
        while True:
            readable, _, _ = select.select([self.client, self.server], [], [])
            if self.server in readable:
                data = self.server.recv(CHUNK)
                for kind, message in self._from_server.feed(data):
                    if kind == KEY_DATA:
                        self.backend = struct.unpack("!i", message[5:9])[0]
                    self._answered = kind == READY
                    if self._answered:
                        self.watch.answered(self)
                self.client.sendall(data)
                if not data:
                    return
            elif not self._take(self.client.recv(CHUNK)):
                return

    def _take(self, data: bytes) -> bool:
        """Pass on what the client said; whether it goes on."""
        for kind, message in self._from_client.feed(data):
            self._group.append((kind, message))
            if kind in (PARSE, BIND, EXECUTE) or kind in (b"D", b"C"):
                continue  # its answer comes after a Sync or a Flush
            group, self._group = self._group, []
            if not self._counted(group):
                return True
            self.server.sendall(_join(group))
        return bool(data)

    def _counted(self, group: Sequence[Message]) -> bool:
        """Count a group's statements; False: one of them was waited for, and is done with."""
        statements = list(self._statements(group))
        if not statements:
            self.watch.interrupted()
        for number, statement in statements:
            if not self.watch.passes(statement, self, answered=self._answered):
                self._strike(group, number)
                return False
            self._answered = False
        return True

    def _statements(self, group: Sequence[Message]) -> Iterator[tuple[int, str]]:
        """The statements of a group, each with its place."""
        for number, (kind, message) in enumerate(group):
            body = message[5:]
            if kind == QUERY:
                yield number, _text(body)
            elif kind == PARSE:
                name, source, *_ = body.split(b"\0")
                self._sources[b"statement " + name] = _text(source)
            elif kind == BIND:
                portal, name, *_ = body.split(b"\0")
                self._sources[b"portal " + portal] = self._sources.get(b"statement " + name, "?")
            elif kind == EXECUTE:
                yield number, self._sources.get(b"portal " + body.split(b"\0")[0], "?")

    def _strike(self, group: Sequence[Message], number: int) -> None:
        """Let everything up to the moment happen, and then what was to happen; the client may hear of it.

        What the client had still to send does not go on: it is dead, or its backend is.
        """
        executes = [place for place, (kind, _) in enumerate(group) if kind == EXECUTE]
        earlier = [place for place in executes if place < number]
        if self.watch.moment is Moment.BEFORE and earlier:
            self._await(group[: earlier[-1] + 1], len(earlier))
        elif self.watch.moment is Moment.DURING:
            self.server.sendall(_join(group))
        elif self.watch.moment is Moment.AFTER:
            last = not any(place > number for place in executes)
            self._await(group if last else group[: number + 1], len(earlier) + 1)
        assert self.watch.strike
        self.watch.strike(self.backend)

    def _await(self, messages: Sequence[Message], executed: int) -> None:
        """Send messages and wait until the server has done with them; its answer stays here."""
        ready = messages[-1][0] in (QUERY, SYNC)
        flush = b"" if ready or messages[-1][0] == FLUSH else FLUSH + struct.pack("!i", 4)
        self.server.sendall(_join(messages) + flush)
        deadline = time.monotonic() + PATIENCE
        while True:
            answered, _, _ = select.select([self.server], [], [], deadline - time.monotonic())
            data = self.server.recv(CHUNK) if answered else b""
            if not data:
                raise OSError("the server did not answer")
            for kind, _ in self._from_server.feed(data):
                executed -= kind in ENDS
                if kind in COPIES or (kind == READY if ready else executed == 0 or kind == b"E"):
                    return


def _join(messages: Sequence[Message]) -> bytes:
    return b"".join(message for _, message in messages)


def _text(source: bytes) -> str:
    return " ".join(source.rstrip(b"\0").decode(errors="replace").split())
