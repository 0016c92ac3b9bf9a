"""Where things are. Imported by the serving settings only: the migrating ones have no ROOT_URLCONF."""

from __future__ import annotations

from django.contrib import admin
from django.urls import include, path

from watchstats.api import api

urlpatterns = [
    path("", include("lockgate.urls")),  # /livez and /readyz
    path("admin/", admin.site.urls),
    path("api/", api.urls),
]
