"""A new release is killed at every statement; an old one starts in between, or was waiting; the new one runs again.

``make test`` takes one point of every turn by chance and prints the seed; ``make sweep`` takes those that leave
something else (LOCKGATE_SWEEP=states) or all (whole), in each of the old release's three ways.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterator

import pytest

from tests.postgres.test_sweep import SAMPLED, SEED
from tests.support import two_releases
from tests.support.sweep_states import EXTENT, Extent
from tests.support.two_releases import TURNS, Old, Releases, Turn

pytestmark = [pytest.mark.sweep, pytest.mark.timeout(3000)]

# Points of each turn where not all are taken; more of them between a sample and the whole.
POINTS = int(os.environ.get("LOCKGATE_SWEEP_POINTS", "1" if SAMPLED else "0"))
# In a sample, the old release does one of its things to each turn.
CHOSEN = [
    (turn, old)
    for turn in TURNS
    for old in (Old if POINTS != 1 else [random.Random(f"{SEED} {turn}").choice(list(Old))])
]


@pytest.fixture(scope="module")
def between() -> Iterator[Releases]:
    with two_releases.releases() as releases:
        yield releases


@pytest.mark.parametrize(("turn", "old"), CHOSEN, ids=str)
def test_an_old_release_starts_and_touches_nothing_and_the_new_one_ends_rightly(
    between: Releases, turn: Turn, old: Old
) -> None:
    points = between.points(turn, old, SEED, POINTS, states=EXTENT is Extent.STATES)
    print(f"LOCKGATE_SEED={SEED}, {len(points)} points")
    found = {point: between.disturb(turn, old, point) for point in points}
    statements = between.account(turn).statements
    bad = [f"{point} ({statements[point.at]}): {problem}" for point, problem in found.items() if problem]
    assert not bad, "\n".join([f"{len(bad)} of {len(found)} failed", *bad[:5]])
