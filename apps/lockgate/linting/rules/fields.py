"""Offers for operations on fields and models: state first, names that stay, rows filled in portions."""

from __future__ import annotations

from typing import Any

from django.db.migrations.operations import (
    AddConstraint,
    AddField,
    AlterField,
    AlterModelTable,
    CreateModel,
    DeleteModel,
    RemoveConstraint,
    RemoveField,
    RenameField,
    RenameModel,
    SeparateDatabaseAndState,
)
from django.db.migrations.writer import MigrationWriter
from django.db.models import NOT_PROVIDED, CheckConstraint, Field, Manager, Q

from lockgate.linting.rules.offer import Function, Offer, Situation, Written, alone, taken_out

_DROPPED = "the release that still serves goes on; what follows is deployed when it is gone"
LONGEST_NAME = 63  # bytes; https://www.postgresql.org/docs/current/limits.html
PORTION = 1000  # rows: a statement of some 10 ms, and a lock on each of them for as long
_FILL = '''
def {name}(apps, schema_editor):
    """In portions, each committed by itself; stopped and run again, it goes on with rows that are still empty."""
    rows = apps.get_model("{app}", "{model}").{manager}.using(schema_editor.connection.alias)
    last = None
    while True:
        empty = rows.filter({field}__isnull=True).order_by("pk")
        if last is not None:
            empty = empty.filter(pk__gt=last)
        keys = list(empty.values_list("pk", flat=True)[:{portion}])
        if not keys:
            break
        empty.filter(pk__in=keys).update({field}={value})
        last = keys[-1]
'''


_FILL_EACH = '''
def {name}(apps, schema_editor):
    """In portions, each committed by itself, every row with a value of its own; run again, it goes on with the rest."""
    rows = apps.get_model("{app}", "{model}").{manager}.using(schema_editor.connection.alias)
    empty = rows.filter({field}__isnull=True)
    while portion := list(empty.order_by("pk")[:{portion}]):
        for row in portion:
            row.{field} = {value}
        empty.bulk_update(portion, ["{field}"], batch_size={portion})
'''


def removed_field(situation: Situation) -> Offer | None:
    """RemoveField: in state now, in the database when no release that serves names the column."""
    operation = situation.operation
    if not isinstance(operation, RemoveField):
        return None
    field = situation.before.models[situation.app, operation.model_name_lower].fields[operation.name]
    if field.primary_key:
        return None
    nullable = field if field.null or field.many_to_many or field.has_db_default() else like(field, null=True)
    in_database = [] if nullable is field else [AlterField(operation.model_name, operation.name, nullable)]
    instead = SeparateDatabaseAndState(database_operations=in_database, state_operations=[operation])
    again = SeparateDatabaseAndState(state_operations=[AddField(operation.model_name, operation.name, nullable)])
    name = f"drop_{operation.model_name_lower}_{operation.name}"
    later = Written(name, (again, operation), accepts={"LG801": "no release that serves names the column"})
    return Offer(situation.number, _DROPPED, (instead,), (later,), atomic=bool(situation.migration.atomic))


def deleted_model(situation: Situation) -> Offer | None:
    """DeleteModel: in state now, in the database when no release that serves uses the table."""
    operation = situation.operation
    if not isinstance(operation, DeleteModel):
        return None
    model = situation.before.models[situation.app, operation.name_lower]
    create_model = CreateModel(model.name, list(model.fields.items()), model.options, model.bases, model.managers)
    instead = SeparateDatabaseAndState(state_operations=[operation])
    again = SeparateDatabaseAndState(state_operations=[create_model])
    accepts = {"LG802": "no release that serves uses the table"}
    later = Written(f"drop_{operation.name_lower}", (again, operation), accepts=accepts)
    return Offer(situation.number, _DROPPED, (instead,), (later,), atomic=bool(situation.migration.atomic))


