"""The shop that every case changes: its first migration, its models of today, and rows in its tables."""

from __future__ import annotations

from tests.conformance.comparison.case import text

INITIAL = text(
    '''
    migrations.CreateModel(
        "Customer",
        [
            ("id", models.BigAutoField(primary_key=True)),
            ("email", models.CharField(max_length=200, unique=True)),
            ("name", models.CharField(max_length=100, null=True)),
            ("city", models.CharField(max_length=50)),
            ("points", models.IntegerField(db_default=0)),
            ("nickname", models.CharField(max_length=50, db_column="nick")),
        ],
    ),
    migrations.CreateModel(
        "Product",
        [
            ("id", models.BigAutoField(primary_key=True)),
            ("sku", models.CharField(max_length=20)),
            ("title", models.TextField()),
            ("price", models.DecimalField(max_digits=8, decimal_places=2)),
            ("code", models.CharField(max_length=10)),
        ],
    ),
    migrations.CreateModel(
        "Order",
        [
            ("id", models.BigAutoField(primary_key=True)),
            ("customer", models.ForeignKey("shop.Customer", models.CASCADE)),
            ("seller", models.ForeignKey("shop.Customer", models.CASCADE, related_name="+", db_constraint=False)),
            ("number", models.CharField(max_length=20)),
            ("note", models.TextField(null=True)),
            ("total", models.IntegerField(default=0)),
            ("placed", models.DateTimeField(db_index=True)),
            ("stay", postgres_fields.DateTimeRangeField(null=True)),
        ],
        options={
            "indexes": [models.Index(fields=["total"], name="order_total")],
            "constraints": [models.CheckConstraint(condition=models.Q(total__gte=0), name="order_total_positive")],
        },
    ),
    migrations.CreateModel(
        "Parcel",
        [("id", models.BigAutoField(primary_key=True)), ("weight", models.IntegerField())],
        options={"db_table": "shop_box"},
    ),
    migrations.CreateModel(
        "Ticket",
        [("id", models.AutoField(primary_key=True)), ("subject", models.TextField())],
    ),
    migrations.RunSQL(
        """
        CREATE TYPE shop_mood AS ENUM ('good', 'bad');
        CREATE SCHEMA shop_archive;
        CREATE TABLE shop_archive.orders (id bigint);
        CREATE MATERIALIZED VIEW shop_totals AS SELECT customer_id, count(*) FROM shop_order GROUP BY customer_id;
        CREATE TABLE shop_event (at date NOT NULL) PARTITION BY RANGE (at);
        CREATE TABLE shop_event_2025 PARTITION OF shop_event FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
        """,
        migrations.RunSQL.noop,
    ),
    ''',
    None,
)

MODELS = """
from django.db import models


class Customer(models.Model):
    email = models.CharField(max_length=200, unique=True)
    city = models.CharField(max_length=50)
"""

ROWS = """
INSERT INTO shop_customer (email, name, city, nick)
    SELECT i || '@example.org', 'n', 'c', 'k' FROM generate_series(1, 2000) i;
INSERT INTO shop_product (sku, title, price, code) SELECT i, 't', 1, i FROM generate_series(1, 2000) i;
INSERT INTO shop_order (customer_id, seller_id, number, note, total, placed)
    SELECT i, i, i, 'note', 1, now() FROM generate_series(1, 2000) i;
INSERT INTO shop_box (weight) SELECT i FROM generate_series(1, 2000) i;
INSERT INTO shop_ticket (subject) SELECT i FROM generate_series(1, 2000) i;
ANALYZE;
"""
