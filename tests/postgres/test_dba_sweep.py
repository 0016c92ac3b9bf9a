"""Between a kill and the rerun somebody drops, renames, replaces or completes by hand what a step has made, or will.

The rerun ends as stock Django does, or is refused with a way out that works when typed. It never exits 0 with a schema
that lacks what the code expects. ``make test`` takes a few points of some, the same each time unless LOCKGATE_SEED
says otherwise; ``make sweep`` takes every state that a kill can leave, of all.
"""

from __future__ import annotations

import os
import random
from collections import Counter
from collections.abc import Iterator

import pytest

from tests.postgres.test_sweep import SAMPLED
from tests.support import dba
from tests.support.dba import ATTACKED, Attack, Outcome
from tests.support.sweep_cases import Case
from tests.support.sweep_states import EXTENT, Extent

pytestmark = [pytest.mark.sweep, pytest.mark.timeout(3000)]

POINTS = 3 if SAMPLED else None
SEED = os.environ.get("LOCKGATE_SEED", "a1")
HELD = list(ATTACKED)
CHOSEN = random.Random(f"{SEED} dba").sample(HELD, 3) if SAMPLED else HELD


@pytest.fixture(scope="module")
def attack() -> Iterator[Attack]:
    with dba.attack() as new_attack:
        yield new_attack


@pytest.mark.parametrize("case", CHOSEN, ids=str)
def test_what_somebody_does_by_hand_ends_rightly_or_is_refused_with_a_way_out(attack: Attack, case: Case) -> None:
    known: set[object] = set()
    found: list[tuple[str, Outcome]] = []
    told = 0
    for point in attack.points(case, SEED, states=EXTENT is Extent.STATES):
        deeds = list(attack.find(case, point, known))
        found += deeds
        told += bool(deeds)
        if told == POINTS:
            break
    assert found, "nothing that could be done by hand"
    counts = Counter("refused" if outcome.refused else "ended" for _, outcome in found)
    print(f"LOCKGATE_SEED={SEED}, {len(known)} states, {len(found)} deeds: {dict(counts)}")
    bad = [f"{what}: {outcome.problem}" for what, outcome in found if outcome.problem]
    assert not bad, "\n".join([f"{len(bad)} of {len(found)} failed", *bad[:5]])
