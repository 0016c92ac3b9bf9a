"""A query of a table locks its partitions and children: who locks one of these makes the parent's queries wait."""

from __future__ import annotations

import pytest
from django.db.migrations import RunSQL
from django.db.migrations.state import ProjectState
from psycopg import sql

from lockgate.database import catalog
from lockgate.planning import planner
from lockgate.planning.recorder.schema_editor import recording
from lockgate.reporting import plan_document, plan_report
from tests.support import plans
from tests.support.plans import Scratch

TABLES = ("all_logs", "log", "log_a", "log_b", "old_log", "older_log", "other")
MAKE = """
CREATE TABLE all_logs (a int) PARTITION BY LIST (a);
CREATE TABLE log PARTITION OF all_logs FOR VALUES IN (1, 2) PARTITION BY LIST (a);
CREATE TABLE log_a PARTITION OF log FOR VALUES IN (1);
CREATE TABLE log_b PARTITION OF log FOR VALUES IN (2);
CREATE TABLE old_log (a int);
CREATE TABLE older_log () INHERITS (old_log);
CREATE TABLE other (a int)
"""
STATEMENTS = (
    "ALTER TABLE log_a ALTER a SET DEFAULT 1",
    "ALTER TABLE log_a ADD CONSTRAINT positive CHECK (a > 0)",
    "CREATE INDEX made ON log_a (a)",
    "ALTER TABLE log_a SET (fillfactor = 90)",
    "ALTER TABLE older_log ADD COLUMN b int",
    "CREATE INDEX made ON older_log (a)",
    "LOCK TABLE older_log IN SHARE ROW EXCLUSIVE MODE",
    "ALTER TABLE other ADD COLUMN b int",
)

TRIED = ("SELECT FROM {} LIMIT 0", "UPDATE {} SET a = a WHERE random() < 0")  # which leaves no partition out


def waits(logs: Scratch, statement: str, name: str) -> bool:
    """Whether a statement of a second session waits for somebody's lock."""
    return plans._is_late(logs.beside, sql.SQL(statement).format(sql.Identifier(name)))  # type: ignore[arg-type]


@pytest.fixture
def logs(scratch: Scratch) -> Scratch:
    scratch.prepare()
    scratch.send(MAKE)
    return scratch


@pytest.mark.parametrize("statement", STATEMENTS)
def test_who_waits_through_a_parent_is_what_the_plan_says(logs: Scratch, statement: str) -> None:
    """Tried by a second session: SELECT, and UPDATE, of every table, while the statement's transaction is open."""
    facts = catalog.facts(logs.connection, TABLES)
    migration = plans.migration("0001_case", RunSQL(statement))
    planned = planner.plan(
        [migration], ProjectState(), facts, lambda catalog: recording(logs.connection, catalog), planner.Settings(0)
    )
    document = plan_document.document(planned, facts)
    said = document["migrations"][0]["steps"][0]["locks"]
    claimed = {
        name: (each["blocks_reads"], each["blocks_writes"])
        for each in said
        for name in (each["table"], *each["parents"])
    }
    logs.send("BEGIN")
    try:
        logs.send(statement)
        seen = {name: tuple(waits(logs, each, name) for each in TRIED) for name in TABLES}
    finally:
        logs.send("ROLLBACK")
    nobody = (False, False)
    assert seen == {name: claimed.get(name, nobody) for name in TABLES}


def test_the_plan_names_the_parents_for_people(logs: Scratch) -> None:
    facts = catalog.facts(logs.connection, TABLES)
    migration = plans.migration("0001_case", RunSQL(STATEMENTS[0]), RunSQL("CREATE INDEX made ON older_log (a)"))
    planned = planner.plan(
        [migration], ProjectState(), facts, lambda catalog: recording(logs.connection, catalog), planner.Settings(0)
    )
    lines = list(plan_report.text(planned, facts))
    assert any(
        "log_a" in line and "blocks reads and writes, of its parents all_logs and log too" in line for line in lines
    )
    assert any("older_log" in line and "blocks writes, of its parent old_log too" in line for line in lines)
    [total] = plan_document.document(planned, facts)["migrations"][0]["transactions"]
    assert {each["table"]: each["parents"] for each in total} == {
        "log_a": ["all_logs", "log"],
        "older_log": ["old_log"],
    }
