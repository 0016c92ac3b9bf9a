"""``migrate`` says what is hazardous in what it is about to do, and refuses it where that is asked of it."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from tests.support.sites import ADD_COLUMN, COUNT_UP, CREATE_COUNTER, Site

DROP = 'migrations.RemoveField("Counter", "value")'
ADD_INDEX = 'migrations.AddIndex("Counter", models.Index(fields=["value"], name="by_value"))'
LARGE = {"LOCKGATE_LARGE_TABLE_BYTES": "0"}
REFUSE = {"LOCKGATE_ON_HAZARD": "refuse"}


@pytest.fixture
def pending(site: Site) -> Site:
    """A database that serves, and a pending migration that drops a column of it."""
    site.migration("0001_initial", CREATE_COUNTER)
    assert site.migrate().code == 0
    site.migration("0002_drop", DROP)
    return site


def events(text: str, *names: str) -> list[dict[str, Any]]:
    lines = map(json.loads, text.splitlines())
    return [line for line in lines if line["event"] in names]


def test_a_hazard_is_reported_in_a_line_and_the_migration_applied(pending: Site) -> None:
    result = pending.migrate()
    assert result.code == 0
    assert result.err.splitlines() == [
        'warning: severe hazard LG801 in shop.0002_drop: column "value" of "shop_counter" (8.0 kB, rows not counted '
        "yet) is dropped. The release that still serves names all columns in its queries, so each of them on this "
        "table fails until it is replaced",
        "warning: hazards of the pending migrations: 1 severe, 0 to be looked at, 0 accepted; "
        "for what to do about one:  manage.py lockgate lint --explain ID",
    ]
    assert ("shop", "0002_drop") in pending.database.applied()


def test_hazards_stand_before_the_first_migration_and_after_the_lock(pending: Site) -> None:
    result = pending.migrate("--log-format", "json")
    order = [event["event"] for event in events(result.out, "lock_acquired", "migration_started")]
    assert order == ["lock_acquired", "migration_started"]
    hazard, count = events(result.err, "hazard", "hazards")
    [locked] = events(result.out, "lock_acquired")
    [started] = events(result.out, "migration_started")
    assert locked["time"] <= hazard["time"] <= count["time"] <= started["time"]
    assert (hazard["level"], hazard["id"], hazard["severity"], hazard["migration"], hazard["accepted"]) == (
        "warning",
        "LG801",
        "error",
        ["shop", "0002_drop"],
        "",
    )
    assert (count["errors"], count["warnings"], count["accepted"]) == (1, 0, 0)


@pytest.mark.parametrize("arguments", [(), ("shop", "0002"), ("--fake-initial",)])
def test_refused_before_anything_runs(pending: Site, arguments: tuple[str, ...]) -> None:
    result = pending.migrate(*arguments, **REFUSE)
    assert result.code == 1
    assert "error: 1 hazard of severity error that no migration accepts\n" in result.err
    assert '  why    LOCKGATE["ON_HAZARD"] is "refuse"\n         LG801 in shop.0002_drop: column "value"' in result.err
    assert "  state  no migration was applied by this run\n" in result.err
    assert 'lockgate_accept = {"LG801": "the reason"}' in result.err
    assert pending.database.value("SELECT count(*) FROM lockgate_run") == 1
    assert ("shop", "0002_drop") not in pending.database.applied()
    assert pending.migrate(*arguments, LOCKGATE_ON_HAZARD="report").code == 0, "as its last line says"


def test_the_setting_refuses_too_and_says_so_at_verbosity_0(pending: Site) -> None:
    pending.lockgate = {"ON_HAZARD": "refuse"}
    pending.write_settings()
    result = pending.migrate("--verbosity", "0")
    assert (result.code, result.out) == (1, "")
    assert result.err.startswith("error: 1 hazard of severity error")
    assert "LG801 in shop.0002_drop" in result.err


def test_what_is_accepted_with_a_reason_is_not_refused(pending: Site) -> None:
    pending.migration("0002_drop", DROP, lockgate_accept='{"LG801": "unused since 41"}')
    result = pending.migrate("--log-format", "json", **REFUSE)
    assert (result.code, result.err) == (0, "")
    hazard, count = events(result.out, "hazard", "hazards")
    assert (hazard["level"], hazard["message"], hazard["accepted"]) == ("info", "", "unused since 41")
    assert (count["level"], count["message"], count["accepted"]) == ("info", "", 1)


def test_a_warning_is_reported_and_not_refused(pending: Site) -> None:
    pending.migration("0002_drop", 'migrations.RunSQL("SELECT 1")')
    result = pending.migrate(**REFUSE)
    assert result.code == 0
    assert "warning: hazard LG708 in shop.0002_drop: " in result.err
    assert "0 severe, 1 to be looked at, 0 accepted" in result.err


def test_sizes_are_those_of_now(pending: Site) -> None:
    pending.migration("0002_drop", ADD_INDEX, online="False")
    pending.migration("0003_more", ADD_COLUMN.format("more"))
    refused = pending.migrate(**REFUSE, **LARGE)
    assert refused.code == 1
    assert "LG101 in shop.0002_drop" in refused.err
    small = pending.migrate(**REFUSE)
    assert (small.code, small.err) == (0, "")


def test_a_database_from_empty_has_no_hazards(site: Site) -> None:
    site.migration("0001_initial", CREATE_COUNTER)
    site.migration("0002_count", COUNT_UP)
    site.migration("0003_drop", DROP)
    result = site.migrate(**REFUSE, **LARGE)
    assert (result.code, result.err) == (0, "")


def test_an_app_that_is_new_to_a_database_has_no_hazards(site: Site) -> None:
    assert site.migrate("auth").code == 0
    site.migration("0001_initial", CREATE_COUNTER)
    site.migration("0002_drop", DROP)
    result = site.migrate(**REFUSE, **LARGE)
    assert (result.code, result.err) == (0, "")


def test_a_new_app_may_change_the_tables_of_others_in_sql(site: Site) -> None:
    assert site.migrate("auth").code == 0
    site.migration("0001_initial", 'migrations.RunSQL("DROP TABLE auth_user_groups", migrations.RunSQL.noop)')
    result = site.migrate(**REFUSE)
    assert result.code == 1
    assert "LG802 in shop.0001_initial" in result.err


@pytest.mark.parametrize("arguments", [("--fake",), ("shop", "0001", "--prune"), ("shop", "zero")])
def test_what_is_only_recorded_pruned_or_undone_is_not_judged(pending: Site, arguments: tuple[str, ...]) -> None:
    if "zero" in arguments:
        assert pending.migrate().code == 0
    result = pending.migrate(*arguments, **REFUSE)
    assert (result.code, result.err) == (0, "")


def test_with_nothing_pending_nothing_is_judged_nor_imported(site: Site) -> None:
    site.fresh = True
    site.migration("0001_initial", CREATE_COUNTER)
    site.migrate()
    site.extra_settings = (
        "import atexit, sys\n"
        "atexit.register(lambda: print(*[name for name in sys.modules if name.startswith('lockgate')], sep='\\n'))\n"
    )
    site.write_settings()
    loaded = site.migrate(**REFUSE).out.split()
    assert "lockgate.gate.admission" in loaded
    work = [name for name in loaded if not name.startswith("lockgate.events")]  # which only tell of it
    assert [name for name in work if re.search("hazard|rules|planner|build|lazy_states", name)] == []


ODD = """
from django.db.migrations.operations.base import Operation

