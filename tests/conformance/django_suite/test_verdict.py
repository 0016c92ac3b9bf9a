"""The verdict over Django's own tests: nothing differs unseen, and no explanation outlives its difference."""

from __future__ import annotations

import pytest

from tests.conformance.django_suite import differences
from tests.conformance.django_suite.verdict import Difference, Outcomes, judge, report
from tests.support.sites import ROOT

PAGE = (ROOT / "docs" / "evidence" / "conformance.md").read_text(encoding="utf-8")
PASSED = {"outcome": "passed", "why": ""}
FAILED = {"outcome": "failed", "why": "AssertionError: 1 != 2"}
SKIPPED = {"outcome": "skipped", "why": "not here"}


def runs(stock: Outcomes, ours: Outcomes, words: Outcomes | None = None) -> dict[str, Outcomes]:
    return {"stock": stock, "lockgate": ours, "words": ours if words is None else words}


def test_what_comes_out_alike_is_no_problem() -> None:
    alike = {"a": PASSED, "b": FAILED, "c": SKIPPED}
    verdict = judge(runs(alike, alike), (), "5.2.1")
    assert verdict.problems == []
    assert verdict.failed_anyway == {"b": "AssertionError: 1 != 2"}
    assert [verdict.counts["lockgate"][outcome] for outcome in ("passed", "failed", "skipped")] == [1, 1, 1]


@pytest.mark.parametrize("ours", [{"a": FAILED}, {"a": SKIPPED}, {}, {"a": PASSED, "b": PASSED}])
def test_a_difference_without_an_explanation_is_a_problem(ours: Outcomes) -> None:
    assert len(judge(runs({"a": PASSED}, ours), (), "5.2.1").problems) == 1


def test_a_test_that_passes_under_lockgate_alone_is_a_difference_too() -> None:
    assert len(judge(runs({"a": FAILED}, {"a": PASSED}), (), "5.2.1").problems) == 1


def test_an_explained_difference_is_none_and_is_reported() -> None:
    verdict = judge(runs({"a": PASSED}, {"a": FAILED}), [Difference("on purpose", ("a",))], "5.2.1")
    assert verdict.problems == []
    assert "- on purpose: `a`" in report(verdict, "5.2.1", "16.1")


def test_an_explanation_that_is_not_needed_is_a_problem() -> None:
    known = [Difference("on purpose", ("a", "gone"))]
    problems = judge(runs({"a": PASSED}, {"a": PASSED}), known, "5.2.1").problems
    assert [problem.partition(" ")[0] for problem in problems] == ["a", "gone"]


def test_an_explanation_of_another_django_is_not_asked_for() -> None:
    known = [Difference("new there", ("a",), django="6.1")]
    assert judge(runs({}, {}), known, "5.2.1").problems == []
    assert len(judge(runs({}, {}), known, "6.1.3").problems) == 1


def test_words_alone_must_not_hide_more() -> None:
    known = [Difference("our own lines", ("a",), only_words=True)]
    assert judge(runs({"a": PASSED}, {"a": FAILED}, {"a": PASSED}), known, "5.2.1").problems == []
    (problem,) = judge(runs({"a": PASSED}, {"a": FAILED}, {"a": FAILED}), known, "5.2.1").problems
    assert problem.startswith("a differs in more than words")


@pytest.mark.parametrize("each", differences.KNOWN, ids=lambda each: each.reason)
def test_every_difference_is_explained_in_the_docs(each: Difference) -> None:
    assert f"| {each.reason} |" in PAGE
    assert [test for test in each.tests if f"`{test.rpartition('.')[2]}`" not in PAGE] == []
