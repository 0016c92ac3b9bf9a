"""A plan for people: each step with its phase, its SQL, its locks and its reason."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from lockgate.facts.tables import DatabaseFacts, SessionFacts, TableFacts
from lockgate.linting.rules.rule import OFFLINE
from lockgate.planning import transaction_locks
from lockgate.planning.consequences import Consequence, DependentTracker
from lockgate.planning.dependents import Outcome
from lockgate.planning.lock_modes import LockMode
from lockgate.planning.steps import Kind, Lock, MigrationPlan, Phase, Statement, Step, Work
from lockgate.planning.transaction_locks import HeldLock, Transaction
from lockgate.reporting.plan_document import Entry, parents_of, taken_along, unknown

_WORDS = {
    Work.MOMENT: "for a moment",
    Work.SCAN: "while every row is read",
    Work.BUILD: "while an index is built",
    Work.REWRITE: "while every row is written anew",
    Work.ROWS: "until the transaction ends, after changing rows",
    Work.UNKNOWN: "for an unknown time",
}
_DURING = {
    Work.SCAN: "every row of {} is read",
    Work.BUILD: "an index of {} is built",
    Work.REWRITE: "every row of {} is written anew",
    Work.ROWS: "rows of {} are changed",
    Work.UNKNOWN: "{} takes an unknown time",
}


def text(plans: Sequence[MigrationPlan], facts: DatabaseFacts) -> Iterator[str]:
    """Lines that go under Django's own: what runs when, what it locks, whom it blocks."""
    yield "Steps:"
    for migration in plans:
        yield f"  {migration.migration}{'' if migration.atomic else '  (not atomic)'}"
        yield from _steps(migration, facts)
    named = {lock.table for plan in plans for step in plan.steps for lock in step.locks}
    concerned = [table for table in facts.tables.values() if table.name in named]
    if concerned:
        yield "Tables:"
        for table in concerned:
            yield from _table(table)
    consequences = DependentTracker(facts).through(step for plan in plans for step in plan.steps)
    if consequences:
        yield "What depends on them:"
        for shown in consequences:
            yield f"  {shown.step.migration} {shown.change.kind} of {shown.change.table}: {_consequence(shown)}"
    for session in facts.old_snapshots:
        yield f"  a concurrent index build would wait for {_session(session)}"


def _steps(plan: MigrationPlan, facts: DatabaseFacts) -> Iterator[str]:
    """In their order; after those of a transaction, what it holds until it commits."""
    transactions = transaction_locks.of(plan.steps, atomic=plan.atomic)
    last = {id(transaction.steps[-1]): transaction for transaction in transactions}
    for step in plan.steps:
        yield from _step(step, facts, transaction_locks.on_entry(transactions, step))
        if id(step) in last and (lines := _total(last[id(step)], facts)):
            yield "    commit  until then the transaction"
            yield from (f"            {line}" for line in lines)


def _step(step: Step, facts: DatabaseFacts, entry: Entry) -> Iterator[str]:
    yield f"    {step.phase.value:<7} {step.title}"
    for line in lines_of(step.statements):
        yield f"              {line}"
    for line in _locks(step, facts, entry):
        yield f"            {line}"
    yield from (f"            drops   {dependent}" for dependent in taken_along(step))
    yield f"            why     {step.reason}"
    if step.kept_in_place:
        yield f"            in place, though there is an online way: {step.kept_in_place}"
    for undo in step.undo:
        yield f"            undo    {undo}"


def is_harmless(plan: MigrationPlan) -> bool:
    """Whether it does nothing online, keeps nothing from it, and is known to lock what is there for moments at most."""
    alone = all(
        step.phase is Phase.SWITCH
        and not (step.kept_in_place or any(unknown(step)))
        and not any(lock.work.grows for lock in step.locks)
        for step in plan.steps
    )
    transactions = transaction_locks.of(plan.steps, atomic=plan.atomic)
    return alone and not any(
        held.mode.blocks_writes and held.over for transaction in transactions for held in transaction.total
    )


def locks_in_short(plan: MigrationPlan) -> list[str]:
    """Each lock once, of a plan that no server was asked about."""
    return list(dict.fromkeys(_lock(lock, OFFLINE) for step in plan.steps for lock in step.locks))


def steps_in_short(plan: MigrationPlan) -> Iterator[str]:
    """What stands beside Django's SQL: phases, locks and reasons; SQL only where it is not Django's."""
    transactions = transaction_locks.of(plan.steps, atomic=plan.atomic)
    for step in plan.steps:
        locks = list(_locks(step, OFFLINE, transaction_locks.on_entry(transactions, step)))
        if not (locks or step.rewrite or step.kept_in_place):
            continue
        yield f"{step.phase.value:<8} {step.title}"
        for line in lines_of(step.statements) if step.rewrite else ():
            yield f"           {line}"
        for line in locks:
            yield f"         {line}"
        if step.phase is not Phase.SWITCH:
            yield f"         why     {step.reason}"
        if step.kept_in_place:
            yield f"         in place, though there is an online way: {step.kept_in_place}"


