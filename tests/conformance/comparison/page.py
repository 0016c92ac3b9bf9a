"""docs/evidence/comparison.md: every case, every tool, the result. Made of cases, kept answers and Lockgate itself."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from lockgate import __version__
from tests.conformance.comparison import explanations, meanings, ours, verdicts
from tests.conformance.comparison.answers import Answers, Observed
from tests.conformance.comparison.case import Case, Danger
from tests.conformance.comparison.cases import ALL, GROUPS
from tests.conformance.comparison.verdicts import Outcome, Verdict

FILE = Path(__file__).resolve().parents[3] / "docs" / "evidence" / "comparison.md"
OTHERS = ("django-migration-linter", "django-safe-migrations", "squawk")
IN_PLACE, ONLINE = "Lockgate, in place", "Lockgate, online"
COLUMNS = (IN_PLACE, ONLINE, *OTHERS)

INTRODUCTION = """\
<!-- made by tests/conformance/comparison: make comparison -->
# Comparison with other linters

The same {number} migrations, judged by `lockgate lint` and by three other tools that people use for Django on
PostgreSQL. `make comparison` runs all of them and writes this page. `python -m tests.conformance.comparison --render`
writes it from the other tools' last answers and Lockgate's present ones, and a test fails where it is out of date.

{versions}

## How it is done

**The cases** are small Django migrations of a shop whose tables are large and in use: {unsafe} are unsafe there,
{safe} are safe, most of them look-alikes. {after} of them are made after the tests and documentation of other tools, in
our own words and on our tables: strong_migrations and online_migrations (of Rails), squawk, pgfence and
django-migration-linter; each names the file. The others cover most of what the four tools say they look for. Opinions
are left out (naming, preferred types, `IF EXISTS`, reversibility), and so are merge migrations, composite keys, domains
and SQL injection. The authors of one of the four tools chose them: read them (`tests/conformance/comparison/cases/`).

*Unsafe* means, of a run of Django's own `migrate` on PostgreSQL beside a release that serves:

{dangers}

**The truth** of a case comes from the manuals of PostgreSQL and Django, linked at each, and was held against a server:
stock Django applied every case to tables with rows. *Observed* is the strongest lock on tables that were there before,
and the heaviest work on them: *rewrite*, *build* of an index, *scan*; or how it failed. Locks are not seen where there
is no transaction. No safe case failed, or held a lock that blocks writes through any such work.

**The tools** run as their users run them, with their defaults, in a generated project: `lockgate lint --since`
(Lockgate, without a database), `lintmigrations` (django-migration-linter), `check_migrations` (django-safe-migrations),
and squawk with `--pg-version 16.0` over what `sqlmigrate` prints, on a database that has the shop's tables. What
`RunPython` does is not printed, so squawk cannot find the {python} unsafe cases that are about it alone; its rules that
are off by default stay off.

**What counts**: a case is *found* where a rule that names one of its dangers reports it, at whatever level; *(warning)*
where that does not end a build by default. On a safe case, any rule that names a danger is a *false alarm*. Which
dangers a rule names is read generously (`tests/conformance/comparison/meanings.py`). Opinions are not counted either
way; they are listed at the end. For squawk everything ends a build.

**Perhaps**: some dangers nobody can tell from a migration. Whether the serving release writes what a new constraint
forbids, only its code says; a concurrent build that is killed leaves an invalid index. On a safe case that says so, a
warning of such a danger is no false alarm, of whichever tool; what calls itself an error is one.

