"""After the tests of online_migrations, in our own words: those that strong_migrations' do not have."""

from __future__ import annotations

from tests.conformance.comparison.case import Danger, safe, sql, unsafe
from tests.conformance.comparison.cases import sources

NEW_TABLE = "CREATE TABLE shop_audit (id bigint PRIMARY KEY, name varchar(20))"
CASES = (
    unsafe(
        "A default of now() and a random part",
        Danger.LOCK,
        why="One volatile part makes it volatile: the table is rewritten under ACCESS EXCLUSIVE.",
        source=sources.ALTER_TABLE_NOTES,
        after="online_migrations add_timestamps_test.rb",
        do=sql(
            "ALTER TABLE shop_customer ADD COLUMN made timestamptz NOT NULL"
            " DEFAULT now() - random() * interval '90 days'"
        ),
    ),
    safe(
        "Two timestamps NOT NULL DEFAULT now()",
        why="Computed once, and kept in the catalog.",
        source=sources.ALTER_TABLE_NOTES,
        after="online_migrations add_timestamps_test.rb",
        do=sql(
            "ALTER TABLE shop_customer ADD COLUMN made timestamptz NOT NULL DEFAULT now(),"
            " ADD COLUMN changed timestamptz NOT NULL DEFAULT now()"
        ),
    ),
    unsafe(
        "Two timestamps NOT NULL without a default",
        Danger.FAILS,
        Danger.OLD,
        why="It fails as soon as the table has a row.",
        source=sources.ALTER_TABLE,
        after="online_migrations add_timestamps_test.rb",
        do=sql(
            "ALTER TABLE shop_customer ADD COLUMN made timestamptz NOT NULL, ADD COLUMN changed timestamptz NOT NULL"
        ),
    ),
    unsafe(
        "ADD COLUMN … DEFAULT 1 + random()",
        Danger.LOCK,
        why="Volatile: the table is rewritten under ACCESS EXCLUSIVE.",
        source=sources.ALTER_TABLE_NOTES,
        after="online_migrations add_column_test.rb",
        do=sql("ALTER TABLE shop_customer ADD COLUMN luck float DEFAULT 1 + random()"),
    ),
    safe(
        "ADD COLUMN … DEFAULT 'random()'",
        why="A text, not a call.",
        source=sources.ALTER_TABLE_NOTES,
        after="online_migrations add_column_test.rb",
        do=sql("ALTER TABLE shop_customer ADD COLUMN luck text DEFAULT 'random()'"),
    ),
    safe(
        "A column with a default for a new table",
        why="Nobody uses the table yet.",
        source=sources.LOCKS,
        after="online_migrations add_column_test.rb",
        do=sql(NEW_TABLE, "ALTER TABLE shop_audit ADD COLUMN luck float DEFAULT random()"),
    ),
    safe(
        "ADD COLUMN jsonb",
        why="A catalog change of a moment.",
        source=sources.ALTER_TABLE_NOTES,
        after="online_migrations add_column_test.rb",
        do='migrations.AddField("customer", "settings", models.JSONField(null=True)),',
    ),
    safe(
        "ADD COLUMN jsonb NOT NULL DEFAULT '{}'",
        why="A constant default is kept in the catalog.",
        source=sources.ALTER_TABLE_NOTES,
        after="online_migrations add_column_test.rb",
        do=sql("ALTER TABLE shop_customer ADD COLUMN settings jsonb NOT NULL DEFAULT '{}'"),
    ),
    unsafe(
        "A reference of a smaller integer type",
        Danger.OLD,
        Danger.SLOW,
        Danger.FAILS,
        why="Keys above 2147483647 do not fit; deletes of customers read the whole table, and fail in the serving one.",
        source=sources.FOREIGN_KEYS,
        after="online_migrations add_reference_test.rb",
        do=sql("ALTER TABLE shop_product ADD COLUMN maker_id integer REFERENCES shop_customer (id)"),
    ),
    safe(
        "NOT NULL of a new table's column",
        why="Nobody uses the table yet.",
        source=sources.LOCKS,
        after="online_migrations change_column_null_test.rb",
        do=sql(NEW_TABLE, "ALTER TABLE shop_audit ALTER COLUMN name SET NOT NULL"),
    ),
    safe(
        "Another type of a new table's column",
        why="Nobody uses the table yet.",
        source=sources.LOCKS,
        after="online_migrations change_column_test.rb",
        do=sql(NEW_TABLE, "ALTER TABLE shop_audit ALTER COLUMN name TYPE varchar(10)"),
    ),
    safe(
        "A default for a text column",
        why="A catalog change of a moment.",
        source=sources.DEFAULTS,
        after="online_migrations change_column_test.rb",
        do='migrations.AlterField("product", "title", models.TextField(db_default="New")),',
    ),
    unsafe(
        "A check that proves NOT NULL, validated at once",
        Danger.LOCK,
        why="The whole table is read under ACCESS EXCLUSIVE, as SET NOT NULL would.",
        source=sources.ALTER_TABLE_NOTES,
        after="online_migrations misc_test.rb",
        do=sql("ALTER TABLE shop_customer ADD CONSTRAINT named CHECK (name IS NOT NULL)"),
    ),
    unsafe(
        "A check of a text's length, validated at once",
        Danger.LOCK,
        why="The whole table is read under ACCESS EXCLUSIVE.",
        source=sources.ALTER_TABLE_NOTES,
        after="online_migrations misc_test.rb",
        do=sql("ALTER TABLE shop_product ADD CONSTRAINT title_length CHECK (char_length(title) <= 255)"),
    ),
    safe(
        "A check of a text's length, not valid",
        why="Nothing is read.",
        source=sources.ALTER_TABLE_NOTES,
        after="online_migrations misc_test.rb",
        perhaps=(Danger.OLD,),
        do=sql("ALTER TABLE shop_product ADD CONSTRAINT title_length CHECK (char_length(title) <= 255) NOT VALID"),
    ),
    unsafe(
        "VALIDATE after ADD COLUMN of the same table",
        Danger.LOCK,
        why="ACCESS EXCLUSIVE of ADD COLUMN is held while the table is read.",
        source=sources.LOCKS,
        after="online_migrations check_constraints_test.rb",
        do=(
            sql("ALTER TABLE shop_order ADD CONSTRAINT note_length CHECK (char_length(note) <= 255) NOT VALID"),
            sql(
                "ALTER TABLE shop_order ADD COLUMN channel integer",
                "ALTER TABLE shop_order VALIDATE CONSTRAINT note_length",
            ),
        ),
    ),
    unsafe(
        "VALIDATE after ADD COLUMN of another table",
        Danger.LOCK,
        why="ACCESS EXCLUSIVE on one table is held while the other is read.",
        source=sources.LOCKS,
        after="online_migrations check_constraints_test.rb",
        do=(
            sql("ALTER TABLE shop_order ADD CONSTRAINT note_length CHECK (char_length(note) <= 255) NOT VALID"),
            sql(
                "ALTER TABLE shop_product ADD COLUMN channel integer",
                "ALTER TABLE shop_order VALIDATE CONSTRAINT note_length",
            ),
        ),
    ),
    unsafe(
        "An index dropped before the one that replaces it",
        Danger.SLOW,
        why="Queries have neither until the new one is built.",
        source=sources.BUILDING_CONCURRENTLY,
        after="online_migrations indexes_test.rb",
        do="""
        atomic = False
        postgres_operations.RemoveIndexConcurrently("order", "order_total"),
        postgres_operations.AddIndexConcurrently(
            "order", models.Index(fields=["total", "number"], name="order_total_number")
        ),
        """,
    ),
    safe(
        "An index dropped after the one that replaces it is built",
        why="Queries have one of them at any time.",
        source=sources.BUILDING_CONCURRENTLY,
        after="online_migrations indexes_test.rb",
        perhaps=(Danger.FAILS,),
        do=(
            """
            atomic = False
            postgres_operations.AddIndexConcurrently(
                "order", models.Index(fields=["total", "number"], name="order_total_number")
            ),
            """,
            """
            atomic = False
            postgres_operations.RemoveIndexConcurrently("order", "order_total"),
            """,
        ),
    ),
    safe(
        "A hash index, concurrently",
        why="Crash-safe since PostgreSQL 10; built beside reads and writes.",
        source=f"{sources.POSTGRES}hash-index.html",
        after="online_migrations README.md, Hash indexes",
        perhaps=(Danger.FAILS,),
        do="""
        atomic = False
        migrations.RunSQL(
            "CREATE INDEX CONCURRENTLY product_title ON shop_product USING hash (title)", migrations.RunSQL.noop
        ),
        """,
    ),
    safe(
        "A new table renamed",
        why="Nobody uses it yet.",
        source=sources.LOCKS,
        after="online_migrations misc_test.rb",
        do=sql(NEW_TABLE, "ALTER TABLE shop_audit RENAME TO shop_log"),
    ),
    safe(
        "A new table's column renamed",
        why="Nobody uses it yet.",
        source=sources.LOCKS,
        after="online_migrations misc_test.rb",
        do="""
        migrations.CreateModel(
            "Wish", [("id", models.BigAutoField(primary_key=True)), ("text", models.TextField())]
        ),
        migrations.RenameField("wish", "text", "words"),
        """,
    ),
    safe(
        "A new table's column removed",
        why="Nobody uses it yet.",
        source=sources.LOCKS,
        after="online_migrations removing_columns_test.rb",
        do="""
        migrations.CreateModel(
            "Wish", [("id", models.BigAutoField(primary_key=True)), ("text", models.TextField())]
        ),
        migrations.RemoveField("wish", "text"),
        """,
    ),
    unsafe(
        "An indexed column removed",
        Danger.OLD,
        Danger.LOSS,
        why="Each query of the serving release names it, and fails; its index goes with it.",
        source=sources.OPERATIONS,
        after="online_migrations removing_columns_test.rb",
        do='migrations.RemoveField("order", "placed"),',
    ),
    unsafe(
        "EXCLUDE by hand",
        Danger.LOCK,
        why="Its index is built under ACCESS EXCLUSIVE, and cannot be built concurrently.",
        source=f"{sources.POSTGRES}sql-createtable.html#SQL-CREATETABLE-EXCLUDE",
        after="online_migrations misc_test.rb",
        do=sql("ALTER TABLE shop_order ADD CONSTRAINT order_stay EXCLUDE USING gist (stay WITH &&)"),
    ),
    unsafe(
        "ADD COLUMN, and an UPDATE that fills it",
        Danger.LOCK,
        Danger.DATA,
        why="ACCESS EXCLUSIVE is held until every row is updated: reads wait as well.",
        source=sources.LOCKS,
        after="online_migrations README.md, Backfilling data",
        do=sql("ALTER TABLE shop_order ADD COLUMN admin boolean", "UPDATE shop_order SET admin = false"),
    ),
)
