"""LG9xx: what only the database itself shows, at this moment."""

from __future__ import annotations

from collections.abc import Iterator

from lockgate.facts.tables import ColumnFacts, ConstraintFacts, IndexFacts, SessionFacts, TableFacts
from lockgate.linting.rules.case import Case, size
from lockgate.linting.rules.example_models import given, table
from lockgate.linting.rules.rule import ERROR, WARNING, Example, Finding, rule, source
from lockgate.planning.steps import Kind, Lock, LockMode, Phase, Step, Work

USED_UP = 0.8  # of a sequence's range: at this rate of growth there is time for a careful change, but not for two
LONG_WORK = (Work.SCAN, Work.BUILD, Work.REWRITE)
_ADD_INDEX = source("""
    migrations.AddIndex("order", models.Index(fields=["number"], name="order_number")),
""")
_ADD_FIELD = source("""
    migrations.AddField("order", "source", models.CharField(max_length=20, null=True)),
""")
_QUIET = Example(_ADD_INDEX, given(table("shop_order")), "where nothing of the kind is there")
_TEN_MINUTES = 600.0
_REPORT = SessionFacts(3390, "report", "idle in transaction", _TEN_MINUTES, ("AccessShareLock",))


def _touched(case: Case) -> Iterator[tuple[Step, Lock, TableFacts]]:
    """Locks on tables of which the catalog says something."""
    for step in case.steps:
        for lock in step.locks:
            if (found := case.fact(lock.table)) is not None:
                yield step, lock, found


@rule(
    "LG901",
    "over-the-size-budget",
    WARNING,
    condition='A step reads, builds or rewrites all of a table that is larger than LOCKGATE["SIZE_BUDGET_BYTES"], or '
    "whose size the database does not tell.",
    effect="It takes minutes to hours, also where it blocks nobody: the release waits for it, it loads the disk, and "
    "VACUUM cannot remove what dies meanwhile.",
    remedy="Decide when it runs: apart from a release, at a quiet time; then accept this hazard.",
    rests_on="https://www.postgresql.org/docs/current/routine-vacuuming.html",
    unsafe=Example(_ADD_INDEX, given(table("shop_order", size=40 * 1024**3)), "where the table has 40 GB"),
    safe=Example(_ADD_INDEX, given(table("shop_order")), "where the table has 2 GB"),
)
def over_budget(case: Case) -> Iterator[Finding]:
    for step, lock in _over_budget(case, *LONG_WORK):
        yield Finding(f"{lock.work} of all of {case.described(lock.table)}", step.operation, lock.table)


def _over_budget(case: Case, *work: Work) -> Iterator[tuple[Step, Lock]]:
    """Such work on tables that are larger than the budget, or of whose size the catalog says nothing."""
    for step in case.steps if not case.facts.offline else ():
        for lock in step.locks:
            found = case.fact(lock.table)
            unknown = found is None or not found.size_known
            over = found is not None and found.size >= case.settings.size_budget
            if lock.work in work and case.existed(lock.table) and (unknown or over):
                yield step, lock


@rule(
    "LG902",
    "old-snapshot-stalls-concurrently",
    WARNING,
    condition="An index is built or dropped concurrently while a transaction is open that began long ago.",
    effect="CONCURRENTLY waits for every transaction that is older than itself, whatever it works on: the run stands "
    "still until that one ends.",
    remedy="End the session, or run when it is gone: SELECT pg_terminate_backend(pid).",
    rests_on="https://www.postgresql.org/docs/current/sql-createindex.html#SQL-CREATEINDEX-CONCURRENTLY",
    unsafe=Example(_ADD_INDEX, given(table("shop_order"), old_snapshots=(_REPORT,)), "while a report runs for 10 min"),
    safe=_QUIET,
)
def old_snapshot(case: Case) -> Iterator[Finding]:
    for step, change in case.changes(Kind.ADD_INDEX, Kind.DROP_INDEX):
        if change.concurrently and case.facts.old_snapshots:
            oldest = max(case.facts.old_snapshots, key=lambda each: each.transaction_seconds)
            what = f'index "{change.name}" waits for {_described(oldest)}'
            yield Finding(what, step.operation, change.table)


@rule(
    "LG903",
    "blocker-on-the-table",
    WARNING,
    condition="A session that has been in its transaction for a while holds a lock on the table that the step "
    "conflicts with.",
    effect="The step cannot have its lock before that session ends; the ladder tries and gives way again, so "
    "requests go on, but the run does not.",
    remedy="End the session, or run when it is gone: SELECT pg_terminate_backend(pid).",
    rests_on="https://www.postgresql.org/docs/current/explicit-locking.html#TABLE-LOCK-COMPATIBILITY",
    unsafe=Example(_ADD_FIELD, given(table("shop_order", sessions=(_REPORT,))), "while a report holds the table"),
    safe=Example(_ADD_FIELD, given(table("shop_order")), "where nobody holds the table"),
)
def blocker(case: Case) -> Iterator[Finding]:
    seen = set()
    for step, lock, found in _touched(case):
        for session in found.sessions:
            conflicts = any(conflicting(lock.mode, held) for held in session.modes)
            if conflicts and (session.pid, lock.table) not in seen:
                seen.add((session.pid, lock.table))
                what = f"{case.described(lock.table)} is held by {_described(session)}"
                yield Finding(what, step.operation, lock.table)


