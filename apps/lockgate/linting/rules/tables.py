"""LG4xx: whole tables that are moved, rewritten, emptied, locked or dropped with what hangs on them."""

from __future__ import annotations

from collections.abc import Iterator

from lockgate.linting.rules import sql_offers
from lockgate.linting.rules.rule import ERROR, WARNING, Finding, accepting, rule
from lockgate.linting.rules.rule_context import RuleContext
from lockgate.planning.steps import Kind


@rule(
    "LG401",
    "table-moved",
    ERROR,
    condition="A large table moves to another tablespace, access method, or between logged and unlogged.",
    effect="Reads and writes wait under an ACCESS EXCLUSIVE lock while the whole table is copied.",
    remedy="Leave it where it is; move it with pg_repack outside of migrations, or in a maintenance window.",
    rests_on="https://www.postgresql.org/docs/current/sql-altertable.html",
    unsafe="""
        migrations.RunSQL("ALTER TABLE shop_order SET TABLESPACE fast", migrations.RunSQL.noop),
    """,
    safe="""
        migrations.RunSQL("ALTER TABLE shop_order SET (fillfactor = 90)", migrations.RunSQL.noop),
    """,
    other_end="The table stays where it is.",
)
def moved(context: RuleContext) -> Iterator[Finding]:
    for step, change in context.changes(Kind.MOVE_TABLE):
        if context.large(change.table):
            yield Finding(f"all of {context.described(change.table)} is copied", step.operation, change.table)


@rule(
    "LG402",
    "table-truncated",
    ERROR,
    condition="RunSQL has TRUNCATE.",
    effect="Every row is gone for the release that still serves, at once and for good; the ACCESS EXCLUSIVE lock is "
    "held until the transaction ends. With CASCADE every table that refers to it is emptied too.",
    remedy="Delete in portions what may go, by a condition, outside of the schema's migration.",
    rests_on="https://www.postgresql.org/docs/current/sql-truncate.html",
    unsafe="""
        migrations.RunSQL("TRUNCATE shop_order", migrations.RunSQL.noop),
    """,
    safe="""
        migrations.RunSQL("DELETE FROM shop_order WHERE placed < '2001-01-01'", migrations.RunSQL.noop),
    """,
    squawk=("ban-truncate-cascade",),
)
def truncated(context: RuleContext) -> Iterator[Finding]:
    for step, statement in context.sql:
        if statement.starts("TRUNCATE"):
            cascade = ", and every table that refers to it" if statement.has("CASCADE") else ""
            yield Finding(f"TRUNCATE empties a table{cascade}", step.operation)


@rule(
    "LG403",
    "table-dropped-with-cascade",
    ERROR,
    condition="RunSQL drops a table with CASCADE.",
    effect="Foreign keys, views and policies that depend on the table go with it, and no migration says that they did.",
    remedy="Drop what depends on it by name first, then the table without CASCADE, so that a surprise fails.",
    rests_on="https://www.postgresql.org/docs/current/sql-droptable.html",
    unsafe="""
        migrations.RunSQL("DROP TABLE old_totals CASCADE", migrations.RunSQL.noop),
    """,
    safe=[
        """
            migrations.RunSQL("ALTER TABLE shop_order DROP CONSTRAINT old_totals_fk", migrations.RunSQL.noop),
        """,
        accepting(
            "LG802",
            "nothing has used it since release 41",
            """
            migrations.RunSQL("DROP TABLE old_totals", migrations.RunSQL.noop),
        """,
        ),
    ],
)
def dropped_with_cascade(context: RuleContext) -> Iterator[Finding]:
    for step, statement in context.sql:
        if statement.starts("DROP", "TABLE") and statement.has("CASCADE"):
            yield Finding("DROP TABLE … CASCADE drops what nobody named", step.operation)


@rule(
    "LG405",
    "vacuum-full-or-cluster",
    ERROR,
    condition="RunSQL has VACUUM FULL or CLUSTER.",
    effect="Reads and writes wait under an ACCESS EXCLUSIVE lock while the whole table is written anew.",
    remedy="Use plain VACUUM, or pg_repack, outside of migrations.",
    rests_on="https://www.postgresql.org/docs/current/sql-vacuum.html",
    unsafe="""
        atomic = False
        migrations.RunSQL("VACUUM FULL shop_order", migrations.RunSQL.noop),
    """,
    safe="""
        atomic = False
        migrations.RunSQL("VACUUM (ANALYZE) shop_order", migrations.RunSQL.noop),
    """,
    squawk=("prefer-repack",),
)
def rewritten(context: RuleContext) -> Iterator[Finding]:
    for step, statement in context.sql:
        full = statement.starts("VACUUM") and statement.has("FULL")
        if full or statement.starts("CLUSTER"):
            yield Finding(f"{'VACUUM FULL' if full else 'CLUSTER'} rewrites a table in place", step.operation)


