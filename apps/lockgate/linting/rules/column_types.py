"""LG3xx: types and collations of columns, whose change rewrites the table or builds its indexes anew."""

from __future__ import annotations

from collections.abc import Iterator

from lockgate.linting.rules.retyping import retyped_field
from lockgate.linting.rules.rule import ERROR, Finding, filling, rule
from lockgate.linting.rules.rule_context import RuleContext
from lockgate.planning.steps import Kind, Work

_WIDENED = [
    """
        migrations.AddField("order", "total_wide", models.BigIntegerField(null=True)),
        migrations.RunSQL(
            "CREATE FUNCTION shop_order_widen() RETURNS trigger LANGUAGE plpgsql AS"
            " $$ BEGIN NEW.total_wide := NEW.total; RETURN NEW; END $$;"
            "CREATE TRIGGER widen BEFORE INSERT OR UPDATE ON shop_order"
            " FOR EACH ROW EXECUTE FUNCTION shop_order_widen()",
            "DROP TRIGGER widen ON shop_order; DROP FUNCTION shop_order_widen()",
        ),
    """,
    filling("total_wide", 'models.F("total")'),
    """
        migrations.AlterField("order", "total_wide", models.BigIntegerField()),
        migrations.AddIndex("order", models.Index(fields=["total_wide"], name="order_total_wide")),
    """,
    """
    class Migration(migrations.Migration):
        lockgate_accept = {
            "LG801": "total_wide has the values, and takes the name in the same transaction",
            "LG803": "it takes the name of a column that the serving release knows",
        }

        operations = [
            migrations.SeparateDatabaseAndState(
                database_operations=[
                    migrations.RunSQL(
                        "DROP TRIGGER widen ON shop_order; DROP FUNCTION shop_order_widen();"
                        "ALTER TABLE shop_order DROP COLUMN total;"
                        "ALTER TABLE shop_order RENAME COLUMN total_wide TO total;"
                        "ALTER INDEX order_total_wide RENAME TO order_total",
                        migrations.RunSQL.noop,
                    ),
                ],
                state_operations=[
                    migrations.RemoveIndex("order", "order_total_wide"),
                    migrations.RemoveField("order", "total_wide"),
                    migrations.AlterField("order", "total", models.BigIntegerField(default=0)),
                ],
            ),
        ]
    """,
]


@rule(
    "LG304",
    "type-change-rewrites",
    ERROR,
    condition="The type of a column of a large table changes to one whose values are stored otherwise, or may not fit.",
    effect="Reads and writes wait under an ACCESS EXCLUSIVE lock while the table and all its indexes are written anew; "
    "disk for a second copy is needed.",
    remedy="Add a column of the new type that a trigger keeps up to date, fill old rows in portions, index it, and let "
    "it take the name of the old one, which is dropped in the same short transaction."
    " Each migration is a release of its own.",
    rests_on="https://www.postgresql.org/docs/current/sql-altertable.html#SQL-ALTERTABLE-NOTES",
    unsafe="""
        migrations.AlterField("order", "total", models.BigIntegerField(default=0)),
    """,
    safe=_WIDENED,
    squawk=("changing-column-type",),
    instead=retyped_field,
)
def type_rewrites(context: RuleContext) -> Iterator[Finding]:
    for step, change in context.changes(Kind.ALTER_TYPE):
        if change.work is Work.REWRITE and context.large(change.table):
            was = f" from {change.old_type}" if change.old_type else ""
            what = f'"{change.columns[0]}"{was} to {change.type} rewrites {context.described(change.table)}'
            yield Finding(what, step.operation, change.table)


@rule(
    "LG305",
    "collation-change",
    ERROR,
    condition="The collation of an indexed column of a large table changes.",
    effect="Every index on the column is built anew, and constraints are checked, while reads and writes wait under an "
    "ACCESS EXCLUSIVE lock.",
    remedy="Collate in the queries that need it, with an index of their own; or add a column as for a change of type.",
    rests_on="https://www.postgresql.org/docs/current/sql-altertable.html#SQL-ALTERTABLE-NOTES",
    unsafe="""
        migrations.AlterField("order", "number", models.CharField(max_length=20, db_collation="C")),
    """,
    safe="""
        migrations.AddIndex(
            "order", models.Index(functions.Collate("number", "C"), name="order_number_c")
        ),
    """,
    other_end="The column keeps its collation, and the queries that need another have an index for it.",
)
def collation_changed(context: RuleContext) -> Iterator[Finding]:
    for step, change in context.changes(Kind.ALTER_TYPE):
        if change.collated and change.work in _OF_DEPENDENTS and context.large(change.table):
            what = f'"{change.columns[0]}" of {context.described(change.table)} gets another collation'
            yield Finding(what, step.operation, change.table)


_OF_DEPENDENTS = {Work.BUILD: "an index is built again", Work.SCAN: "a check constraint reads every row"}


@rule(
    "LG308",
    "type-change-with-dependents",
    ERROR,
    condition="The type of a column of a large table changes, or its db_comment, and a check constraint or an index "
    "with a condition or an expression uses the column; or the new type compares otherwise than the old one.",
    effect="The rows stay as they are, but such indexes are built anew and such constraints read every row, while "
    "reads and writes wait under an ACCESS EXCLUSIVE lock.",
    remedy="Change the type before the index or the constraint is there. Where it is there: take it away in one "
    "migration, change the type in the next, and add it in a third, which Lockgate does online.",
    rests_on="https://www.postgresql.org/docs/current/sql-altertable.html#SQL-ALTERTABLE-NOTES",
    unsafe="""
        migrations.AddIndex(
            "order", models.Index(fields=["placed"], condition=~models.Q(number=""), name="order_numbered")
        ),
        migrations.AlterField("order", "number", models.CharField(max_length=40)),
    """,
    safe="""
        migrations.AlterField("order", "number", models.CharField(max_length=40)),
        migrations.AddIndex(
            "order", models.Index(fields=["placed"], condition=~models.Q(number=""), name="order_numbered")
        ),
    """,
)
def dependents_made_again(context: RuleContext) -> Iterator[Finding]:
    for step, change in context.changes(Kind.ALTER_TYPE):
        if not change.collated and change.work in _OF_DEPENDENTS and context.large(change.table):
            means = "keeps its type" if change.type == change.old_type else f"becomes {change.type}"
            what = f'"{change.columns[0]}" of {context.described(change.table)} {means}: {_OF_DEPENDENTS[change.work]}'
            yield Finding(what, step.operation, change.table)
