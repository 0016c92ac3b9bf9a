"""Our commands and our executor where Django's tests expect Django's; the one place that knows how ours are made."""

from __future__ import annotations

import dataclasses
import importlib
import typing
from typing import Any

from django.db.utils import DatabaseError

COMMANDS = ("migrate", "makemigrations", "showmigrations")


def put_in_place(*, in_djangos_words: bool) -> None:
    """Our commands wherever one is called by name or imported, and our executor wherever a test makes one."""
    management = importlib.import_module("django.core.management")
    djangos: Any = management.get_commands

    def get_commands() -> dict[str, str]:
        """Tests narrow the apps that are seen, so that Django would find its own commands."""
        return {**djangos(), **dict.fromkeys(COMMANDS, "lockgate")}

    get_commands.cache_clear = djangos.cache_clear  # type: ignore[attr-defined]
    management.get_commands = get_commands  # type: ignore[attr-defined]
    for name in COMMANDS:
        ours = importlib.import_module(f"lockgate.management.commands.{name}")
        theirs = importlib.import_module(f"django.core.management.commands.{name}")
        theirs.Command = ours.Command  # type: ignore[attr-defined]
    executor = importlib.import_module("django.db.migrations.executor")
    executor.MigrationExecutor = _ungated(in_djangos_words=in_djangos_words)  # type: ignore[attr-defined]
    if in_djangos_words:
        _speak_as_django()


def _speak_as_django() -> None:
    """Nothing of what ours says, and all that Django's would: what still differs is more than words."""
    from lockgate.errors import MigrationFailed
    from lockgate.gate.django_command import DjangoCommand
    from lockgate.management import base
    from lockgate.management.commands.migrate import Command
    from lockgate.reporting import plan_report

    command: Any = importlib.import_module("django.core.management.commands.migrate")
    console, handle = base.console, DjangoCommand.run

    def aloud(self: Any, options: Any, *, silent: bool = False) -> None:
        kept = command.MigrationExecutor
        command.MigrationExecutor = lambda connection, callback=None: _told(kept(connection, callback), callback)
        try:
            handle(self, options, silent=silent and options["plan"])  # planning stays silent
        finally:
            command.MigrationExecutor = kept

    execute = Command.execute

    def unexplained(self: Any, *args: Any, **options: Any) -> Any:
        """Let a server's error leave as it came, and not as the cause of our explanation."""
        try:
            return execute(self, *args, **options)
        except MigrationFailed as error:
            raise error.__cause__ if isinstance(error.__cause__, DatabaseError) else error from None

    Command.execute = unexplained  # type: ignore[method-assign]
    base.console = lambda *args, **options: console(*args, **{**options, "quiet": True})
    DjangoCommand.run = aloud  # type: ignore[method-assign]
    plan_report.text = lambda *args: ()  # type: ignore[assignment]


def _told(executor: Any, progress_callback: Any) -> Any:
    """The executor, which tells of its migrations as Django's does, if it is ours."""
    if not hasattr(executor, "context"):
        return executor
    executor.progress_callback = progress_callback
    progress = executor.context.progress
    for name in ("apply", "unapply"):
        setattr(executor, f"{name}_migration", _telling(executor, name, progress))
    return executor


def _telling(executor: Any, name: str, progress: Any) -> Any:
    work = getattr(executor, f"{name}_migration")

    def tell(state: Any, migration: Any, fake: bool = False, **options: Any) -> Any:
        if executor.progress_callback is None:
            return work(state, migration, fake=fake, **options)
        executor.progress_callback(f"{name}_start", migration, fake)
        state = work(state, migration, fake=fake, **options)
        _, action = progress.done[-1]
        executor.progress_callback(f"{name}_success", migration, action in ("fake", "unfake"))
        return state

    return tell


def _ungated(*, in_djangos_words: bool) -> type:
    """The executor as ``migrate`` runs it in a test's database: no lock to confirm, no ledger to write."""
    from lockgate.execution.executor import Executor
    from lockgate.execution.progress import Progress

    class MigrationExecutor(Executor):
        def __init__(self, connection: Any, progress_callback: Any = None) -> None:
            progress = Progress(lambda event: None)
            super().__init__(connection, progress_callback, context=_duties(Executor, connection, progress))
            if in_djangos_words:
                _told(self, progress_callback)

    return MigrationExecutor


def _duties(executor: Any, connection: Any, progress: Any) -> Any:
    """The context of a run, of whatever kind the executor takes; a new one without a default must be given here."""
    from lockgate import policy
    from lockgate.database import session

    kind = typing.get_type_hints(executor.__init__)["context"]
    given = {
        "connection": connection,
        "progress": progress,
        "held": (),
        "confirm": lambda *, inside, lock=True: session.mark_of_transaction(connection) if inside and lock else None,
        "record": lambda entry: None,
        "limits": policy.Policy(),
        "gated": False,
    }
    wanted = {field.name for field in dataclasses.fields(kind)}
    return kind(**{name: value for name, value in given.items() if name in wanted})