class Odd(Operation):
    reduces_to_sql = True
    def __init__(self): self.run = 0
    def state_forwards(self, app_label, state): pass
    def describe(self): return "odd"
    def database_forwards(self, app_label, schema_editor, from_state, to_state):
        self.run += 1
        schema_editor.execute(f"CREATE TABLE run_{self.run} (id int)")
"""
UNPLANNED = ODD + '    def __deepcopy__(self, memo): raise RuntimeError("there is one of me")'


def test_what_cannot_be_planned_is_said_and_the_run_goes_on(pending: Site) -> None:
    pending.migration("0002_drop", "Odd()", imports=UNPLANNED)
    refused = pending.migrate(**REFUSE)
    assert refused.code == 1
    assert "error: the hazards of what would run are unknown\n" in refused.err
    assert "RuntimeError: there is one of me" in refused.err
    assert ("shop", "0002_drop") not in pending.database.applied()
    result = pending.migrate()
    assert result.code == 0
    assert result.err.startswith(
        "warning: hazards of the pending migrations are unknown: RuntimeError: there is one of me"
    )
    assert ("shop", "0002_drop") in pending.database.applied()


def test_an_operation_that_remembers_being_run_does_not_see_that_it_was_judged(pending: Site) -> None:
    pending.migration("0002_drop", "Odd()", imports=ODD)
    result = pending.migrate()
    assert result.code == 0
    assert pending.database.value("SELECT to_regclass('run_1') IS NOT NULL")


def test_a_locked_table_delays_no_migration_that_does_not_need_it(pending: Site) -> None:
    """Its size cannot be measured, so it is estimated; nobody waits in the table's queue."""
    pending.migration("0002_drop", 'migrations.CreateModel("Box", [("id", models.BigAutoField(primary_key=True))])')
    with pending.database.connect(autocommit=False) as other:
        other.execute("LOCK TABLE shop_counter IN ACCESS EXCLUSIVE MODE")
        result = pending.migrate()
    assert result.code == 0
    assert "unknown" not in result.err
    assert ("shop", "0002_drop") in pending.database.applied()
