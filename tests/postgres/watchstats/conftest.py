"""A client that holds the token, and events to report."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import pytest
from django.conf import settings
from django.test import Client

Event = dict[str, Any]
MakeEvent = Callable[..., Event]


@pytest.fixture
def api() -> Client:
    """Speaks with the ingest token; the Django client without it is ``client``."""
    return Client(headers={"authorization": f"Bearer {settings.INGEST_TOKEN}"})


@pytest.fixture
def event() -> MakeEvent:
    """Makes events: an hour and a half of one movie on one server, except for what is given."""

    def make(title: str = "Blade Runner", server: str = "attic", **given: Any) -> Event:
        return {
            "event_id": str(uuid.uuid4()),
            "server": {"name": server, "kind": "jellyfin"},
            "viewer": "anna",
            "item": {"guid": f"local://{title}", "kind": "movie", "title": title, "year": 1982},
            "started_at": "2025-03-01T20:00:00Z",
            "stopped_at": "2025-03-01T22:00:00Z",
            "watched_seconds": 5400,
        } | given

    return make


@pytest.fixture
def report(api: Client) -> Callable[..., dict[str, int]]:
    """Reports events and returns the receipt."""

    def send(*events: Event) -> dict[str, int]:
        answer = api.post("/api/playbacks", {"events": list(events)}, content_type="application/json")
        assert answer.status_code == 200, answer.content
        receipt: dict[str, int] = answer.json()
        return receipt

    return send
