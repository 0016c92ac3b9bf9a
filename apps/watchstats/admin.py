"""The admin: to look things up, and to correct a name. Playbacks are facts and are only read or removed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib import admin
from django.http import HttpRequest

from watchstats.models import Item, Playback, Server, Viewer

if TYPE_CHECKING:  # ModelAdmin is generic for the type checker only
    ServerBase = admin.ModelAdmin[Server]
    ViewerBase = admin.ModelAdmin[Viewer]
    ItemBase = admin.ModelAdmin[Item]
    PlaybackBase = admin.ModelAdmin[Playback]
else:
    ServerBase = ViewerBase = ItemBase = PlaybackBase = admin.ModelAdmin


@admin.register(Server)
class ServerAdmin(ServerBase):
    list_display = ("name", "kind", "id", "created_at")
    list_filter = ("kind",)
    search_fields = ("name",)
    readonly_fields = ("id", "created_at")
    ordering = ("name",)


@admin.register(Viewer)
class ViewerAdmin(ViewerBase):
    list_display = ("name", "server", "is_owner", "created_at")
    list_filter = ("is_owner", "server")
    list_select_related = ("server",)
    search_fields = ("name", "server__name")
    autocomplete_fields = ("server",)
    readonly_fields = ("created_at",)
    ordering = ("name", "pk")


@admin.register(Item)
class ItemAdmin(ItemBase):
    list_display = ("title", "kind", "year", "guid", "created_at")
    list_filter = ("kind",)
    search_fields = ("title", "guid")
    readonly_fields = ("created_at",)
    ordering = ("title", "pk")


@admin.register(Playback)
class PlaybackAdmin(PlaybackBase):
    list_display = ("started_at", "viewer", "item", "server", "watched_seconds", "delivery", "client")
    list_filter = ("delivery", "server")
    list_select_related = ("viewer", "item", "server")
    search_fields = ("item__title", "viewer__name", "=event_id")
    date_hierarchy = "started_at"
    ordering = ("-started_at", "-pk")
    show_full_result_count = False  # a second count of the largest table on every search

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Playback | None = None) -> bool:
        return False
