"""LG5xx: values of enum types."""

from __future__ import annotations

from collections.abc import Iterator

from lockgate.linting.rules.rule import ERROR, WARNING, Finding, rule
from lockgate.linting.rules.rule_context import RuleContext
from lockgate.planning import sql_statements
from lockgate.planning.sql_statements import SqlStatement
from lockgate.planning.steps import Kind, Step


@rule(
    "LG504",
    "enum-value-used-too-early",
    WARNING,
    condition="RunSQL adds a value to an enum type in a migration's transaction, and something else there names it, or "
    "code comes after it, which may.",
    effect="The value cannot be used before the transaction commits, so whatever in the same migration writes it "
    "fails.",
    remedy="Give ALTER TYPE … ADD VALUE IF NOT EXISTS a migration of its own with atomic = False.",
    rests_on="https://www.postgresql.org/docs/current/sql-altertype.html",
    unsafe="""
        migrations.RunSQL("ALTER TYPE shop_state ADD VALUE 'returned'", migrations.RunSQL.noop),
        migrations.RunSQL("CREATE VIEW shop_back AS SELECT 'returned'::shop_state", migrations.RunSQL.noop),
    """,
    safe=[
        """
            atomic = False
            migrations.RunSQL("ALTER TYPE shop_state ADD VALUE IF NOT EXISTS 'returned'", migrations.RunSQL.noop),
        """,
        """
            migrations.RunSQL("CREATE VIEW shop_back AS SELECT 'returned'::shop_state", migrations.RunSQL.noop),
        """,
    ],
    other_end="The unsafe one does not run.",
)
def enum_value(context: RuleContext) -> Iterator[Finding]:
    for step, statement in context.sql if context.migration.atomic else ():
        if statement.starts("ALTER", "TYPE") and statement.has("ADD", "VALUE"):
            value = next((part for part in statement.tokens if part.endswith("'")), "")
            if _may_be_used(context, value, statement, step):
                yield Finding("the new enum value cannot be used in this transaction", step.operation)


def _may_be_used(context: RuleContext, value: str, adding: SqlStatement, adds: Step) -> bool:
    """Whether the migration names a value anywhere else, or has code after the statement that adds it."""
    for step in context.plan.steps:
        if step.operation > adds.operation and any(change.kind in _CODE for change in step.changes):
            return True
        texts = [part.text for step_sql in step.sql for part in sql_statements.statements(step_sql)]
        if any(value in text for text in texts if text != adding.text):
            return True
    return False


_CODE = (Kind.RUN_PYTHON, Kind.UNKNOWN)


@rule(
    "LG505",
    "enum-value-renamed",
    ERROR,
    condition="RunSQL renames an enum's value, or renames or drops a type.",
    effect="The release that still serves writes the old value or casts to the old name, and those queries fail.",
    remedy="Add the new value beside the old one, let one release read both, then change the rows in portions.",
    rests_on="https://www.postgresql.org/docs/current/sql-altertype.html",
    unsafe="""
        migrations.RunSQL("ALTER TYPE shop_state RENAME VALUE 'sent' TO 'shipped'", migrations.RunSQL.noop),
    """,
    safe="""
        atomic = False
        migrations.RunSQL("ALTER TYPE shop_state ADD VALUE IF NOT EXISTS 'shipped'", migrations.RunSQL.noop),
    """,
    other_end="The old value stays beside the new one.",
)
def enum_renamed(context: RuleContext) -> Iterator[Finding]:
    for step, statement in context.sql:
        renames = statement.starts("ALTER", "TYPE") and statement.has("RENAME")
        if renames or statement.starts("DROP", "TYPE"):
            yield Finding("a type, or a value of it, that the serving release names goes away", step.operation)
