"""A batch of events becomes rows: each event once, however often and by however many it is reported.

Everything happens in one transaction and a fixed number of statements, whatever the size of the batch.
Invariant: rows are written in the order of their natural keys, table after table, so that concurrent batches
queue and cannot deadlock.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TypeVar
from uuid import UUID

from django.db import connection, models, transaction
from django.db.models import Model

from watchstats.events import Event
from watchstats.models import Item, Playback, Server, Viewer

ITEM_FIELDS = ("kind", "title", "year", "runtime_seconds")
PLAYBACK_FIELDS = ("started_at", "stopped_at", "watched_seconds", "client", "delivery")

Row = TypeVar("Row", bound=Model)
Key = TypeVar("Key", bound=tuple[object, ...])


@dataclass(frozen=True)
class Receipt:
    """What became of a batch: ``received`` events are ``stored`` ones plus ``duplicates``."""

    received: int
    stored: int

    @property
    def duplicates(self) -> int:
        return self.received - self.stored


@transaction.atomic
def store(events: Sequence[Event]) -> Receipt:
    """Store the events that are not stored yet, with the servers, viewers and items they name.

    An event id that occurs twice in the batch counts as a duplicate; its first occurrence is kept. A batch
    of known events only costs one query.
    """
    new = _unknown(events)
    if not new:
        return Receipt(len(events), 0)
    servers = _servers(new)
    viewers = _viewers(new, servers)
    items = _items(new)
    return Receipt(len(events), _insert(new, servers, viewers, items))


def _unknown(events: Sequence[Event]) -> list[Event]:
    """The events whose id is not stored, once each, in the order of their ids."""
    by_id = {event.event_id: event for event in reversed(events)}
    known = Playback.objects.filter(event_id__in=by_id).values_list("event_id", flat=True)
    return [by_id[event_id] for event_id in sorted(by_id.keys() - set(known))]


def _servers(events: Iterable[Event]) -> dict[str, Server]:
    """The servers by name."""
    named = {event.server.name: Server(name=event.server.name, kind=event.server.kind) for event in events}
    stored = Server.objects.filter(name__in=named)
    rows = _upsert({(name,): server for name, server in named.items()}, stored, ("name",), ("kind",))
    return {row.name: row for row in rows}


def _viewers(events: Iterable[Event], servers: dict[str, Server]) -> dict[tuple[UUID, str], Viewer]:
    """The viewers by server id and name."""
    keys = {(servers[event.server.name].pk, event.viewer) for event in events}
    named = {(server, name): Viewer(server_id=server, name=name) for server, name in keys}
    stored = Viewer.objects.filter(server__in=servers.values(), name__in={name for _, name in keys})
    rows = _upsert(named, stored, ("server_id", "name"), ())
    return {(row.server_id, row.name): row for row in rows}


def _items(events: Iterable[Event]) -> dict[str, Item]:
    """The items by guid, as the latest event describes them."""
    latest = {event.item.guid: event.item for event in sorted(events, key=lambda event: event.stopped_at)}
    named = {(guid,): Item(**item.model_dump()) for guid, item in latest.items()}
    rows = _upsert(named, Item.objects.filter(guid__in=latest), ("guid",), ITEM_FIELDS)
    return {row.guid: row for row in rows}


def _upsert(
    rows_wanted: Mapping[Key, Row],
    stored: models.QuerySet[Row],
    key: tuple[str, ...],
    described: tuple[str, ...],
) -> list[Row]:
    """Insert what is missing and update what is described differently; returns the rows as they are stored.

    Rows that are right already are only read: an upsert of every row would leave a dead version of each
    behind. What was written is read again, because bulk_create does not return a uuid that the database made.
    ``stored`` finds the rows; the keys of ``rows_wanted`` are values of the fields ``key``.
    """

    def values(row: Row, fields: tuple[str, ...]) -> tuple[object, ...]:
        return tuple(getattr(row, name) for name in fields)

    unchanged = {values(row, key): values(row, described) for row in stored}
    write = {name: row for name, row in rows_wanted.items() if unchanged.get(name) != values(row, described)}
    if not write:
        return list(stored)
    stored.model._default_manager.bulk_create(
        [write[name] for name in sorted(write, key=str)],
        update_conflicts=True,
        unique_fields=key,
        update_fields=described or key,
    )
    return list(stored.all())


def _insert(
    events: Sequence[Event],
    servers: dict[str, Server],
    viewers: dict[tuple[UUID, str], Viewer],
    items: dict[str, Item],
) -> int:
    """Insert the playbacks; returns how many were new: another batch may have stored some a moment ago."""
    columns: dict[str, list[object]] = {
        "event_id": [event.event_id for event in events],
        "server_id": [servers[event.server.name].pk for event in events],
        "viewer_id": [viewers[servers[event.server.name].pk, event.viewer].pk for event in events],
        "item_id": [items[event.item.guid].pk for event in events],
    }
    for name in PLAYBACK_FIELDS:
        columns[name] = [getattr(event, name) for event in events]
    with connection.cursor() as cursor:
        cursor.execute(_insert_statement(), columns)
        return len(cursor.fetchall())


@cache
def _insert_statement() -> str:
    return (Path(__file__).parent / "sql" / "insert_playbacks.sql").read_text()
