"""The app ``watchstats.similarity``."""

from __future__ import annotations

from django.apps import AppConfig
from django.db.models.signals import pre_delete


class SimilarityConfig(AppConfig):
    name = "watchstats.similarity"
    label = "watchstats_similarity"
    verbose_name = "Watchstats similarity"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from watchstats.similarity import neighbours  # noqa: PLC0415  models can be imported only now

        pre_delete.connect(neighbours.forget, sender="watchstats.Item", dispatch_uid="watchstats_similarity")
