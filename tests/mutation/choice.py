"""Which tests are asked about a mutant: those that reach its statement, the likeliest to notice first."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path

from tests.mutation import covering, places
from tests.mutation.mutants import Mutant


@dataclass(frozen=True)
class Test:
    """seconds: as measured with coverage; focus: the share of what it reaches that is in the module."""

    name: str
    seconds: float
    focus: float


@dataclass
class Choice:
    """What is known of tests and places, and which test has noticed what so far.

    sound: tests that were seen to pass without a mutant.
    """

    folder: Path
    kills: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    sound: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.reaching: dict[str, list[Test]] = defaultdict(list)
        for name, said in covering.known(self.folder).items():
            if not said["passed"]:
                continue
            breadth = sum(map(len, said["places"].values()))
            for there in said["places"].values():
                test = Test(name, said["seconds"], len(there) / breadth)
                for place in there:
                    self.reaching[place].append(test)

    def noticed(self, mutant: Mutant, test: str) -> None:
        self.sound.add(test)
        self.kills[mutant.path][test] += 1
        self.kills[f"{mutant.path} | {mutant.function}"][test] += 1

    def tests(self, mutant: Mutant, seconds: float, without: Collection[str] = ()) -> list[str]:
        """What takes about so long, or one test: unit tests, then by turns the best of each file."""
        reaching = self.reaching.get(places.short(mutant.path, mutant.place), [])
        tests = [test for test in reaching if test.name not in without]
        near, far = self.kills[f"{mutant.path} | {mutant.function}"], self.kills[mutant.path]

        def likeliest(test: Test) -> tuple[object, ...]:
            return -near[test.name], -far[test.name], -test.focus, test.seconds

        turns: Counter[str] = Counter()
        by_turn = []
        for test in sorted(tests, key=likeliest):
            file = test.name.partition("::")[0]
            quick = file.startswith("tests/unit/")
            by_turn.append((not quick, turns[file] if not near[test.name] else -1, likeliest(test), test))
            turns[file] += 1
        chosen: list[str] = []
        for *_, test in sorted(by_turn, key=lambda each: each[:3]):
            seconds -= test.seconds
            if chosen and seconds < 0:
                break
            chosen.append(test.name)
        return chosen
