"""What a table was measured on, and with."""

from __future__ import annotations

import os
import platform
import subprocess

import django

from benchmarks.stall import shop
from benchmarks.stall.cell import Bench
from benchmarks.stall.contenders import PEER, PEER_VERSION
from lockgate import __version__
from tests.support.databases import Database
from tests.support.sites import ROOT


def of(bench: Bench) -> tuple[str, ...]:
    """One fact a line."""
    database = Database(bench.template)
    version = database.value("SHOW server_version").split()[0]
    size = database.value("SELECT pg_size_pretty(pg_total_relation_size('shop_order'))")
    return (
        f"PostgreSQL {version} with its default configuration, {os.cpu_count()} cores, "
        f"{platform.system()} {platform.machine()}",
        f"{bench.orders:,} orders ({size} with indexes) that refer to {shop.customers(bench.orders):,} customers",
        f"{bench.rate:g} queries a second over {bench.connections} connections, six in ten of them writes",
        f"Django {django.__version__}, {PEER} {PEER_VERSION}, Lockgate {__version__} ({_revision()}), "
        f"Python {platform.python_version()}",
    )


def _revision() -> str:
    """The commit that Lockgate's code is at, ``-dirty`` with changes that are in none."""
    asked = ["git", "-C", str(ROOT), "describe", "--always", "--dirty", "--exclude=*"]
    try:
        done = subprocess.run(asked, capture_output=True, text=True, check=True, timeout=30)
    except (OSError, subprocess.SubprocessError):
        return "revision unknown"
    return done.stdout.strip()
