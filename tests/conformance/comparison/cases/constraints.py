"""Constraints: unique, check, foreign key, exclusion."""

from __future__ import annotations

from tests.conformance.comparison.case import Danger, safe, unsafe
from tests.conformance.comparison.cases import sources

CASES = (
    unsafe(
        "AddConstraint, unique",
        Danger.LOCK,
        why="The index is built under ACCESS EXCLUSIVE.",
        source=sources.ALTER_TABLE_NOTES,
        do="""
        migrations.AddConstraint("order", models.UniqueConstraint(fields=["number"], name="order_number")),
        """,
    ),
    safe(
        "Unique index concurrently, then USING INDEX",
        perhaps=(Danger.FAILS, Danger.OLD),
        why="The way that PostgreSQL's manual names for it: the constraint takes the index over in a moment.",
        source=sources.ALTER_TABLE,
        do=(
            """
            atomic = False
            migrations.RunSQL(
                "CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS order_number ON shop_order (number)",
                "DROP INDEX CONCURRENTLY IF EXISTS order_number",
            ),
            """,
            """
            migrations.SeparateDatabaseAndState(
                [
                    migrations.RunSQL(
                        "ALTER TABLE shop_order ADD CONSTRAINT order_number UNIQUE USING INDEX order_number",
                        "ALTER TABLE shop_order DROP CONSTRAINT order_number",
                    )
                ],
                [migrations.AddConstraint("order", models.UniqueConstraint(fields=["number"], name="order_number"))],
            ),
            """,
        ),
    ),
    unsafe(
        "unique=True on a column",
        Danger.LOCK,
        why="AlterField adds the constraint in place: the index is built under ACCESS EXCLUSIVE.",
        source=sources.ALTER_TABLE_NOTES,
        do='migrations.AlterField("product", "sku", models.CharField(max_length=20, unique=True)),',
    ),
    unsafe(
        "AlterUniqueTogether",
        Danger.LOCK,
        why="The index is built under ACCESS EXCLUSIVE.",
        source=sources.ALTER_TABLE_NOTES,
        do='migrations.AlterUniqueTogether("order", {("customer", "number")}),',
    ),
    unsafe(
        "AddConstraint, partial unique",
        Danger.LOCK,
        why="Django makes a unique index of it, in place: every write waits.",
        source=sources.BUILDING_CONCURRENTLY,
        do="""
        migrations.AddConstraint(
            "order",
            models.UniqueConstraint(fields=["number"], condition=models.Q(total__gt=0), name="order_number"),
        ),
        """,
    ),
    unsafe(
        "AddConstraint, check",
        Danger.LOCK,
        why="The whole table is read under ACCESS EXCLUSIVE.",
        source=sources.ALTER_TABLE_NOTES,
        do="""
        migrations.AddConstraint(
            "order", models.CheckConstraint(condition=models.Q(total__lt=1000000), name="order_total_sane")
        ),
        """,
    ),
    safe(
        "AddConstraintNotValid, then ValidateConstraint",
        perhaps=(Danger.OLD,),
        why="Added in a moment; validated in a transaction of its own, beside reads and writes.",
        source=sources.POSTGRES_OPERATIONS,
        do=(
            """
            postgres_operations.AddConstraintNotValid(
                "order", models.CheckConstraint(condition=models.Q(total__lt=1000000), name="order_total_sane")
            ),
            """,
            'postgres_operations.ValidateConstraint("order", "order_total_sane"),',
        ),
    ),
    unsafe(
        "NOT VALID and VALIDATE in one migration",
        Danger.LOCK,
        why="The lock of the first statement is held while the second reads the table.",
        source=sources.POSTGRES_OPERATIONS,
        do="""
        postgres_operations.AddConstraintNotValid(
            "order", models.CheckConstraint(condition=models.Q(total__lt=1000000), name="order_total_sane")
        ),
        postgres_operations.ValidateConstraint("order", "order_total_sane"),
        """,
    ),
    safe(
        "Constraints of a table of the same migration",
        why="The table is empty, and nobody uses it yet.",
        source=sources.LOCKS,
        do="""
        migrations.CreateModel(
            "Wish", [("id", models.BigAutoField(primary_key=True)), ("rank", models.IntegerField())]
        ),
        migrations.AddConstraint("wish", models.UniqueConstraint(fields=["rank"], name="wish_rank")),
        migrations.AddConstraint(
            "wish", models.CheckConstraint(condition=models.Q(rank__gt=0), name="wish_rank_positive")
        ),
        """,
    ),
    unsafe(
        "RemoveConstraint, check",
        Danger.OLD,
        why="The serving release does not expect the rows that the new one may write now.",
        source=sources.ALTER_TABLE,
        do='migrations.RemoveConstraint("order", "order_total_positive"),',
    ),
    unsafe(
        "db_constraint=True on a foreign key",
        Danger.LOCK,
        why="Every row is looked up while writes to both tables wait.",
        source=sources.ALTER_TABLE_NOTES,
        do="""
        migrations.AlterField(
            "order", "seller", models.ForeignKey("shop.Customer", models.CASCADE, related_name="+")
        ),
        """,
    ),
    unsafe(
        "FOREIGN KEY by hand",
        Danger.LOCK,
        why="Every row is looked up while writes to both tables wait.",
        source=sources.ALTER_TABLE_NOTES,
        do="""
        migrations.RunSQL(
            "ALTER TABLE shop_order ADD CONSTRAINT seller_fk FOREIGN KEY (seller_id) REFERENCES shop_customer (id)",
            "ALTER TABLE shop_order DROP CONSTRAINT seller_fk",
        ),
        """,
    ),
    safe(
        "FOREIGN KEY NOT VALID by hand, then VALIDATE",
        perhaps=(Danger.OLD,),
        why="Added in a moment; validated in a transaction of its own, beside reads and writes.",
        source=sources.ALTER_TABLE_NOTES,
        do=(
            """
            migrations.RunSQL(
                "ALTER TABLE shop_order ADD CONSTRAINT seller_fk FOREIGN KEY (seller_id)"
                " REFERENCES shop_customer (id) NOT VALID",
                "ALTER TABLE shop_order DROP CONSTRAINT seller_fk",
            ),
            """,
            """
            migrations.RunSQL("ALTER TABLE shop_order VALIDATE CONSTRAINT seller_fk", migrations.RunSQL.noop),
            """,
        ),
    ),
    safe(
        "Another on_delete of a foreign key",
        why="Python alone: AlterField sends nothing.",
        source=f"{sources.DJANGO}ref/models/fields/#django.db.models.ForeignKey.on_delete",
        do='migrations.AlterField("order", "customer", models.ForeignKey("shop.Customer", models.PROTECT)),',
    ),
    unsafe(
        "AddConstraint, exclusion",
        Danger.LOCK,
        why="Its index is built under ACCESS EXCLUSIVE, and cannot be built concurrently.",
        source=f"{sources.POSTGRES}sql-createtable.html#SQL-CREATETABLE-EXCLUDE",
        do="""
        migrations.AddConstraint(
            "order",
            postgres_constraints.ExclusionConstraint(name="order_stay", expressions=[("stay", "&&")]),
        ),
        """,
    ),
)
