"""After the tests of strong_migrations, in our own words: what they change is made of the shop's tables."""

from __future__ import annotations

from tests.conformance.comparison.case import Danger, safe, sql, unsafe
from tests.conformance.comparison.cases import sources

CASES = (
    safe(
        "A boolean with a constant default",
        why="Kept in the catalog, and the serving release's inserts get it.",
        source=sources.ALTER_TABLE_NOTES,
        after="strong_migrations add_column.rb",
        do='migrations.AddField("customer", "nice", models.BooleanField(db_default=True)),',
    ),
    safe(
        "ADD COLUMN … DEFAULT NULL",
        why="No default at all.",
        source=sources.ALTER_TABLE_NOTES,
        after="strong_migrations add_column.rb",
        do=sql("ALTER TABLE shop_customer ADD COLUMN nice boolean DEFAULT NULL"),
    ),
    unsafe(
        "ADD COLUMN uuid NOT NULL DEFAULT gen_random_uuid()",
        Danger.LOCK,
        why="Each row gets a value of its own: the table is rewritten under ACCESS EXCLUSIVE.",
        source=sources.ALTER_TABLE_NOTES,
        after="strong_migrations add_column.rb",
        do=sql("ALTER TABLE shop_customer ADD COLUMN nice uuid NOT NULL DEFAULT gen_random_uuid()"),
    ),
    safe(
        "ADD COLUMN, then SET DEFAULT gen_random_uuid()",
        why="The default is of rows to come alone.",
        source=sources.ALTER_TABLE,
        after="strong_migrations add_column.rb",
        do=sql(
            "ALTER TABLE shop_customer ADD COLUMN nice uuid",
            "ALTER TABLE shop_customer ALTER COLUMN nice SET DEFAULT gen_random_uuid()",
        ),
    ),
    unsafe(
        "ADD COLUMN … DEFAULT clock_timestamp()",
        Danger.LOCK,
        why="Volatile, unlike now(): the table is rewritten under ACCESS EXCLUSIVE.",
        source=sources.ALTER_TABLE_NOTES,
        after="strong_migrations add_column.rb",
        do=sql("ALTER TABLE shop_customer ADD COLUMN seen timestamptz DEFAULT clock_timestamp()"),
    ),
    safe(
        "ADD COLUMN … DEFAULT (now())",
        why="Stable: computed once, and kept in the catalog.",
        source=sources.ALTER_TABLE_NOTES,
        after="strong_migrations add_column.rb",
        do=sql("ALTER TABLE shop_customer ADD COLUMN seen timestamptz DEFAULT (now())"),
    ),
    unsafe(
        "A stored column of lower(city)",
        Danger.LOCK,
        why="Computed for each row: the table is rewritten under ACCESS EXCLUSIVE.",
        source=f"{sources.POSTGRES}ddl-generated-columns.html",
        after="strong_migrations add_column.rb",
        do="""
        migrations.AddField(
            "customer",
            "place",
            models.GeneratedField(
                expression=functions.Lower("city"), output_field=models.CharField(max_length=50), db_persist=True
            ),
        ),
        """,
    ),
    unsafe(
        "ADD COLUMN bigserial PRIMARY KEY",
        Danger.LOCK,
        why="Each row gets a number, and the key an index, under ACCESS EXCLUSIVE.",
        source=sources.ALTER_TABLE_NOTES,
        after="strong_migrations add_column.rb",
        do=sql("ALTER TABLE shop_archive.orders ADD COLUMN nr bigserial PRIMARY KEY"),
    ),
    unsafe(
        "ADD COLUMN serial",
        Danger.LOCK,
        why="Each row gets a number: the table is rewritten under ACCESS EXCLUSIVE.",
        source=sources.ALTER_TABLE_NOTES,
        after="strong_migrations add_column.rb",
        do=sql("ALTER TABLE shop_product ADD COLUMN nr serial"),
    ),
    unsafe(
        "CHECK by hand",
        Danger.LOCK,
        why="The whole table is read under ACCESS EXCLUSIVE.",
        source=sources.ALTER_TABLE_NOTES,
        after="strong_migrations add_check_constraint.rb",
        do=sql("ALTER TABLE shop_product ADD CONSTRAINT product_price CHECK (price >= 0)"),
    ),
    safe(
        "CHECK … NOT VALID by hand",
        why="Nothing is read.",
        source=sources.ALTER_TABLE_NOTES,
        after="strong_migrations add_check_constraint.rb",
        perhaps=(Danger.OLD,),
        do=sql("ALTER TABLE shop_product ADD CONSTRAINT product_price CHECK (price >= 0) NOT VALID"),
    ),
    unsafe(
        "CHECK … NOT VALID and VALIDATE by hand, in one transaction",
        Danger.LOCK,
        why="ACCESS EXCLUSIVE of the first is held while the second reads the table.",
        source=sources.ALTER_TABLE_NOTES,
        after="strong_migrations add_check_constraint.rb",
        do=sql(
            "ALTER TABLE shop_product ADD CONSTRAINT product_price CHECK (price >= 0) NOT VALID",
            "ALTER TABLE shop_product VALIDATE CONSTRAINT product_price",
        ),
    ),
    safe(
        "CHECK … NOT VALID and VALIDATE by hand, without a transaction",
        why="Each commits for itself, and the first can be repeated.",
        source=sources.ALTER_TABLE_NOTES,
        after="strong_migrations add_check_constraint.rb",
        perhaps=(Danger.OLD,),
        do=sql(
            "ALTER TABLE shop_product DROP CONSTRAINT IF EXISTS product_price,"
            " ADD CONSTRAINT product_price CHECK (price >= 0) NOT VALID",
            "ALTER TABLE shop_product VALIDATE CONSTRAINT product_price",
            atomic=False,
        ),
    ),
    safe(
        "CREATE TABLE, and its check after it",
        why="Nobody uses the table yet.",
        source=sources.LOCKS,
        after="strong_migrations add_check_constraint.rb",
        do=sql(
            "CREATE TABLE shop_audit (id bigint PRIMARY KEY, name text)",
            "ALTER TABLE shop_audit ADD CONSTRAINT audit_name CHECK (name IS NOT NULL)",
        ),
    ),
    safe(
        "An exclusion constraint of a new table",
        why="The table is empty, and nobody uses it yet.",
        source=sources.LOCKS,
        after="strong_migrations add_exclusion_constraint.rb",
        do="""
        migrations.CreateModel(
            "Stay",
            [("id", models.BigAutoField(primary_key=True)), ("at", postgres_fields.DateTimeRangeField())],
            options={
                "constraints": [
                    postgres_constraints.ExclusionConstraint(name="stay_alone", expressions=[("at", "&&")])
                ]
            },
        ),
        """,
    ),
    unsafe(
        "FOREIGN KEY … NOT VALID and VALIDATE in one transaction",
        Danger.LOCK,
        why="SHARE ROW EXCLUSIVE of the first is held, on both tables, while the second reads one of them.",
        source=sources.ALTER_TABLE_NOTES,
        after="strong_migrations add_foreign_key.rb",
        do=sql(
            "ALTER TABLE shop_order ADD CONSTRAINT seller_fk FOREIGN KEY (seller_id) REFERENCES shop_customer (id)"
            " NOT VALID",
            "ALTER TABLE shop_order VALIDATE CONSTRAINT seller_fk",
        ),
    ),
    unsafe(
        "Two foreign keys in one migration",
        Danger.LOCK,
        why="Every row is looked up, twice, while writes to both tables wait.",
        source=sources.ALTER_TABLE_NOTES,
        after="strong_migrations add_foreign_key.rb",
        do=sql(
            "ALTER TABLE shop_order ADD CONSTRAINT seller_fk FOREIGN KEY (seller_id) REFERENCES shop_customer (id)",
            "ALTER TABLE shop_order ADD CONSTRAINT seller_fk_too FOREIGN KEY (seller_id) REFERENCES shop_customer",
        ),
    ),
    safe(
        "FOREIGN KEY … NOT VALID alone",
        why="Nothing is looked up.",
        source=sources.ALTER_TABLE_NOTES,
        after="strong_migrations add_foreign_key.rb",
        perhaps=(Danger.OLD,),
        do=sql(
            "ALTER TABLE shop_order ADD CONSTRAINT seller_fk FOREIGN KEY (seller_id) REFERENCES shop_customer (id)"
            " NOT VALID"
        ),
    ),
    unsafe(
        "Two indexes in one migration",
        Danger.LOCK,
        why="Writes to either table wait until both are built.",
        source=sources.BUILDING_CONCURRENTLY,
        after="strong_migrations add_index.rb",
        do="""
        migrations.AddIndex("customer", models.Index(fields=["name"], name="customer_name")),
        migrations.AddIndex("customer", models.Index(fields=["city"], name="customer_city")),
        """,
    ),
    unsafe(
        "DROP INDEX by hand",
        Danger.LOCK,
        why="ACCESS EXCLUSIVE on the table: it waits for every query, all others behind it; there is a way without.",
        source=sources.DROP_INDEX,
        after="strong_migrations remove_index.rb",
        do=sql("DROP INDEX order_total"),
    ),
    safe(
        "DROP INDEX CONCURRENTLY IF EXISTS by hand",
        why="Waits for queries without making others wait.",
        source=sources.DROP_INDEX,
        after="strong_migrations remove_index.rb",
        do=sql("DROP INDEX CONCURRENTLY IF EXISTS order_total", atomic=False),
    ),
    safe(
        "A reference without a constraint, then its index concurrently",
        why="A nullable column of a moment, and a build beside reads and writes.",
        source=sources.BUILDING_CONCURRENTLY,
        after="strong_migrations add_reference.rb",
        perhaps=(Danger.FAILS,),
        do=(
            """
            migrations.AddField(
                "order",
                "product",
                models.ForeignKey(
                    "shop.Product", models.DO_NOTHING, null=True, db_constraint=False, db_index=False
                ),
            ),
            """,
            """
            atomic = False
            postgres_operations.AddIndexConcurrently(
                "order", models.Index(fields=["product"], name="order_product")
            ),
            """,
        ),
    ),
    safe(
        "A reference to any model: two nullable columns",
        why="Catalog changes of a moment on one table.",
        source=sources.ALTER_TABLE_NOTES,
        after="strong_migrations add_reference.rb",
        do="""
        migrations.AddField("order", "about_kind", models.CharField(max_length=100, null=True)),
        migrations.AddField("order", "about_id", models.BigIntegerField(null=True)),
        """,
    ),
    safe(
        "varchar(50) to varchar(51)",
        why="Every value fits: a catalog change of a moment.",
        source=sources.ALTER_TABLE_NOTES,
        after="strong_migrations change_column.rb",
        do='migrations.AlterField("customer", "city", models.CharField(max_length=51)),',
    ),
    safe(
        "varchar(50) to varchar(256)",
        why="Every value fits; PostgreSQL has no boundary at 255.",
        source=sources.ALTER_TABLE_NOTES,
        after="strong_migrations change_column.rb",
        do='migrations.AlterField("customer", "city", models.CharField(max_length=256)),',
    ),
    safe(
        "varchar(50) to varchar",
        why="A catalog change of a moment.",
        source=sources.ALTER_TABLE_NOTES,
        after="strong_migrations change_column.rb",
        do='migrations.AlterField("customer", "city", models.CharField()),',
    ),
    unsafe(
        "varchar(50) to varchar(49)",
        Danger.LOCK,
        Danger.OLD,
        Danger.FAILS,
        why="The table is rewritten, and a value of 50 characters fails, written by the serving release too.",
        source=sources.ALTER_TABLE_NOTES,
        after="strong_migrations change_column.rb",
        do='migrations.AlterField("customer", "city", models.CharField(max_length=49)),',
    ),
    unsafe(
        "text to varchar(20)",
        Danger.LOCK,
        Danger.OLD,
        Danger.FAILS,
        why="The table is rewritten, and longer values fail, written by the serving release too.",
        source=sources.ALTER_TABLE_NOTES,
        after="strong_migrations change_column.rb",
        do='migrations.AlterField("product", "title", models.CharField(max_length=20)),',
    ),
    safe(
        "text to varchar",
        why="Stored the same: a catalog change of a moment.",
        source=sources.ALTER_TABLE_NOTES,
        after="strong_migrations change_column.rb",
        do='migrations.AlterField("product", "title", models.CharField()),',
    ),
    unsafe(
        "numeric(8,2) to numeric(7,2)",
        Danger.LOCK,
        Danger.OLD,
        Danger.FAILS,
        why="The table is rewritten, and larger values fail.",
        source=sources.ALTER_TABLE_NOTES,
        after="strong_migrations change_column.rb",
        do='migrations.AlterField("product", "price", models.DecimalField(max_digits=7, decimal_places=2)),',
    ),
    safe(
        "numeric(8,2) to numeric",
        why="Every value fits: a catalog change of a moment.",
        source=sources.ALTER_TABLE_NOTES,
        after="strong_migrations change_column.rb",
        do=sql("ALTER TABLE shop_product ALTER COLUMN price TYPE numeric"),
    ),
    unsafe(
        "timestamptz to timestamptz(3)",
        Danger.LOCK,
        why="Rounded: the table is rewritten under ACCESS EXCLUSIVE.",
        source=sources.ALTER_TABLE_NOTES,
        after="strong_migrations change_column.rb",
        do=sql("ALTER TABLE shop_order ALTER COLUMN placed TYPE timestamptz(3)"),
    ),
    unsafe(
        "A longer varchar and NOT NULL at once",
        Danger.LOCK,
        Danger.OLD,
        Danger.FAILS,
        why="The longer type takes a moment; NOT NULL reads the whole table under ACCESS EXCLUSIVE.",
        source=sources.ALTER_TABLE_NOTES,
        after="strong_migrations change_column.rb",
        do='migrations.AlterField("customer", "name", models.CharField(max_length=120)),',
    ),
    unsafe(
        "varchar to text under a check of the column",
        Danger.LOCK,
        why="The values stay, but the check is proven again: the table is read under ACCESS EXCLUSIVE.",
        source=sources.ALTER_TABLE,
        after="strong_migrations change_column.rb",
        do=(
            sql("ALTER TABLE shop_customer ADD CONSTRAINT city_low CHECK (city = lower(city)) NOT VALID"),
            sql("ALTER TABLE shop_customer VALIDATE CONSTRAINT city_low"),
            'migrations.AlterField("customer", "city", models.TextField()),',
        ),
    ),
    safe(
        "text to varchar under a check of another column",
        why="The check does not use the column: a catalog change of a moment.",
        source=sources.ALTER_TABLE_NOTES,
        after="strong_migrations change_column.rb",
        do='migrations.AlterField("order", "note", models.CharField(null=True)),',
    ),
    safe(
        "Another default in the database",
        why="A catalog change of a moment; the serving release names its own values, or takes what comes.",
        source=sources.DEFAULTS,
        after="strong_migrations change_column_default.rb",
        do='migrations.AlterField("customer", "name", models.CharField(max_length=100, null=True, db_default="n")),',
    ),
    unsafe(
        "NOT NULL where the check is not validated",
        Danger.LOCK,
        Danger.OLD,
        Danger.FAILS,
        why="Only a validated check proves it: the table is read under ACCESS EXCLUSIVE.",
        source=sources.ALTER_TABLE,
        after="strong_migrations change_column_null.rb",
        do=(
            sql("ALTER TABLE shop_customer ADD CONSTRAINT named CHECK (name IS NOT NULL) NOT VALID"),
            'migrations.AlterField("customer", "name", models.CharField(max_length=100)),',
        ),
    ),
    safe(
        "SET NOT NULL by hand, proven by a validated check",
        why="Nothing is read.",
        source=sources.ALTER_TABLE,
        after="strong_migrations change_column_null.rb",
        perhaps=(Danger.OLD,),
        do=(
            sql('ALTER TABLE shop_customer ADD CONSTRAINT named CHECK ("name" IS NOT NULL) NOT VALID'),
            sql("ALTER TABLE shop_customer VALIDATE CONSTRAINT named"),
            sql(
                "ALTER TABLE shop_customer ALTER COLUMN name SET NOT NULL",
                "ALTER TABLE shop_customer DROP CONSTRAINT named",
            ),
        ),
    ),
    unsafe(
        "ALTER SCHEMA … RENAME",
        Danger.OLD,
        why="The serving release still names the old schema.",
        source=f"{sources.POSTGRES}sql-alterschema.html",
        after="strong_migrations misc.rb",
        do=sql("ALTER SCHEMA shop_archive RENAME TO shop_old"),
    ),
    unsafe(
        "ALTER TYPE … RENAME VALUE",
        Danger.OLD,
        why="The serving release still writes and compares the old value.",
        source=sources.ALTER_TYPE,
        after="strong_migrations misc.rb",
        do=sql("ALTER TYPE shop_mood RENAME VALUE 'good' TO 'fine'"),
    ),
    unsafe(
        "A table made anew over the old one",
        Danger.OLD,
        Danger.LOSS,
        why="The rows are gone, and what depended on the table.",
        source=f"{sources.POSTGRES}sql-droptable.html",
        after="strong_migrations misc.rb",
        do=sql(
            "DROP TABLE IF EXISTS shop_ticket CASCADE",
            "CREATE TABLE shop_ticket (id bigint PRIMARY KEY, subject text)",
        ),
    ),
    safe(
        "SELECT 1",
        why="Nothing.",
        source=sources.LOCKS,
        after="strong_migrations misc.rb",
        do=sql("SELECT 1"),
    ),
    unsafe(
        "ALTER TABLE … RENAME TO",
        Danger.OLD,
        why="The serving release still names the old table.",
        source=sources.ALTER_TABLE,
        after="strong_migrations misc.rb",
        do=sql("ALTER TABLE shop_ticket RENAME TO shop_demand"),
    ),
    unsafe(
        "ALTER TABLE … RENAME COLUMN",
        Danger.OLD,
        why="The serving release still names the old column.",
        source=sources.ALTER_TABLE,
        after="strong_migrations misc.rb",
        do=sql("ALTER TABLE shop_order RENAME COLUMN note TO remark"),
    ),
    unsafe(
        "Two columns dropped in one statement",
        Danger.OLD,
        Danger.LOSS,
        why="Each query of the serving release names them, and fails.",
        source=sources.ALTER_TABLE,
        after="strong_migrations remove_column.rb",
        do=sql("ALTER TABLE shop_order DROP COLUMN note, DROP COLUMN stay"),
    ),
    unsafe(
        "A foreign key's field removed",
        Danger.OLD,
        Danger.LOSS,
        why="Each query of the serving release names its column, and fails.",
        source=sources.OPERATIONS,
        after="strong_migrations remove_column.rb",
        do='migrations.RemoveField("order", "seller"),',
    ),
)
