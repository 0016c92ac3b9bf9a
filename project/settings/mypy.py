"""What django-stubs reads to type models and settings: the shared list of apps; no database is touched."""

from __future__ import annotations

from project.settings.base import DEFAULT_AUTO_FIELD, INSTALLED_APPS, LOCKGATE, TIME_ZONE, USE_TZ

__all__ = ["DATABASES", "DEFAULT_AUTO_FIELD", "INSTALLED_APPS", "LOCKGATE", "SECRET_KEY", "TIME_ZONE", "USE_TZ"]

SECRET_KEY = "type-checking"  # noqa: S105
DATABASES = {"default": {"ENGINE": "django.db.backends.postgresql", "NAME": "unused"}}
