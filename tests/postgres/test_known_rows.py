"""Rows of the journal and the ledger, as one process writes and reads them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.utils import timezone

from lockgate.database import one_message
from lockgate.errors import LocksNotAcquired
from lockgate.execution import ledger_locks
from lockgate.facts import Fingerprint, Key
from lockgate.gate import own_tables
from lockgate.ledger import journal, reading, records
from lockgate.ledger.journal import Journal, Line
from lockgate.models import Effect, Failure, JournalEntry, MigrationRecord, Run
from tests.support.databases import Database

ONE, TWO = Key("shop", "0001_one"), Key("shop", "0002_two")
STATE, OUTCOME = JournalEntry.State, Run.Outcome


def run(digest: str = "d", outcome: Run.Outcome = OUTCOME.RUNNING) -> Run:
    new_run = records.open_run(
        "default", release="r", release_digest=digest, host="h", backend_pid=1, command="migrate", lock_wait_seconds=0
    )
    if outcome is not OUTCOME.RUNNING:
        records.close_run("default", new_run, outcome)
    return new_run


def lines(*phases: str) -> list[Line]:
    return [Line(number, phase, "a step", "kind", "t", "x", f"SQL {phase}") for number, phase in enumerate(phases)]


def shown(*keys: str) -> list[tuple[Any, ...]]:
    return list(JournalEntry.objects.order_by("id").values_list(*keys))


def noted(
    connection: BaseDatabaseWrapper, *found: tuple[str, JournalEntry.State, bool], key: Key = ONE
) -> list[JournalEntry]:
    """Rows of a run of its own: phase, state, whether it counts."""
    book = Journal(connection, run())
    rows = book.write(key, "m", lines(*(phase for phase, *_ in found)))
    for row, (_, state, committed) in zip(rows, found, strict=True):
        JournalEntry.objects.filter(pk=row.pk).update(state=state, committed=committed)
    return rows


def test_a_migration_counts_and_what_was_prepared_for_it_is_no_longer_undone(
    ledger_tables: BaseDatabaseWrapper,
) -> None:
    book = Journal(ledger_tables, run())
    assert not book.concerns(ONE)
    assert book.prepared(ONE) == []
    book.commit(ONE)  # of nothing, which asks nobody
    first, second = book.write(ONE, "m", lines(journal.SWITCH, journal.EXPAND))
    (other,) = book.write(TWO, "m", lines(journal.SWITCH))
    assert book.concerns(ONE)
    book.begin(first)
    book.note_effect(first, [{"id": 1}])
    book.note_effect(first, [{"id": 2}])
    book.note_effect(other, [{"id": 3}])
    assert book.effects([first, second]) == {first.pk: [{"id": 2}]}
    assert book.effects([]) == {}
    book.end(first, STATE.DONE)
    book.begin(second)
    book.end(second, STATE.UNDONE, "x" * 5000)
    assert [row.pk for row in book.prepared(ONE)] == [first.pk]
    assert journal.unfinished("default") == {ONE, TWO}
    assert [row.pk for row in journal.open_steps("default")] == [first.pk, other.pk]
    book.commit(ONE)
    assert shown("committed", "sql", "attempts", "state") == [
        (True, "", 1, "done"),
        (True, "SQL expand", 1, "undone"),
        (False, "SQL switch", 0, "planned"),
    ]
    assert dict(Effect.objects.values_list("entry", "catalog_objects")) == {first.pk: [], other.pk: [{"id": 3}]}
    assert len(JournalEntry.objects.get(pk=second.pk).error) == records.ERROR_LIMIT
    assert journal.prepared("default") == {TWO: [other]}
    assert Journal(ledger_tables, run()).concerns(TWO)
    assert not Journal(ledger_tables, run()).concerns(ONE)


def test_what_is_left_to_be_done_is_let_go_of_one_migration_alone(ledger_tables: BaseDatabaseWrapper) -> None:
    found = (
        (journal.FINISH, STATE.FAILED, True),
        (journal.CONTRACT, STATE.PLANNED, True),
        (journal.FINISH, STATE.DONE, True),
        (journal.EXPAND, STATE.RUNNING, False),
    )
    for key in (ONE, TWO):
        noted(ledger_tables, *found, key=key)
    Journal(ledger_tables, run()).let_go(ONE)
    assert shown("state", "committed")[:4] == [
        ("obsolete", True),
        ("planned", True),
        ("done", True),
        ("obsolete", True),
    ]
    Journal(ledger_tables, run()).supersede(ONE)
    assert shown("state")[1] == ("obsolete",)
    assert shown("state")[4:] == [("failed",), ("planned",), ("done",), ("running",)]
    assert journal.unfinished("default") == {TWO}
    first, contract, _, begun = JournalEntry.objects.filter(name=TWO.name).order_by("id")
    book = Journal(ledger_tables, run())
    book.move(contract, "t2", "y")
    book.forget(first)
    book.forget(begun)
    assert shown("table_name", "object_name", "state", "sql")[4:6] == [
        ("t", "x", "obsolete", "SQL finish"),
        ("t2", "y", "planned", "SQL contract"),
    ]
    assert journal.open_steps("default") == []
    assert list(journal.open_contracts("default")) == [contract]


def test_what_is_open_is_found_by_what_it_is_for(ledger_tables: BaseDatabaseWrapper) -> None:
    done, failed = noted(ledger_tables, (journal.FINISH, STATE.DONE, True), (journal.FINISH, STATE.FAILED, True))
    noted(ledger_tables, (journal.FINISH, STATE.DONE, True), (journal.BACKWARDS, STATE.DONE, True))  # of another run
    begun, _ = noted(ledger_tables, (journal.EXPAND, STATE.DONE, False), (journal.EXPAND, STATE.UNDONE, False), key=TWO)
    kept, *_ = noted(
        ledger_tables,
        (journal.CONTRACT, STATE.PLANNED, True),
        (journal.CONTRACT, STATE.DONE, True),
        (journal.CONTRACT, STATE.OBSOLETE, True),
        key=Key("shop", "0003_three"),
    )
    assert journal.to_finish("default") == {ONE: [failed]}
    assert journal.half_finished("default") == {ONE: [done, failed]}
    assert journal.prepared("default") == {TWO: [begun]}
    assert list(journal.open_contracts("default")) == [kept]
    assert journal.open_steps("default") == [failed, begun]
    assert journal.unfinished("default") == {ONE, TWO}
    assert {key: len(steps) for key, steps in journal.of_migrations("default").items()} == {
        ONE: 3,
        TWO: 1,
        Key("shop", "0003_three"): 2,
    }


def test_what_the_newest_run_of_a_release_says(ledger_tables: BaseDatabaseWrapper) -> None:
    assert records.exists(ledger_tables)
    assert not records.finished("default", "d")
    done = run(outcome=OUTCOME.SUCCEEDED)
    run("other", OUTCOME.FAILED)
    assert records.finished("default", "d")
    assert not records.finished("default", "other")
    failed = run(outcome=OUTCOME.FAILED)
    records.record_failure("default", failed, "w", "x" * 5000, {"a": "b"})
    standing = records.recent_failure("default", "d")
    assert standing is not None
    assert standing.failure.run == failed
    assert len(standing.failure.operation) == records.ERROR_LIMIT
    assert timedelta(0) <= standing.age < timedelta(minutes=1)
    assert records.recent_failure("default", "other") is None
    dead = run()
    assert not records.finished("default", "d")
    assert records.recent_failure("default", "d") is None  # what the newest one failed at, not an earlier one
    assert [run_interrupted.run for run_interrupted in records.close_interrupted("default")] == [dead.pk]
    assert records.close_interrupted("default") == []
    assert Run.objects.get(pk=dead.pk).outcome == OUTCOME.INTERRUPTED
    assert Run.objects.get(pk=done.pk).outcome == OUTCOME.SUCCEEDED
    assert Failure.objects.count() == 1
    assert [one_run.pk for one_run in records.history("default", 2)] == [dead.pk, failed.pk]


def test_a_migration_is_known_as_it_was_when_last_applied(ledger_tables: BaseDatabaseWrapper) -> None:
    actions = MigrationRecord.Action

    def record(by: Run, key: Key, action: Any, ast_digest: str) -> None:
        records.record("default", by, records.Entry(key, action, timezone.now(), 1.0, Fingerprint("s", ast_digest)))

    first, second = run(outcome=OUTCOME.SUCCEEDED), run("newer")
    records.record_found("default", first, {ONE: Fingerprint("s", "old")}, actions.BASELINE)
    record(second, ONE, actions.UNAPPLY, "not this")
    record(second, TWO, actions.APPLY, "two")
    record(second, Key("shop", "0003_three"), actions.FAKE, "three")
    assert records.fingerprints("default")[ONE].ast_digest == "old"
    record(second, ONE, actions.APPLY, "new")
    record(second, ONE, actions.UNFAKE, "nor this")
    assert records.fingerprints("default")[ONE].ast_digest == "new"
    assert reading.runs(ledger_tables, "d").applied_after == {ONE, TWO}
    assert reading.runs(ledger_tables, "newer").applied_after == set()  # it has not succeeded
    assert records.unrecorded("default", [ONE, Key("shop", "0009_nine")]) == [Key("shop", "0009_nine")]


def test_whole_tables_are_looked_at_with_one_query(
    ledger_tables: BaseDatabaseWrapper, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[object] = []
    ask = one_message.ask
    monkeypatch.setattr("lockgate.database.own_tables.ask", lambda *given: asked.append(given) or ask(*given))
    assert own_tables.damages(ledger_tables) == []
    assert len(asked) == 1


def test_who_keeps_a_table_of_ours_is_named_whatever_was_left_open(
    ledger_tables: BaseDatabaseWrapper, database: Database
) -> None:
    def read() -> None:
        with transaction.atomic(using="default"), ledger_locks.named(ledger_tables):
            ledger_tables.connection.execute("SET LOCAL lock_timeout = '10ms'")
            records.finished("default", "d")

    with database.connect(autocommit=False) as other:
        other.execute("SET application_name = 'report'")
        other.execute("LOCK TABLE lockgate_run IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(LocksNotAcquired, match='"lockgate_run" is kept from this run by others') as raised:
            read()
    assert '("report", idle in transaction' in str(raised.value.why)
    assert not records.finished("default", "d")
