"""What Lockgate's plan says of an operation: whether there is an online way, and if not, why. The reason for a miss."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.stall import cell
from benchmarks.stall.cell import Bench
from benchmarks.stall.contenders import LOCKGATE
from benchmarks.stall.operations import Operation
from tests.support.databases import Database
from tests.support.sites import finish


def of(bench: Bench, operation: Operation) -> str:
    """The phases of its steps, and the reason for each that is in the migration's own transaction."""
    with tempfile.TemporaryDirectory() as folder:
        site = cell.site(operation, LOCKGATE, Path(folder), Database(bench.template))
        done = finish(LOCKGATE.start(site, bench.apps, "migrate", "--plan", "--format", "json"))
    if done.code:
        return f"no plan: exit {done.code}"
    (migration,) = [
        one_migration for one_migration in json.loads(done.out)["migrations"] if one_migration["name"] == cell.MEASURED
    ]
    return described(migration["steps"])


def described(steps: list[dict[str, Any]]) -> str:
    phases = ", ".join(dict.fromkeys(step["phase"] for step in steps))
    reasons = dict.fromkeys(step["kept_in_place"] or step["reason"] for step in steps if step["phase"] == "switch")
    return f"planned in {phases}" + "".join(f"; {reason}" for reason in reasons)
