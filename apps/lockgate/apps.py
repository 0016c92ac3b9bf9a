"""Django's entry to the app."""

from django.apps import AppConfig


class LockgateConfig(AppConfig):
    name = "lockgate"
    verbose_name = "Lockgate"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from lockgate import checks  # noqa: F401, PLC0415  registers the checks, once apps are ready
