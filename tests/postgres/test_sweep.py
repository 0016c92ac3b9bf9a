"""A runner is killed, its session ended, or the server restarted, at a statement; the next run finishes the work.

``make test`` takes some points of every case by chance and prints the seed; ``make sweep`` takes those that leave
something else (LOCKGATE_SWEEP=states) or all (whole), and keeps what it found: ended half-way, it is taken up again.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterator

import pytest

from tests.support import sweep, sweep_record, sweep_report
from tests.support.sweep import Action, Sweep
from tests.support.sweep_cases import CASES, Case
from tests.support.sweep_record import Record
from tests.support.sweep_states import EXTENT, Extent, Point
from tests.support.sweep_wire import Moment

pytestmark = [pytest.mark.sweep, pytest.mark.timeout(3000)]

SAMPLED = EXTENT is Extent.SAMPLE
# Parallel workers must choose alike, so where there are some their run's name is the seed.
BY_CHANCE = os.environ.get("PYTEST_XDIST_TESTRUNUID", "")[:8] or str(random.SystemRandom().randrange(10**6))
SEED = os.environ.get("LOCKGATE_SEED") or (BY_CHANCE if SAMPLED else sweep_report.WHOLE)
# In a sample every case is killed once, and each of the other things is done to a few. A restart takes longest.
CASES_OF = {Action.KILL: len(CASES), Action.TWICE: 8, Action.TERMINATE: 8, Action.RESTART: 3}
CHOSEN = [
    (action, case)
    for action in Action
    for case in (random.Random(f"{SEED} {action}").sample(CASES, CASES_OF[action]) if SAMPLED else CASES)
]


@pytest.fixture(scope="module")
def swept() -> Iterator[Sweep]:
    with sweep.own_bench() as bench:
        yield Sweep(bench)


@pytest.fixture(scope="module")
def record() -> Record:
    return Record(None) if SAMPLED else sweep_record.of_these_sources()


@pytest.mark.parametrize(("action", "case"), CHOSEN, ids=str)
def test_the_next_run_ends_as_an_undisturbed_one(swept: Sweep, record: Record, action: Action, case: Case) -> None:
    print(f"LOCKGATE_SEED={SEED}")
    points = swept.points(action, case, SEED, int(SAMPLED), states=EXTENT is Extent.STATES)
    findings = sweep_report.sweep(swept, action, case, points, record)
    bad = [str(finding) for finding in findings if finding.problem]
    assert not bad, "\n".join([f"{len(bad)} of {len(findings)} failed", *bad[:5]])


@pytest.mark.parametrize("title", ["AddConstraint Check", "AddField, unique", "AddField, OneToOneField"])
def test_a_session_that_ends_as_a_step_is_committed_leaves_it_done(swept: Sweep, title: str) -> None:
    """The runner is not told, and must not have a new session say that the step failed: it could not be run again."""
    (case,) = (one_case for one_case in CASES if str(one_case) == title)
    statements = swept.undisturbed(case).statements
    commits = [number for number, text in enumerate(statements) if text == "COMMIT"]
    steps = [at for at in commits if any("ADD CONSTRAINT" in text for text in statements[at - 4 : at])]
    assert steps
    findings = [swept.disturb(Action.TERMINATE, case, [Point(at, Moment.AFTER)]) for at in steps]
    assert [str(finding) for finding in findings if finding.problem] == []


@pytest.mark.parametrize(
    ("title", "fragment"),
    [
        ("AddField, db_index on text", 'INSERT INTO "django_migrations"'),
        ("AddIndexConcurrently", 'INSERT INTO "django_migrations"'),
        ("Not atomic: two concurrent indexes, RunSQL between them", "UPDATE library_book"),
    ],
)
def test_stock_django_fails_it(swept: Sweep, title: str, fragment: str) -> None:
    """Without this, the test above would prove nothing: a kill between what is done and what is recorded."""
    stock = Sweep(swept.bench, "stock")
    (case,) = (one_case for one_case in CASES if str(one_case) == title)
    statements = stock.undisturbed(case).statements
    (at,) = (number for number, text in enumerate(statements) if text.startswith(fragment))
    finding = stock.disturb(Action.KILL, case, [Point(at, Moment.BEFORE)])
    assert len(finding.statements) == 1
    assert "already exists" in finding.problem
