"""Paired, interleaved runs of commands: the machine's mood hits all sides of a turn alike."""

from __future__ import annotations

import contextlib
import json
import random
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks import launcher


def _nothing() -> None:
    pass


@dataclass(frozen=True)
class Command:
    """One side: what to run, where and with which environment.

    before: run untimed before each turn. check: run untimed after the first; raises where the command did not do it.
    """

    name: str
    arguments: Sequence[str]
    folder: Path
    environment: Mapping[str, str]
    before: Callable[[], None] = _nothing
    check: Callable[[], None] = _nothing
    copies: int = 1


@dataclass(frozen=True)
class Once:
    """What one turn of a command came to. seconds: to the end of the last copy. cpu: of all copies, in seconds.

    memory: MiB, of the largest process.
    """

    seconds: float
    cpu: float
    memory: float


@dataclass
class Measured:
    """Turns by their number, the first of which warms up. failed: why there are none, in words."""

    turns: dict[int, Once] = field(default_factory=dict)
    failed: str = ""

    def median(self, of: str = "seconds") -> float:
        return statistics.median(getattr(turn, of) for turn in self.turns.values())

    @property
    def memory(self) -> float:
        return max(turn.memory for turn in self.turns.values())

    def ratios(self, base: Measured, of: str = "seconds") -> list[float]:
        """To the base's of the same turn, sorted; to its median where the base did not run in that turn."""
        usual = base.median(of)
        return sorted(
            getattr(turn, of) / (getattr(base.turns[number], of) if number in base.turns else usual)
            for number, turn in self.turns.items()
        )


@dataclass(frozen=True)
class Turns:
    """How often: as often as fits into the budget of seconds, but within least and most.

    once: what takes longer, in seconds, is run once, and that counts.
    """

    least: int
    most: int
    budget: float
    once: float = 20.0

    def number(self, seconds: float) -> int:
        """Of turns that take so many seconds each, beside the first."""
        return max(self.least, min(self.most, int(self.budget / max(seconds, 0.001))))


class Launcher:
    """The small process that starts commands."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def run(self, command: Command) -> Once:
        """Raises RuntimeError, with the last line that it wrote to stderr, where it does not exit 0."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with tempfile.NamedTemporaryFile() as err:
            demand = {
                "arguments": list(command.arguments),
                "folder": str(command.folder),
                "environment": dict(command.environment),
                "err": err.name,
                "copies": command.copies,
            }
            self._process.stdin.write(json.dumps(demand) + "\n")
            self._process.stdin.flush()
            document: dict[str, Any] = json.loads(self._process.stdout.readline())
            if any(document["codes"]):
                said = Path(err.name).read_text(errors="replace").strip().splitlines() or ["it said nothing"]
                raise RuntimeError(f"exit {max(map(abs, document['codes']))}: {said[-1]}")
        return Once(max(document["seconds"]), sum(document["cpu"]), max(document["memory"]))


@contextlib.contextmanager
def started() -> Iterator[Launcher]:
    process = subprocess.Popen(
        [sys.executable, "-S", "-I", launcher.__file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        yield Launcher(process)
    finally:
        process.communicate()  # the end of its stdin ends it


def measure(commands: Sequence[Command], turns: Turns) -> dict[str, Measured]:
    """Run the commands in turns, each turn in random order."""
    measureds = {command.name: Measured() for command in commands}
    with started() as launched:
        for command in random.sample(list(commands), len(commands)):
            _turn(launched, command, measureds[command.name], 0)
        again = [one_command for one_command in commands if _wanted_again(measureds[one_command.name], turns)]
        for number in range(
            1, 1 + turns.number(sum(measureds[one_command.name].turns[0].seconds for one_command in again))
        ):
            for command in random.sample(again, len(again)):
                _turn(launched, command, measureds[command.name], number)
    for command in again:
        measureds[command.name].turns.pop(0, None)
    return measureds


def _turn(launched: Launcher, command: Command, measured: Measured, number: int) -> None:
    """One turn, the first of which is checked. Who fails has no turns left; the others are measured nevertheless."""
    if measured.failed:
        return
    try:
        command.before()
        measured.turns[number] = launched.run(command)
        if not number:
            command.check()
    except RuntimeError as error:
        measured.turns.clear()
        measured.failed = str(error)


def _wanted_again(measured: Measured, turns: Turns) -> bool:
    return not measured.failed and measured.turns[0].seconds <= turns.once
