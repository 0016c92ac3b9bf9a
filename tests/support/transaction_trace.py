"""A migration's switch as one transaction, watched from beside it: what it holds, over which work, and who waits.

Nothing here is shared with the planner: locks are read in ``pg_locks``, work in the files and counters of tables, and
waiting is tried: a second session reads, fills and updates every table after each part, while the transaction is open.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from django.db.migrations.state import ProjectState

from lockgate.planning import transaction_locks
from lockgate.planning.lock_modes import LockMode
from lockgate.planning.steps import MigrationPlan, Phase, Work
from lockgate.planning.transaction_locks import Part, Transaction
from tests.support import plan_cases, plans
from tests.support.plan_case import BASE, Case
from tests.support.plans import Scratch

Modes = dict[str, LockMode]
Works = set[tuple[str, Work]]
# What waits for each table.
Waits = dict[str, plans.Waits]


class Lasting(NamedTuple):
    """A lock from when a table's mode is reached until COMMIT, and the work that is done meanwhile."""

    table: str
    mode: LockMode
    over: frozenset[tuple[str, Work]]

    def __str__(self) -> str:
        return f"{self.table}: {self.mode.value} over {', '.join(sorted(map(' '.join, self.over))) or 'a moment'}"


@dataclass
class Trace:
    """Of one transaction. entries: what is held as each part begins. waits: who waits after it. lasting: the total."""

    entries: list[Modes] = field(default_factory=list)
    waits: list[Waits] = field(default_factory=list)
    lasting: set[Lasting] = field(default_factory=set)


def claimed(transaction: Transaction, tables: Sequence[str]) -> Trace:
    """What the plan says; of what is unknown to it there is nothing to see in these cases."""
    trace = Trace([{held.table: held.mode for held in part.held.values()} for part in transaction.parts])
    at_the_end = {held.table: held.mode for held in transaction.locks}
    for held in (*trace.entries[1:], at_the_end):
        trace.waits.append({name: plans.waits_for(held.get(name)) for name in tables})
    for held_lock in transaction.locks:
        over = frozenset((during.table, _counted(during.work)) for during in held_lock.over if during.table)
        trace.lasting.add(Lasting(held_lock.table, held_lock.mode, over))
    return trace


def observed(scratch: Scratch, parts: Sequence[Part]) -> Trace:
    """Run a transaction in the order in which Django sends it, and say what it did to what was there before."""
    names = scratch.relations()
    oids, columns = list(names), plans.columns_to_try(scratch)
    (pid,) = scratch.query("SELECT pg_backend_pid()")[0]
    trace, held, growing = Trace(), dict[str, LockMode](), dict[tuple[str, LockMode], Works]()
    scratch.send("BEGIN")
    try:
        for part in parts:
            trace.entries.append(dict(held))
            for statement in part.statements:
                before = plans._Look(scratch, oids)
                scratch.send(statement.sql)
                works = _works(plans._Look(scratch, oids), before, names)
                held = _held(scratch, pid, oids, names)
                for table, mode in held.items():
                    growing.setdefault((table, mode), set())
                for since in growing:
                    growing[since] |= works
            trace.waits.append({name: plans.tried(scratch, name, columns[name]) for name in set(names.values())})
        scratch.send("COMMIT")
    except BaseException:
        scratch.send("ROLLBACK")
        raise
    trace.lasting = {Lasting(table, mode, frozenset(works)) for (table, mode), works in growing.items()}
    return trace


def _works(after: Any, before: Any, names: dict[int, str]) -> Works:
    works = {(name, _counted(after.work_since(before, oid))) for oid, name in names.items()}
    return {(name, work) for name, work in works if work.grows}


def _counted(work: Work) -> Work:
    """Changing rows reads all of them, and here there are none of those that Django's statements look for."""
    return Work.SCAN if work is Work.ROWS else work


def _held(scratch: Scratch, pid: int, oids: list[int], names: dict[int, str]) -> Modes:
    """The strongest mode on each table."""
    held: Modes = {}
    for oid, text in scratch.query(plans._LOCKS, [pid, oids]):
        mode = LockMode(text)
        held[names[oid]] = max(held.get(names[oid], mode), mode, key=lambda each: each.strength)
    return held


