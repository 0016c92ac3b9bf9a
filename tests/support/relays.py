"""Small TCP servers on 127.0.0.1 that misbehave as networks and servers do.

Each runs in threads of the test's process for the length of a ``with`` block, and ends with it.
"""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

SSL_REQUEST = 80877103
GSS_REQUEST = 80877104
PASSWORD_MESSAGE = b"p"
CHUNK = 65536

Serve = Callable[[socket.socket], None]


@dataclass
class Relay:
    """A port that answers as ``serve`` says; closed, so that connections are refused, until it is opened."""

    serve: Serve
    listener: socket.socket = field(default_factory=lambda: socket.socket(socket.AF_INET, socket.SOCK_STREAM))
    received: list[bytes] = field(default_factory=list)
    _clients: list[socket.socket] = field(default_factory=list)
    _threads: list[threading.Thread] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.listener.bind(("127.0.0.1", 0))

    @property
    def port(self) -> int:
        return int(self.listener.getsockname()[1])

    @property
    def connections(self) -> int:
        """How many clients have come so far."""
        return len(self._clients)

    def open(self) -> None:
        self.listener.listen(64)
        self._spawn(self._accept)

    def close(self) -> None:
        """End all connections and threads."""
        for each in (self.listener, *self._clients):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
        for thread in self._threads:
            thread.join(10)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):  # the listener was closed
            while True:
                client, _ = self.listener.accept()
                self._clients.append(client)
                self._spawn(lambda client=client: self._served(client))

    def _served(self, client: socket.socket) -> None:
        with contextlib.suppress(OSError, ValueError):  # ValueError: select, on a socket that close() has closed
            self.serve(client)

    def _spawn(self, work: Callable[[], None]) -> None:
        thread = threading.Thread(target=work, daemon=True)
        self._threads.append(thread)
        thread.start()


@contextlib.contextmanager
def relay(serve: Serve, *, opened: bool = True) -> Iterator[Relay]:
    new_relay = Relay(serve)
    if opened:
        new_relay.open()
    try:
        yield new_relay
    finally:
        new_relay.close()


def silent(client: socket.socket) -> None:
    """Accept, and never say a word."""
    while client.recv(CHUNK):
        pass


def answering(sqlstate: str, message: str) -> Serve:
    """A server that answers every start with this error, as a real one does while it starts up."""

    def serve(client: socket.socket) -> None:
        if startup(client):
            client.sendall(error(sqlstate, message))
        client.close()

    return serve


def greedy(received: list[bytes]) -> Serve:
    """A server that declines TLS and asks for the password in the clear; what it is told goes to ``received``."""

    def serve(client: socket.socket) -> None:
        if not startup(client):
            return
        client.sendall(b"R" + struct.pack("!ii", 8, 3))  # AuthenticationCleartextPassword
        received.append(client.recv(CHUNK))
        client.sendall(error("28P01", "password authentication failed"))
        client.close()

    return serve


def forwarding(host: str, port: int, tls: ssl.SSLContext | None = None) -> Serve:
    """Pass everything on to a server. tls: take TLS off on the way, for a server that has none; hang up without it."""

    def serve(client: socket.socket) -> None:
        with contextlib.ExitStack() as stack:
            if tls:
                stack.enter_context(contextlib.closing(client))
                _expect(client, SSL_REQUEST)
                client.sendall(b"S")
                client = stack.enter_context(tls.wrap_socket(client, server_side=True))
            server = stack.enter_context(socket.create_connection((host, port)))
            _pump(client, server)

    return serve


def either(before: Serve, after: Serve, event: threading.Event) -> Serve:
    """Serve each client as one does until the event is set, and as the other does from then on."""

    def serve(client: socket.socket) -> None:
        (after if event.is_set() else before)(client)

    return serve


def error(sqlstate: str, message: str) -> bytes:
    """An ErrorResponse. Source: https://www.postgresql.org/docs/current/protocol-message-formats.html"""
    fields = {"S": "FATAL", "V": "FATAL", "C": sqlstate, "M": message}
    body = b"".join(f"{key}{value}".encode() + b"\0" for key, value in fields.items()) + b"\0"
    return b"E" + struct.pack("!i", len(body) + 4) + body


def _pump(client: socket.socket, server: socket.socket) -> None:
    while True:
        # What TLS has decrypted already, select does not see.
        ahead = isinstance(client, ssl.SSLSocket) and client.pending()
        readable = [client] if ahead else select.select([client, server], [], [])[0]
        for source in readable:
            data = source.recv(CHUNK)
            if not data:
                return
            (server if source is client else client).sendall(data)


def startup(client: socket.socket) -> bytes:
    """Decline encryption, and read the startup message, without its length; empty where the client went away."""
    while True:
        message = _packet(client)
        if len(message) < 4 or struct.unpack("!i", message[:4])[0] not in (SSL_REQUEST, GSS_REQUEST):
            return message
        client.sendall(b"N")


def _expect(client: socket.socket, code: int) -> None:
    found = _packet(client)
    if len(found) != 4 or struct.unpack("!i", found)[0] != code:
        raise OSError("the client asked for something else")


def _packet(client: socket.socket) -> bytes:
    head = client.recv(4, socket.MSG_WAITALL)
    if len(head) < 4:
        return b""
    return client.recv(struct.unpack("!i", head)[0] - 4, socket.MSG_WAITALL)
