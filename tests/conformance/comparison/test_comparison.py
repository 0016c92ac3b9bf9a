"""docs/evidence/comparison.md is what the code says now: without the other tools, whose last answers are kept."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from lockgate.linting.rules import BY_ID
from tests.conformance.comparison import explanations, meanings, page, verdicts
from tests.conformance.comparison.answers import Observed, Remark, kept
from tests.conformance.comparison.case import Case, Danger
from tests.conformance.comparison.cases import ALL
from tests.conformance.comparison.verdicts import Outcome

AGAIN = "run  python -m tests.conformance.comparison --render  (no network), or make comparison where a case changed"
NAMED = {case.name: case for case in ALL}


def outcomes(case: Case) -> set[Outcome]:
    """Of Lockgate, in both of its judgements."""
    return {page.verdict(column, case, kept()).outcome for column in (page.IN_PLACE, page.ONLINE)}


def test_the_page_is_what_the_code_says_now() -> None:
    assert page.FILE.read_text(encoding="utf-8") == page.text(kept()), AGAIN


def test_every_case_is_on_the_page_once() -> None:
    rows = re.findall(r"^\| \*\*(.+?)\*\*<br>", page.FILE.read_text(encoding="utf-8"), re.MULTILINE)
    assert rows == [case.name for case in ALL]
    assert len(set(rows)) == len(rows) >= 100


def test_half_of_the_cases_are_made_after_other_tools_tests() -> None:
    after = [case.after.split()[0] for case in ALL if case.after]
    assert len(after) >= len(ALL) / 2
    assert {"strong_migrations", "online_migrations", "squawk"} < set(after)


def test_a_warning_of_what_nobody_can_tell_is_no_false_alarm_and_an_error_is() -> None:
    case = NAMED["CREATE INDEX CONCURRENTLY by hand"]
    perhaps, other = Remark("LG704", "warning"), Remark("LG101", "warning")
    assert verdicts.of(meanings.LOCKGATE, case, [perhaps]).outcome is Outcome.QUIET
    assert verdicts.of(meanings.LOCKGATE, case, [Remark("LG704", "error")]).outcome is Outcome.FALSE_ALARM
    assert verdicts.of(meanings.LOCKGATE, case, [perhaps, other]).outcome is Outcome.FALSE_ALARM


def test_the_other_tools_were_asked_about_the_cases_as_they_are_now() -> None:
    answers, now = kept(), {case.name: case.digest for case in ALL}
    assert answers.digests == now, AGAIN
    for tool in page.OTHERS:
        assert answers.remarks[tool].keys() == now.keys(), AGAIN
    assert answers.observed.keys() == now.keys(), AGAIN


def test_many_of_the_cases_are_safe() -> None:
    assert 1 / 3 < sum(case.safe for case in ALL) / len(ALL) < 2 / 3


@pytest.mark.parametrize("case", ALL, ids=lambda case: case.name)
def test_postgresql_bears_out_what_a_case_claims(case: Case) -> None:
    assert verdicts.contradiction(case, kept().observed[case.name]) == ""


def test_every_miss_and_every_false_alarm_of_ours_is_explained_and_nothing_else() -> None:
    wrong = {case.name for case in ALL if outcomes(case) & {Outcome.MISSED, Outcome.FALSE_ALARM}}
    assert set(explanations.OF) == wrong, AGAIN


@pytest.mark.parametrize("tool", page.OTHERS)
def test_no_rule_is_both_an_opinion_and_a_danger(tool: str) -> None:
    assert meanings.OPINIONS[tool].keys() & meanings.DANGERS[tool].keys() == set()


def test_the_rules_of_ours_that_are_given_a_meaning_are_those_that_exist() -> None:
    assert meanings.DANGERS[meanings.LOCKGATE].keys() == BY_ID.keys()
    assert meanings.OPINIONS[meanings.LOCKGATE].keys() < BY_ID.keys()


def test_a_rule_without_a_meaning_is_not_passed_over() -> None:
    with pytest.raises(KeyError):
        verdicts.of("squawk", NAMED["AddIndex"], [Remark("a-new-rule", "warning")])


def test_a_rule_about_another_danger_does_not_find_a_case() -> None:
    verdict = verdicts.of("squawk", NAMED["AddIndex"], [Remark("ban-drop-column", "warning")])
    assert (verdict.outcome, verdict.beside) == (Outcome.MISSED, ("ban-drop-column",))


def test_opinions_count_neither_way() -> None:
    opinion = [Remark("prefer-text-field", "warning")]
    assert verdicts.of("squawk", NAMED["AddIndex"], opinion).outcome is Outcome.MISSED
    assert verdicts.of("squawk", NAMED["AddIndexConcurrently"], opinion).outcome is Outcome.QUIET


def test_silence_is_made_safe_only_where_something_is_rewritten() -> None:
    before = [Remark("LG101", "error")]
    assert verdicts.online(NAMED["AddIndex"], before, [], rewritten=True).outcome is Outcome.MADE_SAFE
    assert verdicts.online(NAMED["AddIndex"], before, [], rewritten=False).outcome is Outcome.MISSED
    assert verdicts.online(NAMED["AddIndex"], [], [], rewritten=True).outcome is Outcome.MISSED


def test_a_safe_case_that_blocks_or_fails_is_noticed() -> None:
    safe, unsafe = NAMED["AddIndexConcurrently"], NAMED["AddIndex"]
    assert verdicts.contradiction(safe, [Observed("SHARE", "build")])
    assert verdicts.contradiction(safe, [Observed(error="23502")])
    assert not verdicts.contradiction(safe, [Observed("ACCESS EXCLUSIVE")])
    assert not verdicts.contradiction(unsafe, [Observed("SHARE", "build")])
    assert not verdicts.contradiction(replace(safe, dangers=frozenset({Danger.FAILS})), [Observed(error="23502")])
