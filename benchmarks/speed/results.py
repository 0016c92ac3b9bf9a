"""Measurements of histories, made one after the other."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.pairs import Command, Measured, Turns, measure
from benchmarks.speed.contenders import STOCK, Contender
from benchmarks.speed.ground import Ground
from benchmarks.speed.measurements import Measurement


@dataclass(frozen=True)
class Choice:
    """What is to be measured. contenders: names; stock Django always takes part. turns: in place of a measurement's."""

    measurements: Sequence[Measurement]
    lengths: Sequence[int]
    shapes: Sequence[str]
    contenders: Collection[str]
    turns: Turns | None = None

    def measured_on(self, shape: str) -> list[Measurement]:
        return [each for each in self.measurements if shape == "dense" or each.sparse]

    def taking_part(self, measurement: Measurement, shape: str) -> list[Contender]:
        """Peers have one shape: what a model refers to is nothing to them."""
        named = [each for each in measurement.contenders if each.name in {*self.contenders, STOCK.name}]
        return [each for each in named if shape == "dense" or not each.peer]


@dataclass(frozen=True)
class Result:
    """found: by the contender's name, stock Django's among them."""

    measurement: Measurement
    length: int
    shape: str
    found: Mapping[str, Measured]


def run(choice: Choice, apps: Path) -> Iterator[Result]:
    """apps: the copy of Lockgate's code that is measured."""
    for shape in choice.shapes:
        for length in choice.lengths:
            with tempfile.TemporaryDirectory() as folder:
                ground = Ground(Path(folder), apps, length, shape)
                for measurement in choice.measured_on(shape):
                    found = _measured(measurement, ground, choice)
                    ground.clear()
                    yield Result(measurement, length, shape, found)
                ground.drop()


def _measured(measurement: Measurement, ground: Ground, choice: Choice) -> dict[str, Measured]:
    """Who cannot take part, or cannot be prepared, has why in place of turns."""
    found: dict[str, Measured] = {}
    commands: list[Command] = []
    for contender in choice.taking_part(measurement, ground.shape):
        found[contender.name] = Measured(failed=contender.absent)
        if not contender.absent:
            try:
                commands.append(measurement.make(ground, contender))
            except (RuntimeError, subprocess.CalledProcessError) as error:
                found[contender.name] = Measured(failed=str(error).splitlines()[0])
    return {**found, **measure(commands, choice.turns or measurement.turns)}
