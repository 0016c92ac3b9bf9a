"""LOCKGATE["RULES"]: rules of a project's own judge wherever Lockgate's do."""

from __future__ import annotations

import json
import os
import time

import pytest

from tests.support.sites import ADD_COLUMN, CREATE_COUNTER, Site

RULES = """
from lockgate.linting.rules import Finding, Kind, RuleContext, Severity, rule

@rule(
    "ACME001",
    "temporary-column",
    Severity.ERROR,
    condition="A column is added whose name says that it is to go again.",
    effect="Nobody takes it away. Reports come to depend on it.",
    remedy="Keep such values in a table of their own.",
)
def temporary_column(context: RuleContext):
    for step, change in context.changes(Kind.ADD_COLUMN):
        if change.columns[0].startswith("tmp_"):
            yield Finding(f'"{change.columns[0]}" of {context.described(change.table)}', step.operation, change.table)
"""
MODELS = "from django.db import models\n\nclass Counter(models.Model):\n    value = models.IntegerField(default=0)\n"
FAILS = RULES.replace("    for step", "    raise KeyError('tmp_')\n    for step", 1)


@pytest.fixture
def shop(site: Site) -> Site:
    site.migration("0001_initial", CREATE_COUNTER)
    site.lockgate = {"RULES": ["shop.rules"]}
    site.write_settings()
    (site.path / "shop" / "rules.py").write_text(RULES)
    return site


@pytest.fixture
def found(shop: Site) -> Site:
    """With something that the rule is about."""
    shop.migration("0002_tmp", ADD_COLUMN.format("tmp_total"))
    return shop


def test_lint_reports_it_and_a_migration_may_accept_it(found: Site) -> None:
    result = found.run("lockgate", "lint")
    assert result.code == 1, result.text
    assert "ACME001 error    temporary-column  shop/migrations/0002_tmp.py" in result.out
    assert '"tmp_total" of "shop_counter"' in result.out
    assert "Keep such values in a table of their own." in result.out
    found.migration("0002_tmp", ADD_COLUMN.format("tmp_total"), lockgate_accept='{"ACME001": "until Friday"}')
    accepted = found.run("lockgate", "lint")
    assert accepted.code == 0, accepted.text
    assert "ACME001 accepted temporary-column" in accepted.out
    assert "LG0" not in accepted.out


def test_machines_get_it_as_they_get_ours(found: Site) -> None:
    (hazard,) = json.loads(found.run("lockgate", "lint", "--format", "json").out)["hazards"]
    assert (hazard["id"], hazard["operation"], hazard["table"]) == ("ACME001", 0, "shop_counter")
    (run,) = json.loads(found.run("lockgate", "lint", "--format", "sarif").out)["runs"]
    (result,) = run["results"]
    rule = run["tool"]["driver"]["rules"][result["ruleIndex"]]
    assert rule["id"] == result["ruleId"] == "ACME001"
    assert "A rule of this project's own." in rule["help"]["markdown"]
    assert "helpUri" not in rule


def test_it_is_explained(shop: Site) -> None:
    explained = shop.run("lockgate", "lint", "--explain", "acme001")
    assert explained.out.startswith("ACME001 temporary-column (error)\n\nwhen  A column is added"), explained.text
    assert "unsafe" not in explained.out
    assert shop.run("lockgate", "lint", "--explain", "NO1").err.rstrip().endswith(", ACME001")


def test_makemigrations_shows_it(shop: Site) -> None:
    (shop.path / "shop" / "models.py").write_text(MODELS + "    tmp_total = models.IntegerField(null=True)\n")
    result = shop.run("makemigrations", "shop", "--name", "tmp")
    assert "ACME001" in result.out, result.text


def test_migrate_reports_it_or_refuses(found: Site) -> None:
    assert found.migrate("shop", "0001").code == 0
    refused = found.migrate(LOCKGATE_ON_HAZARD="refuse")
    assert refused.code == 1
    assert 'ACME001 in shop.0002_tmp: "tmp_total" of "shop_counter"' in refused.err
    assert "manage.py lockgate lint --explain ACME001" in refused.err
    reported = found.migrate()
    assert reported.code == 0, reported.text
    assert "warning: severe hazard ACME001 in shop.0002_tmp" in reported.err


@pytest.mark.parametrize(
    ("rules", "why"),
    [
        (RULES.replace("ACME001", "LG950"), "ids that begin with LG are Lockgate's own; take other letters"),
        (RULES.replace("ACME001", "acme-1"), "an id is capital letters and then digits, as in ACME001"),
        (RULES + RULES.replace("temporary-column", "other"), "ACME001 (temporary-column) is a rule already"),
        (RULES.replace("temporary-column", "index-on-partitioned-table"), "is a rule already"),
        ("import nowhere", "ModuleNotFoundError: No module named 'nowhere'"),
        ("", "which has no rule"),
    ],
    ids=["LG", "form", "twice", "name", "import", "none"],
)
def test_what_cannot_be_a_rule_fails_with_words(found: Site, rules: str, why: str) -> None:
    (found.path / "shop" / "rules.py").write_text(rules)
    for arguments in (("check",), ("lockgate", "lint"), ("migrate", "--noinput")):
        result = found.run(*arguments)
        assert result.code == 1, result.text
        assert 'LOCKGATE["RULES"] names "shop.rules", which ' in result.err
        assert why in result.err
    assert found.database.value("SELECT to_regclass('shop_counter')") is None


def test_a_rule_that_fails_is_named_and_ends_no_run(found: Site) -> None:
    found.migrate("shop", "0001")
    (found.path / "shop" / "rules.py").write_text(FAILS)
    linted = found.run("lockgate", "lint")
    assert linted.code == 1
    assert "error: the rule ACME001 failed\n  why    in shop.000" in linted.err
    assert "shop.rules.temporary_column" in linted.err
    migrated = found.migrate()
    assert migrated.code == 0, migrated.text
    assert "hazards of the pending migrations are unknown: " in migrated.err
    assert "ACME001" in migrated.err


def test_a_kept_judgement_is_one_by_the_rules_of_then(found: Site) -> None:
    for path in found.path.rglob("*.py"):
        os.utime(path, (time.time() - 100,) * 2)
    first, again = (found.run("lockgate", "lint", "--cache", "kept") for _ in range(2))
    assert (again.code, again.out) == (first.code, first.out)
    assert "ACME001" in again.out
    assert len(list((found.path / "kept").glob("*.json"))) == 1
    (found.path / "shop" / "rules.py").write_text(RULES.replace("tmp_", "temporary_"))
    assert found.run("lockgate", "lint", "--cache", "kept").code == 0
