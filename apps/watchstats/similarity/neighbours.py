"""Nearest neighbours, and whether this database can find any.

The catalog answers the second question: an extension and a table are there or they are not. Nothing here
reads the text of an error.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connections
from django.db.models import QuerySet
from django.db.models.functions import Now
from pgvector.django import CosineDistance

from watchstats.models import Item
from watchstats.similarity.models import ItemEmbedding


class Missing(StrEnum):
    """What stands between this database and similar items."""

    EXTENSION = "extension_vector_missing"
    TABLE = "table_missing"


def missing(using: str = DEFAULT_DB_ALIAS) -> Missing | None:
    """What is missing, or None. One query of the catalog.

    Both names are resolved by the search path, as the queries of the models are.
    Source: https://www.postgresql.org/docs/current/functions-info.html (to_regtype, to_regclass)
    """
    with connections[using].cursor() as cursor:
        cursor.execute(
            "SELECT to_regtype('vector') IS NOT NULL, to_regclass(%s) IS NOT NULL",
            [connections[using].ops.quote_name(ItemEmbedding._meta.db_table)],
        )
        has_type, has_table = cursor.fetchone()
    if not has_type:
        return Missing.EXTENSION
    return None if has_table else Missing.TABLE


def nearest(item_id: int, limit: int) -> QuerySet[ItemEmbedding] | None:
    """The items nearest to one, by cosine distance (annotated as ``distance``), nearest first.

    None where the item has no embedding. Compares only vectors that the same model computed.
    """
    own = ItemEmbedding.objects.filter(pk=item_id).first()
    if own is None:
        return None
    others = ItemEmbedding.objects.exclude(pk=item_id).filter(model=own.model).select_related("item")
    return others.annotate(distance=CosineDistance("embedding", own.embedding)).order_by("distance")[:limit]


def place(item_id: int, model: str, embedding: list[float]) -> bool:
    """Store an item's embedding, or replace it; False where there is no such item."""
    if not Item.objects.filter(pk=item_id).exists():
        return False
    ItemEmbedding.objects.bulk_create(
        [ItemEmbedding(item_id=item_id, model=model, embedding=embedding, computed_at=Now())],
        update_conflicts=True,
        unique_fields=["item"],
        update_fields=["model", "embedding", "computed_at"],
    )
    return True


def forget(sender: type[Item], instance: Item, using: str, **signal: Any) -> None:
    """Delete an item's embedding before the item, where the table exists (a receiver of pre_delete)."""
    if missing(using) is None:
        ItemEmbedding.objects.using(using).filter(pk=instance.pk).delete()
