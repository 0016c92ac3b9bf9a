"""What a table was measured on, and with."""

from __future__ import annotations

import os
import platform

import django

from benchmarks import machine
from benchmarks.stall import shop
from benchmarks.stall.cell import Bench
from benchmarks.stall.contenders import PEER, PEER_VERSION
from lockgate import __version__
from tests.support.databases import Database


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
        f"Django {django.__version__}, {PEER} {PEER_VERSION}, Lockgate {__version__} ({machine.revision()}), "
        f"Python {platform.python_version()}",
    )
