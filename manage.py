#!/usr/bin/env python
"""The project's command line. Settings default to the migrating ones, which need only DATABASE_URL."""

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "apps"))

from lockgate.boot import execute_from_command_line

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings.migrate")
    execute_from_command_line(sys.argv)
