"""LG4xx: partitions that are attached or detached while others wait."""

from __future__ import annotations

from collections.abc import Iterator

from lockgate.linting.rules import sql_offers
from lockgate.linting.rules.rule import ERROR, WARNING, Finding, accepting, rule
from lockgate.linting.rules.rule_context import RuleContext


@rule(
    "LG407",
    "partition-detached-in-place",
    ERROR,
    condition="RunSQL detaches a partition without CONCURRENTLY.",
    effect="Reads and writes of all partitions wait under an ACCESS EXCLUSIVE lock on the parent.",
    remedy="Use DETACH PARTITION … CONCURRENTLY in a migration with atomic = False.",
    rests_on="https://www.postgresql.org/docs/current/ddl-partitioning.html#DDL-PARTITIONING-DECLARATIVE-MAINTENANCE",
    unsafe="""
        migrations.RunSQL("ALTER TABLE shop_event DETACH PARTITION shop_event_2001", migrations.RunSQL.noop),
    """,
    safe="""
        atomic = False
        migrations.RunSQL(
            "ALTER TABLE shop_event DETACH PARTITION shop_event_2001 CONCURRENTLY", migrations.RunSQL.noop
        ),
    """,
    other_end="PostgreSQL leaves a CHECK on the partition that repeats its bounds.",
    squawk=("require-concurrent-partition-detach",),
    instead=sql_offers.in_sql(sql_offers.detached),
)
def detached(context: RuleContext) -> Iterator[Finding]:
    for step, statement in context.sql:
        if statement.has("DETACH", "PARTITION") and not statement.has("CONCURRENTLY") and not statement.has("FINALIZE"):
            yield Finding("DETACH PARTITION locks the whole partitioned table", step.operation)


@rule(
    "LG408",
    "partition-attached",
    WARNING,
    condition="RunSQL attaches a partition.",
    effect="Unless a validated CHECK of the partition implies its bounds, every row of it is read under an ACCESS "
    "EXCLUSIVE lock on it; a default partition is read too.",
    remedy="Add such a CHECK as NOT VALID, validate it, attach, and drop it; then accept this hazard by naming it.",
    rests_on="https://www.postgresql.org/docs/current/ddl-partitioning.html#DDL-PARTITIONING-DECLARATIVE-MAINTENANCE",
    unsafe="""
        migrations.RunSQL(
            "ALTER TABLE shop_event ATTACH PARTITION shop_event_2031 FOR VALUES FROM (2031) TO (2032)",
            migrations.RunSQL.noop,
        ),
    """,
    safe=[
        """
            migrations.RunSQL(
                "ALTER TABLE shop_event_2031 ADD CONSTRAINT bounds CHECK (year >= 2031 AND year < 2032) NOT VALID",
                migrations.RunSQL.noop,
            ),
        """,
        """
            migrations.RunSQL("ALTER TABLE shop_event_2031 VALIDATE CONSTRAINT bounds", migrations.RunSQL.noop),
        """,
        accepting(
            "LG408",
            "the constraint bounds is valid",
            """
            migrations.RunSQL(
                "ALTER TABLE shop_event ATTACH PARTITION shop_event_2031 FOR VALUES FROM (2031) TO (2032);"
                "ALTER TABLE shop_event_2031 DROP CONSTRAINT bounds",
                migrations.RunSQL.noop,
            ),
        """,
        ),
    ],
)
def attached(context: RuleContext) -> Iterator[Finding]:
    for step, statement in context.sql:
        if statement.starts("ALTER", "TABLE") and statement.has("ATTACH", "PARTITION"):
            yield Finding("ATTACH PARTITION reads the partition unless a CHECK proves its bounds", step.operation)
