"""Similar items where the database has vectors; where it has none, that is said, and nothing else suffers."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client

from watchstats.models import Item
from watchstats.similarity import neighbours
from watchstats.similarity.models import DIMENSIONS, ItemEmbedding

pytestmark = [pytest.mark.usefixtures("pgvector"), pytest.mark.django_db]


def vector(*head: float) -> list[float]:
    return [*head, *[0.0] * (DIMENSIONS - len(head))]


def embed(title: str, embedding: list[float], model: str = "minilm") -> Item:
    item = Item.objects.create(guid=f"local://{title}", kind="movie", title=title)
    ItemEmbedding.objects.create(item=item, model=model, embedding=embedding)
    return item


@pytest.fixture
def alien() -> Item:
    """An item with neighbours at the cosine distances 0, 1 and 2, and one that another model embedded."""
    embed("opposite", vector(-1.0))
    embed("other", vector(0.0, 3.0))
    embed("twin", vector(2.0))
    embed("incomparable", vector(1.0), model="another")
    return embed("alien", vector(1.0))


def test_nearest_first(api: Client, alien: Item) -> None:
    found = api.get(f"/api/items/{alien.pk}/similar").json()
    assert [(near["item"]["title"], near["distance"]) for near in found] == [
        ("twin", 0.0),
        ("other", 1.0),
        ("opposite", 2.0),
    ]


def test_no_more_than_asked_for(api: Client, alien: Item) -> None:
    assert len(api.get(f"/api/items/{alien.pk}/similar", {"limit": 1}).json()) == 1
    assert api.get(f"/api/items/{alien.pk}/similar", {"limit": 21}).status_code == 422


def test_an_item_without_embedding_is_not_found(api: Client) -> None:
    item = Item.objects.create(guid="g", kind="movie", title="bare")
    assert api.get(f"/api/items/{item.pk}/similar").status_code == 404
    assert api.get("/api/items/9000/similar").status_code == 404
    assert api.get("/api/items/0/similar").status_code == 422


def test_searching_is_for_the_token_and_for_staff(client: Client, api: Client, alien: Item) -> None:
    path = f"/api/items/{alien.pk}/similar"
    client.force_login(User.objects.create_user("guest"))
    assert client.get(path).status_code == 401
    client.force_login(User.objects.create_user("member", is_staff=True))
    assert (client.get(path).status_code, api.get(path).status_code) == (200, 200)


def put(client: Client, item: int, embedding: Any, model: str = "minilm") -> int:
    body = {"model": model, "embedding": embedding}
    return client.put(f"/api/items/{item}/embedding", body, content_type="application/json").status_code


def test_an_embedding_is_set_and_replaced(api: Client, alien: Item) -> None:
    item = Item.objects.create(guid="g", kind="movie", title="newcomer")
    assert put(api, item.pk, vector(-1.0), model="another") == 204
    before = ItemEmbedding.objects.get(item=item).computed_at
    assert put(api, item.pk, vector(5.0)) == 204
    assert ItemEmbedding.objects.get(item=item).computed_at >= before
    found = api.get(f"/api/items/{alien.pk}/similar", {"limit": 2}).json()
    assert {near["item"]["title"] for near in found} == {"twin", "newcomer"}


def test_an_embedding_needs_the_token_and_an_item(api: Client, admin_client: Client, alien: Item) -> None:
    assert put(admin_client, alien.pk, vector(1.0)) == 401
    assert put(api, alien.pk + 1, vector(1.0)) == 404


@pytest.mark.parametrize(
    "wrong", [[1.0], vector(), vector(1e-30), vector(1e38), [*vector(1.0), 1.0], [*vector(1.0)[1:], "x"]], ids=len
)
def test_a_vector_that_cannot_be_compared_is_refused(api: Client, alien: Item, wrong: Any) -> None:
    assert put(api, alien.pk, wrong) == 422


def test_deleting_an_item_deletes_its_embedding(alien: Item) -> None:
    Item.objects.all().delete()
    connection.check_constraints()
    assert not ItemEmbedding.objects.exists()


@pytest.fixture
def without_table() -> None:
    """The database as it is while the migration is held; rolled back with the test."""
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE watchstats_similarity_itemembedding")


@pytest.fixture
def without_extension() -> None:
    with connection.cursor() as cursor:
        cursor.execute("DROP EXTENSION vector CASCADE")


@pytest.mark.usefixtures("without_table")
def test_a_missing_table_is_said(api: Client) -> None:
    assert put(api, 1, vector(1.0)) == 503
    answer = api.get("/api/items/1/similar")
    assert (answer.status_code, answer.json()["reason"]) == (503, "table_missing")


@pytest.mark.usefixtures("without_extension")
def test_a_missing_extension_is_said(api: Client) -> None:
    answer = api.get("/api/items/1/similar")
    assert (answer.status_code, answer.json()["reason"]) == (503, "extension_vector_missing")


@pytest.mark.usefixtures("without_table")
def test_items_can_be_deleted_without_the_table() -> None:
    Item.objects.create(guid="g", kind="movie", title="bare").delete()
    assert not Item.objects.exists()


@pytest.mark.usefixtures("without_table")
def test_the_admin_works_without_the_table(admin_client: Client) -> None:
    index = admin_client.get("/admin/")
    assert (index.status_code, b"watchstats_similarity" in index.content) == (200, False)
    assert admin_client.get("/admin/watchstats_similarity/itemembedding/").status_code == 403
    item = Item.objects.create(guid="g", kind="movie", title="bare")
    assert admin_client.get(f"/admin/watchstats/item/{item.pk}/delete/").status_code == 200


def test_the_migration_says_what_it_requires() -> None:
    from django.db.migrations.loader import MigrationLoader

    migration: Any = MigrationLoader(None).disk_migrations["watchstats_similarity", "0001_initial"]
    assert migration.requires_extensions == ["vector"]


def test_the_index_serves_the_search(alien: Item) -> None:
    item_embeddings = neighbours.nearest(alien.pk, limit=3)
    assert item_embeddings is not None
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")  # a table of five rows would be read whole
        cursor.execute("SET LOCAL enable_sort = off")
    assert "watchstats_embedding_cosine" in item_embeddings.explain()
