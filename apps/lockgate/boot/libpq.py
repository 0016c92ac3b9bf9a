"""One query through libpq itself: the library that psycopg brings, without psycopg, whose import costs ten times this.

Only functions that libpq documents, none of which waits: this module waits, on the socket, and never past a deadline.
Source: https://www.postgresql.org/docs/current/libpq-async.html
"""

import ctypes
import select
import time
from ctypes import CFUNCTYPE, POINTER, c_char_p, c_int, c_void_p

# https://www.postgresql.org/docs/current/libpq-connect.html and …/libpq-exec.html
_CONNECTION_BAD = 1
_POLLING_FAILED, _POLLING_READING, _POLLING_WRITING, _POLLING_OK = 0, 1, 2, 3
_TUPLES_OK = 2
_TEXT = 0

_NoticeReceiver = CFUNCTYPE(None, c_void_p, c_void_p)

_FUNCTIONS: dict[str, tuple[object, list[object]]] = {  # name: result, arguments
    "PQconnectStartParams": (c_void_p, [POINTER(c_char_p), POINTER(c_char_p), c_int]),
    "PQconnectPoll": (c_int, [c_void_p]),
    "PQstatus": (c_int, [c_void_p]),
    "PQsocket": (c_int, [c_void_p]),
    "PQsetnonblocking": (c_int, [c_void_p, c_int]),
    "PQsetNoticeReceiver": (c_void_p, [c_void_p, _NoticeReceiver, c_void_p]),
    "PQsendQueryParams": (
        c_int,
        [c_void_p, c_char_p, c_int, c_void_p, POINTER(c_char_p), c_void_p, c_void_p, c_int],
    ),
    "PQflush": (c_int, [c_void_p]),
    "PQconsumeInput": (c_int, [c_void_p]),
    "PQisBusy": (c_int, [c_void_p]),
    "PQgetResult": (c_void_p, [c_void_p]),
    "PQresultStatus": (c_int, [c_void_p]),
    "PQntuples": (c_int, [c_void_p]),
    "PQnfields": (c_int, [c_void_p]),
    "PQgetvalue": (c_char_p, [c_void_p, c_int, c_int]),
    "PQclear": (None, [c_void_p]),
    "PQfinish": (None, [c_void_p]),
}


class NoAnswer(Exception):
    """The server gave none, in time or at all. Its words are not repeated: they may hold a part of the URL."""


class Library:
    """libpq, from a path. Raises OSError or AttributeError where it is none."""

    def __init__(self, path: str) -> None:
        library = ctypes.CDLL(path)
        for name, (result, arguments) in _FUNCTIONS.items():
            function = getattr(library, name)
            function.restype, function.argtypes = result, arguments
        self.call = library

    def row(self, url: str, statement: str, values: list[str], seconds: float) -> list[str]:
        """The one row that a statement returns, as text. url: with everything that libpq is to know.

        The connection is in autocommit, and closed afterwards. Raises NoAnswer, after that many seconds at the latest
        (but for the resolver of host names, which keeps its own time).
        """
        deadline = time.monotonic() + seconds
        # fallback_…: a name in the URL or in PGAPPNAME wins. The encoding is Django's, whatever the URL says.
        parameters = {"fallback_application_name": "lockgate", "dbname": url, "client_encoding": "UTF8"}
        connection = self.call.PQconnectStartParams(_texts([*parameters]), _texts([*parameters.values()]), 1)
        if not connection:
            raise NoAnswer("there is no memory for a connection")
        try:
            return _Conversation(self.call, connection, deadline).row(statement, values)
        finally:
            self.call.PQfinish(connection)


class _Conversation:
    """A connection that is being opened. Every step waits on the socket, up to the deadline."""

    def __init__(self, call: ctypes.CDLL, connection: int, deadline: float) -> None:
        self._call, self._connection, self._deadline = call, connection, deadline
        # A warning of the server's (a collation that has another version, say) must not get to stderr past our words.
        self._silent = _NoticeReceiver(_ignore)  # kept here: libpq has only its address
        call.PQsetNoticeReceiver(connection, self._silent, None)

    def row(self, statement: str, values: list[str]) -> list[str]:
        self._connect()
        self._send(statement, values)
        found = self._result()
        try:
            return self._only_row(found)
        finally:
            self._call.PQclear(found)

    def _connect(self) -> None:
        if self._call.PQstatus(self._connection) == _CONNECTION_BAD:
            raise NoAnswer("libpq does not take DATABASE_URL")
        polled = _POLLING_WRITING
        while polled != _POLLING_OK:
            if polled not in (_POLLING_READING, _POLLING_WRITING):
                raise NoAnswer("the server cannot be connected to")
            self._wait(writing=polled == _POLLING_WRITING)
            polled = self._call.PQconnectPoll(self._connection)

    def _send(self, statement: str, values: list[str]) -> None:
        self._call.PQsetnonblocking(self._connection, 1)
        sent = self._call.PQsendQueryParams(
            self._connection, statement.encode(), len(values), None, _texts(values), None, None, _TEXT
        )
        while sent and (unsent := self._call.PQflush(self._connection)):
            if unsent < 0:
                sent = 0
            else:
                self._wait(writing=True)
        if not sent:
            raise NoAnswer("the connection was lost")

    def _result(self) -> int:
        while self._call.PQisBusy(self._connection):
            self._wait(writing=False)
            if not self._call.PQconsumeInput(self._connection):
                raise NoAnswer("the connection was lost")
        found = self._call.PQgetResult(self._connection)
        if not found:
            raise NoAnswer("the server sent nothing")
        return int(found)

    def _only_row(self, found: int) -> list[str]:
        if self._call.PQresultStatus(found) != _TUPLES_OK:
            raise NoAnswer("the server refuses the question: there may be no ledger yet, or an older one")
        if self._call.PQntuples(found) != 1:
            raise NoAnswer("the server answers with other than one row")
        fields = range(self._call.PQnfields(found))
        return [self._call.PQgetvalue(found, 0, each).decode() for each in fields]  # NULL: an empty text

    def _wait(self, *, writing: bool) -> None:
        """Until the socket is ready. It may be another one after each step, where there are several hosts."""
        socket, left = self._call.PQsocket(self._connection), self._deadline - time.monotonic()
        if socket < 0:
            raise NoAnswer("the connection was lost")
        ready = left > 0 and any(select.select([] if writing else [socket], [socket] if writing else [], [], left))
        if not ready:
            raise NoAnswer("the server did not answer in time")


def _texts(texts: list[str]) -> "ctypes.Array[c_char_p]":
    """An array of C strings that ends with a null pointer."""
    return (c_char_p * (len(texts) + 1))(*[each.encode() for each in texts], None)


def _ignore(context: int, result: int) -> None:
    """libpq frees the result itself."""
