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
    """What is to be measured. contenders: names, the base among them. turns: in place of a measurement's own."""

    measurements: Sequence[Measurement]
    lengths: Sequence[int]
    shapes: Sequence[str]
    contenders: Collection[str]
    turns: Turns | None = None


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
            wanted = [each for each in choice.measurements if shape == "dense" or each.sparse]
            with tempfile.TemporaryDirectory() as folder:
                ground = Ground(Path(folder), apps, length, shape)
                for measurement in wanted:
                    yield Result(measurement, length, shape, _measured(measurement, ground, choice))
                ground.drop()


def _measured(measurement: Measurement, ground: Ground, choice: Choice) -> dict[str, Measured]:
    found: dict[str, Measured] = {}
    commands = []
    for contender in measurement.contenders:
        if contender.name not in {*choice.contenders, STOCK.name} or (contender.peer and ground.shape == "sparse"):
            continue
        found[contender.name] = Measured(failed=contender.absent)
        if not contender.absent:
            commands += _prepared(measurement, ground, contender, found)
    return {**found, **measure(commands, choice.turns or measurement.turns)}


def _prepared(
    measurement: Measurement, ground: Ground, contender: Contender, found: dict[str, Measured]
) -> list[Command]:
    """The contender's command; none where preparing it fails, which is told in place of its turns."""
    try:
        return [measurement.make(ground, contender)]
    except (RuntimeError, subprocess.CalledProcessError) as error:
        found[contender.name] = Measured(failed=str(error).splitlines()[0])
        return []
