"""LG1xx: indexes, and the unique ones among them."""

from __future__ import annotations

from collections.abc import Iterator

from lockgate.linting.rules.example_models import given, table
from lockgate.linting.rules.offer import alone, apart
from lockgate.linting.rules.rule import ERROR, WARNING, Example, Finding, rule, source
from lockgate.linting.rules.rule_context import RuleContext
from lockgate.linting.rules.sql_offers import concurrently, in_sql
from lockgate.planning.steps import Kind, Phase

WIDE = 3  # columns: each further one rarely narrows a search down, and is paid for by every write


@rule(
    "LG101",
    "index-built-in-place",
    ERROR,
    condition="An index is built on a large table without CONCURRENTLY.",
    effect="Every INSERT, UPDATE and DELETE on the table waits until the whole index is built.",
    remedy="Put AddIndex, or the field with db_index=True, into an atomic migration of its own: Lockgate then builds "
    "the index concurrently. In SQL, use AddIndex instead.",
    rests_on="https://www.postgresql.org/docs/current/sql-createindex.html#SQL-CREATEINDEX-CONCURRENTLY",
    unsafe="""
        atomic = False
        migrations.AddIndex("order", models.Index(fields=["number"], name="order_number")),
    """,
    safe="""
        migrations.AddIndex("order", models.Index(fields=["number"], name="order_number")),
    """,
    squawk=("require-concurrent-index-creation",),
    instead=in_sql(concurrently, alone),
)
def built_in_place(context: RuleContext) -> Iterator[Finding]:
    for step, change in context.changes(Kind.ADD_INDEX):
        if not change.concurrently and context.large(change.table) and not _partitioned(context, change.table):
            what = f'index "{change.name}" is built on {context.described(change.table)} while writes wait'
            yield Finding(what + context.why_in_place(step), step.operation, change.table)


@rule(
    "LG102",
    "index-dropped-in-place",
    ERROR,
    condition="An index of a large table is dropped without CONCURRENTLY.",
    effect="DROP INDEX takes an ACCESS EXCLUSIVE lock, and keeps it until the migration's transaction ends: reads "
    "and writes wait for everything else in it.",
    remedy="Put RemoveIndex into an atomic migration: Lockgate drops the index concurrently after the switch. In SQL, "
    "use RemoveIndex instead.",
    rests_on="https://www.postgresql.org/docs/current/sql-dropindex.html",
    unsafe="""
        migrations.RunSQL("DROP INDEX order_total", migrations.RunSQL.noop),
    """,
    safe="""
        migrations.RemoveIndex("order", "order_total"),
    """,
    squawk=("require-concurrent-index-deletion",),
    instead=in_sql(concurrently, alone),
)
def dropped_in_place(context: RuleContext) -> Iterator[Finding]:
    for step, change in context.changes(Kind.DROP_INDEX):
        table = change.table or _table_of_index(context, change.name)
        if not change.concurrently and context.large(table):
            what = f'index "{change.name}" of {context.described(table)} is dropped while reads and writes wait'
            yield Finding(what + context.why_in_place(step), step.operation, table)


@rule(
    "LG103",
    "index-on-partitioned-table",
    ERROR,
    condition="An index is built on a partitioned table.",
    effect="PostgreSQL builds it on all partitions in one statement and has no concurrent form, so writes to every "
    "partition wait.",
    remedy="Build the index concurrently on each partition, create it on the parent with CREATE INDEX … ON ONLY, and "
    "attach the parts with ALTER INDEX … ATTACH PARTITION; then AddIndex in state only.",
    rests_on="https://www.postgresql.org/docs/current/ddl-partitioning.html#DDL-PARTITIONING-DECLARATIVE-MAINTENANCE",
    unsafe=Example(
        source("""
            migrations.AddIndex("order", models.Index(fields=["number"], name="order_number")),
        """),
        given(table("shop_order", kind="p")),
        "where the table is partitioned",
    ),
    safe="""
        migrations.AddIndex("order", models.Index(fields=["number"], name="order_number")),
    """,
)
def on_partitioned(context: RuleContext) -> Iterator[Finding]:
    for step, change in context.changes(Kind.ADD_INDEX):
        if not change.concurrently and _partitioned(context, change.table) and not _on_only(context, step.operation):
            what = f'index "{change.name}" is built on all partitions of {context.described(change.table)} at once'
            yield Finding(what, step.operation, change.table)


@rule(
    "LG104",
    "reindex-in-place",
    ERROR,
    condition="RunSQL has REINDEX without CONCURRENTLY.",
    effect="Reads and writes wait while an index is rebuilt: every query's plan looks at its tables' indexes.",
    remedy="Use REINDEX … CONCURRENTLY in a migration with atomic = False, or run it outside of migrations.",
    rests_on="https://www.postgresql.org/docs/current/sql-reindex.html#SQL-REINDEX-CONCURRENTLY",
    unsafe="""
        migrations.RunSQL("REINDEX TABLE shop_order", migrations.RunSQL.noop),
    """,
    safe="""
        atomic = False
        migrations.RunSQL("REINDEX TABLE CONCURRENTLY shop_order", migrations.RunSQL.noop),
    """,
    squawk=("require-concurrent-reindex",),
    instead=in_sql(concurrently),
)
def reindexed_in_place(context: RuleContext) -> Iterator[Finding]:
    for step, statement in context.sql:
        if statement.starts("REINDEX") and not statement.has("CONCURRENTLY"):
            yield Finding("REINDEX rebuilds in place", step.operation)


