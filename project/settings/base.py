"""What the migrating and the serving settings share: the list of apps, and how the database is read."""

from __future__ import annotations

from typing import Any

INSTALLED_APPS = [
    "lockgate",  # first: its commands take precedence over Django's of the same name
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.postgres",  # the checks of its indexes and fields ask for it
    "django.contrib.staticfiles",
    "watchstats",
    "watchstats.similarity",
]

LOCKGATE: dict[str, Any] = {
    "EXTENSIONS": ["vector"],
}

DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
TIME_ZONE = "UTC"
