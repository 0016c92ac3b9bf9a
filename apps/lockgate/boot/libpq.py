"""A few statements through libpq itself: the library that psycopg brings, whose own import costs ten times this.

Only functions that libpq documents, none of which waits: this module waits, on the socket, and never past a deadline.
Source: https://www.postgresql.org/docs/current/libpq-async.html
"""

import ctypes
import os
import select
import time
from ctypes import CFUNCTYPE, POINTER, c_char_p, c_int, c_void_p

# https://www.postgresql.org/docs/current/libpq-connect.html and …/libpq-exec.html
_CONNECTION_BAD = 1
_POLLING_FAILED, _POLLING_READING, _POLLING_WRITING, _POLLING_OK = 0, 1, 2, 3
_COMMAND_OK, _TUPLES_OK = 1, 2
_COPYING = (3, 4, 8)  # results without an end
_TEXT = 0
_SQLSTATE = ord("C")  # PG_DIAG_SQLSTATE

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
    "PQsendQuery": (c_int, [c_void_p, c_char_p]),
    "PQflush": (c_int, [c_void_p]),
    "PQconsumeInput": (c_int, [c_void_p]),
    "PQisBusy": (c_int, [c_void_p]),
    "PQgetResult": (c_void_p, [c_void_p]),
    "PQresultStatus": (c_int, [c_void_p]),
    "PQresultErrorField": (c_char_p, [c_void_p, c_int]),
    "PQntuples": (c_int, [c_void_p]),
    "PQnfields": (c_int, [c_void_p]),
    "PQgetvalue": (c_char_p, [c_void_p, c_int, c_int]),
    "PQclear": (None, [c_void_p]),
    "PQfinish": (None, [c_void_p]),
}


class NoAnswer(Exception):
    """The server gave none, in time or at all. Its words are not repeated: they may hold a part of the URL.

    sqlstate: of a statement that it refused.
    """

    def __init__(self, why: str, sqlstate: str = "") -> None:
        super().__init__(why)
        self.sqlstate = sqlstate


class Library:
    """libpq, from a path. Raises OSError or AttributeError where it is none."""

    def __init__(self, path: str) -> None:
        library = ctypes.CDLL(path)
        for name, (result, arguments) in _FUNCTIONS.items():
            function = getattr(library, name)
            function.restype, function.argtypes = result, arguments
        self._call = library

    def connect(self, url: str, seconds: float) -> "Session":
        """A session in autocommit, to be closed. url: with everything that libpq is to know. Raises NoAnswer.

        seconds: for connecting and all that follows, until ``Session.allow`` gives more (but for the resolver of host
        names, which keeps its own time).
        """
        # fallback_…: a name in the URL or in PGAPPNAME wins. The encoding is Django's, whatever the URL says.
        parameters = {"fallback_application_name": "lockgate", "dbname": url, "client_encoding": "UTF8"}
        connection = self._call.PQconnectStartParams(_texts([*parameters]), _texts([*parameters.values()]), 1)
        if not connection:
            raise NoAnswer("there is no memory for a connection")
        session = Session(self._call, connection, seconds)
        try:
            session._connect()
        except BaseException:
            session.close()
            raise
        return session


