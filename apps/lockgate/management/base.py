"""What all our commands share at the edge: one clear message on stderr for whatever goes wrong, and its exit code.

A command called from Python (``call_command``) raises instead, as Django's do: a ``CommandError``.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
import traceback
from collections.abc import Iterator, Sequence
from typing import Any

from django.core.management.base import ALL_CHECKS, BaseCommand, CommandError, CommandParser
from django.db import DEFAULT_DB_ALIAS, connections
from django.db.backends.base.base import BaseDatabaseWrapper

from lockgate import command_conflicts, django_seams, foreign, policy
from lockgate.database import server_messages
from lockgate.errors import ConfigurationError, Interrupted, LockgateError, OutputClosed
from lockgate.execution import unexpected
from lockgate.redaction import Sifting, masked, masked_in_argument
from lockgate.reporting.console import Console, JsonConsole, TextConsole


class Exact(Sifting):
    """A stream of a command, for what is to be run as it stands, or draws on a terminal. Raises OutputClosed once
    nobody reads it (``migrate | head -1``)."""

    def write(self, text: str) -> Any:
        with _heard():
            return super().write(text)

    def flush(self) -> None:
        with _heard():
            self._stream.flush()


class Output(Exact):
    """The same, for what is to be read: whoever wrote it, it moves no terminal."""

    def __init__(self, stream: Any, *, styled: bool = False) -> None:
        super().__init__(stream)
        self._shown = foreign.styled if styled or _is_terminal(stream) else foreign.visible

    def write(self, text: str) -> Any:
        return super().write(self._shown(text))

    def exact(self) -> Exact:
        """The stream under it."""
        return Exact(self._stream)


def _is_terminal(stream: Any) -> bool:
    return bool(hasattr(stream, "isatty") and stream.isatty())


@contextlib.contextmanager
def _heard() -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        raise OutputClosed(state="") from None


class _Ended(Exception):
    """Takes an error past Django, which would print a CommandError as one line."""

    def __init__(self, error: LockgateError) -> None:
        super().__init__(error)
        self.error = error


class LockgateCommand(BaseCommand):
    """Mixed in before Django's command class."""

    def __init__(self, stdout: Any = None, stderr: Any = None, **options: Any) -> None:
        out: Any = Output(stdout or sys.stdout)  # Any: a stream in what Django asks of one
        err: Any = Output(stderr or sys.stderr)
        super().__init__(out, err, **options)

    def create_parser(self, prog_name: str, subcommand: str, **options: Any) -> CommandParser:
        """As Django's; its errors, which repeat what was typed, leave without secrets."""
        parser = super().create_parser(prog_name, subcommand, **options)
        tell = parser.error
        vars(parser)["error"] = lambda message: tell(foreign.line(masked_in_argument(message)))
        return parser

    def run_from_argv(self, argv: list[str]) -> None:
        """Run; where anything goes wrong, end with one message and exit code 1, or 2 where the arguments are wrong."""
        try:
            super().run_from_argv(argv)
            self.stdout.flush()
        except _Ended as ended:
            self._fail(ended.error, argv)
        except (LockgateError, Interrupted) as error:
            self._fail(error, argv)
        except Exception as error:
            self._fail(unexpected.explain(error), argv)

    def execute(self, *args: Any, **options: Any) -> str | None:
        """As Django does; but where lines are JSON, Django's own errors leave as ours do."""
        styled = bool(options.get("force_color"))
        given_streams = {
            name: options.get(name) or (getattr(sys, name) if styled else None) for name in ("stdout", "stderr")
        }
        streams = {name: Output(stream, styled=styled) for name, stream in given_streams.items() if stream}
        try:
            refuse_neighbour(self)
            return super().execute(*args, **{**options, **streams})
        except CommandError as error:
            if not django_seams.called_from_command_line(self):
                raise
            if isinstance(error, LockgateError):
                raise _Ended(error) from None
            error.args = tuple(foreign.part(masked(server_messages.retold(str(arg), error))) for arg in error.args)
            if options.get("log_format") == "json":
                told = LockgateError(str(error))
                told.__cause__ = error
                raise _Ended(told) from None
            raise

    def get_check_kwargs(self, options: dict[str, Any]) -> Any:
        """Only the checks that say something about a schema, where the command wants any."""
        kwargs = super().get_check_kwargs(options)
        return {**kwargs, "tags": list(policy.SCHEMA_CHECKS)} if self.requires_system_checks == ALL_CHECKS else kwargs

    def _fail(self, error: LockgateError | Interrupted, argv: Sequence[str]) -> None:
        if isinstance(error, OutputClosed):
            _drop(sys.stdout)
        try:
            if "--traceback" in argv:
                whole = "".join(traceback.format_exception(error))
                self.stderr.write(masked(server_messages.retold(whole, error, indent="  ")))
            else:
                console(self, _log_format(argv)).failure(error)
        except OutputClosed:  # nobody reads errors either
            _drop(sys.stderr)
        sys.exit(error.returncode if isinstance(error, LockgateError) else 1)


def _drop(stream: Any) -> None:
    """Let a stream lead nowhere: Python writes what is left when the process ends, and would complain of it."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def refuse_neighbour(command: BaseCommand) -> None:
    """Raise ConfigurationError where another app brings a command of Django's as well, and this one hides it."""
    name = type(command).__module__.rpartition(".")[2]
    conflict = command_conflicts.of_command(name) if name in command_conflicts.OVERRIDING else None
    if conflict:
        raise ConfigurationError(conflict.what, why=conflict.why, next_step=conflict.next_step)


def _log_format(argv: Sequence[str]) -> str:
    """What ``--log-format`` says, read from the arguments: the failure may be that they could not be used."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--log-format", default="text")
    return str(parser.parse_known_args(list(argv))[0].log_format)


def add_database(parser: CommandParser) -> None:
    parser.add_argument(
        "--database", default=DEFAULT_DB_ALIAS, choices=tuple(connections), help="Alias of the database."
    )


def postgres(alias: str) -> BaseDatabaseWrapper:
    """The connection of an alias. Raises CommandError where that is another engine's."""
    connection = connections[alias]
    if connection.vendor != "postgresql":
        raise CommandError(f'database "{alias}" is {connection.vendor}, not PostgreSQL')
    return connection


def add_log_format(parser: CommandParser) -> None:
    parser.add_argument(
        "--log-format",
        choices=("text", "json"),
        default="text",
        help="Plain lines, or one JSON object a line (default: text).",
    )


def console(command: BaseCommand, log_format: str, *, quiet: bool = False) -> Console:
    """The console of a command, on its streams."""
    kind = JsonConsole if log_format == "json" else TextConsole
    return kind(command.stdout, command.stderr, quiet=quiet)
