"""What a plan claims of SQL is what PostgreSQL does: each statement is run, watched and rolled back."""

from __future__ import annotations

import pytest
from django.db import DatabaseError

from lockgate.database import catalog
from lockgate.planning import locks, sql_changes, sql_parser, sql_statements, sql_steps
from lockgate.planning.prospect import Prospect
from lockgate.planning.steps import Kind, Statement, Work
from tests.support import plans, sql_cases
from tests.support.plans import Locks, Scratch

RELATIONS = (
    "SELECT oid::bigint, relname FROM pg_class"
    " WHERE relkind IN ('r', 'p', 'v', 'm', 'S', 'f') AND relnamespace = 'public'::regnamespace"
)


def observed(scratch: Scratch, statement: str) -> Locks:
    """What a statement locks of what was there, and does to it; it is rolled back."""
    names = dict(scratch.query(RELATIONS))
    scratch.send("BEGIN")
    try:
        before = plans._Look(scratch, list(names))
        scratch.send(statement)
        after = plans._Look(scratch, list(names))
        pid = scratch.query("SELECT pg_backend_pid()")[0][0]
        held = scratch.query(plans._LOCKS, [pid, list(names)])
    finally:
        scratch.send("ROLLBACK")
    sequences = {oid for oid, _ in scratch.query("SELECT oid::bigint, relkind FROM pg_class WHERE relkind = 'S'")}
    works = {oid: Work.MOMENT if oid in sequences else after.work_since(before, oid) for oid in names}
    if statement.startswith("TRUNCATE"):
        works = dict.fromkeys(names, Work.MOMENT)  # its new file is empty
    return plans._strongest(held, works, names)


def claimed(scratch: Scratch, statement: str) -> tuple[Locks, bool]:
    """What a plan says of it, and whether all of it is said to be known."""
    names = {name for _, name in scratch.query(RELATIONS)}
    prospect = Prospect(catalog.facts(scratch.connection, names))
    found = sql_steps.read(Statement(statement), statement, prospect)
    there = [lock for lock in locks.of_changes(found.changes) if lock.table in names]
    known = all(change.kind is not Kind.UNKNOWN for change in found.changes)
    return {lock.table: (lock.mode, lock.work) for lock in there}, known


@pytest.fixture
def library(scratch: Scratch) -> Scratch:
    scratch.connection.ensure_connection()
    scratch.send("SET client_min_messages = warning; DROP SCHEMA public CASCADE; CREATE SCHEMA public")
    scratch.send(sql_cases.SETUP)
    return scratch


def test_claimed_is_observed(library: Scratch) -> None:
    every = sql_cases.statements(library.version // 10000)
    assert len(every) >= 120
    wrong = [text for statement in every if (text := _difference(library, statement))]
    assert not wrong, "\n".join([f"{len(wrong)} of {len(every)}", *wrong])


def _difference(scratch: Scratch, statement: str) -> str:
    says, known = claimed(scratch, statement)
    try:
        does = observed(scratch, statement)
    except DatabaseError as error:
        return f"{statement}\n  fails: {error}"
    beside, _ = sql_cases.BESIDES.get(statement, ("", ""))
    if beside:
        assert not does.pop(beside)[0].blocks_reads
    if known and (says == does or (statement in sql_cases.CAUTIOUS and _covers(says, does))):
        return ""
    unknown = "" if known else " and unknown"
    return f"{statement}\n  claimed  {plans.show(says)}{unknown}\n  observed {plans.show(does)}"


def _covers(says: Locks, does: Locks) -> bool:
    """Whether no table is locked more, or for longer, than is said."""
    return all(
        table in says
        and says[table][0].strength >= mode.strength
        and plans.ORDER.index(says[table][1]) >= plans.ORDER.index(work)
        for table, (mode, work) in does.items()
    )


@pytest.mark.parametrize("statement", sql_cases.UNKNOWN)
def test_what_cannot_be_read_is_unknown(statement: str) -> None:
    assert any(change.kind is Kind.UNKNOWN for change in sql_changes.of(statement))


def test_without_the_parser_all_sql_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sql_parser, "_module", lambda: None)
    for cached in (sql_parser.parse, sql_changes.of):
        cached.cache_clear()
    try:
        assert [change.kind for change in sql_changes.of("SELECT 1")] == [Kind.UNKNOWN]
        [commit] = sql_statements.statements("COMMIT")
        assert sql_statements.ends_transaction(commit), "what ends a transaction is known without it"
    finally:
        for cached in (sql_parser.parse, sql_changes.of):
            cached.cache_clear()
