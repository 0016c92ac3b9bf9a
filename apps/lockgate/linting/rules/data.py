"""LG6xx: rows that SQL changes all at once, or together with the schema."""

from __future__ import annotations

from collections.abc import Iterator

from lockgate.linting.rules.example_models import IN_PORTIONS
from lockgate.linting.rules.offer import apart
from lockgate.linting.rules.portions import sql_in_portions
from lockgate.linting.rules.rule import ERROR, WARNING, Finding, rule
from lockgate.linting.rules.rule_context import RuleContext
from lockgate.planning import sql_changes
from lockgate.planning.sql_statements import SqlStatement
from lockgate.planning.steps import Change, Kind, Step

_DATA = (("UPDATE",), ("DELETE",), ("INSERT",), ("MERGE",))


@rule(
    "LG601",
    "every-row-changed",
    ERROR,
    condition="RunSQL has UPDATE or DELETE without WHERE on a large table.",
    effect="One statement locks and rewrites every row: writes to any of them wait until the transaction ends, the "
    "table doubles, replicas fall behind.",
    remedy="Change rows in portions by key, each committed by itself: RunPython in a migration with atomic = False.",
    rests_on="https://www.postgresql.org/docs/current/explicit-locking.html#LOCKING-ROWS",
    unsafe="""
        migrations.RunSQL("UPDATE shop_order SET note = ''", migrations.RunSQL.noop),
    """,
    safe=IN_PORTIONS,
    instead=sql_in_portions,
)
def every_row(context: RuleContext) -> Iterator[Finding]:
    for step, statement, table in _changed_rows(context):
        if not statement.has("WHERE"):
            yield Finding(f"every row of {context.described(table)} is changed", step.operation, table)


def _changed_rows(context: RuleContext) -> Iterator[tuple[Step, SqlStatement, str]]:
    """Statements of RunSQL that change rows of large tables."""
    for step, statement in context.sql:
        for change in sql_changes.of(statement.text):
            changes = change.kind is Kind.UPDATE_ROWS and context.existed(change.table) and context.large(change.table)
            if changes and not _is_by_key(step, change):
                yield step, statement, change.table


def _is_by_key(step: Step, read: Change) -> bool:
    """Whether rows are named by a key's values, so that there are as many as are written out."""
    return any(change.unique and change._replace(unique=False) == read for change in step.changes)


@rule(
    "LG602",
    "data-under-schema-locks",
    ERROR,
    condition="An atomic migration changes a large table's schema in its transaction, and changes data in it after "
    "that.",
    effect="The ACCESS EXCLUSIVE lock of the schema change is held while the rows are changed, so reads and writes "
    "wait for all of it.",
    remedy="Put data into a migration of its own, after the one that changes the schema.",
    rests_on="https://www.postgresql.org/docs/current/explicit-locking.html#LOCKING-TABLES",
    unsafe="""
        migrations.AddField("order", "source", models.CharField(max_length=20, null=True)),
        migrations.RunSQL("UPDATE shop_order SET source = 'web' WHERE source IS NULL", migrations.RunSQL.noop),
    """,
    safe=[
        """
            migrations.AddField("order", "source", models.CharField(max_length=20, null=True)),
        """,
        """
            migrations.RunSQL("UPDATE shop_order SET source = 'web' WHERE source IS NULL", migrations.RunSQL.noop),
        """,
    ],
    instead=apart("rows are changed when the schema's locks are gone"),
)
def data_under_locks(context: RuleContext) -> Iterator[Finding]:
    changed = {number for number, code in context.code if code.changes_data()}
    changed |= {step.operation for step, statement in context.sql if any(statement.starts(*words) for words in _DATA)}
    for step in context.steps if context.migration.atomic else ():
        held = [table for table, mode in context.held(step) if mode.blocks_reads and context.large(table)]
        if held and step.operation in changed:
            what = f"data is changed while {context.described(held[0])} is locked exclusively"
            yield Finding(what, step.operation, held[0])


@rule(
    "LG606",
    "large-change-in-one-transaction",
    WARNING,
    condition="RunSQL changes rows of a large table by a condition, in the migration's transaction.",
    effect="Every row it finds stays locked until the migration commits; how many that are, nobody can say beforehand.",
    remedy="Change rows in portions by key, each committed by itself; or accept this hazard with the number of rows.",
    rests_on="https://www.postgresql.org/docs/current/explicit-locking.html#LOCKING-ROWS",
    unsafe="""
        migrations.RunSQL("UPDATE shop_order SET note = '' WHERE note IS NULL", migrations.RunSQL.noop),
    """,
    safe=IN_PORTIONS,
    instead=sql_in_portions,
)
def large_change(context: RuleContext) -> Iterator[Finding]:
    for step, statement, table in _changed_rows(context):
        if statement.has("WHERE"):
            yield Finding(f"rows of {context.described(table)} are changed in one statement", step.operation, table)