# Migrations of several operations


def composed(seed: int) -> Iterator[Case]:
    """Pairs of cases as one migration, without end. Not all of them fit together (``prepared``)."""
    chance = random.Random(seed)
    cases = [case for case in plan_cases.CASES if case.atomic]
    while True:
        one, other = chance.sample(cases, 2)
        yield Case(f"{one}; {other}", (*one.operations, *other.operations), (*one.before, *other.before), listed=False)


def prepared(scratch: Scratch, case: Case) -> ProjectState | None:
    """The state before a case, as the database has it then; None where stock Django cannot migrate it."""
    pending = plans.migration("0001_case", *case.operations)
    sent: list[str] = []

    def note(execute: Any, text: str, params: Any, many: Any, context: Any) -> Any:
        sent.append(text)
        return execute(text, params, many, context)

    try:
        state = scratch.prepare(*BASE, *case.before)
        scratch.send("BEGIN")
        with scratch.connection.execute_wrapper(note), scratch.connection.schema_editor(atomic=False) as editor:
            pending.apply(state.clone(), editor)
    except Exception:  # whatever does not fit together
        return None
    finally:
        scratch.send("ROLLBACK")
    (planned,) = scratch.plan([pending], state, online=False)
    (transaction,) = transaction_locks.of(planned.steps, atomic=True) or (None,)
    planned_order = (
        [statement.sql for part in transaction.parts for statement in part.statements] if transaction else []
    )
    assert [each for each in planned_order if each in sent] == [each for each in sent if each in planned_order], case
    return state


def prove(scratch: Scratch, planned: MigrationPlan) -> tuple[list[str], list[str]]:
    """Run a plan to its end. Says where its transaction did more than was claimed, and where less."""
    for step in planned.phase(Phase.EXPAND):
        for statement in step.sql:
            scratch.send(statement)
    worse, better = [], []
    for transaction in transaction_locks.of(planned.steps, atomic=planned.atomic):
        tables = sorted(set(scratch.relations().values()))
        said, seen = claimed(transaction, tables), observed(scratch, transaction.parts)
        more, less = _compared(said, seen)
        worse += more
        better += less
    for phase in (Phase.FINISH, Phase.CONTRACT):
        for step in planned.phase(phase):
            for statement in step.sql:
                scratch.send(statement)
    return worse, better


def _compared(said: Trace, seen: Trace) -> tuple[list[str], list[str]]:
    worse, better = [], []
    for number, (mine, real) in enumerate(zip(said.entries, seen.entries, strict=True), 1):
        for table in mine.keys() | real.keys():
            if mine.get(table) != real.get(table):
                text = f"on entry of part {number} {table}: claimed {mine.get(table)}, observed {real.get(table)}"
                weaker = mine.get(table) is None or (
                    real.get(table) is not None and mine[table].strength < real[table].strength
                )
                (worse if weaker else better).append(text)
    for number, (waiting, really) in enumerate(zip(said.waits, seen.waits, strict=True), 1):
        for table, real_waits in really.items():
            if waiting[table] != real_waits:
                text = f"after part {number} {table}: claimed to wait {waiting[table]}, observed {real_waits}"
                (worse if any(b and not a for a, b in zip(waiting[table], real_waits, strict=True)) else better).append(
                    text
                )
    unclaimed, unseen = seen.lasting - said.lasting, said.lasting - seen.lasting
    worse += [f"observed {lasting}" for lasting in sorted(unclaimed, key=str) if not _is_covered(lasting, said.lasting)]
    better += [f"claimed {lasting}" for lasting in sorted(unseen, key=str)]
    return worse, better


def _is_covered(seen: Lasting, said: set[Lasting]) -> bool:
    """Whether as much was claimed, or more."""
    return any(
        lasting.table == seen.table and lasting.mode.strength >= seen.mode.strength and lasting.over >= seen.over
        for lasting in said
    )