@rule(
    "LG406",
    "lock-table",
    ERROR,
    condition="RunSQL locks a table by itself.",
    effect="LOCK TABLE takes ACCESS EXCLUSIVE unless told otherwise, and keeps it until the transaction ends: reads "
    "and writes wait for all of the migration.",
    remedy="Leave locks to the statements that need them; where rows must not change, name a weaker mode.",
    rests_on="https://www.postgresql.org/docs/current/sql-lock.html",
    unsafe="""
        migrations.RunSQL("LOCK TABLE shop_order", migrations.RunSQL.noop),
    """,
    safe="""
        migrations.RunSQL("LOCK TABLE shop_order IN SHARE UPDATE EXCLUSIVE MODE", migrations.RunSQL.noop),
    """,
)
def locked(context: RuleContext) -> Iterator[Finding]:
    weak = ("ACCESS SHARE", "ROW SHARE", "ROW EXCLUSIVE", "SHARE UPDATE EXCLUSIVE")
    for step, statement in context.sql:
        if statement.starts("LOCK") and not any(statement.has("IN", *mode.split(), "MODE") for mode in weak):
            yield Finding("LOCK TABLE makes others wait until the migration ends", step.operation)


@rule(
    "LG409",
    "refresh-in-place",
    ERROR,
    condition="RunSQL refreshes a materialized view without CONCURRENTLY, or empties it: WITH NO DATA.",
    effect="Reads of the view wait under an ACCESS EXCLUSIVE lock until it is computed; of one that was emptied they "
    "fail until it is refreshed.",
    remedy="Give the view a unique index and use REFRESH MATERIALIZED VIEW CONCURRENTLY.",
    rests_on="https://www.postgresql.org/docs/current/sql-refreshmaterializedview.html",
    unsafe="""
        migrations.RunSQL("REFRESH MATERIALIZED VIEW shop_totals", migrations.RunSQL.noop),
    """,
    safe="""
        migrations.RunSQL("REFRESH MATERIALIZED VIEW CONCURRENTLY shop_totals", migrations.RunSQL.noop),
    """,
    instead=sql_offers.in_sql(sql_offers.refreshed),
)
def refreshed(context: RuleContext) -> Iterator[Finding]:
    for step, statement in context.sql:
        if not statement.starts("REFRESH", "MATERIALIZED", "VIEW"):
            continue
        if statement.has("NO", "DATA"):
            yield Finding("WITH NO DATA empties the view, and whoever reads it fails", step.operation)
        elif not statement.has("CONCURRENTLY"):
            yield Finding("REFRESH MATERIALIZED VIEW blocks reads of the view", step.operation)


@rule(
    "LG410",
    "triggers-disabled",
    ERROR,
    condition="RunSQL disables triggers, or sets session_replication_role.",
    effect="Foreign keys are triggers: rows that violate them are let in, also those of the release that still serves, "
    "and nothing checks them later.",
    remedy="Leave triggers on; where one of your own must not run, disable that one by name in a short transaction.",
    rests_on="https://www.postgresql.org/docs/current/sql-altertable.html",
    unsafe="""
        migrations.RunSQL("ALTER TABLE shop_order DISABLE TRIGGER ALL", migrations.RunSQL.noop),
    """,
    safe="""
        migrations.RunSQL("ALTER TABLE shop_order DISABLE TRIGGER order_audit", migrations.RunSQL.noop),
    """,
    other_end="Foreign keys stay in force.",
)
def triggers_disabled(context: RuleContext) -> Iterator[Finding]:
    for step, statement in context.sql:
        every = statement.has("DISABLE", "TRIGGER", "ALL") or statement.has("DISABLE", "TRIGGER", "USER")
        if every or (statement.starts("SET") and statement.has("SESSION_REPLICATION_ROLE")):
            yield Finding("triggers, and foreign keys with them, are switched off", step.operation)


@rule(
    "LG411",
    "row-security-enabled",
    WARNING,
    condition="RunSQL enables row level security on a table.",
    effect="Until a policy allows them, rows disappear for every role but the owner, at once, for the release that "
    "still serves.",
    remedy="Create the policies in the same transaction, before ENABLE ROW LEVEL SECURITY, and accept this hazard.",
    rests_on="https://www.postgresql.org/docs/current/ddl-rowsecurity.html",
    unsafe="""
        migrations.RunSQL("ALTER TABLE shop_order ENABLE ROW LEVEL SECURITY", migrations.RunSQL.noop),
    """,
    safe="""
        migrations.RunSQL(
            "CREATE POLICY all_orders ON shop_order USING (true);"
            "ALTER TABLE shop_order ENABLE ROW LEVEL SECURITY",
            migrations.RunSQL.noop,
        ),
    """,
    other_end="A policy says who sees which rows.",
)
def row_security(context: RuleContext) -> Iterator[Finding]:
    policy = False
    for step, statement in context.sql:
        policy = policy or statement.starts("CREATE", "POLICY")
        if statement.has("ENABLE", "ROW", "LEVEL", "SECURITY") and not policy:
            yield Finding("row level security hides rows that no policy allows", step.operation)
