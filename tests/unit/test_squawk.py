"""SQL that our reader does not know goes to squawk, and what it finds is ours."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from lockgate.errors import LockgateError
from lockgate.facts import Key
from lockgate.linting import hazards, squawk
from lockgate.linting.rules import ALL
from lockgate.linting.rules.rule import OFFLINE, source
from lockgate.linting.rules.rule_context import HazardSettings
from lockgate.reporting import hazard_report
from lockgate.reporting.hazard_report import Report
from tests.support.examples import migration, plans

KEY = Key("shop", "0002_example")


def test_a_finding_has_its_place_and_squawks_name() -> None:
    program = squawk.program()
    assert program
    findings = squawk.judge(program, [(KEY, 3, "SELECT 1"), (KEY, 7, "ALTER TABLE a DROP COLUMN b")], 160000)
    assert [(finding.migration, finding.operation) for finding in findings if finding.rule == "ban-drop-column"] == [
        (KEY, 7)
    ]


def test_nothing_is_run_for_nothing() -> None:
    assert squawk.judge("/nowhere", [], 160000) == []


def test_what_is_no_report_is_an_error_with_what_it_said(tmp_path: Path) -> None:
    broken = tmp_path / "squawk"
    broken.write_text("#!/bin/sh\necho out of order >&2\nexit 3\n")
    broken.chmod(0o755)
    with pytest.raises(LockgateError, match="squawk failed with exit code 3") as caught:
        squawk.judge(str(broken), [(KEY, 0, "SELECT 1")], 160000)
    assert "out of order" in caught.value.why


def test_only_what_our_reader_does_not_know_is_asked() -> None:
    sql = "CREATE INDEX a ON shop_order (note); ALTER DOMAIN d ADD CHECK (VALUE > 0)"
    migration_plans = plans(migration(source(f'migrations.RunSQL("{sql}", migrations.RunSQL.noop),')))
    assert [text for _, _, text in hazards.unread(migration_plans)] == ["ALTER DOMAIN d ADD CHECK (VALUE > 0)"]


def test_a_finding_becomes_the_rule_that_names_it_once() -> None:
    given_migration = migration(
        source('migrations.RunSQL("ALTER DOMAIN d ADD CHECK (VALUE > 0)", migrations.RunSQL.noop),')
    )
    migration_plans = plans(given_migration)
    said = [
        hazards.SqlFinding(migration_plans[0].migration, 0, "ban-alter-domain-with-add-constraint", "said again"),
        hazards.SqlFinding(migration_plans[0].migration, 0, "ban-drop-column", "said by squawk alone"),
        hazards.SqlFinding(migration_plans[0].migration, 0, "prefer-text-field", "a matter of style"),
    ]
    found_hazards = hazards.find(migration_plans, OFFLINE, [given_migration], HazardSettings(1, 1), said)
    assert [hazard.rule.id for hazard in found_hazards] == ["LG508", "LG801"]
    assert found_hazards[1].what == "said by squawk alone"


def test_squawk_knows_every_rule_that_is_mapped(tmp_path: Path) -> None:
    """An unknown name in --exclude is refused, so the names are checked by squawk itself."""
    program = squawk.program()
    assert program
    (tmp_path / "empty.sql").write_text("SELECT 1;\n")
    names = sorted({name for rule in ALL for name in rule.squawk})
    command = [program, *(f"--exclude={name}" for name in names), "empty.sql"]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 0, ended.stderr


@pytest.mark.parametrize(
    ("operation", "number"),
    [
        ('migrations.RunSQL("SELECT anything()", migrations.RunSQL.noop)', 1),
        ('migrations.RunSQL("SELECT 1; UPDATE shop_order SET total = 1", migrations.RunSQL.noop)', 0),
        ("migrations.RunPython(print, migrations.RunPython.noop)", 1),
        ("migrations.RunPython(migrations.RunPython.noop)", 0),
    ],
)
def test_what_was_not_read_is_counted_and_said(operation: str, number: int) -> None:
    given_migration = migration(source(f"{operation},"))
    migration_plans = plans(given_migration)
    assert hazards.not_read(migration_plans) == number
    said = "of their statements and functions were not read" in hazard_report.summary(Report((), 1, unread=number))
    assert said is bool(number)
