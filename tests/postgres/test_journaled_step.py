"""Steps beside a migration's transaction, one at a time, in one process: what is there is looked at, never assumed."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest
from django.db import transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import UniqueConstraint
from django.db.utils import ProgrammingError

from lockgate import policy
from lockgate.database import lookups
from lockgate.errors import LockgateError, LocksNotAcquired, MigrationFailed, SessionLost
from lockgate.events import AttemptFailed, StepUndone, WaitingForBlockers
from lockgate.execution import concurrent_index, contract, journaled_step
from lockgate.execution.context import RunContext
from lockgate.execution.lock_retry import LockRetry
from lockgate.execution.progress import Progress
from lockgate.execution.switch_editor import switch_editor
from lockgate.facts import Key
from lockgate.gate import run_record
from lockgate.ledger import journal, records
from lockgate.ledger.journal import Journal, Line
from lockgate.models import JournalEntry, Run
from lockgate.planning.lock_modes import LockMode
from lockgate.planning.recorder.questions import Question, require_same_answers
from lockgate.planning.steps import Kind
from tests.support.databases import Database

KEY = Key("shop", "0001_one")
STATE = JournalEntry.State
BUILD = 'CREATE INDEX CONCURRENTLY "t_a" ON "t" ("a")'
DROP_CHECK = "ALTER TABLE t DROP CONSTRAINT c"
LIMITS = replace(policy.Policy(), lock_timeout=timedelta(milliseconds=20), lock_attempts=timedelta(milliseconds=200))


class Book:
    """The context of a run, and the rows of its steps. told: what was said."""

    def __init__(self, connection: BaseDatabaseWrapper, limits: policy.Policy = LIMITS) -> None:
        self.run = records.open_run(
            "default", release="r", release_digest="d", host="h", backend_pid=1, command="migrate", lock_wait_seconds=0
        )
        self.told: list[Any] = []
        confirm: Any = lambda **_: None  # noqa: E731
        self.context = RunContext(
            connection, Progress(self.told.append), (), confirm, print, limits, journaled=Journal(connection, self.run)
        )

    def step(self, kind: str, target: str, sql: str, phase: str = journal.FINISH, **more: Any) -> JournalEntry:
        line = Line(0, phase, "a step", kind, "t", target, sql, **more)
        (row,) = self.context.journal.write(KEY, "m", [line])
        return row

    def do(self, row: JournalEntry) -> JournalEntry:
        journaled_step.run(self.context, row, {"t": LockMode.SHARE_UPDATE_EXCLUSIVE}, number=1, total=1)
        return JournalEntry.objects.get(pk=row.pk)


@pytest.fixture
def book(ledger_tables: BaseDatabaseWrapper, database: Database) -> Book:
    database.execute("CREATE TABLE t (a integer DEFAULT 7, b integer)", "INSERT INTO t SELECT 1, 1")
    return Book(ledger_tables)


def add_check(database: Database, rule: str) -> int:
    database.execute(f"ALTER TABLE t ADD CONSTRAINT c CHECK ({rule}) NOT VALID")
    return int(database.value("SELECT oid::int FROM pg_constraint WHERE conname = 'c'"))


def is_valid(database: Database) -> bool:
    return bool(database.value("SELECT convalidated FROM pg_constraint WHERE conname = 'c'"))


def test_only_the_constraint_that_the_switch_has_made_is_validated(book: Book, database: Database) -> None:
    validate = "ALTER TABLE t VALIDATE CONSTRAINT c"
    made = add_check(database, "a > 0")
    row = book.step(Kind.VALIDATE_CONSTRAINT, "c", validate, object_oid=made, definition="CHECK ((a > 0))")
    database.execute(DROP_CHECK)
    add_check(database, "b > 0")
    with pytest.raises(MigrationFailed, match='a constraint "c" of t is there already'):
        book.do(row)
    database.execute(DROP_CHECK)
    with pytest.raises(MigrationFailed, match='the constraint "c" of t is gone'):
        book.do(row)
    assert JournalEntry.objects.get(pk=row.pk).state == STATE.FAILED
    again = add_check(database, "a > 0")  # by hand: another number, and the same definition
    done = book.do(row)
    assert is_valid(database)
    assert (done.state, done.object_oid, done.attempts) == (STATE.DONE, again, 3)
    assert journaled_step.still_there(book.context, done)
    unknown = book.do(book.step(Kind.VALIDATE_CONSTRAINT, "c", validate))
    assert (unknown.object_oid, unknown.definition) == (again, "CHECK ((a > 0))")
    journaled_step.undo(book.context, unknown)  # it was there before: nothing to take back with
    assert database.value("SELECT count(*) FROM pg_constraint WHERE conname = 'c'") == 1
    database.execute(DROP_CHECK)
    assert not journaled_step.still_there(book.context, done)
    add_check(database, "b > 0")
    with pytest.raises(MigrationFailed, match="another definition"):
        journaled_step.still_there(book.context, done)


def test_a_validation_waits_longer_than_the_lock_retries_and_as_one_attempt(book: Book, database: Database) -> None:
    add_check(database, "a > 0")
    with database.connect(autocommit=False) as other:
        other.execute("LOCK TABLE t IN SHARE UPDATE EXCLUSIVE MODE")
        threading.Timer(1.0, other.rollback).start()
        done = book.do(book.step(Kind.VALIDATE_CONSTRAINT, "c", "ALTER TABLE t VALIDATE CONSTRAINT c"))
    assert is_valid(database)
    assert done.attempts == 1
    assert not any(isinstance(each, AttemptFailed) for each in book.told)


def test_what_a_step_has_made_is_taken_back_under_whatever_name(book: Book, database: Database) -> None:
    sql = "ALTER TABLE t ADD CONSTRAINT c CHECK (a > 0) NOT VALID"
    done = book.do(book.step(Kind.ADD_CHECK, "c", sql, journal.EXPAND, undo=(DROP_CHECK,)))
    assert (done.state, done.definition) == (STATE.DONE, "CHECK ((a > 0))")
    assert not is_valid(database)
    assert journaled_step.still_there(book.context, done)
    database.execute("ALTER TABLE t RENAME CONSTRAINT c TO d", "ALTER TABLE t RENAME TO u")
    journaled_step.undo(book.context, done)
    assert database.value("SELECT count(*) FROM pg_constraint WHERE conname IN ('c', 'd')") == 0
    assert done.state == STATE.UNDONE
    assert any(isinstance(each, StepUndone) for each in book.told)
    database.execute("ALTER TABLE u RENAME TO t")
    never = book.step(Kind.ADD_CHECK, "c", sql, journal.EXPAND, undo=(DROP_CHECK,))
    add_check(database, "b > 0")
    journaled_step.undo(book.context, never)  # it never ran, so what is there is another's
    assert (never.state, is_valid(database)) == (STATE.UNDONE, False)


def test_an_index_of_the_name_is_ours_by_number_or_definition(book: Book, database: Database) -> None:
    database.execute("CREATE INDEX t_a ON t (a)")
    row = book.step(Kind.ADD_INDEX, "t_a", BUILD, transactional=False, undo=("DROP INDEX t_a",))
    with pytest.raises(MigrationFailed, match='an index "t_a" is there already') as raised:
        book.do(row)
    assert raised.value.why == "no recorded migration made it"
    invalid = "UPDATE pg_index SET indisvalid = {} WHERE indexrelid = 't_a'::regclass"
    database.execute(invalid.format("false"))
    with pytest.raises(MigrationFailed, match="is there already") as raised:
        book.do(row)
    assert "a concurrent build that Lockgate did not run was broken off" in str(raised.value.why)
    database.execute(invalid.format("true"))
    book.context.journal.begin(row)
    done = book.do(row)  # the very same, completed by hand
    assert (done.state, done.attempts) == (STATE.DONE, 1)
    completed = done.object_oid
    assert completed == database.value("SELECT 't_a'::regclass::oid::int")
    assert journaled_step.still_there(book.context, done)
    database.execute(invalid.format("false"))
    assert not journaled_step.still_there(book.context, done)
    again = book.do(done)  # what is left invalid is dropped, and built again
    assert again.object_oid not in (None, completed)
    assert database.value("SELECT indisvalid FROM pg_index WHERE indexrelid = 't_a'::regclass")
    database.execute("ALTER INDEX t_a RENAME TO other")
    journaled_step.undo(book.context, again)
    assert lookups.index(book.context.connection, "t", "other") is None
    database.execute("CREATE INDEX t_a ON t (b)")
    assert not journaled_step.still_there(book.context, done)
    with pytest.raises(MigrationFailed, match="is there already") as raised:
        book.do(done)
    assert "of another definition" in str(raised.value.why)
    journaled_step.undo(book.context, done)
    concurrent_index.drop_invalid(book.context, done)
    assert lookups.index(book.context.connection, "t", "t_a") is not None


def test_an_index_is_dropped_by_its_number_alone(book: Book, database: Database) -> None:
    database.execute("CREATE INDEX t_a ON t (a)")
    oid = database.value("SELECT 't_a'::regclass::oid::int")
    drop = "DROP INDEX CONCURRENTLY t_a"
    row = book.step(Kind.DROP_INDEX, "t_a", drop, transactional=False, object_oid=oid)
    database.execute("ALTER INDEX t_a RENAME TO old", "CREATE INDEX t_a ON t (b)")
    with pytest.raises(MigrationFailed, match="is there already"):
        book.do(row)
    database.execute("DROP INDEX t_a")
    with pytest.raises(MigrationFailed, match='the index "t_a" of t is not where it was'):
        book.do(row)
    database.execute("ALTER INDEX old RENAME TO t_a")
    assert book.do(row).state == STATE.DONE
    assert lookups.index(book.context.connection, "t", "t_a") is None
    assert book.do(row).attempts == 1  # it is gone: nothing is sent


def test_who_holds_a_lock_briefly_is_not_waited_out(book: Book, database: Database) -> None:
    """An attempt waits as long for it; only who has held it longer than that is waited for first."""
    limits = replace(
        LIMITS,
        lock_timeout=timedelta(seconds=2),
        lock_attempts=timedelta(seconds=3),
        report_lock_wait=timedelta(0),
    )
    lock_retry = LockRetry(book.context.connection, limits, book.told.append)
    with database.connect(autocommit=False) as other:
        other.execute("SELECT FROM t")
        assert lock_retry.run(KEY, {"t": LockMode.ACCESS_EXCLUSIVE}, lambda timeout: timeout) == limits.lock_timeout
    assert not any(isinstance(each, WaitingForBlockers) for each in book.told)


def test_a_kept_default_is_dropped_with_a_short_wait_and_only_where_it_is_still_ours(
    book: Book, database: Database
) -> None:
    """What the server saw of the session's lock_timeout as the default was dropped."""
    database.execute(
        "CREATE TABLE seen (timeout text)",
        "CREATE FUNCTION see() RETURNS event_trigger LANGUAGE plpgsql AS "
        "$$BEGIN INSERT INTO seen VALUES (current_setting('lock_timeout')); END$$",
        "CREATE EVENT TRIGGER see ON ddl_command_start WHEN TAG IN ('ALTER TABLE') EXECUTE FUNCTION see()",
    )
    number = "SELECT oid::int FROM pg_attrdef WHERE adrelid = 't'::regclass"
    kept = {"phase": journal.CONTRACT, "object_oid": database.value(number), "definition": "7"}
    ours = book.step("drop default", "a", "", **kept)
    other = book.step("drop default", "a", "", **{**kept, "object_oid": 1})
    JournalEntry.objects.update(committed=True)
    newer = Book(book.context.connection)
    assert contract.carry_out_due(book.context, book.run, {KEY}) == 0  # its own are not due yet
    assert contract.carry_out_due(newer.context, newer.run, set()) == 0  # nor another release's
    assert contract.carry_out_due(newer.context, newer.run, {KEY}) == 2
    assert database.rows("SELECT timeout FROM seen") == [("20ms",)]
    assert database.value("SELECT count(*) FROM pg_attrdef WHERE adrelid = 't'::regclass") == 0
    assert [JournalEntry.objects.get(pk=journal_entry.pk).state for journal_entry in (ours, other)] == [
        STATE.DONE,
        STATE.OBSOLETE,
    ]
    assert database.value("SHOW lock_timeout") == "0"


