"""Whether Lockgate's own tables are as their migrations have made them, and what makes them so again.

What is recorded in django_migrations says nothing of it: somebody may have dropped a table, or restored half of a
backup, or a router has kept them from being made. What is missing is made again where that says nothing false: a table,
without the rows that it had; a column, where there are no rows, or where it may be NULL, which is unknown. All else is
named.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from django.core.management.color import no_style
from django.db import transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder
from django.db.models import Field

from lockgate.database import own_tables, rights
from lockgate.database.own_tables import Column, Table
from lockgate.errors import LedgerDamaged, LedgerRefused
from lockgate.events import LedgerMended
from lockgate.gate.context import GateContext
from lockgate.models import OWN, Checkpoint, Effect, Failure, JournalEntry, MigrationRecord, Run

_OWN_APP = Run._meta.app_label
# The names by which format_type knows Django's; a longer or an endless text serves as well.
_SAME = {"varchar": "text", "character varying": "text"}


class Damage(NamedTuple):
    """What is wrong with a table, in words. field: a column that is missing. remedy: where a person must decide."""

    model: Any
    what: str
    field: Any = None
    remedy: str = ""

    @property
    def table(self) -> str:
        return str(self.model._meta.db_table)


def applies(loader: MigrationLoader, applied: Collection[tuple[str, str]]) -> bool:
    """Whether the tables should be as this release's models: its ledger's migrations are applied, and no others."""
    return {key for key in loader.disk_migrations if key[0] == _OWN_APP} == _ours(applied)


def damages(
    connection: BaseDatabaseWrapper, models: Collection[Any] = OWN, shapes: Mapping[str, Table] | None = None
) -> list[Damage]:
    """What is wrong with the tables of these models. shapes: those that are; else they are asked for, in one query."""
    if shapes is None:
        shapes = own_tables.shape(connection, [model._meta.db_table for model in models])
    return [damage for model in models for damage in _of_table(connection, model, shapes.get(model._meta.db_table))]


def damages_as_recorded(connection: BaseDatabaseWrapper) -> list[Damage]:
    """What is wrong with the tables, as far as migrations of the ledger are recorded."""
    return damages(connection, _as_applied(connection, MigrationLoader(connection)))


def mend(gate: GateContext, loader: MigrationLoader, there: Mapping[str, Table] | None = None) -> bool:
    """Make again what is missing, in one transaction; returns whether anything was. Only for the lock's holder.

    loader: of this release's files; what is applied is asked for. there: as in ``damages``, of all of them.

    Raises LedgerDamaged where a person must decide, or the server's error; then nothing is changed.
    """
    connection = gate.connection
    if not damages(connection, shapes=there):
        return False
    models = _as_applied(connection, loader)
    damaged = damages(connection, models)
    refuse(damaged)
    if not damaged:
        return False
    with transaction.atomic(using=connection.alias):
        with connection.schema_editor() as editor:
            for damage in damaged:
                if damage.field is None:
                    editor.create_model(damage.model)
                else:
                    editor.add_field(damage.model, damage.field)
        recreated = {damage.table for damage in damaged if damage.field is None}
        if Run._meta.db_table in recreated:
            _stand_in_for_runs(connection)
        if JournalEntry._meta.db_table in recreated and Effect._meta.db_table in {
            model._meta.db_table for model in models
        }:
            Effect.objects.using(connection.alias).delete()  # of steps that are lost: their numbers are given again
        rights.take_back(connection)
    gate.listen(LedgerMended(tuple(damage.what for damage in damaged)))
    return True


def refuse_without_rights(connection: BaseDatabaseWrapper, there: Mapping[str, Table] | None = None) -> None:
    """Raise LedgerRefused where a table is to be made and this role may not. there: as in ``damages``."""
    missing = any(damage.field is None and not damage.remedy for damage in damages(connection, shapes=there))
    if missing and (lack := rights.to_create(connection)):
        raise LedgerRefused(
            why="a killed run is carried on, and what would block is built online, by what is written there",
            next_step=f"as who owns the schema, then run again:  {lack}",
        )


def refuse(damaged: Iterable[Damage]) -> None:
    """Raise LedgerDamaged for what no run makes good."""
    left = [damage for damage in damaged if damage.remedy]
    if left:
        raise LedgerDamaged(
            why="; ".join(damage.what for damage in left),
            next_step="\n".join(dict.fromkeys(damage.remedy for damage in left)),
        )


def _as_applied(connection: BaseDatabaseWrapper, loader: MigrationLoader) -> list[Any]:
    """The models of the ledger's migrations that are applied; none where one is applied that is not of this release."""
    applied = _ours(MigrationRecorder(connection).applied_migrations())
    if applies(loader, applied):
        return list(OWN)
    if not applied or any(key not in loader.graph.nodes for key in applied):
        return []
    state = loader.project_state(sorted(applied))
    names = [str(model._meta.model_name) for model in OWN]
    return [state.apps.get_model(_OWN_APP, name) for name in names if (_OWN_APP, name) in state.models]


