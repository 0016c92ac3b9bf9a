"""A relay that counts how often a client waits for an answer of the server: each time is a round trip of the network.

A round trip is all that a client sends, on one connection, until the server answers; however many statements that are.
What begins and ends a connection is not counted: the startup, the password, Terminate.
Source: https://www.postgresql.org/docs/current/protocol-flow.html
"""

from __future__ import annotations

import contextlib
import select
import socket
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from tests.support import relays
from tests.support.relays import CHUNK
from tests.support.sweep_wire import PARSE, QUERY, Reader, Wire, on_the_wire

UNCOUNTED = (b"p", b"X")  # a password, Terminate


@dataclass
class Counter(Wire):
    """trips: of each, what was asked: the texts of its statements, one after the other."""

    trips: list[str] = field(default_factory=list)

    def _serve(self, client: socket.socket) -> None:
        with client, self.connect() as server:
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            first = relays.startup(client)
            server.sendall(struct.pack("!i", len(first) + 4) + first)
            reader, answered = Reader(), True
            while True:
                for source in select.select([client, server], [], [])[0]:
                    data = source.recv(CHUNK)
                    if not data:
                        return
                    answered = source is server or self._noted(reader, data, answered=answered)
                    (server if source is client else client).sendall(data)

    def _noted(self, reader: Reader, data: bytes, *, answered: bool) -> bool:
        """Whether what the client sends next is another round trip still."""
        for kind, message in reader.feed(data):
            if kind in UNCOUNTED:
                continue
            if answered:
                self.trips.append("")
                answered = False
            if kind in (QUERY, PARSE):
                text = message[5:] if kind == QUERY else message[5:].partition(b"\0")[2]
                self.trips[-1] += text.partition(b"\0")[0].decode() + "\n"
        return answered


@contextlib.contextmanager
def counting() -> Iterator[Counter]:
    """To the session's server, as the role that the tests have there."""
    with on_the_wire(kind=Counter) as counter:
        assert isinstance(counter, Counter)
        yield counter


def told(trips: Sequence[str]) -> str:
    """One line for each round trip, with the beginnings of what was asked."""
    return "\n".join(f"{number:3}  {_beginnings(trip)}" for number, trip in enumerate(trips, 1))


def _beginnings(trip: str) -> str:
    lines = [line for line in trip.splitlines() if line and not line.startswith((" ", "--", ")", "FROM", "WHERE"))]
    said = " | ".join(" ".join(line.split())[:60] for line in lines)
    return said or " ".join(trip.split())[:60]