@rule(
    "LG105",
    "unique-only-after-the-switch",
    WARNING,
    condition="A unique index can be built only after the migration's transaction, because that makes its columns.",
    effect="Until it is built, duplicates are not refused. One that slips in makes the build fail, and the run stays "
    "unfinished until the duplicate is gone.",
    remedy="Add the column in one release and what makes it unique in the next, when it is filled.",
    rests_on="https://www.postgresql.org/docs/current/sql-createindex.html#SQL-CREATEINDEX-CONCURRENTLY",
    unsafe="""
        migrations.AddField("order", "barcode", models.CharField(max_length=20, null=True)),
        migrations.AddConstraint("order", models.UniqueConstraint(fields=["barcode"], name="order_barcode")),
    """,
    safe=[
        """
            migrations.AddField("order", "barcode", models.CharField(max_length=20, null=True)),
        """,
        """
            migrations.AddConstraint("order", models.UniqueConstraint(fields=["barcode"], name="order_barcode")),
        """,
    ],
    instead=apart(
        "Lockgate builds it before the switch of a migration of its own, and fails there where rows are equal"
    ),
)
def unique_after_switch(context: RuleContext) -> Iterator[Finding]:
    for step, change in context.changes(Kind.ADD_INDEX):
        if change.unique and step.phase is Phase.FINISH:
            what = f'unique index "{change.name}" of {context.described(change.table)} is built after the switch'
            yield Finding(what, step.operation, change.table)


@rule(
    "LG106",
    "wide-index",
    WARNING,
    condition=f"A non-unique index of more than {WIDE} columns is added to a large table.",
    effect="It takes long to build, much room and memory, and each write pays for it; the columns after the third "
    "seldom make a search shorter.",
    remedy="Index the columns that narrow a search down the most; keep the others in the table, or in include=.",
    rests_on="https://www.postgresql.org/docs/current/indexes-multicolumn.html",
    unsafe="""
        migrations.AddIndex(
            "order", models.Index(fields=["customer", "placed", "total", "number"], name="order_wide")
        ),
    """,
    safe="""
        migrations.AddIndex("order", models.Index(fields=["customer", "placed"], name="order_narrow")),
    """,
    other_end="The index has fewer columns.",
)
def wide(context: RuleContext) -> Iterator[Finding]:
    for step, change in context.changes(Kind.ADD_INDEX):
        if len(change.columns) > WIDE and not change.unique and context.large(change.table):
            what = f'index "{change.name}" of {context.described(change.table)} has {len(change.columns)} columns'
            yield Finding(what, step.operation, change.table)


@rule(
    "LG107",
    "foreign-key-without-index",
    WARNING,
    condition="A foreign key is added whose column no index begins with.",
    effect="Each DELETE of a referenced row, and each UPDATE of its key, reads the whole referencing table, and holds "
    "its locks meanwhile.",
    remedy="Leave db_index at its default, or add an index that begins with the column, in the same migration.",
    rests_on="https://www.postgresql.org/docs/current/ddl-constraints.html#DDL-CONSTRAINTS-FK",
    unsafe="""
        migrations.AddField(
            "order",
            "payer",
            models.ForeignKey("shop.Customer", models.CASCADE, null=True, db_index=False, related_name="+"),
        ),
    """,
    safe="""
        migrations.AddField(
            "order",
            "payer",
            models.ForeignKey("shop.Customer", models.CASCADE, null=True, related_name="+"),
        ),
    """,
    other_end="The column has an index, which is what was missing.",
)
def foreign_key_without_index(context: RuleContext) -> Iterator[Finding]:
    covered = {
        (change.table, change.columns[0])
        for step in context.steps
        for change in step.changes
        if change.kind in (Kind.ADD_INDEX, Kind.ADD_UNIQUE, Kind.ADD_PRIMARY_KEY) and change.columns
    }
    for step, change in context.changes(Kind.ADD_FOREIGN_KEY):
        fact = context.fact(change.table)
        indexed = {index.columns[0] for index in fact.indexes.values() if index.columns} if fact else set()
        column = change.columns[0] if change.columns else ""
        added = any(other.kind is Kind.ADD_COLUMN and other.columns == change.columns for other in step.changes)
        unknown = fact is None and not added  # an existing column, of which offline nothing is known
        if column and not unknown and column not in indexed and (change.table, column) not in covered:
            what = f'foreign key on "{column}" of {context.described(change.table)} has no index'
            yield Finding(what, step.operation, change.table)


def _partitioned(context: RuleContext, table: str) -> bool:
    table_facts = context.fact(table)
    return table_facts is not None and table_facts.partitioned


def _on_only(context: RuleContext, operation: int) -> bool:
    return any(step.operation == operation and statement.has("ON", "ONLY") for step, statement in context.sql)


def _table_of_index(context: RuleContext, name: str) -> str:
    return next((table.name for table in context.facts.tables.values() if name in table.indexes), "")
