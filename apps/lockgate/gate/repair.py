"""Settles what the journal has open and no run can: a person decides, the catalog proves, nothing is guessed.

Whatever is settled is settled under the migration lock, and written down as a run of its own.
"""

from __future__ import annotations

import contextlib
import functools
import socket
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

import psycopg
from django.db.utils import Error as DatabaseError

from lockgate.database import advisory_lock, lookups, parameters, pooler, session
from lockgate.errors import LockgateError
from lockgate.execution import concurrent_index, failures, journaled_step, ledger_locks
from lockgate.execution.context import RunContext
from lockgate.execution.progress import Progress
from lockgate.facts import Runner
from lockgate.gate import journal_trust, own_tables
from lockgate.gate.context import GateContext
from lockgate.ledger import journal, records
from lockgate.ledger.journal import Journal
from lockgate.models import JournalEntry, Run
from lockgate.planning.steps import Kind

WAYS = {
    "retry": "has the next run of migrate that has this migration try it again, where it is not done",
    "accept": "counts it as done, where the catalog proves that it is, by definition",
    "undo": "takes back what it has prepared; what it has made is told by its oid or its definition",
    "forget": "takes it out of the journal; what is there stays, and is yours",
}


_CONCURRENT = ("AddIndexConcurrently", "RemoveIndexConcurrently")  # operations, as a row of theirs names its kind


class RepairRefused(LockgateError):
    """a step cannot be settled this way"""


class OpenStep(NamedTuple):
    """An open step. catalog: what there is of it, in words. proven: whether that is all that it asks for."""

    step: JournalEntry
    catalog: str
    proven: bool


def damaged(gate: GateContext) -> list[str]:
    """What is wrong with Lockgate's own tables, a line each; what no run makes good has its SQL."""
    damages = own_tables.damages_as_recorded(gate.connection)
    return [f"damaged: {damage.what}" + (f"\n  next   {damage.remedy}" if damage.remedy else "") for damage in damages]


def listed(gate: GateContext, numbers: Sequence[int]) -> list[OpenStep]:
    """The open steps, oldest first. numbers: their numbers; all where there are none.

    Raises RepairRefused where the journal knows no such step. One that is settled is left out: the run that named it
    may have taken it back as it ended.
    """
    if not journal.exists(gate.connection):
        if numbers:
            raise RepairRefused("there is no journal in this database", next_step="manage.py migrate")
        return []
    journal_trust.refuse_written_by_others(gate.connection)
    rows = journal.open_steps(gate.connection.alias)
    missing = set(numbers) - {row.pk for row in (*rows, *settled(gate, numbers))}
    if missing:
        raise RepairRefused(
            f"no open step has the number {min(missing)}", next_step="list them:  manage.py lockgate repair"
        )
    return [_found(gate, row) for row in rows if not numbers or row.pk in numbers]


def left_open(gate: GateContext) -> list[OpenStep]:
    """What runs have left half-done, for who only looks: nothing is refused, and what cannot be asked is left out."""
    with contextlib.suppress(LockgateError, DatabaseError, psycopg.Error):
        return listed(gate, ())
    return []


def settled(gate: GateContext, numbers: Sequence[int]) -> list[JournalEntry]:
    """Those of these steps with which nothing is to be done any more."""
    if not numbers or not journal.exists(gate.connection):
        return []
    open_ones = {row.pk for row in journal.open_steps(gate.connection.alias)}
    return list(
        JournalEntry.objects.using(gate.connection.alias).filter(pk__in=set(numbers) - open_ones).order_by("id")
    )


def settle(gate: GateContext, steps: Sequence[int], way: str) -> Iterator[str]:
    """Settle these steps under the lock, last first; yields what was done, line by line.

    Raises RepairRefused, LockNotAcquired, LocksNotAcquired, or the server's error; those before it are settled.
    """
    backend = pooler.kept_backend(gate.connection, gate.limits)
    session.refuse_read_only(gate.server)
    release, host = gate.limits.release or "repair", socket.gethostname()
    announced = session.announced(gate.connection, Runner(release, host, datetime.now(UTC)))
    settled = ledger_locks.named(gate.connection, "the steps that were reported as settled before it are")
    lasting = parameters.lasting(session.raw(gate.connection), gate.limits, proven=True)
    with settled, lasting, announced, contextlib.ExitStack() as until_the_end:
        waited = advisory_lock.acquire(gate.connection, gate.limits, gate.listen)
        until_the_end.enter_context(advisory_lock.releasing(gate.connection))
        run = records.open_run(
            gate.connection.alias,
            release=release,
            release_digest="",
            host=host,
            backend_pid=backend.pid,
            command=f"lockgate repair --{way} {' '.join(map(str, steps))}",
            lock_wait_seconds=waited or 0.0,
        )
        try:
            context = _duties(gate, run)
            for open_step in reversed(listed(gate, steps)):
                yield _one(context, open_step, way)
        except Exception as error:
            text = failures.why(error, failures.sqlstate_of(error))
            records.close_run(gate.connection.alias, run, Run.Outcome.FAILED, text)
            raise
        records.close_run(gate.connection.alias, run, Run.Outcome.SUCCEEDED)


