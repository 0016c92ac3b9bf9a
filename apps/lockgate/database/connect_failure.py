"""Why a connection could not be made: by SQLSTATE and libpq status, never by the text of a message.

libpq hands out no SQLSTATE for a failed connection. It writes one, and nothing else, where the text would be, if it
is told to before the failure (``PQsetErrorVerbosity(conn, PQERRORS_SQLSTATE)``). psycopg does not wrap that call, but
gives the connection's pointer for just such cases, so a second attempt is made that way to learn the code.

Sources: https://www.postgresql.org/docs/current/libpq-control.html#LIBPQ-PQSETERRORVERBOSITY,
https://www.psycopg.org/psycopg3/docs/api/pq.html (``PGconn.pgconn_ptr``).
"""

from __future__ import annotations

import ctypes
import re
import select
import time
from datetime import timedelta
from enum import Enum
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from psycopg import conninfo, pq

_PQERRORS_SQLSTATE = 3
_NO_FILE = "/dev/null/none"  # a path that cannot exist: libpq warns of a password file that is not a plain one
_SQLSTATE = re.compile(r"([0-9A-Z]{5})\s*$")
# The classes of "not now": connection exceptions, insufficient resources, operator intervention (starting up,
# shutting down). Whatever else the server answers will be answered again.
# Source: https://www.postgresql.org/docs/current/errcodes-appendix.html
_TRANSIENT_CLASSES = ("08", "53", "57")


class Cause(Enum):
    """Why there is no connection; ``transient`` ones are worth another try."""

    NO_ANSWER = "nothing answers there yet"
    NOT_READY = "the server is starting up, shutting down or in recovery"
    BUSY = "the server has no connection to spare"
    PASSWORD = "the server refused the user or the password"  # noqa: S105  not one
    NO_PASSWORD = "the server wants a password, and none was given"  # noqa: S105
    NO_DATABASE = "the server has no such database"
    NO_PRIVILEGE = "the role may not connect to this database"
    TLS = "TLS could not be agreed on"
    BAD_PARAMETERS = "the connection parameters are not valid"
    UNKNOWN = "the server refused the connection"

    @property
    def transient(self) -> bool:
        return self in (Cause.NO_ANSWER, Cause.NOT_READY, Cause.BUSY)


class Failure(NamedTuple):
    cause: Cause
    sqlstate: str | None


class DjangoConnection(Protocol):
    """What is needed of Django's connection wrapper."""

    def get_connection_params(self) -> dict[str, Any]: ...


def diagnose(connection: DjangoConnection, timeout: timedelta) -> Failure:
    """Why a connection with these parameters cannot be made, learnt from one more attempt.

    timeout: the longest the attempt may take. An attempt that succeeds means the fault is gone: NO_ANSWER.
    """
    parameters = libpq_parameters(connection.get_connection_params())
    target = conninfo.make_conninfo(**parameters).encode()
    ping = pq.Ping(pq.PGconn.ping(target))
    if ping is pq.Ping.NO_ATTEMPT:
        return Failure(Cause.BAD_PARAMETERS, None)
    if ping is pq.Ping.REJECT:
        return Failure(Cause.NOT_READY, "57P03")
    if ping is pq.Ping.NO_RESPONSE:
        return Failure(Cause.TLS if _tls_is_at_fault(parameters) else Cause.NO_ANSWER, None)
    sqlstate, wants_password = _attempt(target, timeout)
    if wants_password:
        return Failure(Cause.NO_PASSWORD, sqlstate)
    if sqlstate is None and _tls_is_at_fault(parameters):
        return Failure(Cause.TLS, None)
    return Failure(classify(sqlstate), sqlstate)


def classify(sqlstate: str | None) -> Cause:
    """The cause that a server's SQLSTATE names; None, no answer at all, is NO_ANSWER."""
    if sqlstate is None:
        return Cause.NO_ANSWER
    named = {
        "57P03": Cause.NOT_READY,
        "3D000": Cause.NO_DATABASE,
        "42501": Cause.NO_PRIVILEGE,
        "08P01": Cause.UNKNOWN,  # a protocol violation: what a pooler says of a start-up parameter it does not take
    }
    if sqlstate in named:
        return named[sqlstate]
    if sqlstate.startswith("28"):
        return Cause.PASSWORD
    if sqlstate.startswith("53"):
        return Cause.BUSY
    return Cause.NOT_READY if sqlstate.startswith(_TRANSIENT_CLASSES) else Cause.UNKNOWN


