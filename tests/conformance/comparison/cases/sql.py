"""RunSQL: what no operation of Django says."""

from __future__ import annotations

from tests.conformance.comparison.case import Danger, safe, unsafe
from tests.conformance.comparison.cases import sources

CASES = (
    unsafe(
        "ADD COLUMN bigserial",
        Danger.LOCK,
        why="Each row gets a number: the table is rewritten under ACCESS EXCLUSIVE.",
        source=sources.ALTER_TABLE_NOTES,
        do="""
        migrations.RunSQL(
            "ALTER TABLE shop_order ADD COLUMN serial bigserial", "ALTER TABLE shop_order DROP COLUMN serial"
        ),
        """,
    ),
    unsafe(
        "DROP COLUMN beside a state operation",
        Danger.OLD,
        Danger.LOSS,
        why="Each query of the serving release names the column, and fails.",
        source=sources.ALTER_TABLE,
        do="""
        migrations.SeparateDatabaseAndState(
            [migrations.RunSQL("ALTER TABLE shop_order DROP COLUMN note", migrations.RunSQL.noop)],
            [migrations.RemoveField("order", "note")],
        ),
        """,
    ),
    safe(
        "COMMENT ON, with words of SQL in it",
        why="A comment is text.",
        source=f"{sources.POSTGRES}sql-comment.html",
        do="""
        migrations.RunSQL(
            "COMMENT ON COLUMN shop_order.note IS 'do not DROP COLUMN before 2030; NOT NULL since 2024'",
            "COMMENT ON COLUMN shop_order.note IS NULL",
        ),
        """,
    ),
    safe(
        "SET STATISTICS and ANALYZE",
        why="Neither blocks reads or writes.",
        source=sources.LOCKS,
        do="""
        migrations.RunSQL(
            "ALTER TABLE shop_order ALTER COLUMN number SET STATISTICS 500; ANALYZE shop_order",
            migrations.RunSQL.noop,
        ),
        """,
    ),
    safe(
        "CREATE VIEW",
        why="A new object that nobody uses yet.",
        source=f"{sources.POSTGRES}sql-createview.html",
        do="""
        migrations.RunSQL("CREATE VIEW shop_open AS SELECT id FROM shop_order", "DROP VIEW shop_open"),
        """,
    ),
    safe(
        "CREATE TABLE and its index",
        why="Nobody uses the table yet.",
        source=sources.LOCKS,
        do="""
        migrations.RunSQL(
            "CREATE TABLE shop_audit (id bigint PRIMARY KEY, at timestamptz NOT NULL);"
            " CREATE INDEX shop_audit_at ON shop_audit (at)",
            "DROP TABLE shop_audit",
        ),
        """,
    ),
    safe(
        "lock_timeout beside an AddField",
        why="What PostgreSQL users are advised to do: the statement gives up instead of queueing.",
        source=f"{sources.POSTGRES}runtime-config-client.html#GUC-LOCK-TIMEOUT",
        do="""
        migrations.RunSQL("SET LOCAL lock_timeout = '2s'", migrations.RunSQL.noop),
        migrations.AddField("order", "channel", models.IntegerField(null=True)),
        """,
    ),
    unsafe(
        "BEGIN and COMMIT",
        Danger.FAILS,
        why="COMMIT ends the migration's transaction: what fails after it is not rolled back.",
        source=sources.NON_ATOMIC,
        do="""
        migrations.RunSQL(
            "BEGIN; ALTER TABLE shop_order ADD COLUMN channel integer; COMMIT",
            "ALTER TABLE shop_order DROP COLUMN channel",
        ),
        """,
    ),
    unsafe(
        "DROP TABLE … CASCADE",
        Danger.OLD,
        Danger.LOSS,
        why="The serving release still reads the table, and what depends on it goes without being named.",
        source=f"{sources.POSTGRES}sql-droptable.html",
        do='migrations.RunSQL("DROP TABLE shop_ticket CASCADE", migrations.RunSQL.noop),',
    ),
    unsafe(
        "TRUNCATE",
        Danger.LOSS,
        why="All rows are gone, under ACCESS EXCLUSIVE.",
        source=f"{sources.POSTGRES}sql-truncate.html",
        do='migrations.RunSQL("TRUNCATE shop_ticket", migrations.RunSQL.noop),',
    ),
    unsafe(
        "DROP SCHEMA … CASCADE",
        Danger.LOSS,
        why="Everything in it is gone.",
        source=f"{sources.POSTGRES}sql-dropschema.html",
        do='migrations.RunSQL("DROP SCHEMA shop_archive CASCADE", migrations.RunSQL.noop),',
    ),
    unsafe(
        "VACUUM FULL",
        Danger.LOCK,
        why="The table is rewritten under ACCESS EXCLUSIVE.",
        source=f"{sources.POSTGRES}sql-vacuum.html",
        do="""
        atomic = False
        migrations.RunSQL("VACUUM FULL shop_order", migrations.RunSQL.noop),
        """,
    ),
    unsafe(
        "SET UNLOGGED",
        Danger.LOCK,
        Danger.LOSS,
        why="The table is rewritten under ACCESS EXCLUSIVE, and emptied by the next crash.",
        source=sources.ALTER_TABLE,
        do="""
        migrations.RunSQL("ALTER TABLE shop_ticket SET UNLOGGED", "ALTER TABLE shop_ticket SET LOGGED"),
        """,
    ),
    unsafe(
        "LOCK TABLE",
        Danger.LOCK,
        why="Reads and writes wait until the migration ends.",
        source=f"{sources.POSTGRES}sql-lock.html",
        do='migrations.RunSQL("LOCK TABLE shop_order", migrations.RunSQL.noop),',
    ),
    unsafe(
        "REFRESH MATERIALIZED VIEW",
        Danger.LOCK,
        why="Reads of the view wait until it is computed.",
        source=f"{sources.POSTGRES}sql-refreshmaterializedview.html",
        do='migrations.RunSQL("REFRESH MATERIALIZED VIEW shop_totals", migrations.RunSQL.noop),',
    ),
    unsafe(
        "DETACH PARTITION",
        Danger.LOCK,
        Danger.OLD,
        why="ACCESS EXCLUSIVE on the parent: it waits for every query, all others behind it; there is a way without.",
        source=sources.ALTER_TABLE,
        do="""
        migrations.RunSQL("ALTER TABLE shop_event DETACH PARTITION shop_event_2025", migrations.RunSQL.noop),
        """,
    ),
    unsafe(
        "DISABLE TRIGGER ALL",
        Danger.LOSS,
        why="Foreign keys are not checked until somebody enables the triggers again.",
        source=sources.ALTER_TABLE,
        do="""
        migrations.RunSQL(
            "ALTER TABLE shop_order DISABLE TRIGGER ALL", "ALTER TABLE shop_order ENABLE TRIGGER ALL"
        ),
        """,
    ),
    safe(
        "ALTER TYPE … ADD VALUE",
        why="Allowed in a transaction since PostgreSQL 12, as long as the value is not used in the same one.",
        source=sources.ALTER_TYPE,
        do="""migrations.RunSQL("ALTER TYPE shop_mood ADD VALUE 'mixed'", migrations.RunSQL.noop),""",
    ),
    unsafe(
        "ALTER TYPE … ADD VALUE, used at once",
        Danger.FAILS,
        why="A value cannot be used in the transaction that adds it.",
        source=sources.ALTER_TYPE,
        do="""
        migrations.RunSQL("ALTER TYPE shop_mood ADD VALUE 'mixed'", migrations.RunSQL.noop),
        migrations.RunSQL(
            "ALTER TABLE shop_ticket ADD COLUMN mood shop_mood DEFAULT 'mixed'",
            "ALTER TABLE shop_ticket DROP COLUMN mood",
        ),
        """,
    ),
    unsafe(
        "CREATE INDEX in a DO block",
        Danger.LOCK,
        why="Every write waits for the build, as without the block.",
        source=sources.BUILDING_CONCURRENTLY,
        do="""
        migrations.RunSQL(
            "DO $$ BEGIN CREATE INDEX order_number ON shop_order (number); END $$",
            "DROP INDEX order_number",
        ),
        """,
    ),
)
