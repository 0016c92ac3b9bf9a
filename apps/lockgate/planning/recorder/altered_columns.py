"""What AlterField announces: the changes of each fragment of ALTER TABLE … ALTER COLUMN."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from django.db.models import ForeignObjectRel, Model

from lockgate.planning import type_changes
from lockgate.planning.steps import Change, Kind
from lockgate.planning.virtual_catalog import VirtualCatalog


class AlteredColumns:
    """Mixed in before the backend's editor class."""

    connection: Any
    catalog: VirtualCatalog
    _fragments: list[tuple[str, Change]]
    _altered: str
    _plain: set[str]
    _t: Callable[[str], str]
    _quoted: Callable[[str, str], dict[str, str]]
    _beginning: Callable[..., str]

    def _alter_field(self, model: type[Model], old_field: Any, new_field: Any, *args: Any, **kwargs: Any) -> None:
        quoted = self._quoted(model._meta.db_table, new_field.column)
        update = self._t("sql_update_with_default").partition("%(default)s")[0] % quoted
        self._fragments.append((update, Change(Kind.UPDATE_ROWS, model._meta.db_table, (new_field.column,))))
        self._altered = new_field.column
        super()._alter_field(model, old_field, new_field, *args, **kwargs)  # type: ignore[misc]
        self._altered = ""
        self._fragments.clear()

    def _alter_column_type_sql(
        self, model: type[Model], old_field: Any, new_field: Any, new_type: str, *args: Any
    ) -> tuple[Any, Any]:
        dropped = self._t("sql_drop_indentity") % self._quoted(model._meta.db_table, new_field.column)
        self._fragments.append((dropped, Change(Kind.DROP_IDENTITY, model._meta.db_table, (new_field.column,))))
        fragments: tuple[Any, Any] = super()._alter_column_type_sql(model, old_field, new_field, new_type, *args)  # type: ignore[misc]
        old, new = old_field.db_parameters(self.connection), new_field.db_parameters(self.connection)
        table, columns = model._meta.db_table, (new_field.column,)
        old_type, collated = str(old["type"]), old.get("collation") != new.get("collation")
        zone = self.connection.timezone_name  # Django gives it to each session that it opens
        kept = type_changes.stored(old_type, str(new_type), self.catalog.types)
        needed = type_changes.work(*kept, collation=collated, zone=zone)
        work = type_changes.with_dependents(needed, new_field.column, self.catalog.named(table))
        if self.catalog.facts.offline and needed.grows:
            work = needed  # the indexes that there are cannot be seen
        change = Change(Kind.ALTER_TYPE, table, columns, type=str(new_type), old_type=old_type, work=work)
        change = change._replace(collated=collated, referring=tuple(self._referring(model, old_field)))
        self._fragments.append((fragments[0][0], change))
        sequence = self._beginning("sql_alter_sequence_type", "sequence")
        self._plain.update(statement for statement, _ in fragments[1] if statement.startswith(sequence))
        beside = self._t("sql_add_identity") % self._quoted(table, new_field.column)
        if any(statement == beside for statement, _ in fragments[1]):
            self._fragments.append((beside, Change(Kind.ADD_IDENTITY, table, columns)))
        return fragments

    def _referring(self, model: type[Model], field: Any) -> Iterator[str]:
        """Tables with a foreign key to a column, as far as the editor has not dropped it by now.

        PostgreSQL makes the keys anew when the column's type is set, also where the type stays.
        Source: ATPostAlterTypeCleanup() in src/backend/commands/tablecmds.c
        """
        table = model._meta.db_table
        for relation in model._meta.get_fields(include_hidden=True):
            key: Any = getattr(relation, "field", None)
            if not (isinstance(relation, ForeignObjectRel) and getattr(key, "db_constraint", False)):
                continue
            other = key.model._meta.db_table
            known = [
                named_object
                for named_object in self.catalog.named(other)
                if named_object.kind == "f" and named_object.references == table
            ]
            mine = field in key.foreign_related_fields and other != table
            if mine and (
                any(named_object.columns == (key.column,) for named_object in known) or not self.catalog.knows(other)
            ):
                yield other

    def _alter_column_null_sql(self, model: type[Model], old_field: Any, new_field: Any) -> Any:
        fragment = super()._alter_column_null_sql(model, old_field, new_field)  # type: ignore[misc]
        kind = Kind.DROP_NOT_NULL if new_field.null else Kind.SET_NOT_NULL
        return self._column_fragment(fragment, Change(kind, model._meta.db_table, (new_field.column,)))

    def _alter_column_default_sql(self, model: type[Model], old_field: Any, new_field: Any, drop: bool = False) -> Any:
        fragment = super()._alter_column_default_sql(model, old_field, new_field, drop)  # type: ignore[misc]
        kind = Kind.DROP_DEFAULT if drop else Kind.SET_DEFAULT
        return self._column_fragment(fragment, Change(kind, model._meta.db_table, (new_field.column,)))

    def _alter_column_database_default_sql(
        self, model: type[Model], old_field: Any, new_field: Any, drop: bool = False
    ) -> Any:
        fragment = super()._alter_column_database_default_sql(model, old_field, new_field, drop)  # type: ignore[misc]
        kind = Kind.DROP_DEFAULT if drop else Kind.SET_DEFAULT
        change = Change(kind, model._meta.db_table, (new_field.column,), database_default=True)
        return self._column_fragment(fragment, change)

    def _column_fragment(self, fragment: Any, change: Change) -> Any:
        self._fragments.append((fragment[0], change))
        return fragment

    def _rename_field_sql(self, table: str, old_field: Any, new_field: Any, new_type: str) -> str:
        text = str(super()._rename_field_sql(table, old_field, new_field, new_type))  # type: ignore[misc]
        change = Change(
            Kind.RENAME_COLUMN, table, (new_field.column,), name=new_field.column, old_name=old_field.column
        )
        self._fragments.append((text, change))
        return text

    def _alter_column_comment_sql(self, model: type[Model], new_field: Any, new_type: str, new_db_comment: str) -> Any:
        comment_sql = super()._alter_column_comment_sql(model, new_field, new_type, new_db_comment)  # type: ignore[misc]
        return self._column_fragment(comment_sql, Change(Kind.COMMENT, model._meta.db_table, (new_field.column,)))
