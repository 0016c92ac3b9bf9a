"""One migration for each kind of schema operation, on the tables of ``shop``."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass


@dataclass(frozen=True)
class Operation:
    """A migration of one operation. name: what ``--only`` looks in. source: of its operations, as in a file."""

    name: str
    source: str
    imports: str = ""
    atomic: bool = True


def _add(name: str, field: str, imports: str = "") -> Operation:
    return Operation(f"AddField, {name}", f'migrations.AddField("Order", "added", models.{field})', imports)


def _alter(name: str, column: str, field: str) -> Operation:
    return Operation(f"AlterField, {name}", f'migrations.AlterField("Order", "{column}", models.{field})')


def _constraint(name: str, constraint: str) -> Operation:
    return Operation(f"AddConstraint, {name}", f'migrations.AddConstraint("Order", models.{constraint})')


KEEP = textwrap.dedent("""
    def keep(apps, schema_editor):
        apps.get_model("shop", "Order").objects.filter(pk__lte=100).update(status="kept")
""")
RANDOM = "from django.contrib.postgres.functions import RandomUUID"
CONCURRENTLY = "from django.contrib.postgres.operations import AddIndexConcurrently"
REVIEWED = """
migrations.CreateModel("Refund", [
    ("id", models.BigAutoField(primary_key=True)),
    ("order", models.ForeignKey("shop.Order", models.CASCADE)),
])
"""

OPERATIONS = (
    _add("null", "IntegerField(null=True)"),
    _add("default", "IntegerField(default=0)"),
    _add("db_default", "IntegerField(db_default=0)"),
    _add("volatile db_default", "UUIDField(db_default=RandomUUID())", RANDOM),
    _add("foreign key", 'ForeignKey("shop.Depot", models.CASCADE, null=True)'),
    _add("indexed", "IntegerField(null=True, db_index=True)"),
    _add("unique", "CharField(max_length=20, null=True, unique=True)"),
    _add("positive", "PositiveIntegerField(null=True)"),
    Operation(
        "AddIndex", 'migrations.AddIndex("Order", models.Index(fields=["status", "placed_at"], name="order_status"))'
    ),
    Operation(
        "AddIndexConcurrently",
        'AddIndexConcurrently("Order", models.Index(fields=["status", "placed_at"], name="order_status"))',
        CONCURRENTLY,
        atomic=False,
    ),
    Operation("RemoveIndex", 'migrations.RemoveIndex("Order", "order_placed")'),
    _alter("db_index set", "quantity", "IntegerField(db_index=True)"),
    _alter("db_index taken away", "weight", "IntegerField()"),
    _constraint("check", 'CheckConstraint(condition=models.Q(quantity__gte=0), name="order_quantity")'),
    _constraint("unique", 'UniqueConstraint(fields=["reference"], name="order_reference")'),
    Operation(
        "AlterUniqueTogether", 'migrations.AlterUniqueTogether("Order", unique_together={("customer", "reference")})'
    ),
    _alter("foreign key on a column", "depot", 'ForeignKey("shop.Depot", models.CASCADE, null=True)'),
    _alter("null to not null", "note", "CharField(max_length=100)"),
    _alter("varchar to wider", "status", "CharField(max_length=40)"),
    _alter("int to bigint", "quantity", "BigIntegerField()"),
    Operation("CreateModel, foreign key", REVIEWED),
    Operation("DeleteModel, foreign key", 'migrations.DeleteModel("Review")'),
    Operation("RenameField", 'migrations.RenameField("Order", "price", "amount")'),
    Operation("RemoveField", 'migrations.RemoveField("Order", "note")'),
    Operation("RunPython, 100 rows", "migrations.RunPython(keep, migrations.RunPython.noop)", KEEP),
    Operation("RunSQL, 100 rows", "migrations.RunSQL(\"UPDATE shop_order SET status = 'kept' WHERE id <= 100\")"),
)


def chosen(words: list[str]) -> list[Operation]:
    """Those whose name has one of the words in it, whatever the case; all, where there are none."""
    lowered = [word.lower() for word in words]
    return [
        operation for operation in OPERATIONS if not lowered or any(word in operation.name.lower() for word in lowered)
    ]
