"""The models that every rule's examples change, what a catalog may say of their tables, and changes that many have."""

from __future__ import annotations

from typing import Any

from lockgate.facts.tables import DatabaseFacts, TableFacts
from lockgate.linting.rules.rule import Example, source

MODELS = """
class Migration(migrations.Migration):
    operations = [
        migrations.CreateModel(
            "Customer",
            [
                ("id", models.BigAutoField(primary_key=True)),
                ("email", models.CharField(max_length=200, unique=True)),
            ],
        ),
        migrations.CreateModel(
            "Order",
            [
                ("id", models.BigAutoField(primary_key=True)),
                ("customer", models.ForeignKey("shop.Customer", models.CASCADE)),
                ("number", models.CharField(max_length=20)),
                ("note", models.TextField(null=True)),
                ("total", models.IntegerField(default=0)),
                ("placed", models.DateTimeField(db_index=True)),
            ],
            options={"indexes": [models.Index(fields=["total"], name="order_total")]},
        ),
    ]
""".lstrip()

# What the catalog says in examples that depend on it: tables of 2 GB, which is large by any threshold.
BYTES = 2 * 1024**3
ROWS = 12_000_000


def table(name: str, **values: Any) -> TableFacts:
    """Facts of one of the shop's tables."""
    return TableFacts(**{"name": name, "kind": "r", "size": BYTES, "rows": ROWS, **values})


def given(*tables: TableFacts, **values: Any) -> DatabaseFacts:
    """Facts of a database with these tables."""
    return DatabaseFacts(version=160000, tables={facts.name: facts for facts in tables}, **values)


ADD_INDEX = source("""
    migrations.AddIndex("order", models.Index(fields=["number"], name="order_number")),
""")
ADD_FIELD = source("""
    migrations.AddField("order", "source", models.CharField(max_length=20, null=True)),
""")
QUIET = Example(ADD_INDEX, given(table("shop_order")), "where nothing of the kind is there")

IN_PORTIONS = """
def fill(apps, schema_editor):
    orders = apps.get_model("shop", "Order").objects
    last = 0
    while keys := list(orders.filter(pk__gt=last, note=None).order_by("pk").values_list("pk", flat=True)[:1000]):
        orders.filter(pk__in=keys, note=None).update(note="")
        last = keys[-1]


class Migration(migrations.Migration):
    atomic = False

    operations = [migrations.RunPython(fill, migrations.RunPython.noop, elidable=True)]
"""
