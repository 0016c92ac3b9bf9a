"""The command line's outermost frame: whatever is wrong before a command runs still ends in one clear message.

Django's own frame lets a settings module or an app that raises end in a traceback, or in "Unknown command".
"""

from __future__ import annotations

import contextlib
import gc
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence

from django.core.management import execute_from_command_line as django_execute

from lockgate.errors import ConfigurationError, LockgateError

# What Django runs without settings, or makes the best of it.
_NEEDS_NO_SETTINGS = frozenset({"help", "version", "startproject", "startapp"})
# Starts with broken apps too, to load them again when they are mended.
_NEEDS_NO_APPS = frozenset({"runserver"})


def execute(argv: Sequence[str]) -> None:
    """Have Django run a management command.

    Exits 1 with a message on stderr where the settings, or an app, cannot be loaded.
    """
    try:
        if len(argv) > 1 and not argv[1].startswith("-") and argv[1] not in _NEEDS_NO_SETTINGS:
            with _kept():
                _load(argv)
        django_execute(list(argv))
    finally:
        gc.freeze()  # the process ends: Python would look through all that it has once more, a tenth of a second


@contextlib.contextmanager
def _kept() -> Iterator[None]:
    """What is loaded stays until the process ends: Python looks for no garbage in it, neither now nor later."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if enabled:
            gc.enable()


def _load(argv: Sequence[str]) -> None:
    import django  # noqa: PLC0415
    from django.conf import settings  # noqa: PLC0415

    log_format = _heed_default_options(argv)
    _guarded(lambda: settings.INSTALLED_APPS, "cannot load the settings", argv, log_format)  # loads the module
    if argv[1] not in _NEEDS_NO_APPS:
        _guarded(django.setup, "cannot load the apps", argv, log_format)
        _guarded(lambda: _refuse_neighbour(argv[1]), "the command is another app's", argv, log_format)


def _refuse_neighbour(name: str) -> None:
    """Raise ConfigurationError where another app's command runs in place of ours, and is one of Django's."""
    from lockgate import command_conflicts  # noqa: PLC0415  the apps are loaded

    conflict = command_conflicts.of_command(name) if name in command_conflicts.OVERRIDING else None
    if conflict:
        raise ConfigurationError(conflict.what, why=conflict.why, next_step=conflict.next_step)


def _heed_default_options(argv: Sequence[str]) -> str:
    """``--settings`` and ``--pythonpath`` decide which settings are loaded, wherever they stand.

    Returns the format that errors are to be shown in.
    """
    from django.core.management.base import CommandError, CommandParser, handle_default_options  # noqa: PLC0415

    parser = CommandParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--settings")
    parser.add_argument("--pythonpath")
    parser.add_argument("--log-format", default="text")
    parser.add_argument("args", nargs="*")
    try:
        options, _ = parser.parse_known_args(argv[2:])
    except CommandError:
        return "text"  # Django says so itself
    handle_default_options(options)
    return str(options.log_format)


def _guarded(load: Callable[[], object], what: str, argv: Sequence[str], log_format: str) -> None:
    try:
        load()
    except Exception as error:
        if "--traceback" in argv:
            from lockgate import foreign  # noqa: PLC0415  only a failure pays for its import
            from lockgate.redaction import masked  # noqa: PLC0415

            sys.stderr.write(foreign.visible(masked("".join(traceback.format_exception(error)))))
            sys.exit(1)
        _fail(_explained(error, what), log_format)


def _explained(error: Exception, what: str) -> LockgateError:
    from django.core.exceptions import ImproperlyConfigured  # noqa: PLC0415

    from lockgate.redaction import masked  # noqa: PLC0415  only a failure pays for its import

    if isinstance(error, LockgateError):
        return error
    for_people = isinstance(error, ImproperlyConfigured)
    said = masked(str(error))
    if for_people and "\n  state  " in said:  # a whole message already, as the settings of a service may raise
        return LockgateError(said, state="")
    return LockgateError(
        what,
        why=said if for_people else _why(error),
        state="nothing was changed; no connection was tried",
        next_step="correct it, and run again  (--traceback shows where it comes from)",
    )


def _why(error: Exception) -> str:
    try:
        from lockgate.execution import failures  # noqa: PLC0415  as above
    except ImportError:  # psycopg is missing, or its libpq: all of this stands on it
        from lockgate.redaction import masked  # noqa: PLC0415

        return masked(f"{type(error).__name__}: {error}")
    return failures.why(error, failures.sqlstate_of(error))


def _fail(error: LockgateError, log_format: str) -> None:
    from lockgate.redaction import Sifting  # noqa: PLC0415
    from lockgate.reporting.console import JsonConsole, TextConsole  # noqa: PLC0415

    console = JsonConsole if log_format == "json" else TextConsole
    console(Sifting(sys.stdout), Sifting(sys.stderr)).failure(error)
    sys.exit(1)
