"""Routes for probes: ``path("", include("lockgate.urls"))``."""

from django.urls import path

from lockgate.views import livez, readyz

app_name = "lockgate"

urlpatterns = [
    path("livez", livez, name="livez"),
    path("readyz", readyz, name="readyz"),
]
