"""Tables: made, dropped, renamed."""

from __future__ import annotations

from tests.conformance.comparison.case import Danger, safe, unsafe
from tests.conformance.comparison.cases import sources

CASES = (
    unsafe(
        "CreateModel with foreign keys and indexes",
        Danger.OLD,
        why="The new table is empty; but the serving release cannot delete a customer that it refers to (23503).",
        source=sources.FOREIGN_KEYS,
        do="""
        migrations.CreateModel(
            "Wish",
            [
                ("id", models.BigAutoField(primary_key=True)),
                ("by", models.ForeignKey("shop.Customer", models.CASCADE)),
                ("product", models.ForeignKey("shop.Product", models.CASCADE)),
                ("text", models.TextField(db_index=True)),
            ],
            options={"unique_together": {("by", "product")}},
        ),
        """,
    ),
    unsafe(
        "DeleteModel",
        Danger.OLD,
        Danger.LOSS,
        why="The serving release still reads the table.",
        source=sources.OPERATIONS,
        do='migrations.DeleteModel("Ticket"),',
    ),
    safe(
        "DeleteModel in state only",
        why="The database keeps the table until a later release.",
        source=sources.OPERATIONS,
        do='migrations.SeparateDatabaseAndState([], [migrations.DeleteModel("Ticket")]),',
    ),
    unsafe(
        "RenameModel",
        Danger.OLD,
        why="The serving release still names the old table.",
        source=sources.OPERATIONS,
        do='migrations.RenameModel("Ticket", "Request"),',
    ),
    safe(
        "RenameModel of a model with db_table",
        why="The table keeps its name: nothing is sent.",
        source=sources.OPERATIONS,
        do='migrations.RenameModel("Parcel", "Package"),',
    ),
    unsafe(
        "AlterModelTable",
        Danger.OLD,
        why="The serving release still names the old table.",
        source=sources.OPERATIONS,
        do='migrations.AlterModelTable("ticket", "shop_demand"),',
    ),
    safe(
        "AlterModelOptions and AlterModelManagers",
        why="Python alone: nothing is sent.",
        source=sources.OPERATIONS,
        do="""
        migrations.AlterModelOptions("order", {"ordering": ["-placed"], "verbose_name": "purchase"}),
        migrations.AlterModelManagers("order", [("everything", models.Manager())]),
        """,
    ),
    unsafe(
        "Two columns without a transaction",
        Danger.FAILS,
        why="Where the second waits in vain or is killed, the first stays, and the next run fails: already exists.",
        source=sources.NON_ATOMIC,
        do="""
        atomic = False
        migrations.AddField("order", "channel", models.IntegerField(null=True)),
        migrations.AddField("customer", "channel", models.IntegerField(null=True)),
        """,
    ),
)