def renamed_field(situation: Situation) -> Offer | None:
    """RenameField: the column keeps its name."""
    operation = situation.operation
    if not isinstance(operation, RenameField):
        return None
    field = situation.before.models[situation.app, operation.model_name_lower].fields[operation.old_name]
    model = situation.before.apps.get_model(situation.app, operation.model_name)
    column = model._meta.get_field(operation.old_name).column
    if not column:
        return None
    kept = AlterField(operation.model_name, operation.old_name, like(field, db_column=column))
    note = f"the field gets its new name, and the column stays {column}: in the model, db_column={column!r}"
    return Offer(situation.number, note, (kept, operation), atomic=bool(situation.migration.atomic))


def renamed_model(situation: Situation) -> Offer | None:
    """RenameModel: the table keeps its name. Not where tables of its many-to-many fields have names made of it."""
    operation = situation.operation
    if not isinstance(operation, RenameModel):
        return None
    model = situation.before.models[situation.app, operation.old_name_lower]
    if any(field.many_to_many for field in model.fields.values()):
        return None
    table = situation.before.apps.get_model(situation.app, operation.old_name)._meta.db_table
    note = f"the model gets its new name, and the table stays {table}: in its Meta, db_table = {table!r}"
    kept = AlterModelTable(operation.old_name, table)
    return Offer(situation.number, note, (kept, operation), atomic=bool(situation.migration.atomic))


def computed_default(situation: Situation) -> Offer | None:
    """AddField with a default that is computed for each row: for new rows at once, for old ones in portions."""
    operation = situation.operation
    if not isinstance(operation, AddField) or not operation.field.has_db_default() or not situation.migration.atomic:
        return None
    model, name, field = operation.model_name, operation.name, operation.field
    if field.unique or len(situation.migration.operations) > 1:
        return None
    bare = like(field, null=True, db_default=NOT_PROVIDED)
    default = like(field, null=True)
    instead = (AddField(model, name, bare), AlterField(model, name, default))
    filled = fill(situation, model, name, MigrationWriter.serialize(field.db_default))
    later = [Written(filled.name, (filled,), atomic=False)]
    if not field.null:  # Django fills what is NULL once more, and a validated check spares the look at every row
        check = CheckConstraint(condition=Q((f"{name}__isnull", False)), name=short(f"{model.lower()}_{name}_set"))
        required = (AlterField(model, name, field), RemoveConstraint(model, check.name))
        later.append(Written(check.name, (AddConstraint(model, check),)))
        later.append(Written(f"alter_{operation.model_name_lower}_{name}", required))
    note = "new rows get the default at once, old ones in portions; then a check that is validated online proves it"
    return Offer(situation.number, note, instead, tuple(later))


def filled_by_django(situation: Situation) -> Offer | None:
    """AlterField to null=False with a default: rows are filled in portions before, and Django has none to fill."""
    operation = situation.operation
    if not isinstance(operation, AlterField) or len(situation.migration.operations) > 1:
        return None
    model, name, field = operation.model_name, operation.name, operation.field
    default = field.default
    if default is NOT_PROVIDED:
        return None
    value, imports = MigrationWriter.serialize(default)
    filled = fill(situation, model, name, (f"{value}()" if callable(default) else value, imports))
    required = AlterField(model, name, like(field, default=NOT_PROVIDED))
    kept = (AlterField(model, name, field),) if operation.preserve_default else ()
    later = Written(f"alter_{operation.model_name_lower}_{name}", (required, *kept))
    note = "no UPDATE of all rows; Lockgate proves that none is NULL online, before it is required"
    return Offer(situation.number, note, (filled,), (later,), atomic=False)


