"""Measurements of histories, made one after the other."""

from __future__ import annotations

import itertools
import subprocess
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.pairs import Command, Measured, Turns, measure
from benchmarks.speed.contenders import STOCK, Contender
from benchmarks.speed.ground import Ground
from benchmarks.speed.measurements import Measurement

REST = 70  # seconds: for a minute, ext4 without a journal remembers files that were removed, and goes around them


@dataclass(frozen=True)
class Choice:
    """What is to be measured.

    contenders: names; stock Django always takes part. turns: in place of a measurement's, and no rest before them.
    """

    measurements: Sequence[Measurement]
    lengths: Sequence[int]
    shapes: Sequence[str]
    contenders: Collection[str]
    turns: Turns | None = None

    def measured_on(self, shape: str) -> list[Measurement]:
        return [measurement for measurement in self.measurements if shape == "dense" or measurement.sparse]

    def taking_part(self, measurement: Measurement, shape: str) -> list[Contender]:
        """Peers have one shape: what a model refers to is nothing to them."""
        named = [contender for contender in measurement.contenders if contender.name in {*self.contenders, STOCK.name}]
        return [contender for contender in named if shape == "dense" or not contender.peer]


@dataclass(frozen=True)
class Result:
    """found: by the contender's name, stock Django's among them."""

    measurement: Measurement
    length: int
    shape: str
    found: Mapping[str, Measured]


def run(choice: Choice, apps: Path, folder: Path) -> Iterator[Result]:
    """apps: the copy of Lockgate's code that is measured. folder: a new one, for all that is measured on.

    What is built for a history removes files, and so do its test suites, which come last.
    """
    for shape, length in itertools.product(choice.shapes, choice.lengths):
        ground = Ground(folder / f"{length}-{shape}", apps, length, shape)
        prepared = [
            (one_measurement, *_prepared(one_measurement, ground, choice))
            for one_measurement in choice.measured_on(shape)
        ]
        if choice.turns is None:
            time.sleep(REST)
        for measurement, measureds, commands in prepared:
            turned = measure(commands, choice.turns or measurement.turns)
            yield Result(measurement, length, shape, {**measureds, **turned})


def _prepared(measurement: Measurement, ground: Ground, choice: Choice) -> tuple[dict[str, Measured], list[Command]]:
    """Who cannot take part, or cannot be prepared, has why in place of turns."""
    measureds: dict[str, Measured] = {}
    commands: list[Command] = []
    for contender in choice.taking_part(measurement, ground.shape):
        measureds[contender.name] = Measured(failed=contender.absent)
        if not contender.absent:
            try:
                commands.append(measurement.make(ground, contender))
            except (RuntimeError, subprocess.CalledProcessError) as error:
                measureds[contender.name] = Measured(failed=str(error).splitlines()[0])
    return measureds, commands
