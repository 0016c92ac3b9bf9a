"""Every model can be looked up, searched and opened in the admin."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest
from django.db.models import Model
from django.test import Client
from django.urls import reverse

from watchstats.models import Item, Playback, Server, Viewer
from watchstats.similarity.models import DIMENSIONS, ItemEmbedding

from .conftest import MakeEvent

pytestmark = [pytest.mark.usefixtures("pgvector"), pytest.mark.django_db]

MODELS = [Server, Viewer, Item, Playback, ItemEmbedding]


@pytest.fixture(autouse=True)
def one_of_each(report: Callable[..., Any], event: MakeEvent) -> None:
    report(event())
    ItemEmbedding.objects.create(item=Item.objects.get(), model="minilm", embedding=[1.0] * DIMENSIONS)


def page(model: type[Model], action: str, *arguments: Any) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{action}", args=arguments)


def test_the_index_lists_all(admin_client: Client) -> None:
    content = admin_client.get("/admin/").content.decode()
    assert all(page(model, "changelist") in content for model in MODELS)


@pytest.mark.parametrize("model", MODELS)
def test_a_list_can_be_searched(admin_client: Client, model: type[Model]) -> None:
    for query in ("", "?q=a%25_'", "?q=6c1b2a9e-8a0f-4c55-9f0e-0d8a3a7f0b11"):
        answer = admin_client.get(page(model, "changelist") + query)
        assert answer.status_code == 200, query


@pytest.mark.parametrize("model", MODELS)
def test_an_object_can_be_opened_and_deleted(admin_client: Client, model: type[Model]) -> None:
    one = model._default_manager.get()
    assert admin_client.get(page(model, "change", one.pk)).status_code == 200
    assert admin_client.get(page(model, "delete", one.pk)).status_code == 200


@pytest.mark.parametrize("model", [Server, Viewer, Item])
def test_what_has_a_name_can_be_added(admin_client: Client, model: type[Model]) -> None:
    assert admin_client.get(page(model, "add")).status_code == 200


def test_a_server_is_added_with_an_id_by_the_database(admin_client: Client) -> None:
    answer = admin_client.post(page(Server, "add"), {"name": "cellar", "kind": "emby"})
    assert answer.status_code == 302, answer.context["errors"]
    assert Server.objects.get(name="cellar").pk.version == 4


def test_a_viewer_is_renamed(admin_client: Client) -> None:
    viewer = Viewer.objects.get()
    answer = admin_client.post(page(Viewer, "change", viewer.pk), {"server": viewer.server_id, "name": "Anna"})
    assert answer.status_code == 302
    viewer.refresh_from_db()
    assert (viewer.name, viewer.is_owner) == ("Anna", False)


@pytest.mark.parametrize("model", [Playback, ItemEmbedding])
def test_facts_are_not_edited(admin_client: Client, model: type[Model]) -> None:
    assert admin_client.get(page(model, "add")).status_code == 403
    one = model._default_manager.get()
    assert admin_client.post(page(model, "change", one.pk), {}).status_code == 403


def test_an_item_that_was_played_is_not_deleted(admin_client: Client) -> None:
    admin_client.post(page(Item, "delete", Item.objects.get().pk), {"post": "yes"})
    assert Item.objects.exists()


def test_the_admins_assets_are_served_uncollected(client: Client) -> None:
    with closing(client.get("/static/admin/css/base.css")) as asset:
        assert asset.status_code == 200