def _ours(keys: Iterable[tuple[str, str]]) -> set[tuple[str, str]]:
    return {key for key in keys if key[0] == _OWN_APP}


def _of_table(connection: BaseDatabaseWrapper, model: Any, table: Table | None) -> Iterator[Damage]:
    name = model._meta.db_table
    if table is None:
        yield Damage(model, f'table "{name}" is missing')
        return
    if not table.is_table:
        yield Damage(model, f'"{name}" is no table', remedy=f"rename or drop {name}")
        return
    columns = {field.column: field for field in model._meta.local_fields}
    missing = [field for column, field in columns.items() if column not in table.columns]
    rows = bool(missing) and own_tables.has_rows(connection, name)
    for field in missing:
        yield _missing(model, field, rows=rows)
    for column, column_state in table.columns.items():
        yield from _of_column(connection, model, columns.get(column), column, column_state)


def _missing(model: Any, field: Field[Any, Any], *, rows: bool) -> Damage:
    name = model._meta.db_table
    what = f'column "{field.column}" of "{name}" is missing'
    if field.null or not rows:
        return Damage(model, what, field)
    if model._meta.model_name == Run._meta.model_name:
        remedy = f"let go of all history and open steps:  TRUNCATE {', '.join(own._meta.db_table for own in OWN)};"
    else:
        remedy = f"let go of what it says:  DELETE FROM {name};"  # noqa: S608  ours
    return Damage(model, f"{what}, and what its rows had there is unknown", field, f"restore it, or {remedy}")


def _of_column(
    connection: BaseDatabaseWrapper, model: Any, field: Any, column: str, column_state: Column
) -> Iterator[Damage]:
    name, alter = model._meta.db_table, f'ALTER TABLE {model._meta.db_table} ALTER COLUMN "{column}"'
    if field is None:
        if column_state.not_null and not column_state.filled:
            yield Damage(model, f'"{name}" has a column "{column}" that no run fills', remedy=f"{alter} DROP NOT NULL;")
        return
    type_name = str(field.db_type(connection)).partition("(")[0]
    if _SAME.get(type_name, type_name) != _SAME.get(column_state.type, column_state.type):
        cast = f'{alter} TYPE {field.db_type(connection)} USING "{column}"::{field.db_type(connection)};'
        yield Damage(model, f'column "{column}" of "{name}" is {column_state.type}, not {type_name}', remedy=cast)
    elif field.null and column_state.not_null:
        yield Damage(model, f'column "{column}" of "{name}" is NOT NULL', remedy=f"{alter} DROP NOT NULL;")
    elif field.get_internal_type() == "BigAutoField" and not column_state.filled:
        sequence = f"pg_catalog.pg_get_serial_sequence('{name}', '{column}')"
        past = f'SELECT pg_catalog.setval({sequence}, pg_catalog.max("{column}")) FROM {name};'  # noqa: S608  ours
        yield Damage(
            model,
            f'column "{column}" of "{name}" does not number its rows any more',
            remedy=f"{alter} ADD GENERATED BY DEFAULT AS IDENTITY;  {past}",
        )


def _stand_in_for_runs(connection: BaseDatabaseWrapper) -> None:
    """Rows of runs that others speak of, so that no new run is taken for one of them."""
    alias = connection.alias
    others: list[Any] = [Checkpoint, Failure, MigrationRecord, JournalEntry]  # whose rows name a run
    known = {run_id for model in others for run_id in model.objects.using(alias).values_list("run_id", flat=True)}
    Run.objects.using(alias).bulk_create(
        Run(
            pk=run_id,
            release="unknown",
            release_digest="",
            host="unknown",
            process_id=0,
            backend_pid=0,
            command="",
            lockgate_version="",
            django_version="",
            lock_wait_seconds=0,
            outcome=Run.Outcome.INTERRUPTED,
            error="its row was lost",
        )
        for run_id in sorted(known)
    )
    with connection.cursor() as cursor:
        for statement in connection.ops.sequence_reset_sql(no_style(), [Run]):
            cursor.execute(statement)
