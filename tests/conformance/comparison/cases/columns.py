"""Columns: new ones, and changes of those that are there."""

from __future__ import annotations

from tests.conformance.comparison.case import Danger, safe, unsafe
from tests.conformance.comparison.cases import sources

NEW = (
    safe(
        "AddField, nullable",
        why="A catalog change of a moment, and the serving release need not know of it.",
        source=sources.ALTER_TABLE_NOTES,
        do='migrations.AddField("order", "channel", models.IntegerField(null=True)),',
    ),
    unsafe(
        "AddField, NOT NULL without a default",
        Danger.FAILS,
        Danger.OLD,
        why="It fails as soon as the table has a row.",
        source=sources.ALTER_TABLE,
        do='migrations.AddField("order", "channel", models.IntegerField()),',
    ),
    unsafe(
        "AddField, NOT NULL with a Python default",
        Danger.OLD,
        why="Django drops the database's default again at once, so every insert of the serving release fails.",
        source=sources.DEFAULTS,
        do='migrations.AddField("order", "channel", models.IntegerField(default=0)),',
    ),
    safe(
        "AddField, NOT NULL with db_default",
        why="A constant default is kept in the catalog; the serving release's inserts get it.",
        source=sources.ALTER_TABLE_NOTES,
        do='migrations.AddField("order", "channel", models.IntegerField(db_default=0)),',
    ),
    safe(
        "AddField with db_default=Now()",
        why="now() is stable: computed once, and kept in the catalog.",
        source=sources.ALTER_TABLE_NOTES,
        do='migrations.AddField("order", "seen", models.DateTimeField(db_default=functions.Now())),',
    ),
    unsafe(
        "AddField with db_default=RandomUUID()",
        Danger.LOCK,
        why="gen_random_uuid() is volatile: the table is rewritten under ACCESS EXCLUSIVE.",
        source=sources.ALTER_TABLE_NOTES,
        do='migrations.AddField("order", "token", models.UUIDField(db_default=postgres_functions.RandomUUID())),',
    ),
    unsafe(
        "AddField, unique, with a callable default",
        Danger.FAILS,
        Danger.OLD,
        why="The callable is called once: every row gets the same value, and the constraint fails.",
        source=sources.UNIQUE_FIELDS,
        do='migrations.AddField("order", "token", models.UUIDField(default=uuid.uuid4, unique=True)),',
    ),
    unsafe(
        "AddField, unique, nullable",
        Danger.LOCK,
        why="The index is built over all rows under ACCESS EXCLUSIVE.",
        source=sources.ALTER_TABLE_NOTES,
        do='migrations.AddField("order", "token", models.UUIDField(null=True, unique=True)),',
    ),
    unsafe(
        "AddField with an index",
        Danger.LOCK,
        why="The index is built over all rows, in the transaction that holds ACCESS EXCLUSIVE.",
        source=sources.LOCKS,
        do='migrations.AddField("order", "channel", models.IntegerField(null=True, db_index=True)),',
    ),
    unsafe(
        "AddField, foreign key",
        Danger.LOCK,
        Danger.OLD,
        why="Its index is built over all rows, in the transaction that holds ACCESS EXCLUSIVE; and the serving release "
        "cannot delete a product that a row refers to (23503).",
        source=sources.LOCKS,
        do="""
        migrations.AddField("order", "product", models.ForeignKey("shop.Product", models.SET_NULL, null=True)),
        """,
    ),
    safe(
        "AddField, foreign key in name only",
        why="Neither constraint nor index: a nullable column.",
        source=f"{sources.DJANGO}ref/models/fields/#django.db.models.ForeignKey.db_constraint",
        do="""
        migrations.AddField(
            "order",
            "product",
            models.ForeignKey("shop.Product", models.DO_NOTHING, null=True, db_constraint=False, db_index=False),
        ),
        """,
    ),
    unsafe(
        "AddField, foreign key without an index",
        Danger.SLOW,
        why="Every delete of a product reads all orders.",
        source=sources.FOREIGN_KEYS,
        do="""
        migrations.AddField(
            "order", "product", models.ForeignKey("shop.Product", models.SET_NULL, null=True, db_index=False)
        ),
        """,
    ),
    unsafe(
        "AddField, many to many",
        Danger.OLD,
        why="Once the new release has written a pair, the serving one's delete of its order or product fails (23503).",
        source=sources.FOREIGN_KEYS,
        do='migrations.AddField("order", "products", models.ManyToManyField("shop.Product")),',
    ),
    unsafe(
        "AddField, stored generated",
        Danger.LOCK,
        why="The table is rewritten under ACCESS EXCLUSIVE.",
        source=f"{sources.POSTGRES}ddl-generated-columns.html",
        do="""
        migrations.AddField(
            "order",
            "twice",
            models.GeneratedField(
                expression=models.F("total") * 2, output_field=models.IntegerField(), db_persist=True
            ),
        ),
        """,
    ),
    unsafe(
        "AddField on a table of the same migration",
        Danger.OLD,
        why="Nobody uses the table yet; but the serving release cannot delete a customer that it refers to (23503).",
        source=sources.FOREIGN_KEYS,
        do="""
        migrations.CreateModel("Wish", [("id", models.BigAutoField(primary_key=True))]),
        migrations.AddField("wish", "rank", models.IntegerField(default=0)),
        migrations.AddField("wish", "by", models.ForeignKey("shop.Customer", models.CASCADE)),
        """,
    ),
)

