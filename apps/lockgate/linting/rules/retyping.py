"""An offer for a change of type: a second column that a trigger keeps up to date, filled, and then given the name.

Not for a column that a constraint, a key, or an index with a condition or an expression uses: those would have to be
made again by hand.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.db import models
from django.db.migrations.operations import (
    AddField,
    AddIndex,
    AlterField,
    RemoveField,
    RemoveIndex,
    RunSQL,
    SeparateDatabaseAndState,
)
from django.db.migrations.writer import MigrationWriter
from django.db.models import NOT_PROVIDED, Field, Index

from lockgate.linting.rules.fields import fill, like, short
from lockgate.linting.rules.offer import Offer, Situation, Written

_NOTE = (
    "a column of the new type, which a trigger keeps up to date, is filled, indexed and then given the name; each "
    "migration is a release of its own, and the model has both fields until the last"
)
_TRIGGER = """CREATE FUNCTION {function}() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN NEW.{new} := NEW.{old}; RETURN NEW; END $$;
CREATE TRIGGER {trigger} BEFORE INSERT OR UPDATE ON {table} FOR EACH ROW EXECUTE FUNCTION {function}()"""
_GONE = "DROP TRIGGER {trigger} ON {table};\nDROP FUNCTION {function}()"
_SWAP = "ALTER TABLE {table} DROP COLUMN {old};\nALTER TABLE {table} RENAME COLUMN {new} TO {old}"
_ACCEPTS = {
    "LG801": "the column that takes its name in the same transaction has the values",
    "LG803": "it takes the name of a column that the serving release knows",
}
# They bring a check.
_CHECKED: tuple[type[Any], ...] = (
    models.PositiveIntegerField,
    models.PositiveBigIntegerField,
    models.PositiveSmallIntegerField,
)


def retyped_field(situation: Situation) -> Offer | None:
    """AlterField to a type that rewrites the table."""
    operation = situation.operation
    if (
        not isinstance(operation, AlterField)
        or len(situation.migration.operations) > 1
        or not situation.migration.atomic
    ):
        return None
    model, name, field = operation.model_name, operation.name, operation.field
    state = situation.before.models[situation.app, operation.model_name_lower]
    old, new, indexes = state.fields[name], f"{name}_new", _indexes(state.options, name)
    if indexes is None or new in state.fields or not (_is_plain(old) and _is_plain(field)) or old.null != field.null:
        return None
    names = _names(situation, new)
    trigger, gone = (text.format(**names) for text in (_TRIGGER, _GONE))
    added = AddField(model, new, _new(field, null=True, db_default=NOT_PROVIDED))
    value, imports = MigrationWriter.serialize(_new(field))
    cast = (f'functions.Cast("{name}", {value})', imports | {"from django.db.models import functions"})
    filled = Written(f"fill_{operation.model_name_lower}_{new}", (fill(situation, model, new, cast),), atomic=False)
    later = [filled, *_ready(model, new, field, indexes), _swapped(operation, new, indexes, gone, names)]
    return Offer(situation.number, _NOTE, (added, RunSQL(trigger, gone)), tuple(later))


def _is_plain(field: Any) -> bool:
    """Whether nothing but a column, and indexes of the model's, is made for it."""
    keyed = field.primary_key or field.unique or field.db_index or field.is_relation
    return not (keyed or isinstance(field, _CHECKED) or field.db_comment or getattr(field, "generated", False))


def _indexes(options: dict[str, Any], name: str) -> list[Index] | None:
    """The model's indexes on the field; None where something uses it that its fields alone do not make again."""
    if options.get("constraints") or any(name in index for index in options.get("unique_together", ())):
        return None
    indexes = []
    for index in options.get("indexes", ()):
        if index.expressions or index.condition is not None or name in index.include:
            return None
        if name in (field for field, _ in index.fields_orders):
            indexes.append(index)
    return indexes


def _names(situation: Situation, new: str) -> dict[str, str]:
    operation: Any = situation.operation
    meta = situation.before.apps.get_model(situation.app, operation.model_name)._meta
    column = meta.get_field(operation.name).column
    taken = {
        "table": meta.db_table,
        "old": column,
        "new": new,
        "function": short(f"{meta.db_table}_{new}"),
        "trigger": short(f"{meta.db_table}_{new}"),
    }
    return {key: _quoted(value) for key, value in taken.items()}


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _new(field: Field[Any, Any], **changed: Any) -> Field[Any, Any]:
    """The new column's field; without a Python default, which Django would write into every row."""
    return like(field, default=NOT_PROVIDED, db_column=None, **changed)


def _twin(index: Index, name: str, new: str) -> Index:
    """The same index on the new column, by a name of its own."""
    _, _, arguments = index.deconstruct()
    fields = [f"{'-' if order else ''}{new if field == name else field}" for field, order in index.fields_orders]
    return type(index)(**{**arguments, "fields": fields, "name": f"{index.name[: Index.max_name_length - 4]}_new"})


def _ready(model: str, new: str, field: Field[Any, Any], indexes: list[Index]) -> Iterator[Written]:
    """What the column must have before it takes the name."""
    operations: list[Any] = []
    if not field.null or field.has_db_default():
        operations.append(AlterField(model, new, _new(field)))
    operations += [AddIndex(model, _twin(index, new.removesuffix("_new"), new)) for index in indexes]
    if operations:
        yield Written(f"{model.lower()}_{new}_ready", tuple(operations))


def _swapped(operation: AlterField, new: str, indexes: list[Index], gone: str, names: dict[str, str]) -> Written:
    twins = [_twin(index, operation.name, new) for index in indexes]
    sql = [gone, _SWAP.format(**names)]
    sql += [
        f"ALTER INDEX {_quoted(twin.name)} RENAME TO {_quoted(index.name)}"
        for twin, index in zip(twins, indexes, strict=True)
    ]
    model = operation.model_name
    state = [*(RemoveIndex(model, twin.name) for twin in twins), RemoveField(model, new), operation]
    swap = SeparateDatabaseAndState([RunSQL(";\n".join(sql), RunSQL.noop)], state)
    return Written(f"alter_{operation.model_name_lower}_{operation.name}", (swap,), accepts=_ACCEPTS)
