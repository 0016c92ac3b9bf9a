"""The order of measuring: all contenders in turn at each operation, so that the machine's mood hits them alike."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from benchmarks.stall.cell import Bench, Cell, baseline, measure
from benchmarks.stall.contenders import Contender
from benchmarks.stall.operations import Operation
from benchmarks.stall.traffic import Observed

BASELINE_EVERY = 5  # operations: often enough to see the machine's mood change, and 4 % of the whole time


@dataclass
class Rounds:
    """What to measure. rests: the load by itself, by situation, each time that it was measured on the way."""

    bench: Bench
    operations: Sequence[Operation]
    contenders: Sequence[Contender]
    situations: Sequence[str]
    rests: dict[str, list[Observed]] = field(default_factory=dict, init=False)

    def run(self) -> Iterator[list[Cell]]:
        """The cells of each operation, contender by contender."""
        for number, operation in enumerate(self.operations):
            if number % BASELINE_EVERY == 0:
                self._rest()
            yield self._round(operation, first=number % len(self.contenders))
        self._rest()

    def _round(self, operation: Operation, first: int) -> list[Cell]:
        """Another one begins each time; what is returned is in the usual order."""
        turn = [*self.contenders[first:], *self.contenders[:first]]
        cells = [
            measure(self.bench, operation, contender, situation) for situation in self.situations for contender in turn
        ]
        order = [contender.name for contender in self.contenders]
        return sorted(cells, key=lambda cell: order.index(cell.contender))

    def _rest(self) -> None:
        for situation in self.situations:
            self.rests.setdefault(situation, []).append(baseline(self.bench, situation))
