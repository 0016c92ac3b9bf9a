"""Plays and hours are added up right, over bounded windows of UTC days."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client

from watchstats.models import Server

from .conftest import MakeEvent

pytestmark = pytest.mark.django_db

MARCH = {"since": "2025-03-01", "until": "2025-03-04"}


@pytest.fixture
def watched(report: Callable[..., Any], event: MakeEvent) -> None:
    def play(title: str, viewer: str, start: str, seconds: int, server: str = "attic") -> dict[str, Any]:
        begin = datetime.fromisoformat(start)
        return event(
            title,
            server=server,
            viewer=viewer,
            started_at=begin.isoformat(),
            stopped_at=(begin + timedelta(hours=3)).isoformat(),
            watched_seconds=seconds,
        )

    report(
        play("Alien", "anna", "2025-02-28T23:59:59+00:00", 3600),  # the day before the window
        play("Alien", "anna", "2025-03-01T00:00:00+00:00", 3600),
        play("Alien", "bert", "2025-03-01T23:30:00+00:00", 1800),  # ends on the 2nd
        play("Cube", "bert", "2025-03-02T10:00:00+00:00", 1800),
        play("Cube", "bert", "2025-03-02T20:00:00+00:00", 1800),
        play("Brazil", "anna", "2025-03-03T01:30:00+02:00", 5400),  # on the 2nd, in UTC
        play("Brazil", "carl", "2025-03-03T12:00:00+00:00", 9000, server="cellar"),
        play("Cube", "carl", "2025-03-04T00:00:00+00:00", 60, server="cellar"),  # the day after
    )


def get(api: Client, path: str, **query: Any) -> Any:
    answer = api.get(f"/api/statistics/{path}", MARCH | query)
    assert answer.status_code == 200, answer.content
    return answer.json()


@pytest.mark.usefixtures("watched")
def test_every_day_of_the_window(api: Client) -> None:
    assert get(api, "daily", since="2025-02-27") == [
        {"day": "2025-02-27", "plays": 0, "hours": 0.0},
        {"day": "2025-02-28", "plays": 1, "hours": 1.0},
        {"day": "2025-03-01", "plays": 2, "hours": 1.5},
        {"day": "2025-03-02", "plays": 3, "hours": 2.5},
        {"day": "2025-03-03", "plays": 1, "hours": 2.5},
    ]


@pytest.mark.usefixtures("watched")
def test_top_items(api: Client) -> None:
    ranked = [(top["title"], top["plays"], top["hours"], top["viewers"]) for top in get(api, "items")]
    assert ranked == [("Brazil", 2, 4.0, 2), ("Alien", 2, 1.5, 2), ("Cube", 2, 1.0, 1)]  # as many plays: hours decide
    assert [top["title"] for top in get(api, "items", limit=1)] == ["Brazil"]


@pytest.mark.usefixtures("watched")
def test_top_viewers(api: Client) -> None:
    ranked = [(top["name"], top["server"], top["plays"], top["hours"]) for top in get(api, "viewers")]
    assert ranked == [("bert", "attic", 3, 1.5), ("anna", "attic", 2, 2.5), ("carl", "cellar", 1, 2.5)]


@pytest.mark.usefixtures("watched")
def test_of_one_server(api: Client) -> None:
    cellar = Server.objects.get(name="cellar").pk
    assert [day["plays"] for day in get(api, "daily", server=cellar)] == [0, 0, 1]
    assert [top["name"] for top in get(api, "viewers", server=cellar)] == ["carl"]


def test_thirty_days_up_to_today_unless_asked(api: Client) -> None:
    days = api.get("/api/statistics/daily").json()
    assert (len(days), days[-1]["day"]) == (30, datetime.now(UTC).date().isoformat())


@pytest.mark.parametrize(
    "query",
    [
        {"since": "2025-03-01", "until": "2025-03-01"},
        {"since": "2025-03-02", "until": "2025-03-01"},
        {"since": "2024-01-01", "until": "2025-01-02"},
        {"since": "0001-01-01"},
        {"until": "9999-12-31"},
        {"since": "2025-02-30"},
        {"since": "2025-03-01", "until": "2025-03-02", "server": "attic"},
    ],
    ids=str,
)
def test_a_window_is_bounded(api: Client, query: dict[str, str]) -> None:
    assert api.get("/api/statistics/daily", query).status_code == 422


@pytest.mark.parametrize("limit", [0, 101])
def test_a_ranking_is_bounded(api: Client, limit: int) -> None:
    assert api.get("/api/statistics/items", MARCH | {"limit": str(limit)}).status_code == 422
