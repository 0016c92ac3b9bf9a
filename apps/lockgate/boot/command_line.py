"""The command line's outermost frame: whatever is wrong before a command runs still ends in one clear message.

Django's own frame lets a settings module that raises end in a traceback, or in "Unknown command".
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from lockgate.errors import LockgateError

# What Django runs without settings, or makes the best of it.
_NEEDS_NO_SETTINGS = frozenset({"help", "version", "startproject", "startapp"})


def execute_from_command_line(argv: Sequence[str]) -> None:
    """Run a management command, in place of Django's function of that name.

    Exits 1 with a message on stderr where the settings, or an app, cannot be loaded.
    """
    # Imported here, so that a faster way to an answer need not pay for Django (its import is most of a start).
    from django.core.management import execute_from_command_line as django_execute  # noqa: PLC0415

    if len(argv) > 1 and not argv[1].startswith("-") and argv[1] not in _NEEDS_NO_SETTINGS:
        _load_settings(argv)
    django_execute(list(argv))


def _load_settings(argv: Sequence[str]) -> None:
    from django.conf import settings  # noqa: PLC0415
    from django.core.exceptions import ImproperlyConfigured  # noqa: PLC0415

    _heed_default_options(argv)
    try:
        settings.INSTALLED_APPS  # noqa: B018  the first use of a setting loads the module
    except (LockgateError, ImproperlyConfigured) as error:
        _fail(str(error))
    except (ImportError, SyntaxError) as error:
        _fail(f"cannot load the settings\n  why    {type(error).__name__}: {error}\n  state  nothing was changed")


def _heed_default_options(argv: Sequence[str]) -> None:
    """``--settings`` and ``--pythonpath`` decide which settings are loaded, wherever they stand."""
    from django.core.management.base import CommandError, CommandParser, handle_default_options  # noqa: PLC0415

    parser = CommandParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--settings")
    parser.add_argument("--pythonpath")
    parser.add_argument("args", nargs="*")
    try:
        options, _ = parser.parse_known_args(argv[2:])
    except CommandError:
        return  # Django says so itself
    handle_default_options(options)


def _fail(message: str) -> None:
    sys.stderr.write(f"error: {message}\n")
    sys.exit(1)
