"""LG9xx: indexes, keys and constraints that the database shows in a bad state."""

from __future__ import annotations

from collections.abc import Iterator

from lockgate.facts.tables import ColumnFacts, ConstraintFacts, IndexFacts
from lockgate.linting.rules.example_models import ADD_FIELD, ADD_INDEX, QUIET, given, table
from lockgate.linting.rules.rule import ERROR, WARNING, Example, Finding, rule
from lockgate.linting.rules.rule_context import RuleContext
from lockgate.planning.steps import Kind

USED_UP = 0.8  # of a sequence's range: at this rate of growth there is time for a careful change, but not for two


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
        ADD_INDEX,
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
    safe=QUIET,
)
def invalid_index(context: RuleContext) -> Iterator[Finding]:
    seen = set()
    for step, _, facts in context.touched():
        for index in facts.indexes.values():
            if not index.valid and index.name not in seen:
                seen.add(index.name)
                yield Finding(
                    f'index "{index.name}" of {context.described(facts.name)} is invalid', step.operation, facts.name
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
        ADD_INDEX,
        given(
            table(
                "shop_order",
                indexes={"by_number": IndexFacts("by_number", ("number",), False, True, False, False, "btree", 0)},
            )
        ),
        "where an index on the same column is there",
    ),
    safe=QUIET,
)
def index_already_there(context: RuleContext) -> Iterator[Finding]:
    dropped = {change.name for _, change in context.changes(Kind.DROP_INDEX, Kind.DROP_CONSTRAINT)}
    for step, change in context.changes(Kind.ADD_INDEX):
        facts = context.fact(change.table)
        for index in facts.indexes.values() if facts and change.columns and not change.partial else ():
            same = index.columns == change.columns and index.valid and index.method == "btree" and not index.partial
            if same and index.name not in dropped | {change.name} and index.unique == change.unique:
                what = f'index "{change.name}" of {context.described(change.table)} has the columns of "{index.name}"'
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
        ADD_FIELD,
        given(table("shop_order", columns={"id": ColumnFacts("id", "integer", True, sequence_used=0.93)})),
        "where 93 % of the keys are used",
    ),
    safe=Example(
        ADD_FIELD,
        given(table("shop_order", columns={"id": ColumnFacts("id", "integer", True, sequence_used=0.1)})),
        "where 10 % of the keys are used",
    ),
)
def key_used_up(context: RuleContext) -> Iterator[Finding]:
    seen = set()
    for step, _, facts in context.touched():
        for column in facts.columns.values():
            if column.sequence_used >= USED_UP and (facts.name, column.name) not in seen:
                seen.add((facts.name, column.name))
                described = context.described(facts.name)
                what = f'"{column.name}" of {described} has used {column.sequence_used:.0%} of its range'
                yield Finding(what, step.operation, facts.name)


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
        ADD_FIELD,
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
    safe=Example(ADD_FIELD, given(table("shop_order")), "where every constraint is valid"),
)
def left_unvalidated(context: RuleContext) -> Iterator[Finding]:
    seen: set[str] = set()
    validated = {change.name for _, change in context.changes(Kind.VALIDATE_CONSTRAINT, Kind.DROP_CONSTRAINT)}
    for step, _, facts in context.touched():
        for constraint in facts.constraints.values():
            if not constraint.validated and constraint.name not in seen | validated:
                seen.add(constraint.name)
                what = f'constraint "{constraint.name}" of {context.described(facts.name)} is not validated'
                yield Finding(what, step.operation, facts.name)
