"""What a plan says of a whole transaction is what PostgreSQL does, and who waits for it does wait."""

from __future__ import annotations

import os

from django.db.migrations.state import ProjectState

from tests.support import plans, transaction_trace
from tests.support.plan_case import Case
from tests.support.plans import Scratch

SEED = 11
PAIRS = int(os.environ.get("LOCKGATE_PAIRS", "400" if os.environ.get("LOCKGATE_SWEEP") == "whole" else "40"))


def judged(scratch: Scratch, case: Case, state: ProjectState, *, online: bool) -> tuple[list[str], list[str]]:
    """Where its transaction did more than was claimed, and where less."""
    (planned,) = scratch.plan([plans.migration("0001_case", *case.operations)], state, online=online)
    return transaction_trace.prove(scratch, planned)


def test_claimed_of_a_transaction_is_observed(scratch: Scratch) -> None:
    """Of pairs of operations, drawn by lot, every other one online: locks on entry, the total, and who waits."""
    worse, better, number = [], [], 0
    for case in transaction_trace.composed(SEED):
        state = transaction_trace.prepared(scratch, case)
        if state is None:
            continue
        more, less = judged(scratch, case, state, online=bool(number % 2))
        worse += [f"{case}, {number % 2 = }: {each}" for each in more]
        better += [f"{case}, {number % 2 = }: {each}" for each in less]
        number += 1
        if number == PAIRS:
            break
    assert not worse, "\n".join(["", *worse])
    assert not better, "\n".join(["", *better])
