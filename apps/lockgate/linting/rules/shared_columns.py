"""LG2xx: what goes with a column although it is of others too."""

from __future__ import annotations

from collections.abc import Iterator

from lockgate.facts.tables import ConstraintFacts
from lockgate.linting.rules.example_models import given, table
from lockgate.linting.rules.rule import WARNING, Example, Finding, rule, source
from lockgate.linting.rules.rule_context import RuleContext, column
from lockgate.planning.steps import Kind

_ONCE = ConstraintFacts("order_once", "u", ("customer_id", "number"), "UNIQUE (customer_id, number)", validated=True)
_FACTS = given(table("shop_order", constraints={_ONCE.name: _ONCE}))
_WORDS = "where a unique constraint is of the column and another"


@rule(
    "LG210",
    "goes-with-a-column",
    WARNING,
    condition="A column is dropped that an index, a check, a unique or exclusion constraint, or a foreign key uses "
    "together with other columns.",
    effect="PostgreSQL drops each of them with the column, without a word. What a constraint kept out of the columns "
    "that stay, by old code and by new, is let in from the commit on; queries that used the index read the whole "
    "table.",
    remedy="Decide about each: take it away in an operation of its own before the column goes, and put what the "
    "columns that stay still need in its place first. What a migration takes away itself is not reported.",
    rests_on="https://www.postgresql.org/docs/current/sql-altertable.html#SQL-ALTERTABLE-DESC-DROP-COLUMN",
    unsafe=Example(source('migrations.RemoveField("order", "number"),'), _FACTS, _WORDS),
    safe=Example(
        source("""
            migrations.RunSQL("ALTER TABLE shop_order DROP CONSTRAINT order_once", migrations.RunSQL.noop),
            migrations.SeparateDatabaseAndState(state_operations=[migrations.RemoveField("order", "number")]),
        """),
        _FACTS,
        _WORDS,
    ),
    other_end="The column stays until no release that serves names it.",
)
def taken_along(context: RuleContext) -> Iterator[Finding]:
    for step, change in context.changes(Kind.DROP_COLUMN):
        if change.takes:
            gone = "; ".join(
                take if take.startswith("index ") else f"{take}, enforced no more" for take in change.takes
            )
            what = f'column "{column(change)}" of {context.described(change.table)} takes along {gone}'
            yield Finding(what, step.operation, change.table)
