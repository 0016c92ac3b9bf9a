"""The command line's outermost frame: whatever is wrong before a command runs still ends in one clear message.

Django's own frame lets a settings module that raises end in a traceback, or in "Unknown command".
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from lockgate.errors import LockgateError


def execute_from_command_line(argv: Sequence[str]) -> None:
    """Run a management command, in place of Django's function of that name.

    Exits 1 with a message on stderr where the settings cannot be loaded.
    """
    # Imported here, so that a faster way to an answer need not pay for Django (its import is most of a start).
    from django.conf import settings  # noqa: PLC0415
    from django.core.exceptions import ImproperlyConfigured  # noqa: PLC0415
    from django.core.management import execute_from_command_line as django_execute  # noqa: PLC0415

    try:
        settings.INSTALLED_APPS  # noqa: B018  the first use of a setting loads the module
    except (LockgateError, ImproperlyConfigured, ImportError) as error:
        sys.stderr.write(f"cannot load the settings: {error}\n")
        sys.exit(1)
    django_execute(list(argv))
