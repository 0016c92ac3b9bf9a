"""What a run counts as done once the rows of applied migrations are known."""

from __future__ import annotations

import pytest

from lockgate.events import Action
from lockgate.execution.progress import Progress
from lockgate.facts import Key

ONE, TWO, THREE = (Key("shop", name) for name in ("0001", "0002", "0003"))


@pytest.mark.parametrize(
    ("action", "applied", "done"),
    [("apply", {ONE}, True), ("apply", set(), False), ("unapply", {ONE}, False), ("unapply", set(), True)],
)
def test_what_was_under_way_is_done_where_its_row_says_so(action: Action, applied: set[Key], done: bool) -> None:
    progress = Progress(print)
    progress.begin(ONE, action, atomic=True)
    progress.settle(applied)
    assert progress.done == ([(ONE, action)] if done else [])
    assert progress.current == (None if done else ONE)


@pytest.mark.parametrize("unknown", [True, False])
def test_of_those_sent_along_as_many_are_done_as_have_a_row(unknown: bool) -> None:
    progress = Progress(print)
    progress.begin(ONE, "apply", atomic=True, along=[TWO, THREE])
    progress.unknown = unknown
    progress.settle({ONE})
    assert progress.done == [(ONE, "apply")]
    assert (progress.current, list(progress.along)) == (TWO, [THREE] if unknown else [])
    progress.settle({ONE, TWO, THREE})
    assert [key for key, _ in progress.done] == ([ONE, TWO, THREE] if unknown else [ONE, TWO])
    assert progress.touched


def test_after_the_session_is_lost_what_was_done_before_may_be_taken_back() -> None:
    progress = Progress(print)
    for key in (ONE, TWO):
        progress.begin(key, "apply", atomic=True)
        progress.end()
    progress.settle({ONE}, lost=True)
    assert progress.done == [(ONE, "apply")]
    assert progress.taken_back == [TWO]
    assert not Progress(print).touched