# Which modes stand in each other's way, by strength.
# Source: https://www.postgresql.org/docs/current/explicit-locking.html#TABLE-LOCK-COMPATIBILITY
_CONFLICTS = {
    LockMode.ACCESS_SHARE: {LockMode.ACCESS_EXCLUSIVE},
    LockMode.ROW_SHARE: {LockMode.EXCLUSIVE, LockMode.ACCESS_EXCLUSIVE},
    LockMode.ROW_EXCLUSIVE: {
        LockMode.SHARE,
        LockMode.SHARE_ROW_EXCLUSIVE,
        LockMode.EXCLUSIVE,
        LockMode.ACCESS_EXCLUSIVE,
    },
    LockMode.SHARE_UPDATE_EXCLUSIVE: set(LockMode)
    - {LockMode.ACCESS_SHARE, LockMode.ROW_SHARE, LockMode.ROW_EXCLUSIVE},
    LockMode.SHARE: set(LockMode) - {LockMode.ACCESS_SHARE, LockMode.ROW_SHARE, LockMode.SHARE},
    LockMode.SHARE_ROW_EXCLUSIVE: set(LockMode) - {LockMode.ACCESS_SHARE, LockMode.ROW_SHARE},
    LockMode.EXCLUSIVE: set(LockMode) - {LockMode.ACCESS_SHARE},
    LockMode.ACCESS_EXCLUSIVE: set(LockMode),
}


def conflicting(wanted: LockMode, held: str) -> bool:
    """Whether a lock has to wait for one of the mode that ``pg_locks`` shows."""
    return any(mode.value == held for mode in _CONFLICTS[wanted])


@rule(
    "LG904",
    "invalid-index-in-the-way",
    ERROR,
    condition="A table that is changed has an index that is not valid.",
    effect="A concurrent build that was interrupted left it: queries do not use it, writes pay for it, and building "
    "one of its name fails, or is skipped with IF NOT EXISTS.",
    remedy="Drop it: DROP INDEX CONCURRENTLY name; or let the run that made it be resumed by Lockgate.",
    rests_on="https://www.postgresql.org/docs/current/sql-createindex.html#SQL-CREATEINDEX-CONCURRENTLY",
    unsafe=Example(
        _ADD_INDEX,
        given(
            table(
                "shop_order",
                indexes={
                    "order_number": IndexFacts("order_number", ("number",), False, False, False, False, "btree", 0)
                },
            )
        ),
        "where an interrupted build has left an index of that name",
    ),
    safe=_QUIET,
)
def invalid_index(case: Case) -> Iterator[Finding]:
    seen = set()
    for step, _, found in _touched(case):
        for index in found.indexes.values():
            if not index.valid and index.name not in seen:
                seen.add(index.name)
                yield Finding(
                    f'index "{index.name}" of {case.described(found.name)} is invalid', step.operation, found.name
                )


@rule(
    "LG905",
    "index-already-there",
    WARNING,
    condition="An index is added whose columns a valid index of the table has already, in the same order.",
    effect="Every write maintains both, the disk holds both, and no query gets faster.",
    remedy="Remove the older one in the same migration, or leave the new one out.",
    rests_on="https://www.postgresql.org/docs/current/indexes-intro.html",
    unsafe=Example(
        _ADD_INDEX,
        given(
            table(
                "shop_order",
                indexes={"by_number": IndexFacts("by_number", ("number",), False, True, False, False, "btree", 0)},
            )
        ),
        "where an index on the same column is there",
    ),
    safe=_QUIET,
)
def index_already_there(case: Case) -> Iterator[Finding]:
    dropped = {change.name for _, change in case.changes(Kind.DROP_INDEX, Kind.DROP_CONSTRAINT)}
    for step, change in case.changes(Kind.ADD_INDEX):
        found = case.fact(change.table)
        for index in found.indexes.values() if found and change.columns and not change.partial else ():
            same = index.columns == change.columns and index.valid and index.method == "btree" and not index.partial
            if same and index.name not in dropped | {change.name} and index.unique == change.unique:
                what = f'index "{change.name}" of {case.described(change.table)} has the columns of "{index.name}"'
                yield Finding(what, step.operation, change.table)


