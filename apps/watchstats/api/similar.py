"""Items like another one, and the embeddings that tell."""

from __future__ import annotations

from math import hypot
from typing import Annotated

from django.http import HttpRequest
from ninja import Field, Path, Router, Schema
from ninja.errors import HttpError
from ninja.responses import Status
from pydantic import AfterValidator

from watchstats.api.access import READING, WRITING
from watchstats.api.failures import Unavailable
from watchstats.api.playbacks import RowId, TitledItem
from watchstats.events import text
from watchstats.similarity import neighbours
from watchstats.similarity.models import DIMENSIONS
from watchstats.similarity.neighbours import Missing

router = Router(tags=["items"])

# hnsw.ef_search is 40 by default: the index finds no more, and the filter by model may take some of them.
MOST_NEIGHBOURS = 20

LARGEST_COMPONENT = 1e6  # far above what models make, far below where pgvector's 4-byte floats overflow
SHORTEST_VECTOR = 1e-6  # a vector of no length has no direction, and no cosine distance

DETAILS = {
    Missing.EXTENSION: "the database has no extension vector; install pgvector on it and migrate again",
    Missing.TABLE: "the table of embeddings does not exist yet; migrate again",
}


def _directed(vector: list[float]) -> list[float]:
    if hypot(*vector) < SHORTEST_VECTOR:
        raise ValueError("must not be a vector of zeros")
    return vector


Component = Annotated[float, Field(ge=-LARGEST_COMPONENT, le=LARGEST_COMPONENT, allow_inf_nan=False)]


class Embedding(Schema):
    """Only embeddings that the same model computed are compared."""

    model: Annotated[str, text(100)]
    embedding: Annotated[
        list[Component], Field(min_length=DIMENSIONS, max_length=DIMENSIONS), AfterValidator(_directed)
    ]


class SimilarItem(Schema):
    item: TitledItem
    distance: Annotated[float, Field(description="cosine distance: 0 is the same direction, 2 the opposite")]


@router.put(
    "/items/{item_id}/embedding",
    response={204: None, 503: Unavailable},
    auth=WRITING,
    summary="Set an item's embedding",
)
def embed(request: HttpRequest, item_id: Path[RowId], embedding: Embedding) -> Status[object]:
    """Store the vector that places an item among others, or replace it; 404 for an unknown item."""
    if (lack := neighbours.missing()) is not None:
        return _unavailable(lack)
    if not neighbours.place(item_id, embedding.model, embedding.embedding):
        raise HttpError(404, "no such item")
    return Status(204, None)


@router.get(
    "/items/{item_id}/similar",
    response={200: list[SimilarItem], 503: Unavailable},
    auth=READING,
    summary="Similar items",
)
def similar(
    request: HttpRequest,
    item_id: Path[RowId],
    limit: Annotated[int, Field(ge=1, le=MOST_NEIGHBOURS)] = 10,
) -> Status[object]:
    """The nearest items by the cosine distance of their embeddings; 404 for an item that has none."""
    if (lack := neighbours.missing()) is not None:
        return _unavailable(lack)
    item_embeddings = neighbours.nearest(item_id, limit)
    if item_embeddings is None:
        raise HttpError(404, "no such item, or it has no embedding")
    return Status(200, item_embeddings)


def _unavailable(lack: Missing) -> Status[object]:
    return Status(503, Unavailable(reason=lack, detail=DETAILS[lack]))
