"""Indexes: built, dropped, renamed."""

from __future__ import annotations

from tests.conformance.comparison.case import Danger, safe, unsafe
from tests.conformance.comparison.cases import sources

CASES = (
    unsafe(
        "AddIndex",
        Danger.LOCK,
        why="CREATE INDEX holds SHARE while it builds: every write waits.",
        source=sources.BUILDING_CONCURRENTLY,
        do='migrations.AddIndex("order", models.Index(fields=["number"], name="order_number")),',
    ),
    safe(
        "AddIndexConcurrently",
        why="Built beside reads and writes.",
        source=sources.POSTGRES_OPERATIONS,
        do="""
        atomic = False
        postgres_operations.AddIndexConcurrently("order", models.Index(fields=["number"], name="order_number")),
        """,
    ),
    unsafe(
        "AddIndexConcurrently in a transaction",
        Danger.FAILS,
        why="Django refuses to run it in an atomic migration.",
        source=sources.POSTGRES_OPERATIONS,
        do="""
        postgres_operations.AddIndexConcurrently("order", models.Index(fields=["number"], name="order_number")),
        """,
    ),
    safe(
        "AddIndex on a table of the same migration",
        why="Nobody uses the table yet.",
        source=sources.LOCKS,
        do="""
        migrations.CreateModel(
            "Wish", [("id", models.BigAutoField(primary_key=True)), ("text", models.CharField(max_length=20))]
        ),
        migrations.AddIndex("wish", models.Index(fields=["text"], name="wish_text")),
        """,
    ),
    safe(
        "AddIndex on a table of an earlier migration of the release",
        why="Nobody uses the table yet: both go out together.",
        source=sources.LOCKS,
        do=(
            """
            migrations.CreateModel(
                "Wish", [("id", models.BigAutoField(primary_key=True)), ("text", models.CharField(max_length=20))]
            ),
            """,
            'migrations.AddIndex("wish", models.Index(fields=["text"], name="wish_text")),',
        ),
    ),
    unsafe(
        "db_index=True on a column",
        Danger.LOCK,
        why="AlterField sends CREATE INDEX (two for a text column): every write waits.",
        source=sources.BUILDING_CONCURRENTLY,
        do='migrations.AlterField("order", "number", models.CharField(max_length=20, db_index=True)),',
    ),
    unsafe(
        "AddField and AddIndex in one migration",
        Danger.LOCK,
        why="The new column's ACCESS EXCLUSIVE lock is held until the index is built: reads wait as well.",
        source=sources.LOCKS,
        do="""
        migrations.AddField("order", "channel", models.IntegerField(null=True)),
        migrations.AddIndex("order", models.Index(fields=["channel", "number"], name="order_channel")),
        """,
    ),
    unsafe(
        "RemoveIndex",
        Danger.LOCK,
        why="ACCESS EXCLUSIVE on the table: it waits for every query, all others behind it; there is a way without.",
        source=sources.DROP_INDEX,
        do='migrations.RemoveIndex("order", "order_total"),',
    ),
    safe(
        "RemoveIndexConcurrently",
        why="Waits for queries without making others wait.",
        source=sources.POSTGRES_OPERATIONS,
        do="""
        atomic = False
        postgres_operations.RemoveIndexConcurrently("order", "order_total"),
        """,
    ),
    safe(
        "RenameIndex",
        why="ALTER INDEX RENAME locks the index alone, for a moment; no statement names an index.",
        source=f"{sources.POSTGRES}sql-alterindex.html",
        do='migrations.RenameIndex("order", new_name="order_sum", old_name="order_total"),',
    ),
    unsafe(
        "CREATE UNIQUE INDEX by hand",
        Danger.LOCK,
        why="It holds SHARE while it builds, as any other index.",
        source=sources.BUILDING_CONCURRENTLY,
        do='migrations.RunSQL("CREATE UNIQUE INDEX product_sku ON shop_product (sku)", "DROP INDEX product_sku"),',
    ),
    safe(
        "CREATE INDEX CONCURRENTLY by hand",
        why="Built beside reads and writes, in a migration without a transaction.",
        perhaps=(Danger.FAILS,),
        source=sources.BUILDING_CONCURRENTLY,
        do="""
        atomic = False
        migrations.RunSQL(
            "CREATE INDEX CONCURRENTLY IF NOT EXISTS product_sku ON shop_product (sku)",
            "DROP INDEX CONCURRENTLY IF EXISTS product_sku",
        ),
        """,
    ),
    unsafe(
        "REINDEX",
        Danger.LOCK,
        why="Writes wait for the build, and reads that would use the index.",
        source=f"{sources.POSTGRES}sql-reindex.html",
        do='migrations.RunSQL("REINDEX TABLE shop_order", migrations.RunSQL.noop),',
    ),
    safe(
        "REINDEX CONCURRENTLY",
        why="Built anew beside reads and writes.",
        source=f"{sources.POSTGRES}sql-reindex.html",
        do="""
        atomic = False
        migrations.RunSQL("REINDEX TABLE CONCURRENTLY shop_order", migrations.RunSQL.noop),
        """,
    ),
)
