"""An item as a point in space: what is near is similar."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now
from pgvector.django import HnswIndex, VectorField

from watchstats.models import Item

DIMENSIONS = 384  # of the sentence-embedding models that fit on a home server (all-MiniLM-L6-v2 and its kin)


class ItemEmbedding(models.Model):
    """One vector for an item, and the model that computed it: only vectors of one model can be compared.

    DO_NOTHING, because a cascade would query this table whenever an item is deleted, also where it does not
    exist; ``neighbours.forget`` deletes the embedding instead.
    """

    item = models.OneToOneField(Item, on_delete=models.DO_NOTHING, primary_key=True, related_name="embedding")
    model = models.CharField(max_length=100)
    embedding = VectorField(dimensions=DIMENSIONS)
    computed_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        indexes = [
            HnswIndex(
                name="watchstats_embedding_cosine",
                fields=["embedding"],
                m=16,
                ef_construction=64,
                opclasses=["vector_cosine_ops"],
            )
        ]

    def __str__(self) -> str:
        return f"{self.item_id} by {self.model}"
