"""``lockgate.migrate``: a run that is called from Python, and gives back a report."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.postgres.test_guarantees import call
from tests.support.sites import ADD_COLUMN, CREATE_COUNTER, ROOT, SEED_COUNTER, Site

SHOW = "def show(made): print(made.outcome, made.run, [f'{each.migration}:{each.action}' for each in ours(made)])"
OURS = "def ours(report): return [each for each in report.migrations if each.migration.app == 'shop']"
FAILS = "migrations.RunSQL('SELECT 1 / 0', migrations.RunSQL.noop)"


@pytest.fixture
def counter(site: Site) -> Site:
    site.migration("0001_initial", CREATE_COUNTER)
    site.migration("0002_seed", SEED_COUNTER)
    return site


def caught(site: Site, *lines: str) -> list[str]:
    """What a call raises: class, returncode, and what happened."""
    calling = (
        "from lockgate.errors import LockgateError",
        "try: " + lines[-1],
        "except LockgateError as error: print(type(error).__name__, error.returncode, error.what, sep='|')",
        "except BaseException as other: print('another:', repr(other))",
    )
    return call(site, "import lockgate", *lines[:-1], *calling).strip().split("|")


def test_a_call_migrates_and_reports_and_writes_no_line(counter: Site) -> None:
    said = call(
        counter, "import lockgate", OURS, SHOW, "show(lockgate.migrate())", "again = lockgate.migrate()", "show(again)"
    )
    run = counter.database.value("SELECT id FROM lockgate_run")
    assert said.splitlines() == [
        f"done {run} ['shop.0001_initial:apply', 'shop.0002_seed:apply']",
        "nothing_pending None []",
    ]
    assert counter.database.rows("SELECT command, outcome FROM lockgate_run") == [("lockgate.migrate", "succeeded")]


def test_a_target_is_migrated_to_as_the_command_would(counter: Site) -> None:
    said = call(
        counter,
        "import lockgate",
        OURS,
        SHOW,
        "show(lockgate.migrate('default', 'shop', '0001'))",
        "show(lockgate.migrate('default', 'shop', '0002', fake=True))",
        "show(lockgate.migrate('default', 'shop', 'zero'))",
    )
    assert [line.split(" ", 2)[2] for line in said.splitlines()] == [
        "['shop.0001_initial:apply']",
        "['shop.0002_seed:fake']",
        "['shop.0002_seed:unapply', 'shop.0001_initial:unapply']",
    ]


def test_the_report_has_hazards_and_whoever_listens_hears_every_event(counter: Site) -> None:
    counter.migrate()
    counter.migration("0003_drop", "migrations.RemoveField('counter', 'value')")
    said = call(
        counter,
        "import lockgate",
        "heard = []",
        "report = lockgate.migrate(listen=lambda event: heard.append(event.kind))",
        "print([each.id for each in report.hazards], {each.kind for each in report.warnings} <= set(heard))",
        "print(heard[0], heard[-1], 'migration_ended' in heard, report.seconds > 0)",
    )
    (first, second) = said.splitlines()
    assert first.startswith("['LG")
    assert first.endswith("True")
    assert second == "started ended True True"


def test_a_failed_migration_raises_with_its_state(counter: Site) -> None:
    counter.migration("0003_fails", FAILS)
    assert caught(counter, "lockgate.migrate()") == ["MigrationFailed", "1", "shop.0003_fails failed"]
    assert counter.database.applied()[-1] == ("shop", "0002_seed")


@pytest.mark.parametrize(
    ("calling", "error"),
    [
        ("lockgate.migrate('default', 'nosuch')", ["RequestRefused", "1", "No installed app with label 'nosuch'."]),
        ("lockgate.migrate('other')", ["ConfigurationError", "1", "The connection 'other' doesn't exist."]),
        ("lockgate.migrate(wait_seconds=-1)", ["ConfigurationError", "1", "the flag for WAIT_SECONDS is -1"]),
    ],
)
def test_what_cannot_be_done_is_an_error_of_ours(counter: Site, calling: str, error: list[str]) -> None:
    assert caught(counter, calling) == error
    assert counter.database.value("SELECT to_regclass('lockgate_run')") is None


def test_a_file_that_ends_the_process_does_not_end_the_callers(counter: Site) -> None:
    counter.migration("0003_ends", ADD_COLUMN.format("extra"), imports="import sys\nsys.exit(3)")
    assert caught(counter, "lockgate.migrate()")[:2] == ["LockgateError", "1"]


def test_inside_a_transaction_it_is_refused(counter: Site) -> None:
    lines = ("from django.db import transaction", "atomic = transaction.atomic()", "atomic.__enter__()")
    assert caught(counter, *lines, "lockgate.migrate()")[2] == "migrate cannot run inside a transaction"


def test_the_command_goes_the_same_way(counter: Site) -> None:
    said = call(
        counter,
        "import lockgate",
        "from lockgate.gate import call",
        "carry_out = call.carry_out",
        "def noted(*given, command, **rest):",
        "    print('carried out:', command)",
        "    return carry_out(*given, command=command, **rest)",
        "call.carry_out = noted",
        "lockgate.migrate('default', 'shop', '0001')",
        "call_command('migrate', verbosity=0)",
    )
    assert said.splitlines() == ["carried out: lockgate.migrate", "carried out: call_command migrate"]


def test_before_the_apps_are_loaded_it_says_so_and_importing_it_loads_no_django() -> None:
    code = (
        "import sys, lockgate; from lockgate import migrate; print('django' in sys.modules)\n"
        "try: migrate()\nexcept Exception as error: print(error)"
    )
    path = f"{ROOT / 'apps'}"
    done = subprocess.run(
        [sys.executable, "-c", code], env={"PYTHONPATH": path}, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[:2] == ["False", "the apps are not loaded yet"]
