"""Each event is stored once, however often and by however many it is reported."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from django.conf import settings
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from watchstats import ingest
from watchstats.api.playbacks import LARGEST_BATCH
from watchstats.events import Event as ParsedEvent
from watchstats.models import Item, Playback, Server, Viewer

from .conftest import Event, MakeEvent

pytestmark = pytest.mark.django_db
Report = Callable[..., dict[str, int]]


def post(client: Client, body: Any) -> Any:
    return client.post("/api/playbacks", body, content_type="application/json")


@pytest.mark.parametrize(
    "header", [None, "Bearer wrong", "Bearer ", "Bearer n\u00f6", f"Basic {settings.INGEST_TOKEN}"]
)
def test_without_the_token_nothing_is_stored(client: Client, event: MakeEvent, header: str | None) -> None:
    headers = {"authorization": header} if header else {}
    answer = client.post("/api/playbacks", {"events": [event()]}, content_type="application/json", headers=headers)
    assert (answer.status_code, Playback.objects.count()) == (401, 0)


def test_a_signed_in_member_of_staff_may_not_report(admin_client: Client, event: MakeEvent) -> None:
    assert post(admin_client, {"events": [event()]}).status_code == 401


def test_a_batch_becomes_rows(report: Report, event: MakeEvent) -> None:
    receipt = report(event(), event("Alien", viewer="bert", client="TV", delivery="transcode"))
    assert receipt == {"received": 2, "stored": 2, "duplicates": 0}
    stored = Playback.objects.get(client="TV")
    assert (stored.viewer.name, stored.item.title, stored.server.kind) == ("bert", "Alien", "jellyfin")
    assert (stored.delivery, stored.watched_seconds, stored.server) == (
        "transcode",
        5400,
        stored.viewer.server,
    )
    assert (Server.objects.count(), Viewer.objects.count(), Item.objects.count()) == (1, 2, 2)


def test_a_batch_sent_again_changes_nothing(report: Report, event: MakeEvent) -> None:
    events = [event(), event("Alien")]
    report(*events)
    assert report(*events) == {"received": 2, "stored": 0, "duplicates": 2}
    assert report(*events, event("Brazil")) == {"received": 3, "stored": 1, "duplicates": 2}
    assert Playback.objects.count() == 3


def test_an_event_twice_in_a_batch_is_a_duplicate_and_the_first_is_kept(report: Report, event: MakeEvent) -> None:
    first = event(client="first")
    assert report(first, first | {"client": "second"}) == {"received": 2, "stored": 1, "duplicates": 1}
    assert Playback.objects.get().client == "first"


def test_the_same_viewer_name_on_two_servers_is_two_viewers(report: Report, event: MakeEvent) -> None:
    report(event(server="attic"), event(server="cellar"))
    assert Viewer.objects.filter(name="anna").count() == 2
    assert Item.objects.count() == 1


def test_the_latest_description_of_an_item_and_a_server_replaces_the_one_before(
    report: Report, event: MakeEvent
) -> None:
    report(event())
    Item.objects.update(summary="written by hand")
    described = {
        "guid": "local://Blade Runner",
        "kind": "movie",
        "title": "Blade Runner (Final Cut)",
        "year": 2007,
    }
    report(event() | {"item": described, "server": {"name": "attic", "kind": "plex"}})
    item = Item.objects.get()
    assert (item.title, item.year, item.summary) == ("Blade Runner (Final Cut)", 2007, "written by hand")
    assert Server.objects.get().kind == "plex"


def test_the_number_of_statements_does_not_grow_with_the_batch(event: MakeEvent) -> None:
    def statements(count: int) -> int:
        events = [ParsedEvent(**event(f"{count}-{n}", server=f"{count}-{n}", viewer=f"{n}")) for n in range(count)]
        with CaptureQueriesContext(
            connection,
        ) as queries:
            assert ingest.store(events).stored == count
        return len(queries)

    assert statements(1) == statements(100)


def test_a_batch_of_known_events_costs_one_query(event: MakeEvent, django_assert_num_queries: Any) -> None:
    events = [ParsedEvent(**event(str(n))) for n in range(3)]
    ingest.store(events)
    with django_assert_num_queries(3):  # the query, in a savepoint
        ingest.store(events)


@pytest.mark.parametrize(("size", "status"), [(0, 422), (LARGEST_BATCH, 200), (LARGEST_BATCH + 1, 422)])
def test_a_batch_is_bounded(api: Client, event: MakeEvent, size: int, status: int) -> None:
    answer = post(api, {"events": [event(str(number)) for number in range(size)]})
    assert (answer.status_code, Playback.objects.count()) == (status, size if status == 200 else 0)


@pytest.mark.parametrize(
    "wrong",
    [
        {"event_id": "not-a-uuid"},
        {"server": {"name": " "}},
        {"server": {"name": "attic", "kind": "betamax"}},
        {"viewer": ""},
        {"viewer": "x" * 101},
        {"viewer": "nul\x00"},
        {"viewer": "\ud800"},
        {"item": {"guid": "g", "kind": "movie", "title": "t", "year": 1}},
        {"item": {"guid": "g", "kind": "movie"}},
        {"started_at": "2025-03-01T20:00:00"},
        {"started_at": "2025-03-01T23:00:00Z"},
        {"started_at": "1970-01-01T00:00:00Z"},
        {"started_at": "0001-01-01T00:00:00+23:59"},
        {"stopped_at": "9999-12-31T23:59:59-23:59"},
        {"started_at": "2025-01-01T00:00:00Z"},
        {"started_at": "2999-01-01T00:00:00Z", "stopped_at": "2999-01-01T00:00:00Z", "watched_seconds": 0},
        {"watched_seconds": -1},
        {"watched_seconds": 7202},
        {"delivery": "pigeon"},
        {"unknown": 1},
    ],
    ids=lambda wrong: json.dumps(wrong)[:50],
)
def test_an_implausible_event_refuses_the_batch(api: Client, event: MakeEvent, wrong: Event) -> None:
    answer = post(api, {"events": [event(), event() | wrong]})
    assert answer.status_code == 422, answer.content
    assert answer.json()["detail"][0]["loc"][:4] == ["body", "batch", "events", 1]
    assert (Playback.objects.count(), Server.objects.count()) == (0, 0)


@pytest.mark.parametrize("offset", ["+15:59", "+16:00", "+23:59", "-16:00", "-23:59"])
def test_any_offset_is_stored_as_the_moment_it_means(api: Client, event: MakeEvent, offset: str) -> None:
    sent = {"started_at": f"2025-03-01T20:00:00{offset}", "stopped_at": f"2025-03-01T22:00:00{offset}"}
    assert post(api, {"events": [event(**sent)]}).status_code == 200
    assert Playback.objects.get().started_at == datetime.fromisoformat(sent["started_at"])


def test_a_body_that_is_not_json_is_refused(api: Client) -> None:
    assert post(api, "{").status_code == 400


def ingest_at_once(batches: list[list[ParsedEvent]]) -> list[int]:
    """Ingest each batch on a connection of its own, all at the same time; returns how many each stored."""
    start, stored, failures = threading.Barrier(len(batches)), [], []

    def run(batch: list[ParsedEvent]) -> None:
        try:
            connection.ensure_connection()
            start.wait(timeout=10)
            stored.append(ingest.store(batch).stored)
        except Exception as error:
            failures.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=[batch]) for batch in batches]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    assert not failures
    return stored


@pytest.mark.django_db(transaction=True)
def test_reporters_of_the_same_batch_store_each_event_once(event: MakeEvent) -> None:
    events = [ParsedEvent(**event(f"title {number % 7}", viewer=f"{number % 5}")) for number in range(200)]
    stored = ingest_at_once([events, events[::-1], events, events[::-1]])
    assert sum(stored) == Playback.objects.count() == len(events)
    assert (Server.objects.count(), Viewer.objects.count(), Item.objects.count()) == (1, 5, 7)


@pytest.mark.django_db(transaction=True)
def test_reporters_that_name_the_same_in_another_order_do_not_deadlock(event: MakeEvent) -> None:
    def batch(items: int) -> list[ParsedEvent]:
        return [ParsedEvent(**event(f"title {number}")) for number in range(items)]

    ingest.store(batch(1))  # the server and the viewer; making those would queue the others before the items
    stored = ingest_at_once([batch(LARGEST_BATCH) for _ in range(4)])
    assert stored == [LARGEST_BATCH] * 4
    assert Item.objects.count() == LARGEST_BATCH
