"""How a command line starts: first the quick look whether there is anything to do, then Django.

Invariant: until that look has failed, nothing is imported but what it needs; each module here costs every start of a
container, so none of typing, re, json, dataclasses and collections is among them (``tests/unit/test_boot.py``).
"""

import os
import sys

__all__ = ["execute_from_command_line", "started_with"]

# What this process was started with, before settings and apps could change it: sys.path and the environment.
started_with: tuple[list[str], dict[str, str]] = (sys.path, {})


def execute_from_command_line(argv: list[str]) -> None:
    """Run a management command, in place of Django's function of that name.

    Exits 1 with a message on stderr where the settings, or an app, cannot be loaded.
    """
    from lockgate.boot import fast_path  # noqa: PLC0415

    if fast_path.answers(argv):
        return
    global started_with  # noqa: PLW0603
    started_with = (list(sys.path), dict(os.environ))
    from lockgate.boot import command_line  # noqa: PLC0415  with Django: most of a full start

    command_line.execute(argv)
