"""Why a connection could not be made: by SQLSTATE and libpq status, never by the text of a message.

libpq hands out no SQLSTATE for a failed connection. It writes one, and nothing else, where the text would be, if it
is told to before the failure (``PQsetErrorVerbosity(conn, PQERRORS_SQLSTATE)``). psycopg does not wrap that call, but
gives the connection's pointer for just such cases, so a second attempt is made that way to learn the code.

Sources: https://www.postgresql.org/docs/current/libpq-control.html#LIBPQ-PQSETERRORVERBOSITY,
https://www.psycopg.org/psycopg3/docs/api/pq.html (``PGconn.pgconn_ptr``).
"""

from __future__ import annotations

import ctypes
import ipaddress
import re
import select
import time
from datetime import timedelta
from enum import Enum
from functools import cache
from typing import Any, NamedTuple, Protocol

from psycopg import conninfo, pq

from lockgate.database import loaded_libpq

_PQERRORS_SQLSTATE = 3
_NO_FILE = "/dev/null/none"  # a path that cannot exist: libpq warns of a password file that is not a plain one
_PORTS = 1 << 16
# What a server may not meet for good, and the values that demand nothing.
_DEMANDS = {
    "channel_binding": ("", "disable", "prefer"),
    "gssencmode": ("", "disable", "prefer"),
    "require_auth": ("",),
    "requirepeer": ("",),
    "target_session_attrs": ("", "any", "prefer-standby"),
}
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
    DEMANDS = "the server is not, or does not do, what the connection parameters demand"
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
    if ping is pq.Ping.NO_ATTEMPT or not _is_well_formed(_effective(parameters)):
        return Failure(Cause.BAD_PARAMETERS, None)
    if ping is pq.Ping.REJECT:
        return Failure(Cause.NOT_READY, "57P03")
    if ping is pq.Ping.NO_RESPONSE:
        return Failure(_unmet(parameters) or Cause.NO_ANSWER, None)
    sqlstate, wants_password = _attempt(target, timeout)
    if wants_password:
        return Failure(Cause.NO_PASSWORD, sqlstate)
    if sqlstate is None and (unmet := _unmet(parameters)):
        return Failure(unmet, None)
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


def _effective(parameters: dict[str, Any]) -> dict[str, str]:
    """The parameters as libpq takes them: what is not given comes from its variables, then from its defaults."""
    defaults = {
        default.keyword.decode(): default.val.decode()
        for default in pq.Conninfo.get_defaults()
        if default.val is not None
    }
    return {**defaults, **{key: str(value) for key, value in parameters.items()}}


def _is_well_formed(parameters: dict[str, str]) -> bool:
    """Whether ports and addresses can be such: libpq calls a server that has none away."""
    ports = (address.strip() for address in parameters.get("port", "").split(","))
    addresses = (address.strip().partition("%")[0] for address in parameters.get("hostaddr", "").split(","))
    try:
        for address in filter(None, addresses):
            ipaddress.ip_address(address)
        return all(0 < int(port) < _PORTS for port in ports if port)
    except ValueError:
        return False


def _unmet(parameters: dict[str, Any]) -> Cause | None:
    """TLS or DEMANDS, where the server answers once it need not prove who it is, or once such demands are left out.

    Sends no credentials. Which of several hosts is the primary changes while they fail over: that is waited for.
    """
    effective = _effective(parameters)
    strict = effective.get("sslmode", "prefer") not in ("disable", "allow", "prefer")
    several = "," in effective.get("host", "") or "," in effective.get("hostaddr", "")
    demands = {key for key, idle in _DEMANDS.items() if effective.get(key, "") not in idle}
    if not strict and not (demands - {"target_session_attrs"} if several else demands):
        return None
    sslmodes = ("require", "disable") if strict else (effective.get("sslmode", "prefer"),)
    probes = (conninfo.make_conninfo(**_anonymous(parameters, sslmode)).encode() for sslmode in sslmodes)
    if not any(pq.Ping(pq.PGconn.ping(probe)) in (pq.Ping.OK, pq.Ping.REJECT) for probe in probes):
        return None
    return Cause.TLS if strict else Cause.DEMANDS


def _anonymous(parameters: dict[str, Any], sslmode: str) -> dict[str, Any]:
    """The same server, unproven, and nothing to tell it: whoever stands in for it may ask for a password.

    Empty values keep libpq from PGPASSWORD and the password file, and from its other variables. ``sslrootcert=system``
    and ``sslnegotiation=direct`` go with verification only, so no option of TLS stays.
    """
    known = {option.keyword.decode() for option in pq.Conninfo.get_defaults()}
    kept = {key: value for key, value in parameters.items() if not key.startswith("ssl") and key not in _DEMANDS}
    idle = {"channel_binding": "disable", "gssencmode": "disable", "requirepeer": "", "target_session_attrs": "any"}
    idle |= {"require_auth": "none", "sslnegotiation": "postgres"}  # of libpq 16 and 17
    files = dict.fromkeys(("passfile", "sslrootcert", "sslcert", "sslkey"), _NO_FILE)
    mute = {key: value for key, value in idle.items() if key in known}
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
        extension = _SQLSTATE.search(attempt.error_message.decode(errors="replace")) if library is not None else None
        return extension.group(1) if extension else None, bool(attempt.needs_password)
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
    """The very libpq that psycopg calls, or None where that cannot be told (outside Linux).

    Never another copy of the library: its connection structure would differ.
    """
    try:
        return ctypes.CDLL(loaded_libpq.file())
    except (loaded_libpq.Unknown, OSError):
        return None
