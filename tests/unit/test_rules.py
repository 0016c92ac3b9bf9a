"""Every rule: its unsafe example is found, its safe one is not, and what people read is kept as golden files.

``LOCKGATE_WRITE_GOLDEN=1 python -m pytest tests/unit/test_rules.py`` writes the golden files anew, to be looked at.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from lockgate.linting.rules import ALL, GROUPS, Rule
from lockgate.linting.rules.rule import WARNING, rule
from lockgate.reporting import hazard_report, rule_pages
from lockgate.reporting.hazard_report import LocatedHazard, Report
from tests.support.examples import hazards_of_example

ROOT = Path(__file__).resolve().parents[2]
GOLDEN = Path(__file__).parent / "rules"
PAGES = ROOT / "docs" / "rules"

every_rule = pytest.mark.parametrize("rule", ALL, ids=lambda rule: rule.id)


@every_rule
def test_the_unsafe_example_is_found(rule: Rule) -> None:
    assert rule.id in [hazard.rule.id for hazard in hazards_of_example(rule.unsafe)]


@every_rule
def test_the_safe_example_is_not_found(rule: Rule) -> None:
    """Or is accepted: what only people can know is said there."""
    assert rule.id not in [hazard.rule.id for hazard in hazards_of_example(rule.safe) if not hazard.accepted]


@every_rule
def test_the_safe_example_has_no_error_at_all(rule: Rule) -> None:
    assert [f"{hazard.rule.id} {hazard.what}" for hazard in hazards_of_example(rule.safe) if hazard.blocking] == []


@every_rule
def test_what_people_read_is_as_it_was_looked_at(rule: Rule) -> None:
    locateds = [
        LocatedHazard(hazard, "shop/migrations/0002_example.py", 1) for hazard in hazards_of_example(rule.unsafe)
    ]
    text = hazard_report.text(Report(tuple(locateds), 1)) + "\n"
    golden = GOLDEN / f"{rule.id}.txt"
    if os.environ.get("LOCKGATE_WRITE_GOLDEN"):
        golden.write_text(text, encoding="utf-8")
    assert golden.read_text(encoding="utf-8") == text


@every_rule
def test_nothing_of_a_rule_is_missing(rule: Rule) -> None:
    assert re.fullmatch(r"LG\d{3}", rule.id)
    assert re.fullmatch(r"[a-z]+(-[a-z]+)+", rule.name)
    for part in (rule.condition, rule.effect, rule.remedy):
        assert part[0].isupper() or part.startswith("lockgate_accept")
        assert part.endswith((".", ";"))
        assert "!" not in part
    assert rule.unsafe.source != rule.safe.source or rule.unsafe.facts != rule.safe.facts
    assert all(example.facts.offline or example.database for example in (rule.unsafe, rule.safe))


@every_rule
def test_a_rule_rests_on_a_page_of_the_documentation(rule: Rule) -> None:
    """Of PostgreSQL's current one, or of Django's stable one, and each page says so itself."""
    known = r"https://(www\.postgresql\.org/docs/current/[\w-]+\.html|docs\.djangoproject\.com/en/stable/[\w/-]+/)(#[\w.-]+)?"
    assert re.fullmatch(known, rule.rests_on)
    assert f"<{rule.rests_on}>" in (PAGES / f"{rule.id}.md").read_text(encoding="utf-8")


@every_rule
def test_the_page_is_the_rule(rule: Rule) -> None:
    assert (PAGES / f"{rule.id}.md").read_text(encoding="utf-8") == rule_pages.page(rule)


@every_rule
def test_the_explanation_has_all_of_the_rule(rule: Rule) -> None:
    text = " ".join(rule_pages.explain(rule).split())
    for part in (rule.id, rule.name, rule.condition, rule.effect, rule.remedy, rule.unsafe.source, *rule.safe.sources):
        assert " ".join(part.split()) in text


def test_the_index_is_of_these_rules() -> None:
    assert (PAGES / "index.md").read_text(encoding="utf-8") == rule_pages.index()


def test_every_page_and_golden_file_belongs_to_a_rule() -> None:
    known = {rule.id for rule in ALL}
    assert {path.stem for path in PAGES.glob("*.md")} == known | {"index"}
    assert {path.stem for path in GOLDEN.glob("*")} == known


@pytest.mark.parametrize(
    ("identity", "name", "said"),
    [
        ("LG801", "of-its-own", r"LG801 \(of-its-own\): LG801 \(column-dropped\) is a rule already"),
        ("LG899", "column-dropped", r"LG899 \(column-dropped\): LG801 \(column-dropped\) is a rule already"),
    ],
)
def test_a_rule_that_has_the_id_or_the_name_of_another_fails_where_it_is_made(
    identity: str, name: str, said: str
) -> None:
    texts = {"condition": "One.", "effect": "Two.", "remedy": "Three.", "unsafe": "a", "safe": "b"}
    with pytest.raises(ValueError, match=said):
        rule(identity, name, WARNING, **texts)(lambda case: iter(()))


def test_a_rule_of_no_group_fails_at_import(tmp_path: Path) -> None:
    copy = tmp_path / "lockgate"
    shutil.copytree(ROOT / "apps/lockgate", copy, ignore=shutil.ignore_patterns("__pycache__"))
    module = copy / "linting/rules/acceptance.py"
    module.write_text(module.read_text().replace('"LG002"', '"LX002"'))
    command = [sys.executable, "-c", "import lockgate.linting.rules"]
    ended = subprocess.run(
        command, check=False, cwd=tmp_path, capture_output=True, text=True, env={"PYTHONPATH": str(tmp_path)}
    )
    assert "ValueError: rules of no group: LX002" in ended.stderr


def test_ids_and_names_are_used_once_and_in_their_group() -> None:
    assert len({rule.id for rule in ALL}) == len({rule.name for rule in ALL}) == len(ALL)
    assert [rule.id for rule in ALL] == sorted(rule.id for rule in ALL)
    for prefix, (_, rules) in GROUPS.items():
        assert all(rule.id.startswith(prefix) for rule in rules)
