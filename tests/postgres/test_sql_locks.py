"""What a plan claims of SQL is what PostgreSQL does: each statement is run, watched and rolled back."""

from __future__ import annotations

import pytest
from django.db import DatabaseError

from lockgate.planning import sql_changes, sql_parser, sql_statements
from lockgate.planning.steps import Kind, Work
from tests.support import lock_table, plans, sql_cases
from tests.support.plans import Locks, Scratch


def observed(scratch: Scratch, statement: str, said: Locks) -> tuple[Locks, list[str]]:
    """What a statement locks of what was there, and does to it; and where others wait otherwise than was said.

    It is rolled back.
    """
    names, columns = dict(scratch.query(sql_cases.RELATIONS)), plans.columns_to_try(scratch)
    scratch.send("BEGIN")
    try:
        before = plans._Look(scratch, list(names))
        scratch.send(statement)
        after = plans._Look(scratch, list(names))
        pid = scratch.query("SELECT pg_backend_pid()")[0][0]
        held = scratch.query(plans._LOCKS, [pid, list(names)])
        wrong = plans.contradicted(scratch, {table: mode for table, (mode, _) in said.items()}, columns)
    finally:
        scratch.send("ROLLBACK")
    sequences = {oid for oid, _ in scratch.query("SELECT oid::bigint, relkind FROM pg_class WHERE relkind = 'S'")}
    works = {oid: Work.MOMENT if oid in sequences else after.work_since(before, oid) for oid in names}
    if statement.startswith("TRUNCATE"):
        works = dict.fromkeys(names, Work.MOMENT)  # its new file is empty
    return plans._strongest(held, works, names), wrong


@pytest.fixture
def library(scratch: Scratch) -> Scratch:
    sql_cases.make(scratch)
    return scratch


def test_claimed_is_observed(library: Scratch) -> None:
    every = sql_cases.statements(library.version // 10000)
    assert len(every) >= 120
    wrong = [text for statement in every if (text := _difference(library, statement))]
    assert not wrong, "\n".join([f"{len(wrong)} of {len(every)}", *wrong])


def _difference(scratch: Scratch, statement: str) -> str:
    says, known = sql_cases.claimed(scratch, statement)
    try:
        does, wrong = observed(scratch, statement, says)
    except DatabaseError as error:
        return f"{statement}\n  fails: {error}"
    beside, _ = sql_cases.BESIDES.get(statement, ("", ""))
    if beside:
        assert not does.pop(beside)[0].blocks_reads
    if wrong and not (beside and all(each.startswith(f"{beside}:") for each in wrong)):
        return "\n  ".join([statement, *wrong])
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


def test_the_page_has_what_is_claimed(library: Scratch) -> None:
    if library.version // 10000 != lock_table.VERSION:
        pytest.skip(f"the page is of PostgreSQL {lock_table.VERSION}")
    written = lock_table.PAGE.read_text(encoding="utf-8")
    assert written == lock_table.sql_page(written, library), lock_table.AGAIN


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