class Session:
    """A connection. Every step waits on the socket, up to the deadline."""

    def __init__(self, call: ctypes.CDLL, connection: int, seconds: float) -> None:
        self._call, self._connection = call, connection
        self.allow(seconds)
        # A warning of the server's (a collation that has another version, say) must not get to stderr past our words.
        self._silent = _NoticeReceiver(_ignore)  # kept here: libpq has only its address
        call.PQsetNoticeReceiver(connection, self._silent, None)

    def allow(self, seconds: float) -> None:
        """Let what follows take this long, from now on."""
        self._deadline = time.monotonic() + seconds

    def close(self) -> None:
        """End it; a transaction that is open is rolled back by the server."""
        self._call.PQfinish(self._connection)

    def row(self, statement: str, values: list[str]) -> list[str]:
        """The one row that a statement returns, as text. Raises NoAnswer."""
        rows = self.rows(statement, values)
        if len(rows) != 1:
            raise NoAnswer("the server answers with other than one row")
        return rows[0]

    def rows(self, statement: str, values: list[str]) -> list[list[str]]:
        """The rows that a statement returns, as text; NULL is an empty one. Raises NoAnswer."""
        call, connection = self._call, self._connection
        self._send(
            call.PQsendQueryParams(connection, statement.encode(), len(values), None, _texts(values), None, None, _TEXT)
        )
        return self._results()

    def run(self, statements: bytes) -> None:
        """Run statements that stand one after the other, each ended by a semicolon. Raises NoAnswer."""
        self._send(self._call.PQsendQuery(self._connection, statements))
        self._results()

    def _connect(self) -> None:
        if self._call.PQstatus(self._connection) == _CONNECTION_BAD:
            raise NoAnswer("libpq does not take DATABASE_URL")
        polled = _POLLING_WRITING
        while polled != _POLLING_OK:
            if polled not in (_POLLING_READING, _POLLING_WRITING):
                raise NoAnswer("the server cannot be connected to")
            self._wait(reading=polled == _POLLING_READING, writing=polled == _POLLING_WRITING)
            polled = self._call.PQconnectPoll(self._connection)
        self._call.PQsetnonblocking(self._connection, 1)

    def _send(self, sent: int) -> None:
        """Have all of a statement leave; meanwhile take in what the server says, which may wait for that."""
        while sent and (unsent := self._call.PQflush(self._connection)):
            if unsent < 0:
                sent = 0
            elif self._wait(reading=True, writing=True):
                sent = self._call.PQconsumeInput(self._connection)
        if not sent:
            raise NoAnswer("the connection was lost")

    def _results(self) -> list[list[str]]:
        """The rows of all results; they are read to the end, also where one of them is a refusal."""
        rows: list[list[str]] = []
        refused = None
        while result := self._result():
            status = self._call.PQresultStatus(result)
            if status == _TUPLES_OK:
                fields = range(self._call.PQnfields(result))
                for number in range(self._call.PQntuples(result)):
                    rows.append([self._call.PQgetvalue(result, number, field).decode() for field in fields])
            elif status in _COPYING:
                raise NoAnswer("a statement wants to copy")
            elif status != _COMMAND_OK:
                refused = refused or (self._call.PQresultErrorField(result, _SQLSTATE) or b"?").decode()
            self._call.PQclear(result)
        if refused:
            raise NoAnswer(f"the server refuses a statement ({refused})", refused)
        return rows

    def _result(self) -> int:
        while self._call.PQisBusy(self._connection):
            self._wait(reading=True)
            if not self._call.PQconsumeInput(self._connection):
                raise NoAnswer("the connection was lost")
        return self._call.PQgetResult(self._connection) or 0

    def _wait(self, *, reading: bool = False, writing: bool = False) -> bool:
        """Until the socket is ready; whether there is something to read.

        It may be another socket after each step of connecting, where there are several hosts.
        """
        socket, left = self._call.PQsocket(self._connection), self._deadline - time.monotonic()
        if socket < 0:
            raise NoAnswer("the connection was lost")
        readers, writers = [socket] if reading else [], [socket] if writing else []
        readable, writable, _ = select.select(readers, writers, [], max(left, 0))
        if left <= 0 or not (readable or writable):
            raise NoAnswer("the server did not answer in time")
        return bool(readable)


def _texts(texts: list[str]) -> "ctypes.Array[c_char_p]":
    """An array of C strings that ends with a null pointer."""
    return (c_char_p * (len(texts) + 1))(*[text.encode() for text in texts], None)


def _ignore(context: int, result: int) -> None:
    """libpq frees the result itself."""


def statement(name: str) -> str:
    """One of ``database/sql``, where ``lockgate.database`` itself would be imported for it."""
    folder = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))  # noqa: PTH100, PTH120
    with open(f"{folder}/database/sql/{name}.sql", encoding="utf-8") as file:  # noqa: PTH123
        return file.read()
