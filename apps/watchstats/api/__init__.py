"""The HTTP API, at ``/api/``; its description is at ``/api/docs``.

Imported by the URL configuration only, so that migrating never loads django-ninja.
"""

from __future__ import annotations

from ninja import NinjaAPI

from watchstats.api import failures, playbacks, similar, statistics

api = NinjaAPI(
    title="Watchstats",
    version="1",
    description="Playback statistics of home media servers. Times carry an offset; days are UTC.",
    urls_namespace="watchstats",
)
failures.register(api)
api.add_router("", playbacks.router)
api.add_router("/statistics", statistics.router)
api.add_router("", similar.router)
