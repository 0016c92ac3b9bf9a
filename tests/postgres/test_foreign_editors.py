"""The schema editor of another package sends statements of its own beside Django's: each is read as SQL is."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import migrations, models
from django.db.backends.postgresql.schema import DatabaseSchemaEditor
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ProjectState

from lockgate.planning.steps import Kind
from tests.support import plans
from tests.support.plans import Scratch

FIRST = 'LOCK TABLE "library_author" IN SHARE MODE'


class Labels(models.JSONField):
    """Some of whose keys are to be alone, and some short: its editor sees to that."""

    def __init__(self, *args: Any, alone: tuple[str, ...] = (), short: tuple[str, ...] = (), **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.alone, self.short = alone, short

    def deconstruct(self) -> Any:
        name, path, args, kwargs = super().deconstruct()
        return name, path, args, {**kwargs, "alone": self.alone, "short": self.short}


class Registering(DatabaseSchemaEditor):
    """Sends a text before what Django sends, and others after it."""

    def create_model(self, model: Any) -> None:
        self.execute(FIRST)
        super().create_model(model)
        for field in model._meta.local_fields:
            self._see_to(model, None, field)

    def delete_model(self, model: Any) -> None:
        self.execute(FIRST)
        super().delete_model(model)

    def alter_db_table(self, model: Any, old_db_table: str, new_db_table: str) -> None:
        self.execute(FIRST)
        super().alter_db_table(model, old_db_table, new_db_table)

    def add_field(self, model: Any, field: Any) -> None:
        self.execute(FIRST)
        super().add_field(model, field)
        self._see_to(model, None, field)

    def alter_field(self, model: Any, old_field: Any, new_field: Any, strict: bool = False) -> None:
        super().alter_field(model, old_field, new_field, strict)
        self._see_to(model, old_field, new_field)

    def remove_field(self, model: Any, field: Any) -> None:
        self._see_to(model, field, None)
        super().remove_field(model, field)

    def _see_to(self, model: Any, old: Any, new: Any) -> None:
        """Plain texts, as an author writes them who thinks of one package alone."""
        table = model._meta.db_table
        for key in set(getattr(old, "alone", ())) - set(getattr(new, "alone", ())):
            self.execute(f'DROP INDEX IF EXISTS "{table}_{key}"')
        for key in set(getattr(old, "short", ())) - set(getattr(new, "short", ())):
            self.execute(f'ALTER TABLE "{table}" DROP CONSTRAINT IF EXISTS "{table}_{key}_short"')
        for key in set(getattr(new, "alone", ())) - set(getattr(old, "alone", ())):
            index = f"(({new.column}->>'{key}'))"
            self.execute(f'CREATE UNIQUE INDEX IF NOT EXISTS "{table}_{key}" ON "{table}" {index}')
        for key in set(getattr(new, "short", ())) - set(getattr(old, "short", ())):
            check = f"length({new.column}->>'{key}') < 99"
            self.execute(f'ALTER TABLE "{table}" ADD CONSTRAINT "{table}_{key}_short" CHECK ({check})')


def labels(**kept: Any) -> Labels:
    return Labels(null=True, **kept)


def thing(field: Labels) -> Operation:
    return migrations.CreateModel("Thing", [("id", models.BigAutoField(primary_key=True)), ("labels", field)])


PLAIN, KEPT = thing(labels()), thing(labels(alone=("a",), short=("b",)))
CASES: dict[str, tuple[list[Operation], Operation]] = {
    "a model": ([], KEPT),
    "a column": ([PLAIN], migrations.AddField("thing", "more", labels(alone=("a",), short=("b",)))),
    "a unique column": ([PLAIN], migrations.AddField("thing", "code", models.IntegerField(null=True, unique=True))),
    "an index for a column": ([PLAIN], migrations.AlterField("thing", "labels", labels(alone=("a",)))),
    "a check for a column": ([PLAIN], migrations.AlterField("thing", "labels", labels(short=("a",)))),
    "neither any more": ([KEPT], migrations.AlterField("thing", "labels", labels())),
    "no such column": ([KEPT], migrations.RemoveField("thing", "labels")),
    "another name": ([KEPT], migrations.RenameModel("Thing", "Item")),
    "no such model": ([KEPT], migrations.DeleteModel("Thing")),
}


def prepared(scratch: Scratch, patch: pytest.MonkeyPatch, before: list[Operation]) -> ProjectState:
    """A table that is there for all, and then what the package's editor makes; with rows."""
    with patch.context() as stock:
        stock.setattr(scratch.connection, "SchemaEditorClass", DatabaseSchemaEditor)
        state = scratch.prepare(migrations.CreateModel("Author", [("id", models.BigAutoField(primary_key=True))]))
    patch.setattr(scratch.connection, "SchemaEditorClass", Registering)
    scratch.send('DELETE FROM "library_author"')
    for operation in before:
        scratch.migrate(plans.migration("0000_before", operation), state)
    scratch.populate()
    return state


def test_what_it_adds_is_claimed_as_it_is(scratch: Scratch, monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = []
    for name, (before, operation) in CASES.items():
        state = prepared(scratch, monkeypatch, before)
        (planned,) = scratch.plan([plans.migration("0001_case", operation)], state)
        there = set(scratch.relations().values())
        for step in planned.steps:
            observed = {table: lock for table, lock in plans.run(scratch, step).items() if table in there}
            if observed != plans.claimed(step):
                wrong.append(f"{name}: claimed {plans.show(plans.claimed(step))}, was {plans.show(observed)}")
    assert not wrong, "\n".join(["", *wrong])


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a model", Kind.CREATE_TABLE),
        ("a column", Kind.ADD_COLUMN),
        ("another name", Kind.RENAME_TABLE),
        ("no such model", Kind.DROP_TABLE),
    ],
)
def test_what_django_sends_after_it_keeps_its_meaning(
    scratch: Scratch, monkeypatch: pytest.MonkeyPatch, name: str, kind: Kind
) -> None:
    before, operation = CASES[name]
    state = prepared(scratch, monkeypatch, before)
    (planned,) = scratch.plan([plans.migration("0001_case", operation)], state)
    first, second, *_ = (statement for step in planned.steps for statement in step.statements)
    assert first.sql == FIRST
    assert [change.kind for change in first.changes] == [Kind.RUN_SQL, Kind.LOCK_TABLE]
    assert second.changes[0].kind is kind
