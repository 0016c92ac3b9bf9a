"""The app ``watchstats``."""

from __future__ import annotations

from django.apps import AppConfig


class WatchstatsConfig(AppConfig):
    name = "watchstats"
    verbose_name = "Watchstats"
    default_auto_field = "django.db.models.BigAutoField"
