"""RunPython, and SQL that changes rows."""

from __future__ import annotations

from tests.conformance.comparison.case import Danger, safe, unsafe
from tests.conformance.comparison.cases import sources

CASES = (
    unsafe(
        "UPDATE of every row",
        Danger.DATA,
        why="All rows stay locked until the migration commits: requests that write them wait.",
        source=sources.LOCKS,
        do="""migrations.RunSQL("UPDATE shop_order SET note = ''", migrations.RunSQL.noop),""",
    ),
    unsafe(
        "DELETE of every row",
        Danger.DATA,
        Danger.LOSS,
        why="All rows are gone, and locked until the migration commits.",
        source=f"{sources.POSTGRES}sql-delete.html",
        do='migrations.RunSQL("DELETE FROM shop_ticket", migrations.RunSQL.noop),',
    ),
    unsafe(
        "UPDATE by a condition",
        Danger.DATA,
        why="As many rows as match stay locked until the migration commits; here all of them.",
        source=sources.LOCKS,
        do="""
        migrations.RunSQL("UPDATE shop_order SET note = '' WHERE note IS NOT NULL", migrations.RunSQL.noop),
        """,
    ),
    safe(
        "UPDATE of one row by its key",
        why="One row, found by an index.",
        source=sources.ISOLATION,
        do="""migrations.RunSQL("UPDATE shop_customer SET city = 'x' WHERE id = 1", migrations.RunSQL.noop),""",
    ),
    unsafe(
        "RunPython, update() of everything",
        Danger.DATA,
        why="One statement over all rows, which stay locked until the migration commits.",
        source=sources.NON_ATOMIC,
        do="""
        def fill(apps, schema_editor):
            Order = apps.get_model("shop", "Order")
            Order.objects.update(note="")


        OPERATIONS
        migrations.RunPython(fill, migrations.RunPython.noop),
        """,
    ),
    unsafe(
        "RunPython, a loop over all()",
        Danger.DATA,
        why="Every row is loaded into memory, saved one by one, and locked until the migration commits.",
        source=sources.QUERYSETS,
        do="""
        def fill(apps, schema_editor):
            Order = apps.get_model("shop", "Order")
            for order in Order.objects.all():
                order.note = order.number.lower()
                order.save()


        OPERATIONS
        migrations.RunPython(fill, migrations.RunPython.noop),
        """,
    ),
    unsafe(
        "RunPython, a loop over a queryset with a name",
        Danger.DATA,
        why="Every row is loaded into memory, saved one by one, and locked until the migration commits.",
        source=sources.QUERYSETS,
        do="""
        def fill(apps, schema_editor):
            orders = apps.get_model("shop", "Order").objects.exclude(note=None)
            for order in orders:
                order.note = order.number.lower()
                order.save(update_fields=["note"])


        OPERATIONS
        migrations.RunPython(fill, migrations.RunPython.noop),
        """,
    ),
    safe(
        "RunPython in batches, without a transaction",
        why="A thousand rows at a time, each batch committed; it can be repeated.",
        source=sources.NON_ATOMIC,
        do="""
        def fill(apps, schema_editor):
            Order = apps.get_model("shop", "Order")
            while True:
                keys = list(Order.objects.filter(note=None).values_list("pk", flat=True)[:1000])
                if not keys:
                    break
                Order.objects.filter(pk__in=keys).update(note="")


        OPERATIONS
        atomic = False
        migrations.RunPython(fill, migrations.RunPython.noop),
        """,
    ),
    safe(
        "RunPython on a table of the same migration",
        why="Nobody uses the table yet, and it has no rows but these.",
        source=sources.DATA_MIGRATIONS,
        do="""
        def fill(apps, schema_editor):
            Wish = apps.get_model("shop", "Wish")
            Wish.objects.create(rank=1)
            Wish.objects.all().update(rank=2)


        OPERATIONS
        migrations.CreateModel(
            "Wish", [("id", models.BigAutoField(primary_key=True)), ("rank", models.IntegerField())]
        ),
        migrations.RunPython(fill, migrations.RunPython.noop),
        """,
    ),
    safe(
        "RunPython of one row",
        why="One row, found by an index.",
        source=sources.DATA_MIGRATIONS,
        do="""
        def fill(apps, schema_editor):
            Customer = apps.get_model("shop", "Customer")
            Customer.objects.get_or_create(email="shop@example.org", defaults={"city": "x"})


        OPERATIONS
        migrations.RunPython(fill, migrations.RunPython.noop),
        """,
    ),
    unsafe(
        "RunPython with a model of today",
        Danger.FAILS,
        why="It fails on an empty database as soon as a later migration changes the model.",
        source=sources.HISTORICAL_MODELS,
        do="""
        def fill(apps, schema_editor):
            from shop.models import Customer

            Customer.objects.filter(pk=1).update(city="x")


        OPERATIONS
        migrations.RunPython(fill, migrations.RunPython.noop),
        """,
    ),
    unsafe(
        "A new column, and data for it, in one transaction",
        Danger.LOCK,
        Danger.DATA,
        why="ADD COLUMN's ACCESS EXCLUSIVE lock is held until every row is updated: reads wait as well.",
        source=sources.LOCKS,
        do="""
        def fill(apps, schema_editor):
            Order = apps.get_model("shop", "Order")
            for order in Order.objects.iterator(chunk_size=1000):
                Order.objects.filter(pk=order.pk).update(channel=1)


        OPERATIONS
        migrations.AddField("order", "channel", models.IntegerField(null=True)),
        migrations.RunPython(fill, migrations.RunPython.noop),
        """,
    ),
    unsafe(
        "RunPython with a statement of its own",
        Danger.DATA,
        why="One statement over all rows, which stay locked until the migration commits.",
        source=sources.LOCKS,
        do="""
        def fill(apps, schema_editor):
            with schema_editor.connection.cursor() as cursor:
                cursor.execute("UPDATE shop_order SET note = ''")


        OPERATIONS
        migrations.RunPython(fill, migrations.RunPython.noop),
        """,
    ),
    unsafe(
        "RunPython that builds an index",
        Danger.LOCK,
        why="Every write waits for the build.",
        source=sources.BUILDING_CONCURRENTLY,
        do="""
        def build(apps, schema_editor):
            schema_editor.execute("CREATE INDEX order_number ON shop_order (number)")


        OPERATIONS
        migrations.RunPython(build, migrations.RunPython.noop),
        """,
    ),
)