def lines_of(statements: Iterable[Statement]) -> Iterator[str]:
    for statement in statements:
        yield from (statement.sql or _without_sql(statement)).strip().splitlines()


def _without_sql(statement: Statement) -> str:
    """What stands for a statement that nobody can show."""
    for change in statement.changes:
        if change.kind is Kind.UNKNOWN:
            return f"(unknown: {change.name})"
    return "(Python)"


def _locks(step: Step, facts: DatabaseFacts, entry: Entry) -> Iterator[str]:
    """What a step locks; and where it takes longer than a moment, what its transaction has locked before."""
    for lock in step.locks:
        yield f"locks   {_lock(lock, facts, entry.get(lock.table))}"
    yield from (f"locks   unknown: {why}" for why in unknown(step))
    if any(change.kind is Kind.RUN_PYTHON and change.read for change in step.changes):
        yield "locks   the rows that it changes, until its transaction ends"
    mine = {lock.table for lock in step.locks}
    if transaction_locks.takes_long(step):
        for table, held in entry.items():
            if table not in mine and held.mode.blocks_writes:
                yield f"holds   {_named(table, facts)}: {_mode(held.mode)} {_since(held)}; blocks {_blocks(held.mode)}"


def _lock(lock: Lock, facts: DatabaseFacts, held: HeldLock | None = None) -> str:
    """held: what the transaction has on the table already."""
    blocks = _blocks(lock.mode)
    if held and held.mode.strength > lock.mode.strength and _blocks(held.mode) != blocks:
        blocks = f"{_blocks(held.mode)}: {_mode(held.mode)} {_since(held)}"
    strongest = max([lock.mode, *([held.mode] if held else [])], key=lambda mode: mode.strength)
    too = _of_parents(lock.table, strongest, facts)
    return f"{_named(lock.table, facts)}: {_mode(lock.mode)} {_WORDS[lock.work]}; blocks {blocks}{too}"


def _of_parents(table: str, mode: LockMode, facts: DatabaseFacts) -> str:
    parents = parents_of(table, facts) if mode.blocks_writes else ()
    return f", of its parent{'s' if len(parents) > 1 else ''} {' and '.join(parents)} too" if parents else ""


def _total(transaction: Transaction, facts: DatabaseFacts) -> list[str]:
    """What blocks others until it commits, where its steps do not say so one by one."""
    holding = [held for held in transaction.total if held.mode.blocks_writes]
    if len(transaction.steps) == 1 and all(during.table == held.table for held in holding for during in held.over):
        return []
    return [
        f"holds   {_named(held.table, facts)}: {_mode(held.mode)} {_over(held)}; "
        f"blocks {_blocks(held.mode)}{_of_parents(held.table, held.mode, facts)}"
        for held in holding
    ]


def _over(held: HeldLock) -> str:
    works = [_DURING[during.work].format(during.table or "code or SQL that is not looked into") for during in held.over]
    return f"while {', and '.join(works)}" if works else "for a moment"


def _since(held: HeldLock) -> str:
    return f'since "{held.since.title}"'


def _blocks(mode: LockMode) -> str:
    return "reads and writes" if mode.blocks_reads else "writes" if mode.blocks_writes else "neither"


def _mode(mode: LockMode) -> str:
    return mode.name.replace("_", " ")


def _named(name: str, facts: DatabaseFacts) -> str:
    table = facts.table(name)
    if table is None:
        return name if facts.offline else f"{name} (size unknown)"
    return f"{name} ({_size(table)})"


def _table(table: TableFacts) -> Iterator[str]:
    kind = ", partitioned" if table.partitioned else ""
    yield f"  {table.name}: {_size(table)}, {table.rows_in_words}{kind}"
    for index in table.indexes.values():
        if not index.valid:
            yield f'    index "{index.name}" is not valid'
    for constraint in table.constraints.values():
        if not constraint.validated:
            yield f'    constraint "{constraint.name}" is not validated'
    for session in table.sessions:
        yield f"    {_session(session)} holds {', '.join(session.modes)}"


_FATES = {
    Outcome.GOES: "is dropped too",
    Outcome.FORGOTTEN: "is dropped too",
    Outcome.REFUSED: "prevents it",
    Outcome.BREAKS: "fails from then on",
    Outcome.LAGS: "does not carry it to subscribers",
}


def _consequence(consequence: Consequence) -> str:
    code = f" (SQLSTATE {consequence.verdict.sqlstate})" if consequence.verdict.sqlstate else ""
    return f"{consequence.dependent} {_FATES[consequence.verdict.outcome]}{code}"


def _size(table: TableFacts) -> str:
    return size_of(table.size) if table.size_known else "size unknown"


def _session(session: SessionFacts) -> str:
    return f'pid {session.pid} ("{session.application}", {session.state} for {session.transaction_seconds:.0f} s)'


def size_of(size: int) -> str:
    """Bytes in the unit a person would use."""
    value = float(size)
    for unit in ("bytes", "kB", "MB", "GB"):
        if value < 1024:
            return f"{value:.0f} {unit}"
        value /= 1024
    return f"{value:.1f} TB"
