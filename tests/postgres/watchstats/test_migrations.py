"""The history of watchstats: in step with its models, and reversible with data in the tables."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import pytest
from django.apps.registry import Apps
from django.core.management import call_command
from django.db import IntegrityError, connection, transaction
from django.db.migrations.executor import MigrationExecutor
from django.db.models import Model

from watchstats.models import Item, Playback, Server, Viewer

BEFORE, FILLED = "0003_playback_server", "0004_fill_playback_server"


@pytest.mark.django_db
def test_the_migrations_describe_the_models() -> None:
    call_command("makemigrations", "watchstats", "watchstats_similarity", check=True, dry_run=True)


@pytest.fixture
def at(pgvector: None, transactional_db: None) -> Any:
    """Brings watchstats to one of its migrations and returns the models as they were then."""

    def bring(name: str) -> Apps:
        executor = MigrationExecutor(connection)
        state = executor.migrate([("watchstats", name)])
        return state.apps

    yield bring
    executor = MigrationExecutor(connection)
    executor.migrate(executor.loader.graph.leaf_nodes())


def populate(apps: Apps, playbacks: int) -> None:
    """Two servers with a viewer each, who take turns; the column ``server`` is empty."""
    item = apps.get_model("watchstats", "Item").objects.create(guid="g", kind="movie", title="t")
    servers = [apps.get_model("watchstats", "Server").objects.create(name=name) for name in ("attic", "cellar")]
    viewer_model = apps.get_model("watchstats", "Viewer")
    viewers = [viewer_model.objects.create(server=server, name=f"of {server.name}") for server in servers]
    moment = "2025-03-01T20:00:00Z"
    apps.get_model("watchstats", "Playback").objects.bulk_create(
        apps.get_model("watchstats", "Playback")(
            event_id=uuid.uuid4(),
            item=item,
            viewer=viewers[number % 2],
            started_at=moment,
            stopped_at=moment,
            watched_seconds=number,
        )
        for number in range(playbacks)
    )


def test_playbacks_get_their_viewers_server_and_lose_it_again(
    at: Callable[[str], Apps], monkeypatch: pytest.MonkeyPatch
) -> None:
    from importlib import import_module

    monkeypatch.setattr(import_module(f"watchstats.migrations.{FILLED}"), "BATCH", 10)
    populate(at(BEFORE), playbacks=45)

    playbacks = at(FILLED).get_model("watchstats", "Playback").objects
    for server in ("attic", "cellar"):
        assert set(playbacks.filter(server__name=server).values_list("viewer__name", flat=True)) == {f"of {server}"}
    assert playbacks.filter(server=None).count() == 0

    playbacks = at(BEFORE).get_model("watchstats", "Playback").objects
    assert playbacks.filter(server=None).count() == playbacks.count() == 45


def test_the_whole_history_runs_over_existing_rows(at: Callable[[str], Apps]) -> None:
    populate(at(BEFORE), playbacks=3)
    at("0009_item_details")
    assert {playback.server.name for playback in Playback.objects.select_related("server")} == {
        "attic",
        "cellar",
    }
    assert set(Playback.objects.values_list("delivery", flat=True)) == {"direct"}


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("model", "values"),
    [
        (Server, {"name": ""}),
        (Server, {"name": "attic"}),
        (Server, {"name": "cellar", "kind": "betamax"}),
        (Viewer, {"name": ""}),
        (Viewer, {"name": "anna"}),
        (Viewer, {"name": "bert", "is_owner": True}),
        (Item, {"guid": "", "kind": "movie", "title": "t"}),
        (Item, {"guid": "g", "kind": "smell", "title": "t"}),
        (Item, {"guid": "g", "kind": "movie", "title": "t", "year": 1}),
    ],
    ids=str,
)
def test_the_database_refuses_what_the_code_never_should_send(model: type[Model], values: dict[str, Any]) -> None:
    server = Server.objects.create(name="attic")
    Viewer.objects.create(server=server, name="anna", is_owner=True)
    parent = {"server": server} if model is Viewer else {}
    with pytest.raises(IntegrityError), transaction.atomic():
        model._default_manager.create(**parent, **values)