def unique_field(situation: Situation) -> Offer | None:
    """AddField of a unique field with a function as its default: asked for each row, in portions, then required."""
    operation = situation.operation
    if not isinstance(operation, AddField) or not callable(operation.field.default) or not situation.migration.atomic:
        return None
    model, name, field = operation.model_name, operation.name, operation.field
    if len(situation.migration.operations) > 1:
        return None
    empty = AddField(model, name, like(field, null=True, default=NOT_PROVIDED))
    instead = (empty, AlterField(model, name, like(field, null=True)))
    value, imports = MigrationWriter.serialize(field.default)
    function = f"fill_{model.lower()}_{name}"
    text = filling_each(
        function, situation.app, _model_name(situation, model), name, f"{value}()", manager=_manager(situation, model)
    )
    filled = Function(function, text.strip(), frozenset(imports))
    later = [Written(function, (filled,), atomic=False)]
    if not field.null:
        required = (AlterField(model, name, like(field, default=NOT_PROVIDED)), AlterField(model, name, field))
        later.append(Written(f"alter_{operation.model_name_lower}_{name}", required))
    note = "empty and unique first, which Lockgate makes online; then each row gets a value of its own, and is required"
    return Offer(situation.number, note, instead, tuple(later))


def checked_later(situation: Situation) -> Offer | None:
    """AddField of a foreign key with a default: the column first, and the key in a migration of its own."""
    operation = situation.operation
    if not isinstance(operation, AddField) or not situation.migration.atomic or len(situation.migration.operations) > 1:
        return alone(situation)
    model, name, field = operation.model_name, operation.name, operation.field
    bare = AddField(model, name, like(field, db_constraint=False), operation.preserve_default)
    whole = field if operation.preserve_default else like(field, default=NOT_PROVIDED)
    later = Written(f"constrain_{operation.model_name_lower}_{name}", (AlterField(model, name, whole),))
    note = "the column first; then the key, which Lockgate adds NOT VALID and validates while writes go on"
    return Offer(situation.number, note, (bare,), (later,))


def altered_later(situation: Situation) -> Offer | None:
    """AddField that the same migration alters: the change comes a migration later, and the default stays till then."""
    added = situation.operation
    if not isinstance(added, AddField):
        return None
    for number, operation in enumerate(situation.migration.operations[situation.number + 1 :], situation.number + 1):
        same = isinstance(operation, AlterField) and operation.is_same_field_operation(added)
        if same:
            return taken_out(
                situation, number, "Lockgate leaves the default in the database until that release is gone"
            )
    return None


def fill(situation: Situation, model: str, field: str, value: tuple[str, set[str]]) -> Function:
    """Fills a field in portions. value: Python source, and the imports that it needs."""
    text, imports = value
    function = f"fill_{model.lower()}_{field}"
    source = filling(
        function, situation.app, _model_name(situation, model), field, text, manager=_manager(situation, model)
    )
    return Function(function, source.strip(), frozenset(imports))


def _model_name(situation: Situation, model: str) -> str:
    return str(situation.before.models[situation.app, model.lower()].name)


def _manager(situation: Situation, model: str) -> str:
    """The manager that leaves no row out: a model's own may, where its migrations have it."""
    objects = getattr(situation.before.apps.get_model(situation.app, model), "objects", None)
    return "objects" if type(objects) is Manager else "_base_manager"


def filling(  # noqa: PLR0913  the blanks of a form
    function: str, app: str, model: str, field: str, value: str, *, manager: str = "objects"
) -> str:
    """The source of a function for RunPython that fills a column in portions. value: Python source."""
    given = {"app": app, "model": model, "field": field, "value": value, "manager": manager}
    return _FILL.format(name=function, portion=PORTION, **given)


def filling_each(  # noqa: PLR0913  the blanks of a form
    function: str, app: str, model: str, field: str, value: str, *, manager: str = "objects"
) -> str:
    """The same, where each row wants a value of its own."""
    given = {"app": app, "model": model, "field": field, "value": value, "manager": manager}
    return _FILL_EACH.format(name=function, portion=PORTION, **given)


def short(name: str) -> str:
    """Not longer than PostgreSQL keeps names."""
    return name[-LONGEST_NAME:].lstrip("_")


def like(field: Field[Any, Any], **changed: Any) -> Field[Any, Any]:
    """The same field, but for these arguments; without those that are NOT_PROVIDED."""
    _, _, positional, named = field.deconstruct()
    options = {key: value for key, value in {**named, **changed}.items() if value is not NOT_PROVIDED}
    return type(field)(*positional, **options)