def _duties(gate: GateContext, run: Run) -> RunContext:
    confirm = functools.partial(advisory_lock.confirm, gate.connection, session.raw(gate.connection))
    return RunContext(
        gate.connection,
        Progress(gate.listen),
        (),
        confirm,
        lambda entry: None,
        gate.limits,
        journaled=Journal(gate.connection, run),
    )


def _one(context: RunContext, open_step: OpenStep, way: str) -> str:
    step = open_step.step
    if way == "retry" and step.state == JournalEntry.State.DONE:
        done = "is done, and stays so"
    elif way == "retry":
        context.journal.end(step, JournalEntry.State.PLANNED, step.error)
        done = "will be tried again by the next migrate of a release that has it"
    elif way == "accept":
        if not open_step.proven:
            raise _refused(step, f"the catalog does not prove that it is done: {open_step.catalog}")
        context.journal.end(step, JournalEntry.State.DONE)
        done = "counts as done"
    elif way == "undo":
        if step.committed or step.phase != journal.EXPAND:
            raise _refused(step, "only what was prepared before a migration counts can be taken back")
        journaled_step.undo(context, step)
        done = "is taken back"
    else:
        context.journal.forget(step)
        done = f"is out of the journal; what is there stays ({open_step.catalog})"
        if step.phase == journal.SWITCH:
            done += f"; a run of {step.app}.{step.name} does this operation from its start"
    return f"step {step.pk} {done}"


def _refused(step: JournalEntry, why: str) -> RepairRefused:
    return RepairRefused(
        f"step {step.pk} of {step.app}.{step.name} cannot be settled this way: {step.title}",
        why=why,
        state="it is as it was; steps after it that were named are settled",
        next_step=f"bring it by hand to where it should be, and take it out of the journal:  "
        f"manage.py lockgate repair {step.pk} --forget --apply",
    )


def _found(gate: GateContext, step: JournalEntry) -> OpenStep:
    if step.kind in (Kind.ADD_INDEX, Kind.DROP_INDEX, *_CONCURRENT):
        return _of_index(gate, step) if _builds(step) else _of_dropped(gate, step)
    if step.kind in (Kind.ADD_CHECK, Kind.ADD_FOREIGN_KEY, Kind.VALIDATE_CONSTRAINT):
        return _of_constraint(gate, step)
    return OpenStep(step, "what came of it cannot be read in the catalog", proven=False)


def _builds(step: JournalEntry) -> bool:
    """Whether it builds an index; taken back, what builds one drops it."""
    return (step.kind in (Kind.ADD_INDEX, _CONCURRENT[0])) != (step.phase == journal.BACKWARDS)


def _of_index(gate: GateContext, step: JournalEntry) -> OpenStep:
    index = lookups.index(gate.connection, step.table_name, step.object_name)
    if index is None:
        return OpenStep(step, f'there is no index "{step.object_name}" of {step.table_name}', proven=False)
    if not concurrent_index.is_ours(gate.connection, step, index):
        return OpenStep(step, f'another index has the name "{step.object_name}"', proven=False)
    if not index.valid:
        return OpenStep(step, f'the index "{step.object_name}" is there, but invalid', proven=False)
    return OpenStep(step, f'the index "{step.object_name}" is there, as asked for', proven=True)


def _of_dropped(gate: GateContext, step: JournalEntry) -> OpenStep:
    index = lookups.index(gate.connection, step.table_name, step.object_name)
    elsewhere = lookups.index_by_oid(gate.connection, step.object_oid) if index is None and step.object_oid else None
    if elsewhere is not None:
        return OpenStep(
            step, f'the index "{step.object_name}" is "{elsewhere[1]}" in schema "{elsewhere[0]}" now', proven=False
        )
    if index is None:
        return OpenStep(step, f'the index "{step.object_name}" is gone', proven=True)
    if index.oid == step.object_oid:
        return OpenStep(step, f'the index "{step.object_name}" is still there', proven=False)
    return OpenStep(step, f'another index has the name "{step.object_name}"', proven=False)


def _of_constraint(gate: GateContext, step: JournalEntry) -> OpenStep:
    state = lookups.constraint(gate.connection, step.table_name, step.object_name)
    if state is None:
        return OpenStep(step, f'there is no constraint "{step.object_name}" of {step.table_name}', proven=False)
    if not journaled_step.is_our_constraint(step, state):
        return OpenStep(
            step, f'a constraint "{step.object_name}" is there; whether it is this one is unknown', proven=False
        )
    proven = state.validated or step.kind != Kind.VALIDATE_CONSTRAINT
    return OpenStep(
        step, f'the constraint "{step.object_name}" is there' + ("" if proven else ", not validated"), proven
    )
