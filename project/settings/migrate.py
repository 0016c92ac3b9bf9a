"""What ``entrypoint.sh`` migrates under: DATABASE_URL, and nothing else.

The migrator must start with less than the service does, so that a missing API token is the service's error and
never a migration's. Hence no SECRET_KEY, no ROOT_URLCONF, no cache and no structured logging here.
"""

from __future__ import annotations

from lockgate.database import url
from project.settings.base import DEFAULT_AUTO_FIELD, INSTALLED_APPS, LOCKGATE, TIME_ZONE, USE_TZ

__all__ = ["DATABASES", "DEFAULT_AUTO_FIELD", "INSTALLED_APPS", "LOCKGATE", "TIME_ZONE", "USE_TZ"]

# Read directly, not through the validated configuration of serve.py: that one asks for all that the service needs.
DATABASES = {"default": url.from_environment()}