def test_a_failed_run_is_closed_on_its_own_session_or_not_at_all(book: Book) -> None:
    """A pool takes a session back without closing it."""
    gate: Any = SimpleNamespace(connection=book.context.connection)
    request: Any = SimpleNamespace(ordinary=False)
    begun: Any = SimpleNamespace(
        gate=gate, request=request, preflight=None, progress=book.context.progress, ending=None
    )
    opened = gate.connection.connection

    def lose() -> None:
        with run_record.closing(begun, book.run):
            gate.connection.connection = None
            raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        lose()
    assert gate.connection.connection is None
    gate.connection.connection = opened
    assert Run.objects.get(pk=book.run.pk).outcome == Run.Outcome.RUNNING


def test_without_the_lock_nothing_is_sent(book: Book, database: Database) -> None:
    add_check(database, "a > 0")

    def lost(**_: object) -> None:
        raise SessionLost()

    row = book.step(Kind.VALIDATE_CONSTRAINT, "c", "ALTER TABLE t VALIDATE CONSTRAINT c")
    context, book.context = book.context, replace(book.context, confirm=lost)
    with pytest.raises(SessionLost):
        book.do(row)
    with pytest.raises(SessionLost):
        journaled_step.undo(book.context, row)
    assert JournalEntry.objects.get(pk=row.pk).state == STATE.PLANNED
    assert not is_valid(database)
    book.context = context
    assert book.do(row).state == STATE.DONE