Lockgate is judged twice. *In place*: as stock Django runs a migration, which is what the other tools judge, and what
`lockgate lint` prints with `ONLINE` off. *Online*: as Lockgate runs it, which is what it prints otherwise; what is no
hazard any more because of that is *made safe*.
"""
TIMEOUTS = """\
squawk's two rules on timeouts are right about stock Django, which sets none; they end nearly every build until they are
obeyed or left out."""


def text(answers: Answers) -> str:
    """The page. Its Lockgate columns are computed; those of the others are the kept answers."""
    parts = [
        _introduction(answers),
        "## Result\n",
        totals(answers),
        "",
        *_groups(answers),
        *_wrong(),
        *_opinions(answers),
    ]
    return "\n".join(parts).rstrip() + "\n"


def totals(answers: Answers) -> str:
    """A table with a row for each tool."""
    unsafe, safe = sum(not case.safe for case in ALL), sum(case.safe for case in ALL)
    lines = [
        f"| | {unsafe} unsafe: found | of these, ends a build | made safe | missed | {safe} safe: quiet | false alarm "
        "| of these, ends a build |",
        "|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for column in COLUMNS:
        found_verdicts = [verdict(column, case, answers) for case in ALL]
        count = Counter(one_verdict.outcome for one_verdict in found_verdicts)
        ends = Counter(one_verdict.outcome for one_verdict in found_verdicts if one_verdict.ends)
        cells = [
            count[Outcome.FOUND],
            ends[Outcome.FOUND],
            count[Outcome.MADE_SAFE] if column == ONLINE else "",
            count[Outcome.MISSED],
            count[Outcome.QUIET],
            count[Outcome.FALSE_ALARM],
            ends[Outcome.FALSE_ALARM],
        ]
        lines.append(f"| {column} | {' | '.join(map(str, cells))} |")
    return "\n".join(lines)


def verdict(column: str, case: Case, answers: Answers) -> Verdict:
    """What stands in a column of a case."""
    if column in OTHERS:
        return verdicts.of(column, case, answers.remarks[column][case.name])
    in_place = _judged(case, online=False)
    if column == IN_PLACE:
        return verdicts.of(meanings.LOCKGATE, case, in_place.remarks)
    as_run = _judged(case, online=True)
    return verdicts.online(case, in_place.remarks, as_run.remarks, rewritten=as_run.rewritten)


@cache
def _judged(case: Case, *, online: bool) -> ours.Judged:
    return ours.judge(case, online=online)


def _introduction(answers: Answers) -> str:
    others = [f"{tool} {answers.versions[tool]}" for tool in (*OTHERS, "Django")]
    versions = [f"Lockgate {__version__}", *others, f"PostgreSQL {answers.postgres}"]
    return INTRODUCTION.format(
        number=len(ALL),
        unsafe=sum(not case.safe for case in ALL),
        safe=sum(case.safe for case in ALL),
        after=sum(bool(case.after) for case in ALL),
        python=sum(not case.safe and _is_python(case) for case in ALL),
        versions="\n".join(f"- {version}" for version in versions),
        dangers="\n".join(f"- {danger}" for danger in Danger),
    )


def _is_python(case: Case) -> bool:
    """Whether a case has no operation but RunPython."""
    return all(
        re.findall(r"^        migrations\.(\w+)", text, re.MULTILINE) == ["RunPython"] for text in case.files().values()
    )


def _groups(answers: Answers) -> Iterable[str]:
    for title, cases in GROUPS.items():
        yield f"## {title}\n"
        yield f"| case | observed | {' | '.join(COLUMNS)} |"
        yield f"|---|---|{'---|' * len(COLUMNS)}"
        yield from (_row(case, answers) for case in cases)
        yield ""


def _row(case: Case, answers: Answers) -> str:
    perhaps = f" Perhaps: {'; '.join(sorted(case.perhaps))}." if case.perhaps else ""
    after = f" After {case.after}." if case.after else ""
    truth = f"{'safe' if case.safe else '**unsafe**'}: {case.why}{perhaps} [source]({case.source}){after}"
    found = [_cell(column, verdict(column, case, answers)) for column in COLUMNS]
    return f"| **{case.name}**<br>{truth} | {_seen(answers.observed[case.name])} | {' | '.join(found)} |"


def _cell(column: str, found_verdict: Verdict) -> str:
    shown = (
        f"**{found_verdict}**" if found_verdict.outcome in (Outcome.MISSED, Outcome.FALSE_ALARM) else str(found_verdict)
    )
    rules = [f"[{rule}](../rules/{rule}.md)" for rule in found_verdict.rules] if column == IN_PLACE else []
    return " ".join([shown, ", ".join(rules)]).rstrip()


def _seen(observed: Iterable[Observed]) -> str:
    found = [
        f"fails: {one_observed.error}"
        if one_observed.error
        else ", ".join(part for part in (one_observed.held, one_observed.work) if part) or "none"
        for one_observed in observed
    ]
    return "<br>then ".join(found)


def _wrong() -> Iterable[str]:
    yield "## Where Lockgate is wrong\n"
    yield "Every case that it misses, in place or online, and every false alarm.\n"
    yield from (f"- **{name}**: {why}" for name, why in explanations.OF.items())
    yield "" if explanations.OF else "None today: which cases there are, its authors chose.\n"


def _opinions(answers: Answers) -> Iterable[str]:
    yield "## What is not counted\n"
    yield "How many of the cases, safe and unsafe, each tool remarks upon with a rule that names no danger.\n"
    yield "| tool | rule | about | cases |\n|---|---|---|---:|"
    for tool in OTHERS:
        said = Counter(remark.rule for remarks in answers.remarks[tool].values() for remark in remarks)
        yield from (
            f"| {tool} | {rule} | {about} | {said[rule]} |"
            for rule, about in meanings.OPINIONS[tool].items()
            if said[rule]
        )
    yield ""
    yield TIMEOUTS
    yield ""
    yield "Every answer of the other tools is in `tests/conformance/comparison/answers.json`."
