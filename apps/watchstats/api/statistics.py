"""Plays and hours per day, top items, top viewers."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Annotated, Self
from uuid import UUID

from django.http import HttpRequest
from ninja import Field, Query, Router, Schema
from pydantic import model_validator

from watchstats import statistics
from watchstats.api.access import READING
from watchstats.statistics import DAY, Day, TopItem, TopViewer, Window

router = Router(tags=["statistics"], auth=READING)

USUAL_DAYS = 30
LONGEST_DAYS = 366  # a leap year: what a chart shows at most, and what one query should read
EARLIEST, LATEST = date(2000, 1, 1), date(2100, 1, 1)

PlausibleDay = Annotated[date, Field(ge=EARLIEST, le=LATEST)]


class Bounds(Schema):
    """Days from ``since`` up to and without ``until``; by default the last 30 days, today included."""

    since: PlausibleDay | None = None
    until: PlausibleDay | None = None
    server: UUID | None = None

    @model_validator(mode="after")
    def bounded(self) -> Self:
        if not 0 < (self._until - self._since).days <= LONGEST_DAYS:
            raise ValueError(f"since must be 1 to {LONGEST_DAYS} days before until")
        return self

    @property
    def _until(self) -> date:
        return self.until or datetime.now(UTC).date() + DAY

    @property
    def _since(self) -> date:
        return self.since or self._until - USUAL_DAYS * DAY

    def window(self) -> Window:
        return Window(self._since, self._until, self.server)


class Top(Bounds):
    limit: Annotated[int, Field(ge=1, le=100)] = 10


@router.get("/daily", response=list[Day], summary="Plays and hours per day")
def daily(request: HttpRequest, bounds: Query[Bounds]) -> list[Day]:
    """Every day of the window, oldest first, also those without plays."""
    return statistics.daily(bounds.window())


@router.get("/items", response=list[TopItem], summary="Top items")
def items(request: HttpRequest, top: Query[Top]) -> list[TopItem]:
    """The items most often played."""
    return statistics.top_items(top.window(), top.limit)


@router.get("/viewers", response=list[TopViewer], summary="Top viewers")
def viewers(request: HttpRequest, top: Query[Top]) -> list[TopViewer]:
    """The viewers who played most."""
    return statistics.top_viewers(top.window(), top.limit)
