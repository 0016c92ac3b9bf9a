"""What a migration's transaction holds: a lock stays until COMMIT, whatever is done after it.

A step is planned as if it were alone. In a transaction it begins with all that the steps before it have taken, and who
waits for one of those locks waits for its work too. So whom a step blocks is said of its transaction, from here.

Which steps share one (``execution.executor``): those of an atomic migration's switch, with the rows that record it.
Each step of expand and finish, and each operation of a migration that is not atomic, has one of its own or none; what
SQL and code begin there by themselves is not known.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from lockgate.planning import lock_levels
from lockgate.planning.lock_modes import LockMode
from lockgate.planning.steps import Change, Kind, Lock, Phase, Statement, Step, Work

_UNREAD = frozenset({Kind.RUN_PYTHON, Kind.UNKNOWN})


class HeldDuring(NamedTuple):
    """Work that takes longer than a moment. table: of which; "" for code and SQL that cannot be looked into."""

    work: Work
    table: str


class HeldLock(NamedTuple):
    """A lock that a transaction has until COMMIT. since: the step that takes it. over: what is done from then on.

    Tables have their names of before the transaction.
    """

    table: str
    mode: LockMode
    since: Step
    over: tuple[HeldDuring, ...] = ()


class Part(NamedTuple):
    """Statements of a step that are sent together: all but those that Django defers to the migration's end, or those.

    held: the strongest lock on each table as they begin, by the table's name of that moment.
    """

    step: Step
    statements: tuple[Statement, ...]
    held: Mapping[str, HeldLock]


class Transaction(NamedTuple):
    """Steps that commit together, in the order in which their parts are sent.

    locks: every lock in the order they are taken; a table comes again when its lock grows.
    dropped: tables that are gone when it commits; who waits for one of them waits in vain.
    """

    parts: tuple[Part, ...]
    locks: tuple[HeldLock, ...]
    dropped: frozenset[str]

    @property
    def steps(self) -> tuple[Step, ...]:
        """In the order of the plan."""
        return tuple({id(part.step): part.step for part in self.parts}.values())

    @property
    def total(self) -> tuple[HeldLock, ...]:
        """Of each table the worst lock, and before it one that blocks writes alone, but for longer work."""
        worst = {held.table: held for held in self.locks}
        return tuple(
            held_lock
            for held_lock in self.locks
            if held_lock is worst[held_lock.table] or _lasts(held_lock, worst[held_lock.table])
        )


def of(steps: Iterable[Step], *, atomic: bool) -> tuple[Transaction, ...]:
    """The transactions of a migration's own operations. steps: of its plan. What runs concurrently is in none."""
    own = [step for step in steps if step.phase is Phase.SWITCH and step.transactional]
    together = [own] if atomic and own else [[step] for step in own]
    return tuple(map(_transaction, together))


def on_entry(transactions: Iterable[Transaction], step: Step) -> Mapping[str, HeldLock]:
    """What is held as a step begins, or the part of it that is deferred; nothing where it is in none of these."""
    parts = [part for transaction in transactions for part in transaction.parts if part.step is step]
    return parts[-1].held if parts else {}


def takes_long(step: Step) -> bool:
    """Whether a step takes longer than a moment, or may."""
    return any(lock.work.grows for lock in step.locks) or any(map(_is_unread, step.statements))


def _transaction(steps: Sequence[Step]) -> Transaction:
    taking = _Taking()
    sent = [(step, tuple(statement for statement in step.statements if not statement.deferred)) for step in steps]
    sent += [
        (step, late)
        for step in steps
        if (late := tuple(statement for statement in step.statements if statement.deferred))
    ]
    parts = tuple(taking.part(step, statements) for step, statements in sent)
    return Transaction(parts, tuple(taking.taken), frozenset(taking.dropped))


def _lasts(weaker: HeldLock, worst: HeldLock) -> bool:
    return weaker.mode.blocks_writes and set(weaker.over) > set(worst.over)


class _Taking:
    """Follows a transaction, statement by statement."""

    def __init__(self) -> None:
        self.taken: list[HeldLock] = []
        self.dropped: set[str] = set()
        self._before: dict[str, str] = {}  # names of tables that it has renamed or made; "" for one that was not there

    def part(self, step: Step, statements: tuple[Statement, ...]) -> Part:
        """Take what some of a step's statements take."""
        now = {before: name for name, before in self._before.items()}
        held = {now.get(held_lock.table, held_lock.table): held_lock for held_lock in self.taken}
        claimed = {self._name(lock.table): lock for lock in step.locks}
        for statement in statements:
            self._statement(step, statement, claimed)
        return Part(step, statements, held)

    def _statement(self, step: Step, statement: Statement, claimed: Mapping[str, Lock]) -> None:
        locks: dict[str, Lock] = {}
        for change in statement.changes:
            for lock in self._change(change, claimed):
                locks[lock.table] = lock_levels.stronger(locks.get(lock.table, lock), lock)
        self._take(step, locks.values(), unread=_is_unread(statement))

    def _change(self, change: Change, claimed: Mapping[str, Lock]) -> Iterator[Lock]:
        """Locks on what was there before; where the step as a whole is a matter of a moment, so is its part."""
        for lock in lock_levels.of(change):
            table = self._name(lock.table)
            if table in claimed:
                yield Lock(table, lock.mode, lock.work if claimed[table].work.grows else Work.MOMENT)
        if change.kind is Kind.CREATE_TABLE:
            self._before[change.table] = ""
        elif change.kind is Kind.RENAME_TABLE:
            self._before[change.name] = self._name(change.table)
            self._before.pop(change.table, None)
        elif change.kind is Kind.DROP_TABLE:
            self.dropped |= {self._name(change.table)} - {""}

    def _take(self, step: Step, locks: Collection[Lock], *, unread: bool = False) -> None:
        for lock in locks:
            known = max((held.mode.strength for held in self.taken if held.table == lock.table), default=-1)
            if lock.mode.strength > known:
                self.taken.append(HeldLock(lock.table, lock.mode, step))
        works = [HeldDuring(lock.work, lock.table) for lock in locks if lock.work.grows]
        works += [HeldDuring(Work.UNKNOWN, "")] if unread else []
        self.taken = [held._replace(over=tuple(dict.fromkeys((*held.over, *works)))) for held in self.taken]

    def _name(self, table: str) -> str:
        return self._before.get(table, table)


def _is_unread(statement: Statement) -> bool:
    """Whether it is code, or SQL of which a part is not known."""
    return any(change.kind in _UNREAD for change in statement.changes)
