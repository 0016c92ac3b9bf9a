"""Plays and hours, added up by PostgreSQL over a bounded window of whole days (UTC).

Every query reads one index range of the window, so its cost is bounded by the window and not by the history.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from uuid import UUID

from django.db.models import Count, QuerySet, Sum
from django.db.models.functions import TruncDate

from watchstats.models import Playback

DAY = timedelta(days=1)


@dataclass(frozen=True)
class Window:
    """Days from ``since`` up to and without ``until``, of one server or of all."""

    since: date
    until: date
    server: UUID | None = None

    def playbacks(self) -> QuerySet[Playback]:
        """The playbacks that started in it."""
        playbacks = Playback.objects.filter(started_at__gte=_midnight(self.since), started_at__lt=_midnight(self.until))
        return playbacks.filter(server=self.server) if self.server else playbacks

    def days(self) -> list[date]:
        return [self.since + DAY * number for number in range((self.until - self.since).days)]


@dataclass(frozen=True)
class Day:
    """What was watched on one day; a playback belongs to the day on which it started."""

    day: date
    plays: int
    hours: float


@dataclass(frozen=True)
class TopItem:
    id: int
    title: str
    kind: str
    plays: int
    hours: float
    viewers: int


@dataclass(frozen=True)
class TopViewer:
    id: int
    name: str
    server: str
    plays: int
    hours: float


def daily(window: Window) -> list[Day]:
    """Every day of the window, oldest first, also those on which nothing was watched."""
    rows = (
        window.playbacks()
        .annotate(day=TruncDate("started_at", tzinfo=UTC))
        .values("day")
        .annotate(plays=Count("id"), seconds=Sum("watched_seconds"))
    )
    played = {row["day"]: Day(row["day"], row["plays"], _hours(row)) for row in rows}
    return [played.get(day) or Day(day, 0, 0.0) for day in window.days()]


def top_items(window: Window, limit: int) -> list[TopItem]:
    """The items most often played; hours, then age in the library, decide between equals."""
    rows = _ranked(
        window.playbacks()
        .values("item_id", "item__title", "item__kind")
        .annotate(plays=Count("id"), seconds=Sum("watched_seconds"), viewers=Count("viewer", distinct=True)),
        "item_id",
        limit,
    )
    return [
        TopItem(row["item_id"], row["item__title"], row["item__kind"], row["plays"], _hours(row), row["viewers"])
        for row in rows
    ]


def top_viewers(window: Window, limit: int) -> list[TopViewer]:
    """The viewers who played most, with the name of their server."""
    rows = _ranked(
        window.playbacks()
        .values("viewer_id", "viewer__name", "server__name")
        .annotate(plays=Count("id"), seconds=Sum("watched_seconds")),
        "viewer_id",
        limit,
    )
    return [
        TopViewer(row["viewer_id"], row["viewer__name"], row["server__name"], row["plays"], _hours(row)) for row in rows
    ]


def _ranked(rows: Any, identity: str, limit: int) -> Any:
    return rows.order_by("-plays", "-seconds", identity)[:limit]


def _hours(row: Mapping[str, Any]) -> float:
    seconds: int = row["seconds"]
    return round(seconds / 3600, 2)


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time.min, tzinfo=UTC)