def libpq_parameters(parameters: dict[str, Any]) -> dict[str, Any]:
    """Those of Django's connection parameters that libpq knows; the rest is psycopg's."""
    known = {option.keyword.decode() for option in pq.Conninfo.get_defaults()}
    return {key: value for key, value in parameters.items() if key in known and value is not None}


def _tls_is_at_fault(parameters: dict[str, Any]) -> bool:
    """Whether the server answers once it need not prove who it is, or once TLS is left out. Sends no credentials."""
    if str(parameters.get("sslmode", "prefer")) in ("disable", "allow", "prefer"):
        return False
    probes = (conninfo.make_conninfo(**_anonymous(parameters, sslmode)).encode() for sslmode in ("require", "disable"))
    return any(pq.Ping(pq.PGconn.ping(probe)) in (pq.Ping.OK, pq.Ping.REJECT) for probe in probes)


def _anonymous(parameters: dict[str, Any], sslmode: str) -> dict[str, Any]:
    """The same server, unproven, and nothing to tell it: whoever stands in for it may ask for a password.

    Empty values keep libpq from PGPASSWORD and the password file. ``sslrootcert=system`` and ``sslnegotiation=direct``
    go with verification only, so no option of TLS stays.
    """
    kept = {key: value for key, value in parameters.items() if not key.startswith(("ssl", "channel_binding"))}
    known = {option.keyword.decode() for option in pq.Conninfo.get_defaults()}
    mute = {"require_auth": "none"} if "require_auth" in known else {}  # libpq 16
    files = dict.fromkeys(("passfile", "sslrootcert", "sslcert", "sslkey"), _NO_FILE)
    return {**kept, **mute, **files, "sslmode": sslmode, "password": ""}


def _attempt(target: bytes, timeout: timedelta) -> tuple[str | None, bool]:
    """The SQLSTATE that one attempt to connect fails with, and whether a password is what it lacked.

    No SQLSTATE where the attempt succeeds, or where no code can be had.
    """
    library = _libpq()
    attempt: Any = pq.PGconn.connect_start(target)  # Any: pgconn_ptr is documented, but not in psycopg's protocol
    try:
        if library is not None:
            library.PQsetErrorVerbosity(ctypes.c_void_p(attempt.pgconn_ptr), _PQERRORS_SQLSTATE)
        if _drive(attempt, time.monotonic() + timeout.total_seconds()):
            return None, False
        found = _SQLSTATE.search(attempt.error_message.decode(errors="replace")) if library is not None else None
        return found.group(1) if found else None, bool(attempt.needs_password)
    finally:
        attempt.finish()


def _drive(attempt: Any, deadline: float) -> bool:
    """Bring an attempt to its end, or to the deadline; whether it connected."""
    if attempt.status == pq.ConnStatus.BAD:
        return False
    state = pq.PollingStatus.WRITING
    while state in (pq.PollingStatus.READING, pq.PollingStatus.WRITING):
        left = deadline - time.monotonic()
        if left <= 0:
            return False
        readable = [attempt.socket] if state == pq.PollingStatus.READING else []
        writable = [attempt.socket] if state == pq.PollingStatus.WRITING else []
        select.select(readable, writable, [], left)
        state = pq.PollingStatus(attempt.connect_poll())
    return state == pq.PollingStatus.OK


@cache
def _libpq() -> Any:
    """The very libpq this process has loaded, or None where that cannot be told (outside Linux).

    Never another copy of the library: its connection structure would differ.
    """
    maps = Path("/proc/self/maps")
    if not maps.exists():
        return None
    loaded = {line.split()[-1] for line in maps.read_text().splitlines() if "/libpq" in line}
    return ctypes.CDLL(loaded.pop()) if len(loaded) == 1 else None