def test_a_deadlock_is_tried_again_a_few_times_and_nothing_else_is(book: Book, database: Database) -> None:
    database.execute(
        "CREATE TABLE tries (n serial)",
        "CREATE FUNCTION fail(code text) RETURNS void LANGUAGE plpgsql AS "
        "$$BEGIN RAISE EXCEPTION 'no' USING ERRCODE = code; END$$",
    )
    check = "ALTER TABLE t VALIDATE CONSTRAINT c; SELECT nextval('tries_n_seq'); SELECT fail('{}')"
    add_check(database, "a > 0")
    for sqlstate, tries in (("40P01", policy.STEP_ATTEMPTS), ("22012", 1)):
        row = book.step(Kind.VALIDATE_CONSTRAINT, "c", check.format(sqlstate))
        with pytest.raises(psycopg.Error):
            book.do(row)
        journal_entry = JournalEntry.objects.get(pk=row.pk)
        assert (journal_entry.state, journal_entry.attempts) == (STATE.FAILED, tries)
        assert sqlstate in journal_entry.error
    assert not is_valid(database)


def test_what_a_finish_phase_never_made_is_not_dropped(book: Book) -> None:
    never = UniqueConstraint(fields=["name"], name="never")
    with switch_editor(book.context.connection, absent={"never"}) as editor:
        editor.remove_constraint(JournalEntry, never)
    with pytest.raises(ProgrammingError), switch_editor(book.context.connection, absent={"other"}) as editor:
        editor.remove_constraint(JournalEntry, never)


