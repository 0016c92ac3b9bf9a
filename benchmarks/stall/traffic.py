"""The load as the benchmark sees it: started before a migration, stopped after it, and read."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.stall.load import Demand, Sample

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 30  # seconds that queries which were due get, once nothing stands in their way


@dataclass(frozen=True)
class Observed:
    """What a stretch of the load came to. longest, p99: seconds. failed: by SQLSTATE."""

    queries: int
    longest: float
    p99: float
    failed: Counter[str]


def observe(samples: Sequence[Sample], since: float = 0.0) -> Observed:
    """What queries came to that were due since a moment on the monotonic clock. Failed ones count as answered."""
    counted = [sample for sample in samples if sample.due >= since]
    if not counted:
        raise RuntimeError("the load sent nothing")
    latencies = sorted(sample.latency for sample in counted)
    failed = Counter(sample.state for sample in counted if sample.state)
    return Observed(len(counted), latencies[-1], latencies[int(0.99 * (len(latencies) - 1))], failed)


class Traffic:
    """A load that runs."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def stop(self) -> list[Sample]:
        """Let what is due be answered; all samples. RuntimeError where that takes longer than PATIENCE."""
        try:
            out, _ = self._process.communicate(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            raise RuntimeError(f"queries of the load had no answer {PATIENCE} s after its end") from None
        if self._process.returncode:
            raise RuntimeError(f"the load exited {self._process.returncode}")
        return [Sample(*load) for load in json.loads(out)]


@contextlib.contextmanager
def traffic(demand: Demand) -> Iterator[Traffic]:
    """Start a load, which is under way when this is entered; it is ended in any case."""
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.stall.load"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": os.pathsep.join((str(ROOT / "apps"), str(ROOT)))},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        process.stdin.write(json.dumps(asdict(demand)) + "\n")
        process.stdin.flush()
        if process.stdout.readline() != "ready\n":
            raise RuntimeError("the load did not start")
        yield Traffic(process)
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        process.stdin.close()
        process.stdout.close()
