"""What every stage of a run needs, in one value."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from django.db.backends.base.base import BaseDatabaseWrapper

import lockgate
from lockgate import policy
from lockgate.database import driver, parameters, session, wait
from lockgate.database.one_message import Question
from lockgate.events import Listener, ServerReady, Started
from lockgate.execution import ledger_locks
from lockgate.facts import ServerFacts
from lockgate.gate.django_command import DjangoCommand
from lockgate.ledger import reading


class GateContext(NamedTuple):
    """An open session, the policy in force, whoever listens, and Django's command.

    begun: whether the tables of a ledger were there when it was opened, so that they can be read at once.
    """

    connection: BaseDatabaseWrapper
    server: ServerFacts
    limits: policy.Policy
    listen: Listener
    django: DjangoCommand
    begun: bool = False


class Request(NamedTuple):
    """What ``migrate`` was asked to do.

    ordinary: everything forward, nothing else: what an entrypoint asks. Only then can there be nothing to do.
    signals: whether Django ends it with post_migrate. fake: whether it only records. app_label: the app it names.
    command: its arguments, for the ledger. contract: also does what earlier releases left. portable: leaves out what
    depends on its environment. retry: whether what failed before is to be tried again in any case. fake_initial:
    whether Django records an initial migration whose tables are there.
    """

    ordinary: bool
    signals: bool
    fake: bool
    app_label: str | None
    command: str
    contract: bool = False
    portable: bool = False
    retry: bool = False
    fake_initial: bool = False

    @classmethod
    def of(cls, options: Mapping[str, Any], command: str, *, portable: bool = False) -> Request:
        """options: Django's, and ours."""
        return cls(
            ordinary=not any(options[name] for name in ("app_label", "fake", "run_syncdb", "prune")),
            signals=not options["prune"],
            fake=options["fake"],
            app_label=options["app_label"],
            command=command,
            contract=bool(options.get("contract")),
            portable=portable,
            retry=bool(options.get("retry")),
            fake_initial=bool(options.get("fake_initial")),
        )


@contextlib.contextmanager
def reached(
    connection: BaseDatabaseWrapper, limits: policy.Policy, listen: Listener, django: DjangoCommand | None = None
) -> Iterator[GateContext]:
    """Wait for the server, and open the one session of the run; no timeout ends it in the block.

    django: asked for everything forward, unless it is given.
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
        command = django or DjangoCommand.silent(connection.alias)
        yield GateContext(connection, server, limits, listen, command, tables["are_there"])


def already_open(
    connection: BaseDatabaseWrapper, limits: policy.Policy, listen: Listener, django: DjangoCommand | None = None
) -> GateContext:
    """The gate of a database that is known to be there: nothing is waited for."""
    connection.ensure_connection()
    server = session.server_facts(connection)
    return GateContext(connection, server, limits, listen, django or DjangoCommand.silent(connection.alias))
