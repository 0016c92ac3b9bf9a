"""The tables under load: orders by the million, the customers they refer to, and a few tables beside them.

The statements are those of the release that is still serving, which knows the schema before the migration: like
Django's, they name every column and qualify it, and are sent without being prepared.
"""

from __future__ import annotations

from tests.support.databases import Database
from tests.support.sites import Site

ROWS = 2_000_000  # of orders; a tenth as many customers

TABLES = (
    """
    migrations.CreateModel("Customer", [
        ("id", models.BigAutoField(primary_key=True)),
        ("name", models.CharField(max_length=100)),
        ("email", models.CharField(max_length=100)),
    ])
    """,
    """
    migrations.CreateModel("Depot", [
        ("id", models.BigAutoField(primary_key=True)),
        ("name", models.CharField(max_length=100)),
    ])
    """,
    """
    migrations.CreateModel("Order", [
        ("id", models.BigAutoField(primary_key=True)),
        ("customer", models.ForeignKey("shop.Customer", models.CASCADE)),
        ("depot", models.ForeignKey("shop.Depot", models.CASCADE, null=True, db_constraint=False)),
        ("reference", models.CharField(max_length=20)),
        ("status", models.CharField(max_length=20)),
        ("quantity", models.IntegerField()),
        ("weight", models.IntegerField(db_index=True)),
        ("price", models.DecimalField(max_digits=10, decimal_places=2)),
        ("note", models.CharField(max_length=100, null=True)),
        ("placed_at", models.DateTimeField()),
    ], options={"indexes": [models.Index(fields=["placed_at"], name="order_placed")]})
    """,
    """
    migrations.CreateModel("Review", [
        ("id", models.BigAutoField(primary_key=True)),
        ("order", models.ForeignKey("shop.Order", models.CASCADE)),
        ("text", models.TextField()),
    ])
    """,
)

ORDER = ("customer_id", "depot_id", "reference", "status", "quantity", "weight", "price", "note", "placed_at")
CUSTOMER = ("name", "email")

_FILL = (
    "INSERT INTO shop_depot (name) SELECT 'depot ' || i FROM generate_series(1, 10) i",
    "INSERT INTO shop_customer (name, email)"
    " SELECT 'customer ' || i, 'c' || i || '@example.org' FROM generate_series(1, {customers}) i",
    "INSERT INTO shop_order (customer_id, depot_id, reference, status, quantity, weight, price, note, placed_at)"
    " SELECT 1 + (i * 7919) % {customers}, 1 + i % 10, 'R' || i, 'paid', i % 10, i % 50000, (i % 10000)::numeric / 100,"
    " 'note ' || i, '2026-01-01'::timestamptz + i * interval '1 second' FROM generate_series(1::bigint, {orders}) i",
    "INSERT INTO shop_review (order_id, text) SELECT i, 'good' FROM generate_series(1, {reviews}) i",
    "VACUUM (FREEZE, ANALYZE)",
)


def customers(orders: int) -> int:
    """How many customers there are for so many orders."""
    return max(orders // 10, 1)


def build(site: Site, orders: int) -> None:
    """Create the tables by the site's first migration, and fill them."""
    site.migration("0001_initial", *TABLES)
    done = site.migrate()
    if done.code:
        raise RuntimeError(done.text)
    fill(site.database, orders)


def fill(database: Database, orders: int) -> None:
    numbers = {"orders": orders, "customers": customers(orders), "reviews": min(orders, 1000)}
    database.execute(*(statement.format(**numbers) for statement in _FILL))


def select(table: str, columns: tuple[str, ...]) -> str:
    named = ", ".join(f'"{table}"."{column}"' for column in ("id", *columns))
    return f'SELECT {named} FROM "{table}" WHERE "{table}"."id" = %s LIMIT 21'


def insert(table: str, columns: tuple[str, ...]) -> str:
    named, values = ", ".join(f'"{column}"' for column in columns), ", ".join(["%s"] * len(columns))
    return f'INSERT INTO "{table}" ({named}) VALUES ({values}) RETURNING "{table}"."id"'


def update(table: str, columns: tuple[str, ...]) -> str:
    assigned = ", ".join(f'"{column}" = %s' for column in columns)
    return f'UPDATE "{table}" SET {assigned} WHERE "{table}"."id" = %s'