def test_a_switch_must_be_answered_as_the_plan_was_but_for_what_is_hidden(book: Book, database: Database) -> None:
    connection = book.context.connection
    names = connection.schema_editor()._constraint_names(JournalEntry, index=True)
    question = Question("_constraint_names", (JournalEntry,), {"index": True}, sorted(names, reverse=True))
    require_same_answers(connection, [question], ())
    database.execute("CREATE INDEX hidden ON lockgate_journalentry (state)")
    with pytest.raises(LockgateError, match="answers _constraint_names otherwise"):
        require_same_answers(connection, [question], ())
    require_same_answers(connection, [question], {"hidden"})


def test_who_has_a_table_for_long_is_named_at_the_deadline(book: Book, database: Database) -> None:
    lock_retry = LockRetry(book.context.connection, LIMITS, book.told.append)

    def attempt(timeout: timedelta) -> None:
        with transaction.atomic(using="default"):
            book.context.connection.connection.execute(f"SET LOCAL lock_timeout = '{timeout.total_seconds()}s'")
            book.context.connection.connection.execute("LOCK TABLE t")

    with database.connect(autocommit=False) as other:
        other.execute("SET application_name = 'report'")
        other.execute("SELECT FROM t")
        with pytest.raises(LocksNotAcquired, match='could not lock "t"') as raised:
            lock_retry.run(KEY, {"t": LockMode.ACCESS_EXCLUSIVE}, attempt)
        assert '("report", idle in transaction' in str(raised.value.why)
        assert str(other.info.backend_pid) in str(raised.value.next_step)
    assert lock_retry.run(KEY, {"t": LockMode.ACCESS_EXCLUSIVE}, attempt) is None
    assert lock_retry.attempts == 1
