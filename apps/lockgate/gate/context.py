"""What every stage of a run needs, in one value."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, NamedTuple, Protocol

from django.db.backends.base.base import BaseDatabaseWrapper

import lockgate
from lockgate import policy
from lockgate.database import driver, parameters, session, wait
from lockgate.database.one_message import Question
from lockgate.events import Listener, ServerReady, Started
from lockgate.execution import ledger_locks
from lockgate.facts import Fingerprint, Key, ServerFacts
from lockgate.ledger import reading

if TYPE_CHECKING:
    from lockgate.gate.preflight import Survey


class Gate(NamedTuple):
    """An open session, the policy in force, and whoever listens.

    begun: whether the tables of a ledger were there when it was opened, so that they can be read at once.
    """

    connection: BaseDatabaseWrapper
    server: ServerFacts
    limits: policy.Policy
    listen: Listener
    begun: bool = False


class Request(NamedTuple):
    """What ``migrate`` was asked to do.

    ordinary: everything forward, nothing else: what an entrypoint asks. Only then can there be nothing to do.
    signals: whether Django ends it with post_migrate. fake: whether it only records. app_label: the app it names.
    dry_run: has Django validate and plan, without output. check: runs the system checks that matter to a run.
    work: has Django do it. command: its arguments, for the ledger. contract: also does what earlier releases left.
    snapshot: finds what an empty database may be filled from. portable: leaves out what depends on its environment.
    retry: whether what failed before is to be tried again in any case. fake_initial: whether Django records an initial
    migration whose tables are there.
    """

    ordinary: bool
    signals: bool
    fake: bool
    app_label: str | None
    dry_run: Callable[[], None]
    check: Callable[[], None]
    work: Callable[[], None]
    command: str
    contract: bool = False
    snapshot: Callable[[Gate, Survey, Request], Snapshot | None] | None = None
    portable: bool = False
    retry: bool = False
    fake_initial: bool = False


class Snapshot(Protocol):
    """What stands for a replay of migrations into an empty database. name: for messages."""

    @property
    def name(self) -> str: ...

    def load(self, connection: BaseDatabaseWrapper) -> Mapping[Key, Fingerprint]:
        """Make in the open transaction what they make, and record them; returns those that count as applied."""


@contextlib.contextmanager
def reached(connection: BaseDatabaseWrapper, limits: policy.Policy, listen: Listener) -> Iterator[Gate]:
    """Wait for the server, and open the one session of the run; no timeout ends it in the block.

    Raises ServerRefused or ServerUnreachable; or ConfigurationError where the driver is too old.
    """
    driver.require()
    target = connection.settings_dict
    where = f"{target['NAME'] or 'its default'} on {target['HOST'] or 'a local socket'}"
    listen(Started(lockgate.__version__, limits.release, socket.gethostname(), where))
    waited = wait.until_ready(connection, limits, listen)
    first = parameters.lasting(session.raw(connection), limits, Question("server"), reading.is_possible(), proven=False)
    with ledger_locks.named(connection), first as [[facts], [tables]]:
        server = ServerFacts(**facts)
        listen(ServerReady(server, waited))
        yield Gate(connection, server, limits, listen, tables["are_there"])


def already_open(connection: BaseDatabaseWrapper, limits: policy.Policy, listen: Listener) -> Gate:
    """The gate of a database that is known to be there: nothing is waited for."""
    connection.ensure_connection()
    return Gate(connection, session.server_facts(connection), limits, listen)
