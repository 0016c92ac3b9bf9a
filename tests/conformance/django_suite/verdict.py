"""How the runs compare: what is alike, what differs and is explained, and what is a problem.

A difference is a test whose outcome under Lockgate is not its outcome under stock Django. It must be explained, and an
explanation must be needed: either way the command fails, so that the list can neither grow nor rot unseen. Where it is
said that only words differ, this is proved by a run in which Lockgate says nothing and Django says what it does.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

Outcomes = Mapping[str, Mapping[str, str]]  # by test id: outcome (passed, failed, skipped) and why
MODES = {"stock": "stock Django", "lockgate": "Lockgate", "words": "Lockgate, in Django's words"}


@dataclass(frozen=True)
class Difference:
    """Why tests come out otherwise. only_words: in Django's words they come out as with Django.

    django: the version, as its beginning, that has these tests or this difference; all where it is empty.
    """

    reason: str
    tests: tuple[str, ...]
    only_words: bool = False
    django: str = ""


@dataclass(frozen=True)
class Verdict:
    """explained: the reason of each difference, by test id. problems: what makes the command fail."""

    counts: Mapping[str, Counter[str]]
    failed_anyway: Mapping[str, str]
    explained: Mapping[str, str]
    problems: Sequence[str]


def judge(runs: Mapping[str, Outcomes], known: Sequence[Difference], version: str) -> Verdict:
    """runs: by mode. known: explanations. version: Django's."""
    stock = runs["stock"]
    listed = {
        test: difference for difference in known if version.startswith(difference.django) for test in difference.tests
    }
    differing = sorted(test for test in stock.keys() | runs["lockgate"].keys() if _differs(runs, "lockgate", test))
    problems = [f"{test} differs: {_said(runs, 'lockgate', test)}" for test in differing if test not in listed]
    for test, difference in sorted(listed.items()):
        if test not in differing:
            problems.append(f"{test} is explained and does not differ: {difference.reason}")
        elif difference.only_words and _differs(runs, "words", test):
            problems.append(f"{test} differs in more than words: {_said(runs, 'words', test)}")
    return Verdict(
        counts={mode: Counter(outcome["outcome"] for outcome in outcomes.values()) for mode, outcomes in runs.items()},
        failed_anyway={test: each["why"] for test, each in sorted(stock.items()) if each["outcome"] == "failed"},
        explained={test: listed[test].reason for test in differing if test in listed},
        problems=problems,
    )


def _differs(runs: Mapping[str, Outcomes], mode: str, test: str) -> bool:
    return runs["stock"].get(test, {}).get("outcome") != runs[mode].get(test, {}).get("outcome")


def _said(runs: Mapping[str, Outcomes], mode: str, test: str) -> str:
    before, after = runs["stock"].get(test), runs[mode].get(test)
    if before is None or after is None:
        return f"run by {MODES['stock'] if after is None else MODES[mode]} only"
    return f"{before['outcome']}, and by {MODES[mode]} {after['outcome']}: {after['why']}"


def report(verdict: Verdict, version: str, server: str) -> str:
    """The tables, as Markdown, and a line for each problem."""
    lines = [
        f"Django {version}, PostgreSQL {server}",
        "",
        "| run by | passed | failed | skipped |",
        "|---|---:|---:|---:|",
    ]
    for mode, title in MODES.items():
        count = verdict.counts[mode]
        lines.append(f"| {title} | {count['passed']} | {count['failed']} | {count['skipped']} |")
    if verdict.failed_anyway:
        lines += ["", "Fails with stock Django too:", ""]
        lines += [f"- `{test}`: {why}" for test, why in verdict.failed_anyway.items()]
    lines += ["", "Differs, and why:", ""]
    for reason in dict.fromkeys(verdict.explained.values()):
        tests = [f"`{test}`" for test, why in verdict.explained.items() if why == reason]
        lines.append(f"- {reason}: {', '.join(tests)}")
    return "\n".join([*lines, "", *(f"PROBLEM: {problem}" for problem in verdict.problems)])
