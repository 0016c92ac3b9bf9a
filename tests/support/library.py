"""A table that counts as large, with 3,000 books: what changes it is carried out online."""

from __future__ import annotations

from typing import Any

from tests.support.sites import Site

CREATE_BOOK = """
migrations.CreateModel(
    name="Book",
    fields=[
        ("id", models.BigAutoField(primary_key=True)),
        ("title", models.CharField(max_length=100)),
        ("isbn", models.CharField(max_length=20)),
        ("pages", models.IntegerField(null=True)),
    ],
)
"""
FILL = (
    "INSERT INTO shop_book (title, isbn, pages) SELECT 'Title ' || n, 'isbn ' || n, n FROM generate_series(1, 3000) n"
)


def large(site: Site, **settings: Any) -> Site:
    """settings: Lockgate's, beside those by which the table is large."""
    site.lockgate = {"LARGE_TABLE_BYTES": 65536, "LOCK_ATTEMPTS_SECONDS": 2, **settings}
    site.write_settings()
    site.migration("0001_initial", CREATE_BOOK)
    assert site.migrate().code == 0
    site.database.execute(FILL)
    return site
