"""Embeddings in the admin, where this database has them; elsewhere they are not listed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib import admin
from django.http import HttpRequest

from watchstats.similarity import neighbours
from watchstats.similarity.models import ItemEmbedding

if TYPE_CHECKING:  # ModelAdmin is generic for the type checker only
    Base = admin.ModelAdmin[ItemEmbedding]
else:
    Base = admin.ModelAdmin


@admin.register(ItemEmbedding)
class ItemEmbeddingAdmin(Base):
    """Vectors are computed, not typed: they can be looked at and removed."""

    list_display = ("item", "model", "computed_at")
    list_filter = ("model",)
    list_select_related = ("item",)
    search_fields = ("item__title", "item__guid")
    fields = ("item", "model", "computed_at")
    ordering = ("item",)

    def has_view_permission(self, request: HttpRequest, obj: ItemEmbedding | None = None) -> bool:
        return neighbours.missing() is None and super().has_view_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: ItemEmbedding | None = None) -> bool:
        return neighbours.missing() is None and super().has_delete_permission(request, obj)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: ItemEmbedding | None = None) -> bool:
        return False
