"""The ledger in Django's admin: to read, not to change."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from lockgate.models import MigrationRecord, Run


class ReadOnly:
    """No adding, changing or deleting: the ledger is written by runs alone."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class RecordInline(ReadOnly, admin.TabularInline):  # type: ignore[type-arg]  # generic in the stubs alone
    model = MigrationRecord
    extra = 0
    fields = ("app", "name", "action", "started_at", "seconds", "attempts")


@admin.register(Run)
class RunAdmin(ReadOnly, admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = ("id", "started_at", "outcome", "release", "host", "ended_at")
    list_filter = ("outcome",)
    search_fields = ("release", "host", "error")
    inlines = (RecordInline,)


@admin.register(MigrationRecord)
class MigrationRecordAdmin(ReadOnly, admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = ("app", "name", "action", "started_at", "seconds", "run")
    list_filter = ("action", "app")
    search_fields = ("app", "name")
