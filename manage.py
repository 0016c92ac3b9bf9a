#!/usr/bin/env python
"""The project's command line. Settings default to the migrating ones, which need only DATABASE_URL."""

import os
import sys

# os.path, which Python has loaded already: pathlib would be a quarter of a start that finds nothing to do.
sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "apps"))  # noqa: PTH118, PTH120

from lockgate.boot import execute_from_command_line

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings.migrate")
    execute_from_command_line(sys.argv)
