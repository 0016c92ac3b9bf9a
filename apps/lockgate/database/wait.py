"""Wait for the server: what may come is waited for, what will never come fails at once.

Invariant: when ``until_ready`` returns, Django's connection is open, and it is the run's only one.
"""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Any

import psycopg
from django.db import NotSupportedError
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.utils import Error as DatabaseError

from lockgate import policy
from lockgate.database import connect_failure, connection_source, polling
from lockgate.database.connect_failure import Cause, Failure
from lockgate.errors import LockgateError, ServerRefused, ServerUnreachable
from lockgate.events import Listener, WaitingForServer
from lockgate.redaction import masked

_NEXT = {
    Cause.NO_ANSWER: "check {HOST PORT}, and that the server runs and is reachable from here",
    Cause.NOT_READY: "look at the server's log; run again when it accepts connections",
    Cause.BUSY: "end idle sessions or raise max_connections; run again",
    Cause.PASSWORD: "check {USER PASSWORD} (percent-encoded in a URL), and pg_hba.conf on the server",
    Cause.NO_PASSWORD: "set {PASSWORD} (percent-encoded in a URL), or PGPASSWORD",
    Cause.NO_DATABASE: "create the database, or correct {NAME}",
    Cause.NO_PRIVILEGE: "GRANT CONNECT ON DATABASE … TO …;  as the database's owner",
    Cause.TLS: "check sslmode, sslrootcert and {HOST OPTIONS}, and that the server has TLS switched on",
    Cause.BAD_PARAMETERS: "correct {OPTIONS}",
    Cause.DEMANDS: "check channel_binding, gssencmode, require_auth, requirepeer and target_session_attrs: {OPTIONS}",
    Cause.UNKNOWN: "look up the SQLSTATE; the server's log says more",
}


def until_ready(connection: BaseDatabaseWrapper, limits: policy.Policy, listen: Listener) -> float:
    """Open Django's connection, waiting for a server that is not there yet; returns the seconds waited.

    Raises ServerRefused at once where waiting cannot help (password, database, TLS, parameters), and
    ServerUnreachable at the deadline. Tells the listener what is waited for, each time it changes and at
    growing intervals.
    """
    attempt = min(limits.connect_timeout, limits.wait_for_server)
    prepare_parameters(connection, attempt)
    started = time.monotonic()
    deadline = started + limits.wait_for_server.total_seconds()
    said = _Reported(listen, limits.wait_for_server.total_seconds())
    failure, error = Failure(Cause.NO_ANSWER, None), None
    for _ in polling.until(deadline):
        try:
            connection.ensure_connection()
        except NotSupportedError as unsupported:
            raise ServerRefused("this server is too old", why=masked(str(unsupported))) from unsupported
        except DatabaseError as caught:
            error = caught
            failure = _failure(connection, caught, attempt)
            if not failure.cause.transient:
                raise _refused(connection, failure, caught) from None
            said.waiting(failure, time.monotonic() - started)
        else:
            return time.monotonic() - started
    raise _unreachable(connection, failure, error, limits.wait_for_server)


def prepare_parameters(connection: BaseDatabaseWrapper, timeout: timedelta) -> None:
    """Bound each attempt to connect, notice a dead network, and take no connection from a pool.

    What the project itself sets in ``OPTIONS`` stays, but for the pool: the lock lives on one session.
    """
    options = {key: value for key, value in connection.settings_dict["OPTIONS"].items() if key != "pool"}
    seconds = max(1, round(timeout.total_seconds()))
    defaults: dict[str, Any] = {"connect_timeout": seconds, **policy.KEEPALIVES}
    # A dict of this wrapper's own: the settings' belongs to every thread of the process.
    connection.settings_dict = {**connection.settings_dict, "OPTIONS": {**defaults, **options}}


class _Reported:
    """Says what is waited for when the reason changes, and again after twice the time since the last word."""

    def __init__(self, listen: Listener, deadline_seconds: float) -> None:
        self._listen, self._deadline = listen, deadline_seconds
        self._last: Cause | None = None
        self._next = 0.0

    def waiting(self, failure: Failure, waited: float) -> None:
        if failure.cause is self._last and waited < self._next:
            return
        self._last, self._next = failure.cause, max(2 * waited, 1.0)
        self._listen(WaitingForServer(failure.cause.value, waited, self._deadline))


def _failure(connection: BaseDatabaseWrapper, error: Exception, timeout: timedelta) -> Failure:
    cause = error.__cause__
    if isinstance(cause, psycopg.errors.ConnectionTimeout):
        return Failure(Cause.NO_ANSWER, None)
    if isinstance(cause, psycopg.ProgrammingError) and cause.sqlstate is None:
        return Failure(Cause.BAD_PARAMETERS, None)  # psycopg could not even build the connection string
    if isinstance(cause, psycopg.Error) and cause.sqlstate:
        return Failure(connect_failure.classify(cause.sqlstate), cause.sqlstate)
    return connect_failure.diagnose(connection, timeout)


def _refused(connection: BaseDatabaseWrapper, failure: Failure, error: Exception) -> LockgateError:
    return ServerRefused(
        f"cannot connect: {failure.cause.value}",
        why=_reason(failure, error),
        next_step=_next_step(connection, failure.cause),
    )


def _unreachable(
    connection: BaseDatabaseWrapper, failure: Failure, error: Exception | None, waited: timedelta
) -> LockgateError:
    return ServerUnreachable(
        f"the database server did not become ready in {waited.total_seconds():.3g} s: {failure.cause.value}",
        why=_reason(failure, error) if error else "",
        next_step=_next_step(connection, failure.cause),
    )


def _next_step(connection: BaseDatabaseWrapper, cause: Cause) -> str:
    """The advice, with the keys in its braces by the names that the project gives them."""
    before, brace, rest = _NEXT[cause].partition("{")
    keys, _, after = rest.partition("}")
    return (
        f"{before}{connection_source.of(connection.alias, connection.settings_dict, *keys.split())}{after}"
        if brace
        else before
    )


def _reason(failure: Failure, error: Exception) -> str:
    text = " ".join(masked(str(error)).split())
    return f"{text} (SQLSTATE {failure.sqlstate})" if failure.sqlstate else text
