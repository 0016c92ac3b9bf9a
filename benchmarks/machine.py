"""What something was measured on, and with."""

from __future__ import annotations

import os
import platform
import subprocess

import django
import psycopg

from lockgate import __version__
from tests.support import databases
from tests.support.sites import ROOT


def facts() -> tuple[str, ...]:
    """One fact a line, to be asked before anything is measured: the load that it names is then that of others."""
    with databases.admin() as connection:
        version = connection.info.server_version
    return (
        f"PostgreSQL {version // 10000}.{version % 10000} with its default configuration, over TCP with a password; "
        f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}, load {os.getloadavg()[0]:.1f} before",
        f"Django {django.__version__}, psycopg {psycopg.__version__}, Lockgate {__version__} ({revision()}), "
        f"Python {platform.python_version()}",
    )


def revision() -> str:
    """The commit that Lockgate's code is at, ``-dirty`` with changes that are in none."""
    asked = ["git", "-C", str(ROOT), "describe", "--always", "--dirty", "--exclude=*"]
    try:
        done = subprocess.run(asked, capture_output=True, text=True, check=True, timeout=30)
    except (OSError, subprocess.SubprocessError):
        return "revision unknown"
    return done.stdout.strip()
