"""A database that does not answer ends in 503 JSON; an error of ours stays an error."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import DataError, close_old_connections, connection, connections
from django.test import Client

from watchstats import ingest

from .conftest import MakeEvent


@pytest.fixture
def database_down(transactional_db: None) -> Iterator[None]:
    """The default connection leads to a port on which nothing listens."""
    settings = connections["default"].settings_dict
    before = dict(settings)
    connection.close()
    settings |= {"HOST": "127.0.0.1", "PORT": "1"}
    yield
    connection.close()
    settings |= before


@pytest.mark.usefixtures("database_down")
def test_every_endpoint_says_that_the_database_is_down(api: Client, event: MakeEvent) -> None:
    for path in (
        "playbacks",
        "statistics/daily",
        "statistics/items",
        "statistics/viewers",
        "items/1/similar",
    ):
        answer = api.get(f"/api/{path}")
        assert (answer.status_code, answer.json()["reason"]) == (503, "database_unavailable"), path
        assert answer["Retry-After"] == "5"
    answer = api.post("/api/playbacks", {"events": [event()]}, content_type="application/json")
    assert (answer.status_code, answer.json()["reason"]) == (503, "database_unavailable")


@pytest.mark.usefixtures("database_down")
def test_a_session_that_cannot_be_read_is_a_503_too(client: Client) -> None:
    client.cookies["sessionid"] = "x" * 32
    assert client.get("/api/playbacks").status_code == 503


@pytest.mark.django_db(transaction=True)
def test_a_lost_connection_is_a_503_and_the_next_request_is_answered(api: Client) -> None:
    other = connection.copy()
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        pid = cursor.fetchone()
    with other.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s, 1000)", pid)
    other.close()
    assert api.get("/api/playbacks").status_code == 503
    close_old_connections()  # as a server does after each request; the test client keeps connections
    assert api.get("/api/playbacks").status_code == 200


@pytest.mark.django_db
def test_a_schema_that_is_behind_is_said(api: Client) -> None:
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE watchstats_playback DROP COLUMN delivery")
    answer = api.get("/api/playbacks")
    assert (answer.status_code, answer.json()["reason"]) == (503, "schema_behind")


@pytest.mark.django_db
def test_any_other_error_stays_one(api: Client, event: MakeEvent, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(events: Any) -> None:
        raise DataError("secret value")

    monkeypatch.setattr(ingest, "store", broken)
    api.raise_request_exception = False
    answer = api.post("/api/playbacks", {"events": [event()]}, content_type="application/json")
    assert (answer.status_code, b"secret" in answer.content) == (500, False)
