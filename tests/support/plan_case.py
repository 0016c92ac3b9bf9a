"""A migration that plans are proven with, on the models that it is about, and the words to write one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db import models
from django.db.migrations import operations as ops
from django.db.migrations.operations.base import Operation

CASCADE = models.CASCADE


class Typed(models.Field):  # type: ignore[type-arg]
    """A column of whatever type."""

    def __init__(self, type: str, **options: Any) -> None:
        super().__init__(**options)
        self.type = type

    def deconstruct(self) -> Any:
        name, path, args, kwargs = super().deconstruct()
        return name, path, [self.type, *args], kwargs

    def db_type(self, connection: Any) -> str:
        return self.type


class Sends(Operation):
    """A third party's operation that sends SQL of its own."""

    reduces_to_sql = True

    def __init__(self, sql: str) -> None:
        self.sql = sql

    def state_forwards(self, app_label: str, state: Any) -> None:
        """Nothing changes."""

    def database_forwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        schema_editor.execute(self.sql)

    def describe(self) -> str:
        return f"Sends {self.sql}"


BASE = (
    ops.CreateModel("Author", [("id", models.AutoField(primary_key=True)), ("name", models.CharField(max_length=100))]),
    ops.CreateModel("Shelf", [("id", models.BigAutoField(primary_key=True)), ("code", models.IntegerField())]),
    ops.CreateModel(
        "Book",
        [
            ("id", models.BigAutoField(primary_key=True)),
            ("title", models.CharField(max_length=100)),
            ("isbn", models.CharField(max_length=20, null=True)),
            ("pages", models.IntegerField()),
            ("copies", models.IntegerField(null=True)),
            ("price", models.DecimalField(max_digits=8, decimal_places=2)),
            ("out_of_print", models.BooleanField(default=False)),
            ("author", models.ForeignKey("library.Author", CASCADE)),
        ],
    ),
)


@dataclass(frozen=True)
class Case:
    """A migration, on top of what is there. title: as the table of locks calls it."""

    title: str
    operations: tuple[Operation, ...]
    before: tuple[Operation, ...] = ()
    atomic: bool = True
    listed: bool = True

    def __str__(self) -> str:
        return self.title


def case(title: str, *operations: Operation, before: tuple[Operation, ...] = (), **options: Any) -> Case:
    return Case(title, operations, before, **options)


def index(name: str, *expressions: Any, **options: Any) -> ops.AddIndex:
    return ops.AddIndex("Book", models.Index(*expressions, name=name, **options))


def unique(name: str, *expressions: Any, **options: Any) -> ops.AddConstraint:
    return ops.AddConstraint("Book", models.UniqueConstraint(*expressions, name=name, **options))


def check(name: str, condition: models.Q) -> models.CheckConstraint:
    return models.CheckConstraint(condition=condition, name=name)


def add(name: str, field: models.Field[Any, Any], **options: Any) -> ops.AddField:
    return ops.AddField("Book", name, field, **options)


def alter(name: str, field: models.Field[Any, Any], model: str = "Book", **options: Any) -> ops.AlterField:
    return ops.AlterField(model, name, field, **options)


NOT_NULL_ISBN = models.CharField(max_length=20)
LONG = models.Q(pages__gte=0)


def foreign_key(**options: Any) -> models.ForeignKey[Any, Any]:
    return models.ForeignKey("library.Shelf", CASCADE, **options)
