"""A run from its options to its report: what ``lockgate.migrate`` does, and ``manage.py migrate`` with it."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator

from django.db import DEFAULT_DB_ALIAS, connections
from django.utils import translation
from django.utils.connection import ConnectionDoesNotExist

from lockgate import configuration, policy
from lockgate.errors import ConfigurationError, LockgateError
from lockgate.events import Event, Listener
from lockgate.execution import shutdown, unexpected
from lockgate.gate import context, listeners, run
from lockgate.gate.context import Request
from lockgate.gate.django_command import DjangoCommand
from lockgate.gate.report import Kept, Report


def migrate(  # noqa: PLR0913  what migrate can be asked for
    using: str = DEFAULT_DB_ALIAS,
    app_label: str | None = None,
    migration_name: str | None = None,
    *,
    fake: bool = False,
    fake_initial: bool = False,
    run_syncdb: bool = False,
    contract: bool = False,
    retry: bool = False,
    skip_checks: bool = False,
    wait_seconds: float | None = None,
    lock_wait_seconds: float | None = None,
    listen: Listener | None = None,
) -> Report:
    """Bring the database of an alias to what the code expects, as ``manage.py migrate`` does, and write no line.

    The arguments are the command's; what is None is as LOCKGATE and the environment have it. listen: is told of every
    event, as it happens; what it raises ends the run.

    Raises LockgateError for whatever goes wrong; Interrupted at SIGTERM and SIGINT, where this is the main thread.
    """
    options = {
        "app_label": app_label,
        "migration_name": migration_name,
        "fake": fake,
        "fake_initial": fake_initial,
        "run_syncdb": run_syncdb,
        "contract": contract,
        "retry": retry,
        "skip_checks": skip_checks,
        "wait_seconds": wait_seconds,
        "lock_wait_seconds": lock_wait_seconds,
    }
    with _nothing_but_our_errors(), translation.override(None), shutdown.guarded(to_the_end=False):
        _refuse_alias(using)
        return carry_out(DjangoCommand.silent(using, **options), listen or _nobody, command="lockgate.migrate")


def carry_out(django: DjangoCommand, listen: Listener, *, command: str) -> Report:
    """Do what Django's command is asked for, through the gate. command: its arguments, for the ledger.

    Raises LockgateError and Interrupted; and, before anything has begun, what Django raises for what it cannot do.
    """
    started = time.monotonic()
    options = django.options
    connection, limits = connections[options["database"]], limits_of(django)
    with listeners.told(limits, listen) as everybody:
        kept = Kept(everybody)
        with context.reached(connection, limits, kept, django) as gate:
            outcome = run.migrate(gate, Request.of(options, command))
    done = None if outcome is None else outcome.done
    return kept.report(connection.alias, outcome and outcome.run, done, time.monotonic() - started)


def limits_of(django: DjangoCommand) -> policy.Policy:
    """The policy in force, with what the options say."""
    options = django.options
    return configuration.in_force(
        wait_for_server=options.get("wait_seconds"), wait_for_lock=options.get("lock_wait_seconds")
    )


def _refuse_alias(using: str) -> None:
    try:
        vendor = connections[using].vendor
    except ConnectionDoesNotExist as unknown:
        raise ConfigurationError(str(unknown), next_step=f"use one of: {', '.join(connections)}") from None
    if vendor != "postgresql":
        raise ConfigurationError(f'database "{using}" is {vendor}, not PostgreSQL')


@contextlib.contextmanager
def _nothing_but_our_errors() -> Iterator[None]:
    try:
        yield
    except LockgateError:
        raise
    except (Exception, SystemExit) as error:  # a migration's file may end the process, which is the caller's
        raise unexpected.as_ours(error) from error


def _nobody(event: Event) -> None:
    """Nobody listens."""
