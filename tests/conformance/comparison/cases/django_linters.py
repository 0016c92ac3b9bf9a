"""After the tests of django-migration-linter, in our own words."""

from __future__ import annotations

from tests.conformance.comparison.case import Danger, safe, sql, unsafe
from tests.conformance.comparison.cases import sources

CASES = (
    safe(
        "AddField with a Python default, which SQL sets again",
        why="The default stays in the database: the serving release's inserts get it.",
        source=sources.DEFAULTS,
        after="django-migration-linter app_add_not_null_column_followed_by_default",
        do="""
        migrations.AddField("order", "channel", models.IntegerField(default=1)),
        migrations.RunSQL(
            "ALTER TABLE shop_order ALTER COLUMN channel SET DEFAULT 1", migrations.RunSQL.noop
        ),
        """,
    ),
    unsafe(
        "ADD COLUMN … NOT NULL DEFAULT NULL",
        Danger.FAILS,
        Danger.OLD,
        why="No default at all: it fails as soon as the table has a row.",
        source=sources.ALTER_TABLE,
        after="django-migration-linter app_add_not_null_column_with_null_db_default",
        do=sql("ALTER TABLE shop_order ADD COLUMN channel integer DEFAULT NULL NOT NULL"),
    ),
    unsafe(
        "null=False with a default, which SQL sets again",
        Danger.LOCK,
        Danger.DATA,
        Danger.FAILS,
        Danger.OLD,
        why="Every NULL is updated, and the table read, under ACCESS EXCLUSIVE.",
        source=sources.ALTER_TABLE,
        after="django-migration-linter app_make_not_null_with_lib_default",
        do="""
        migrations.AlterField("order", "note", models.TextField(default="empty")),
        migrations.RunSQL("ALTER TABLE shop_order ALTER COLUMN note SET DEFAULT 'empty'", migrations.RunSQL.noop),
        """,
    ),
    unsafe(
        "CREATE INDEX of an expression by hand",
        Danger.LOCK,
        why="It holds SHARE while it builds: every write waits.",
        source=sources.BUILDING_CONCURRENTLY,
        after="django-migration-linter test_sql_analyser.py",
        do=sql("CREATE INDEX ON shop_product ((lower(title)))"),
    ),
    safe(
        "CREATE UNIQUE INDEX CONCURRENTLY … WHERE by hand",
        why="Built beside reads and writes.",
        source=sources.BUILDING_CONCURRENTLY,
        after="django-migration-linter test_sql_analyser.py",
        perhaps=(Danger.FAILS, Danger.OLD),
        do=sql("CREATE UNIQUE INDEX CONCURRENTLY product_sku ON shop_product (sku) WHERE price > 0", atomic=False),
    ),
    safe(
        "CREATE INDEX CONCURRENTLY by hand, after its remains are dropped",
        why="Built beside reads and writes, and what a killed build leaves is dropped by the next one.",
        source=sources.BUILDING_CONCURRENTLY,
        after="django-migration-linter test_sql_analyser.py",
        do=sql(
            "DROP INDEX CONCURRENTLY IF EXISTS product_sku",
            "CREATE INDEX CONCURRENTLY product_sku ON shop_product (sku)",
            atomic=False,
        ),
    ),
    safe(
        "Not null, of a column with a unique index, for a new table",
        why="Nobody uses the table yet.",
        source=sources.LOCKS,
        after="django-migration-linter app_create_table_with_not_null_column",
        do="""
        migrations.CreateModel(
            "Wish",
            [("id", models.BigAutoField(primary_key=True)), ("rank", models.IntegerField(unique=True))],
        ),
        """,
    ),
    unsafe(
        "RunPython of a functools.partial",
        Danger.DATA,
        why="One statement over all rows, which stay locked until the migration commits.",
        source=sources.NON_ATOMIC,
        after="django-migration-linter app_data_migrations/0004_partial_function",
        do="""
        import functools


        def fill(apps, schema_editor, note):
            apps.get_model("shop", "Order").objects.update(note=note)


        OPERATIONS
        migrations.RunPython(functools.partial(fill, note=""), migrations.RunPython.noop),
        """,
    ),
)
