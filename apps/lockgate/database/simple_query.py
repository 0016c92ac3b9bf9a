"""SQL that is sent in one message, whose answer is fetched later: meanwhile the process does something else.

A message is one simple query of PostgreSQL's protocol, and may be many statements, with transactions begun and ended
among them. Where one fails, the server leaves out the rest.
Source: https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-MULTI-STATEMENT

Invariant: from ``send`` until ``answer`` or ``cancel`` is over, nobody else uses the session.
"""

from __future__ import annotations

import select
import time
from typing import Any

import psycopg
from psycopg import pq

from lockgate import policy


class Message:
    """What goes through a session that has nothing else to do."""

    def __init__(self, session: psycopg.Connection[Any]) -> None:
        self._session, self._pgconn = session, session.pgconn
        self._results: list[pq.abc.PGresult] = []
        self._over, self._lost = False, ""

    def send(self, text: bytes) -> None:
        """text: SQL in the encoding of the session. Raises psycopg.OperationalError where it is lost."""
        self._pgconn.send_query(text)
        self._pgconn.flush()  # as far as the socket takes it; the rest whenever somebody looks

    @property
    def arrived(self) -> bool:
        """Whether all of the answer is there, or none will come. Waits for nothing."""
        if not self._over:
            try:
                self._pgconn.flush()
                self._pgconn.consume_input()
            except psycopg.OperationalError as error:
                self._lost = str(error)
            self._take_in()
        return self._over

    def answer(self, name: str) -> list[str]:
        """The values of the columns of this name that the statements answered with; waits for them.

        Raises psycopg.Error, with the SQLSTATE of what the server refused, or without one where the session is lost.
        """
        self._wait()
        for result in self._results:
            if result.status == pq.ExecStatus.FATAL_ERROR:
                raise _error(result)
        if self._lost:
            raise psycopg.OperationalError(self._lost)
        return [value for result in self._results for value in _column(result, name.encode())]

    def cancel(self, patience: float) -> None:
        """Have the server end it, and wait so many seconds for its answer, whatever that is.

        The request is repeated: a server that has not read the message yet takes the first for nothing.
        """
        deadline = time.monotonic() + patience
        while not self.arrived and (left := deadline - time.monotonic()) > 0:
            self._session.cancel_safe(timeout=left)
            self._wait(min(deadline, time.monotonic() + policy.CANCEL_AGAIN_AFTER.total_seconds()))

    def _wait(self, deadline: float | None = None) -> None:
        waiting = select.poll()
        while not self.arrived:
            left = None if deadline is None else (deadline - time.monotonic()) * 1000
            if left is not None and left <= 0:
                return
            waiting.register(self._pgconn.socket, select.POLLIN | (select.POLLOUT if self._pgconn.flush() else 0))
            waiting.poll(left)

    def _take_in(self) -> None:
        while not self._pgconn.is_busy():
            result = self._pgconn.get_result()
            if result is None:
                self._over = True
                return
            self._results.append(result)


def _column(result: pq.abc.PGresult, name: bytes) -> list[str]:
    if result.status != pq.ExecStatus.TUPLES_OK or result.fname(0) != name:
        return []
    return [(result.get_value(row, 0) or b"").decode() for row in range(result.ntuples)]


def _error(result: pq.abc.PGresult) -> psycopg.Error:
    sqlstate = (result.error_field(pq.DiagnosticField.SQLSTATE) or b"").decode()
    if not sqlstate:  # libpq's own, of a connection that broke
        return psycopg.OperationalError(result.error_message.decode(errors="replace").strip())
    text = (result.error_field(pq.DiagnosticField.MESSAGE_PRIMARY) or b"").decode(errors="replace")
    try:
        return psycopg.errors.lookup(sqlstate)(text)
    except KeyError:
        return psycopg.DatabaseError(f"{text} (SQLSTATE {sqlstate})")
