"""Paired, interleaved runs of commands: the machine's mood hits both sides of a pair alike."""

from __future__ import annotations

import os
import random
import statistics
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Command:
    """One side: what to run, where and with which environment. before: run untimed before each turn."""

    name: str
    arguments: Sequence[str]
    folder: Path
    environment: Mapping[str, str]
    before: Callable[[], None] = lambda: None


@dataclass(frozen=True)
class Measured:
    """Seconds of wall time and MiB of peak memory, one entry a turn."""

    seconds: list[float]
    memory: list[float]


def measure(commands: Sequence[Command], turns: int) -> dict[str, Measured]:
    """Run every command once a turn, in random order; the first turn warms up and does not count."""
    found = {command.name: Measured([], []) for command in commands}
    for turn in range(turns + 1):
        for command in random.sample(list(commands), len(commands)):
            command.before()
            seconds, memory = _once(command)
            if turn:
                found[command.name].seconds.append(seconds)
                found[command.name].memory.append(memory)
    return found


def _once(command: Command) -> tuple[float, float]:
    started = time.perf_counter()
    process = subprocess.Popen(
        command.arguments, cwd=command.folder, env=dict(command.environment), stdout=subprocess.DEVNULL
    )
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{command.name} exited {process.returncode}")
    return seconds, usage.ru_maxrss / 1024


def table(title: str, found: Mapping[str, Measured], base: str) -> str:
    """Median seconds, the median of the ratios within each turn with its middle half, and peak memory."""
    lines = [title, f"  {'':24} {'median':>9} {'ratio':>7} {'middle half':>15} {'memory':>9}"]
    for name, measured in found.items():
        ratios = sorted(mine / theirs for mine, theirs in zip(measured.seconds, found[base].seconds, strict=True))
        low, high = ratios[len(ratios) // 4], ratios[-1 - len(ratios) // 4]
        lines.append(
            f"  {name:24} {statistics.median(measured.seconds):7.3f} s {statistics.median(ratios):7.2f} "
            f"{low:6.2f} to {high:5.2f} {max(measured.memory):5.0f} MiB"
        )
    return "\n".join(lines)