@rule(
    "LG906",
    "key-nearly-used-up",
    WARNING,
    condition=f"A table that is changed has an integer key that has used more than {USED_UP:.0%} of its range.",
    effect="When it is used up, every INSERT into the table fails until the key is widened, which rewrites the table.",
    remedy="Widen the key to bigint while there is time, by way of a second column that is filled in portions.",
    rests_on="https://www.postgresql.org/docs/current/datatype-numeric.html#DATATYPE-SERIAL",
    unsafe=Example(
        _ADD_FIELD,
        given(table("shop_order", columns={"id": ColumnFacts("id", "integer", True, sequence_used=0.93)})),
        "where 93 % of the keys are used",
    ),
    safe=Example(
        _ADD_FIELD,
        given(table("shop_order", columns={"id": ColumnFacts("id", "integer", True, sequence_used=0.1)})),
        "where 10 % of the keys are used",
    ),
)
def key_used_up(case: Case) -> Iterator[Finding]:
    seen = set()
    for step, _, found in _touched(case):
        for column in found.columns.values():
            if column.sequence_used >= USED_UP and (found.name, column.name) not in seen:
                seen.add((found.name, column.name))
                what = (
                    f'"{column.name}" of {case.described(found.name)} has used {column.sequence_used:.0%} of its range'
                )
                yield Finding(what, step.operation, found.name)


@rule(
    "LG907",
    "constraint-left-unvalidated",
    WARNING,
    condition="A table that is changed has a constraint that was never validated.",
    effect="Old rows may violate it. The planner does not rely on it, and a rewrite or a restore may fail on such "
    "rows.",
    remedy="ALTER TABLE … VALIDATE CONSTRAINT, which reads and writes pass; repair the rows that it names.",
    rests_on="https://www.postgresql.org/docs/current/sql-altertable.html#SQL-ALTERTABLE-NOTES",
    unsafe=Example(
        _ADD_FIELD,
        given(
            table(
                "shop_order",
                constraints={
                    "total_positive": ConstraintFacts("total_positive", "c", ("total",), "CHECK", validated=False)
                },
            )
        ),
        "where a constraint is not validated",
    ),
    safe=Example(_ADD_FIELD, given(table("shop_order")), "where every constraint is valid"),
)
def left_unvalidated(case: Case) -> Iterator[Finding]:
    seen: set[str] = set()
    validated = {change.name for _, change in case.changes(Kind.VALIDATE_CONSTRAINT, Kind.DROP_CONSTRAINT)}
    for step, _, found in _touched(case):
        for constraint in found.constraints.values():
            if not constraint.validated and constraint.name not in seen | validated:
                seen.add(constraint.name)
                what = f'constraint "{constraint.name}" of {case.described(found.name)} is not validated'
                yield Finding(what, step.operation, found.name)


@rule(
    "LG908",
    "partitioned-table-in-place",
    ERROR,
    condition="A change of a partitioned table has no online form and takes long.",
    effect="It locks the parent and all its partitions at once, and does its work on all of them before it lets go.",
    remedy="Change the partitions one by one, then the parent, whose change then finds everything done.",
    rests_on="https://www.postgresql.org/docs/current/ddl-partitioning.html",
    unsafe=Example(
        source("""
            migrations.AlterField("order", "total", models.BigIntegerField(default=0)),
        """),
        given(table("shop_order", kind="p")),
        "where the table is partitioned",
    ),
    safe=Example(_ADD_FIELD, given(table("shop_order", kind="p")), "where the table is partitioned"),
    other_end="The partitions are changed one by one.",
)
def partitioned_in_place(case: Case) -> Iterator[Finding]:
    for step, lock, found in _touched(case):
        builds_index = any(change.kind is Kind.ADD_INDEX for change in step.changes)
        long = lock.work in LONG_WORK and lock.mode.blocks_writes and step.phase is Phase.SWITCH
        if found.partitioned and long and not builds_index:
            why = f": {step.kept_in_place}" if step.kept_in_place else ""
            what = f"{lock.work} of all partitions of {case.described(found.name)}{why}"
            yield Finding(what, step.operation, found.name)


@rule(
    "LG909",
    "disk-for-a-second-copy",
    WARNING,
    condition='A table larger than LOCKGATE["SIZE_BUDGET_BYTES"], or of unknown size, is rewritten.',
    effect="The old and the new copy are on disk together until the transaction commits, and as much again is "
    "written to the log for replicas; where the disk is full, the server stops for everybody.",
    remedy="Look at the free space on the server first: twice the table's size must be there, and room for the log.",
    rests_on="https://www.postgresql.org/docs/current/sql-altertable.html#SQL-ALTERTABLE-NOTES",
    unsafe=Example(
        source("""
            migrations.AlterField("order", "total", models.BigIntegerField(default=0)),
        """),
        given(table("shop_order", size=40 * 1024**3)),
        "where the table has 40 GB",
    ),
    safe=Example(_ADD_INDEX, given(table("shop_order", size=40 * 1024**3)), "where the table has 40 GB"),
    other_end="Nothing is written anew.",
)
def second_copy(case: Case) -> Iterator[Finding]:
    for step, lock in _over_budget(case, Work.REWRITE):
        found = case.fact(lock.table)
        more = size(found.size) if found and found.size_known else "as much"
        what = f"a second copy of {case.described(lock.table)} needs {more} more"
        yield Finding(what, step.operation, lock.table)


def _described(session: SessionFacts) -> str:
    """A session for people: who, and since when."""
    name = f'"{session.application}", ' if session.application else ""
    return f"pid {session.pid} ({name}{session.state} for {session.transaction_seconds:.0f} s)"
