"""Of which migrations it is known that all they send follows from them and their models: those are sent whole."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.migrations import AddField, AddIndex, AlterField, CreateModel, Migration, RemoveField, RunSQL
from django.db.migrations.state import ModelState

from lockgate.project_state import eligibility

KEY = models.BigAutoField(primary_key=True)


def asks() -> int:
    """A default of the project's own: it may look at anything."""
    return 1


class OwnField(models.IntegerField):
    pass


class OwnIndex(models.Index):
    pass


def add(**options: Any) -> AddField:
    return AddField("Book", "extra", models.IntegerField(**options))


def says_all(*operations: Any, there: models.Field[Any, Any] | None = None) -> bool:
    """there: the field ``extra`` as the model has it before."""
    migration = Migration("0002_change", "shop")
    migration.operations = list(operations)
    fields = [("id", KEY)] + ([("extra", there)] if there else [])
    return eligibility.says_all(migration, {("shop", "book"): ModelState("shop", "Book", fields)})


@pytest.mark.parametrize(
    "operation",
    [
        add(null=True),
        add(default=5),
        AddField("Book", "extra", models.UUIDField(default=uuid.uuid4)),
        AddField("Book", "extra", ArrayField(models.TextField(), default=list)),
        AlterField("Book", "extra", models.IntegerField(default=6)),
        RemoveField("Book", "extra"),
        AddIndex("Book", models.Index(fields=["id"], name="shop_book_id")),
        CreateModel("Shelf", [("id", KEY), ("extra", models.IntegerField(default=asks))]),
    ],
    ids=str,
)
def test_djangos_own_with_values_and_functions_that_ask_nobody(operation: Any) -> None:
    assert says_all(operation, there=models.IntegerField(default=5))


@pytest.mark.parametrize(
    "operation",
    [
        add(default=asks),
        AlterField("Book", "extra", models.IntegerField(default=asks)),
        AddField("Book", "extra", OwnField(null=True)),
        AddIndex("Book", OwnIndex(fields=["id"], name="shop_book_id")),
        CreateModel("Shelf", [("id", KEY)], options={"indexes": [OwnIndex(fields=["id"], name="shop_shelf_id")]}),
        CreateModel("Shelf", [("id", KEY), ("extra", OwnField())]),
        RunSQL("SELECT 1"),
    ],
    ids=str,
)
def test_not_where_code_of_the_project_has_a_say(operation: Any) -> None:
    assert not says_all(operation)


def test_not_where_a_field_is_altered_whose_old_default_is_code() -> None:
    assert not says_all(
        AlterField("Book", "extra", models.IntegerField(default=5)), there=models.IntegerField(default=asks)
    )


def test_a_default_of_a_table_that_is_made_is_asked_for_by_what_follows() -> None:
    shelf = CreateModel("Shelf", [("id", KEY), ("extra", models.IntegerField(default=asks))])
    assert not says_all(shelf, add(null=True))
