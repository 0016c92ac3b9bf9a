"""What one of the templates of Django's schema editor says: the change that it makes, and its online form."""

from __future__ import annotations

from typing import Any

from django.db.backends.ddl_references import Expressions, Table
from django.db.backends.ddl_references import Statement as DjangoStatement
from django.db.backends.utils import strip_quotes

from lockgate.planning.conditions import UNKNOWN, Condition
from lockgate.planning.steps import Change, Kind
from lockgate.planning.virtual_catalog import VirtualCatalog

EXCLUSION_TEMPLATE = "ALTER TABLE %(table)s ADD %(constraint)s"


class Templates:
    """Mixed in before the backend's editor class."""

    catalog: VirtualCatalog
    _altered: str
    _conditions: dict[tuple[str, str], Condition]

    def _is_foreign(self, statement: DjangoStatement) -> bool:
        """Whether a third party's index or constraint made it of a template of its own: then it is read as SQL."""
        known = {getattr(self, name) for name in dir(self) if name.startswith("sql_")} | {EXCLUSION_TEMPLATE}
        return self._change_of(statement).kind is Kind.OTHER and statement.template not in known

    def _online(self, statement: DjangoStatement, text: str) -> tuple[str, str]:
        """The statement in the form that lets reads and writes pass, and how a unique index becomes a constraint.

        Made from the editor's own templates and parts; no rendered SQL is taken apart.
        """
        template, parts = statement.template, statement.parts
        if template == self._t("sql_create_index"):
            return str(DjangoStatement(self._t("sql_create_index_concurrently"), **parts)), ""
        if template == self._t("sql_create_unique_index"):
            concurrent = template.replace("CREATE UNIQUE INDEX", "CREATE UNIQUE INDEX CONCURRENTLY", 1)
            known = concurrent != template  # a backend's own template may begin otherwise: then there is none
            return (str(DjangoStatement(concurrent, **parts)) if known else ""), ""
        if template == self._t("sql_delete_index"):
            return str(DjangoStatement(self._t("sql_delete_index_concurrently"), **parts)), ""
        if template == self._t("sql_create_unique"):
            nulls = "%(nulls_distinct)s" if "nulls_distinct" in parts else ""
            index = f"CREATE UNIQUE INDEX CONCURRENTLY %(name)s ON %(table)s (%(columns)s){nulls}"
            attach = "ALTER TABLE %(table)s ADD CONSTRAINT %(name)s UNIQUE USING INDEX %(name)s%(deferrable)s"
            return str(DjangoStatement(index, **parts)), str(DjangoStatement(attach, **parts))
        if template in (self._t("sql_create_fk"), self._t("sql_create_check")):
            return f"{text} NOT VALID", ""
        return "", ""

    def _change_of(self, statement: DjangoStatement) -> Change:
        """The change that one of the editor's templates makes."""
        parts = statement.parts
        table = parts["table"].table if isinstance(parts.get("table"), Table) else strip_quotes(str(parts.get("table")))
        name = strip_quotes(str(parts.get("name", "")))
        listed: Any = parts.get("columns") or parts.get("column")
        columns = tuple(getattr(listed, "columns", ()))
        template = statement.template
        if template in self._texts("sql_create_index", "sql_create_index_concurrently", "sql_create_unique_index"):
            return Change(
                Kind.ADD_INDEX,
                table,
                columns,
                name,
                unique=template == self._t("sql_create_unique_index"),
                partial=bool(str(parts.get("condition", ""))),
                conditioned=self._conditions.get((table, name), UNKNOWN).columns,
                expression=isinstance(listed, Expressions),
                included=_included(parts),
                nulls_equal=_nulls_equal(parts),
                special=_special(parts),
                concurrently=template == self._t("sql_create_index_concurrently"),
            )
        if template in self._texts("sql_delete_index", "sql_delete_index_concurrently"):
            concurrently = template == self._t("sql_delete_index_concurrently")
            return self._of_known(Change(Kind.DROP_INDEX, table, name=name, concurrently=concurrently))
        if template == self._t("sql_rename_index"):
            old, new = strip_quotes(str(parts["old_name"])), strip_quotes(str(parts["new_name"]))
            return Change(Kind.RENAME_INDEX, table, name=new, old_name=old)
        return self._change_of_constraint(template, parts, Change(Kind.OTHER, table, columns, name))

    def _change_of_constraint(self, template: str, parts: dict[str, Any], change: Change) -> Change:
        if template == self._t("sql_create_fk"):
            target = parts["to_table"]
            references = target.table if isinstance(target, Table) else strip_quotes(str(target))
            special = bool(parts.get("on_delete_db"))  # the server's own ON DELETE, from Django 6.1 on
            return change._replace(kind=Kind.ADD_FOREIGN_KEY, references=references, special=special)
        if template in self._texts("sql_delete_constraint", "sql_delete_fk"):
            return self._of_known(change._replace(kind=Kind.DROP_CONSTRAINT))
        kinds = {
            self._t("sql_create_unique"): Kind.ADD_UNIQUE,
            self._t("sql_create_pk"): Kind.ADD_PRIMARY_KEY,
            self._t("sql_create_check"): Kind.ADD_CHECK,
            EXCLUSION_TEMPLATE: Kind.ADD_EXCLUSION,
        }
        kind = kinds.get(template, Kind.OTHER)
        if kind is Kind.ADD_CHECK:
            known = self._conditions.get((change.table, change.name), UNKNOWN)
            return change._replace(
                kind=kind, columns=(self._altered,) if self._altered else known.columns, requires=known.required
            )
        return change._replace(kind=kind, unique=kind is Kind.ADD_UNIQUE, nulls_equal=_nulls_equal(parts))

    def _of_known(self, dropped: Change) -> Change:
        """With what is known of the constraint or index that is dropped by name."""
        known = self.catalog.find(dropped.table, dropped.name)
        if known is None:
            return dropped
        columns = tuple(name for name in known.columns if name is not None)
        included = tuple(sorted((known.uses or frozenset()) - set(columns)))
        return dropped._replace(
            columns=columns,
            included=included,
            references=known.references,
            unique=known.unique,
            partial=known.computed,
            covered=self.catalog.covering(dropped.table, known),
        )

    def _texts(self, *names: str) -> tuple[str, ...]:
        return tuple(map(self._t, names))

    def _t(self, name: str) -> str:
        return str(getattr(self, name))


def _nulls_equal(parts: dict[str, Any]) -> bool:
    return "NOT DISTINCT" in str(parts.get("nulls_distinct", ""))


def _special(parts: dict[str, Any]) -> bool:
    """Whether an index is of another method than btree, or has storage options."""
    using = str(parts.get("using", "")).split()
    return using[-1:] not in ([], ["btree"]) or "WITH" in str(parts.get("extra", ""))


def _included(parts: dict[str, Any]) -> tuple[str, ...]:
    """The columns of an index's INCLUDE."""
    include = parts.get("include")
    listed: Any = include.parts["columns"] if isinstance(include, DjangoStatement) else None
    return tuple(listed.columns) if listed else ()
