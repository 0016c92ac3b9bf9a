"""Playbacks are listed latest first, by what is asked for, a page at a time."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from watchstats.models import Item, Server, Viewer

from .conftest import MakeEvent

pytestmark = pytest.mark.django_db


@pytest.fixture
def five(report: Callable[..., Any], event: MakeEvent) -> None:
    """Five playbacks on five days in March: three of anna in the attic, two of bert in the cellar."""
    for day in range(1, 6):
        anna = day <= 3
        report(
            event(
                "Alien" if day == 5 else "Brazil",
                server="attic" if anna else "cellar",
                viewer="anna" if anna else "bert",
                started_at=f"2025-03-0{day}T20:00:00Z",
                stopped_at=f"2025-03-0{day}T22:00:00Z",
            )
        )


def days(client: Client, **query: Any) -> list[int]:
    answer = client.get("/api/playbacks", query)
    assert answer.status_code == 200, answer.content
    return [int(playback["started_at"][8:10]) for playback in answer.json()["items"]]


@pytest.mark.usefixtures("five")
def test_latest_first_with_names(api: Client) -> None:
    assert days(api) == [5, 4, 3, 2, 1]
    latest = api.get("/api/playbacks").json()["items"][0]
    names = (latest["server"]["name"], latest["viewer"]["name"], latest["item"]["title"])
    assert names == ("cellar", "bert", "Alien")
    assert latest["started_at"] == "2025-03-05T20:00:00Z"


@pytest.mark.usefixtures("five")
def test_filters_are_all_met(api: Client) -> None:
    assert days(api, server=Server.objects.get(name="attic").pk) == [3, 2, 1]
    assert days(api, viewer=Viewer.objects.get(name="bert").pk) == [5, 4]
    assert days(api, item=Item.objects.get(title="Brazil").pk) == [4, 3, 2, 1]
    assert days(api, since="2025-03-02T20:00:00Z", until="2025-03-04T20:00:00Z") == [3, 2]
    assert days(api, viewer=Viewer.objects.get(name="bert").pk, item=Item.objects.get(title="Brazil").pk) == [4]


@pytest.mark.usefixtures("five")
@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"since": "2025-03-05T12:00:00+16:00"}, [5, 4]),
        ({"since": "2025-03-05T12:00:01+16:00"}, [5]),
        ({"since": "2025-03-05T19:59:00+23:59"}, [5, 4]),
        ({"since": "2025-03-05T19:59:01+23:59"}, [5]),
        ({"until": "2025-03-01T20:01:00-23:59"}, [1]),
        ({"since": "0001-01-01T00:00:00Z"}, [5, 4, 3, 2, 1]),
        ({"since": "0001-01-01T23:59:00+23:59"}, [5, 4, 3, 2, 1]),
        ({"until": "9999-12-31T23:59:59Z"}, [5, 4, 3, 2, 1]),
        ({"until": "9999-12-31T00:00:59-23:59"}, [5, 4, 3, 2, 1]),
        ({"since": "9999-12-31T23:59:59+23:59"}, []),
    ],
    ids=str,
)
def test_a_moment_is_one_whatever_its_offset(api: Client, query: dict[str, str], expected: list[int]) -> None:
    """PostgreSQL itself takes offsets below 16 hours."""
    assert days(api, **query) == expected


@pytest.mark.usefixtures("five")
def test_a_page_at_a_time(api: Client) -> None:
    assert days(api, limit=2) == [5, 4]
    assert days(api, limit=2, offset=4) == [1]
    assert api.get("/api/playbacks", {"limit": 2, "offset": 4}).json()["count"] == 5


@pytest.mark.usefixtures("five")
def test_a_page_costs_two_queries(api: Client, django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(2):
        days(api)


@pytest.mark.parametrize(
    "query",
    [
        {"server": "attic"},
        {"viewer": 0},
        {"item": 2**63},
        {"since": "2025-03-01T00:00:00"},
        {"since": "2025-03-01T00:00:00+24:00"},
        {"since": "0001-01-01T00:00:00+00:01"},
        {"since": "0001-01-01T23:58:59+23:59"},
        {"until": "9999-12-31T23:59:59-00:01"},
        {"until": "9999-12-31T00:01:00-23:59"},
        {"limit": 0},
        {"limit": 201},
        {"offset": -1},
        {"offset": 100_001},
    ],
    ids=str,
)
def test_a_query_that_cannot_be_answered_is_refused(api: Client, query: dict[str, Any]) -> None:
    assert api.get("/api/playbacks", query).status_code == 422


@pytest.mark.parametrize(
    "path",
    ["/api/playbacks", "/api/statistics/daily", "/api/statistics/items", "/api/statistics/viewers"],
)
def test_reading_is_for_the_token_and_for_staff(client: Client, api: Client, path: str) -> None:
    client.force_login(User.objects.create_user("guest"))
    assert client.get(path).status_code == 401
    client.force_login(User.objects.create_user("member", is_staff=True))
    assert client.get(path).status_code in (200, 404)
    assert api.get(path).status_code in (200, 404)


def test_the_description_is_open_and_served_without_another_host(client: Client) -> None:
    page = client.get("/api/docs")
    assert page.status_code == 200
    assert b"://" not in page.content
    paths = client.get("/api/openapi.json").json()["paths"]
    assert set(paths["/api/playbacks"]) == {"get", "post"}
    with closing(client.get("/static/ninja/swagger-ui.css")) as asset:
        assert asset.status_code == 200
