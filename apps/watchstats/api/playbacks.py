"""Reporting playbacks, and listing them."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

import structlog
from django.http import HttpRequest
from ninja import Field, Query, Router, Schema
from pydantic import AwareDatetime

from watchstats import ingest
from watchstats.api.access import READING, WRITING
from watchstats.api.failures import Unavailable
from watchstats.events import Event, Instant
from watchstats.models import Playback

log = structlog.get_logger(__name__)
router = Router(tags=["playbacks"])

LARGEST_BATCH = 500  # events; some 200 kB of JSON, and one short transaction
LARGEST_PAGE = 200  # playbacks
DEEPEST_OFFSET = 100_000  # playbacks that PostgreSQL reads and discards; beyond, go on by `until` instead

RowId = Annotated[int, Field(ge=1, le=2**63 - 1)]  # what a bigint column can hold


class Batch(Schema):
    """Events of one server or of several, in any order."""

    events: Annotated[list[Event], Field(min_length=1, max_length=LARGEST_BATCH)]


class Receipt(Schema):
    """``received`` = ``stored`` + ``duplicates``."""

    received: int
    stored: int
    duplicates: int


class NamedServer(Schema):
    id: UUID
    name: str


class NamedViewer(Schema):
    id: int
    name: str


class TitledItem(Schema):
    id: int
    guid: str
    kind: str
    title: str


class StoredPlayback(Schema):
    event_id: UUID
    server: NamedServer
    viewer: NamedViewer
    item: TitledItem
    started_at: AwareDatetime
    stopped_at: AwareDatetime
    watched_seconds: int
    client: str
    delivery: str


class Filters(Schema):
    """Conditions that are all met; ``since`` is included, ``until`` is not."""

    server: UUID | None = None
    viewer: RowId | None = None
    item: RowId | None = None
    since: Instant | None = None
    until: Instant | None = None

    def conditions(self) -> dict[str, Any]:
        """As arguments of ``QuerySet.filter``."""
        lookups = {"since": "started_at__gte", "until": "started_at__lt"}
        return {lookups.get(name, name): value for name, value in self if value is not None}


class Paging(Schema):
    """A page of bounded size at a bounded depth."""

    limit: Annotated[int, Field(ge=1, le=LARGEST_PAGE)] = 50
    offset: Annotated[int, Field(ge=0, le=DEEPEST_OFFSET)] = 0


class Page(Schema):
    """``count`` is how many there are on all pages."""

    items: list[StoredPlayback]
    count: int


@router.post("/playbacks", response={200: Receipt, 503: Unavailable}, auth=WRITING, summary="Report playbacks")
def report(request: HttpRequest, batch: Batch) -> ingest.Receipt:
    """Store a batch of events, all or none. An event that is stored already counts as a duplicate, so that a
    batch can be sent again whenever its answer was lost.
    """
    receipt = ingest.store(batch.events)
    log.info("batch_ingested", received=receipt.received, stored=receipt.stored, duplicates=receipt.duplicates)
    return receipt


@router.get("/playbacks", response=Page, auth=READING, summary="List playbacks")
def listed(request: HttpRequest, filters: Query[Filters], paging: Query[Paging]) -> dict[str, Any]:
    """Playbacks, latest start first."""
    playbacks = Playback.objects.filter(**filters.conditions()).order_by("-started_at", "-id")
    page = playbacks.select_related("server", "viewer", "item")[paging.offset : paging.offset + paging.limit]
    return {"items": list(page), "count": playbacks.count()}
