"""LG9xx: work that grows with the sizes that the database shows."""

from __future__ import annotations

from collections.abc import Iterator

from lockgate.linting.rules.example_models import ADD_FIELD, ADD_INDEX, given, table
from lockgate.linting.rules.rule import ERROR, WARNING, Example, Finding, rule, source
from lockgate.linting.rules.rule_context import RuleContext, size
from lockgate.planning.steps import Kind, Lock, Phase, Step, Work

LONG_WORK = (Work.SCAN, Work.BUILD, Work.REWRITE)


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
    unsafe=Example(ADD_INDEX, given(table("shop_order", size=40 * 1024**3)), "where the table has 40 GB"),
    safe=Example(ADD_INDEX, given(table("shop_order")), "where the table has 2 GB"),
)
def over_budget(context: RuleContext) -> Iterator[Finding]:
    for step, lock in _over_budget(context, *LONG_WORK):
        yield Finding(f"{lock.work} of all of {context.described(lock.table)}", step.operation, lock.table)


def _over_budget(context: RuleContext, *work: Work) -> Iterator[tuple[Step, Lock]]:
    """Such work on tables that are larger than the budget, or of whose size the catalog says nothing."""
    for step in context.steps if not context.facts.offline else ():
        for lock in step.locks:
            facts = context.fact(lock.table)
            unknown = facts is None or not facts.size_known
            over = facts is not None and facts.size >= context.settings.size_budget
            if lock.work in work and context.existed(lock.table) and (unknown or over):
                yield step, lock


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
    safe=Example(ADD_FIELD, given(table("shop_order", kind="p")), "where the table is partitioned"),
    other_end="The partitions are changed one by one.",
)
def partitioned_in_place(context: RuleContext) -> Iterator[Finding]:
    for step, lock, facts in context.touched():
        builds_index = any(change.kind is Kind.ADD_INDEX for change in step.changes)
        long = lock.work in LONG_WORK and lock.mode.blocks_writes and step.phase is Phase.SWITCH
        if facts.partitioned and long and not builds_index:
            why = f": {step.kept_in_place}" if step.kept_in_place else ""
            what = f"{lock.work} of all partitions of {context.described(facts.name)}{why}"
            yield Finding(what, step.operation, facts.name)


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
    safe=Example(ADD_INDEX, given(table("shop_order", size=40 * 1024**3)), "where the table has 40 GB"),
    other_end="Nothing is written anew.",
)
def second_copy(context: RuleContext) -> Iterator[Finding]:
    for step, lock in _over_budget(context, Work.REWRITE):
        facts = context.fact(lock.table)
        more = size(facts.size) if facts and facts.size_known else "as much"
        what = f"a second copy of {context.described(lock.table)} needs {more} more"
        yield Finding(what, step.operation, lock.table)