CHANGED = (
    unsafe(
        "null=False on a nullable column",
        Danger.LOCK,
        Danger.OLD,
        Danger.FAILS,
        why="SET NOT NULL reads the whole table under ACCESS EXCLUSIVE; it fails on a NULL, as old inserts will.",
        source=sources.ALTER_TABLE,
        do='migrations.AlterField("order", "note", models.TextField()),',
    ),
    safe(
        "null=False, proven by a validated check",
        perhaps=(Danger.OLD,),
        why="SET NOT NULL reads nothing where a validated check proves it.",
        source=sources.ALTER_TABLE,
        do=(
            """
            postgres_operations.AddConstraintNotValid(
                "order", models.CheckConstraint(condition=models.Q(note__isnull=False), name="order_has_note")
            ),
            """,
            'postgres_operations.ValidateConstraint("order", "order_has_note"),',
            """
            migrations.AlterField("order", "note", models.TextField()),
            migrations.RemoveConstraint("order", "order_has_note"),
            """,
        ),
    ),
    unsafe(
        "null=False with a default",
        Danger.LOCK,
        Danger.DATA,
        Danger.OLD,
        why="Django updates every NULL in one statement, and then sets NOT NULL in the same transaction.",
        source=sources.ALTER_TABLE,
        do='migrations.AlterField("order", "note", models.TextField(default="")),',
    ),
    unsafe(
        "null=True on a required column",
        Danger.OLD,
        why="The serving release does not expect the NULLs that the new one writes.",
        source=sources.OPERATIONS,
        do='migrations.AlterField("order", "number", models.CharField(max_length=20, null=True)),',
    ),
    unsafe(
        "integer to bigint",
        Danger.LOCK,
        why="The table and its indexes are rewritten under ACCESS EXCLUSIVE.",
        source=sources.ALTER_TABLE_NOTES,
        do='migrations.AlterField("order", "total", models.BigIntegerField(default=0)),',
    ),
    unsafe(
        "AutoField to BigAutoField",
        Danger.LOCK,
        why="The table and its indexes are rewritten under ACCESS EXCLUSIVE.",
        source=sources.ALTER_TABLE_NOTES,
        do='migrations.AlterField("ticket", "id", models.BigAutoField(primary_key=True)),',
    ),
    safe(
        "varchar(20) to varchar(40)",
        why="Every value fits: a catalog change of a moment.",
        source=sources.ALTER_TABLE_NOTES,
        do='migrations.AlterField("order", "number", models.CharField(max_length=40)),',
    ),
    safe(
        "varchar to text",
        why="Stored the same: a catalog change of a moment.",
        source=sources.ALTER_TABLE_NOTES,
        do='migrations.AlterField("order", "number", models.TextField()),',
    ),
    unsafe(
        "varchar(20) to varchar(10)",
        Danger.LOCK,
        Danger.OLD,
        Danger.FAILS,
        why="The table is rewritten, and longer values, written by the serving release too, fail.",
        source=sources.ALTER_TABLE_NOTES,
        do='migrations.AlterField("order", "number", models.CharField(max_length=10)),',
    ),
    safe(
        "numeric(8,2) to numeric(10,2)",
        why="More digits in the same scale: a catalog change of a moment.",
        source=sources.ALTER_TABLE_NOTES,
        do='migrations.AlterField("product", "price", models.DecimalField(max_digits=10, decimal_places=2)),',
    ),
    unsafe(
        "numeric(8,2) to numeric(10,4)",
        Danger.LOCK,
        why="Another scale: the table is rewritten under ACCESS EXCLUSIVE.",
        source=sources.ALTER_TABLE_NOTES,
        do='migrations.AlterField("product", "price", models.DecimalField(max_digits=10, decimal_places=4)),',
    ),
    unsafe(
        "varchar to integer",
        Danger.LOCK,
        Danger.OLD,
        Danger.FAILS,
        why="The table is rewritten, and the serving release compares the column with text.",
        source=sources.ALTER_TABLE_NOTES,
        do='migrations.AlterField("product", "code", models.IntegerField()),',
    ),
    unsafe(
        "Another collation of an indexed column",
        Danger.LOCK,
        why="The column's indexes are built anew under ACCESS EXCLUSIVE.",
        source=sources.ALTER_TABLE_NOTES,
        do="""
        migrations.AlterField(
            "customer", "email", models.CharField(max_length=200, unique=True, db_collation="C")
        ),
        """,
    ),
    unsafe(
        "db_default taken away",
        Danger.OLD,
        why="The serving release leaves the column to the default, and its inserts fail.",
        source=sources.DEFAULTS,
        do='migrations.AlterField("customer", "points", models.IntegerField()),',
    ),
    safe(
        "Choices, help text and Python default",
        why="Python alone: AlterField sends nothing.",
        source=sources.ALTER_SCHEMA,
        do="""
        migrations.AlterField("order", "total", models.IntegerField(default=5, help_text="in cents")),
        migrations.AlterField("customer", "city", models.CharField(max_length=50, choices=[("a", "A")])),
        """,
    ),
    unsafe(
        "RemoveField",
        Danger.OLD,
        why="Django names every column: each query of the serving release fails.",
        source=sources.OPERATIONS,
        do='migrations.RemoveField("order", "note"),',
    ),
    safe(
        "RemoveField in state only",
        why="The database keeps the column until a later release.",
        source=sources.OPERATIONS,
        do='migrations.SeparateDatabaseAndState([], [migrations.RemoveField("order", "note")]),',
    ),
    unsafe(
        "RenameField",
        Danger.OLD,
        why="Each query of the serving release names the old column, and fails.",
        source=sources.OPERATIONS,
        do='migrations.RenameField("order", "note", "remark"),',
    ),
    safe(
        "RenameField of a field with db_column",
        why="The column keeps its name: nothing is sent.",
        source=f"{sources.DJANGO}ref/models/fields/#db-column",
        do='migrations.RenameField("customer", "nickname", "alias"),',
    ),
)
