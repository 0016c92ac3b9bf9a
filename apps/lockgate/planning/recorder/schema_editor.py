"""Django's schema editor, made to write down what it would do: each statement, with the changes it makes.

The statements are Django's own, so names, quoting, tablespaces and other backends (PostGIS) stay right. Beside
``django_seams`` this is the only module that leans on what Django does not promise to keep: the names of the
editor's templates and of the methods that make its fragments. Nothing is sent to a server, and nothing is asked of one.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from typing import Any

import psycopg
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.backends.ddl_references import Expressions, Table
from django.db.backends.ddl_references import Statement as DjangoStatement
from django.db.backends.postgresql.base import DatabaseWrapper
from django.db.backends.utils import strip_quotes
from django.db.models import CheckConstraint, ForeignObjectRel, Index, Model
from psycopg import sql as psycopg_sql
from psycopg.adapt import AdaptersMap
from psycopg.types import TypeInfo
from psycopg.types.hstore import register_hstore

from lockgate.errors import LockgateError
from lockgate.planning import conditions, identifiers, sql_steps, type_changes
from lockgate.planning.conditions import UNKNOWN, Condition
from lockgate.planning.recorder.new_columns import NewColumns
from lockgate.planning.recorder.questions import Question
from lockgate.planning.steps import Change, Kind, Statement
from lockgate.planning.virtual_catalog import Prospect

HSTORE = 2**31  # a type's number that no server has given in practice; it never leaves this process
EXCLUSION_TEMPLATE = "ALTER TABLE %(table)s ADD %(constraint)s"


def recording(connection: BaseDatabaseWrapper, prospect: Prospect) -> Any:
    """A schema editor of this connection's own class that records into ``.recorded`` and asks the prospect."""
    made: Any = _class(connection.SchemaEditorClass)
    return made(connection, prospect)


def offline_connection(alias: str, version: int) -> BaseDatabaseWrapper:
    """A connection that is never opened, as if to a server of this version (160004): for planning without one.

    It is of the alias's own class where that speaks PostgreSQL (PostGIS, say), else of Django's.
    """
    made: Any = connections.create_connection(alias)
    if made.vendor != "postgresql":
        made = DatabaseWrapper({**made.settings_dict, "ENGINE": "django.db.backends.postgresql"}, alias)
    made.pg_version = version
    made.connect = _never
    return made  # type: ignore[no-any-return]


@contextlib.contextmanager
def unplugged() -> Iterator[None]:
    """No connection of this thread is opened or used in the block.

    A field's default may be a function that asks the server, and an operation may go past the schema editor and write.
    """
    doors = [(each, name) for each in connections.all() for name in ("connect", "cursor", "chunked_cursor")]
    for each, name in doors:
        setattr(each, name, _never)
    try:
        yield
    finally:
        for each, name in doors:
            delattr(each, name)


def _never() -> None:
    raise LockgateError("an operation asks the server, and planning is offline")


@cache
def _class(base: type[BaseDatabaseSchemaEditor]) -> type[BaseDatabaseSchemaEditor]:
    return type("RecordingEditor", (_Recording, base), {})


class _Recording(NewColumns):
    """Mixed in before the backend's editor class."""

    connection: Any
    deferred_sql: list[Any]

    def __init__(self, connection: BaseDatabaseWrapper, prospect: Prospect) -> None:
        super().__init__(connection, collect_sql=True, atomic=True)  # type: ignore[call-arg]
        self.prospect = prospect
        self.recorded: list[Statement] = []
        self.asked: list[Question] = []
        self._fragments: list[tuple[str, Change]] = []  # what the statement makes that has a text in it
        self._altered = ""  # the column whose field is being altered
        self._conditions: dict[tuple[str, str], Condition] = {}  # by table and name of what has them
        self._aside: list[str] | None = None  # what is only being made up, in place of being recorded
        self._column: tuple[type[Model], Any] | None = None  # the one that is being added
        self._without_identity: set[tuple[str, str]] = set()
        self._plain: set[str] = set()  # Django's own, of sequences whose tables are locked by then
        self.deferred_sql = []

    def take(self, deferred: Sequence[Any] = ()) -> tuple[Statement, ...]:
        """What was recorded since the last call, and then these of the statements that Django defers."""
        self.deferred_sql = [each for each in self.deferred_sql if not any(each is other for other in deferred)]
        for statement in deferred:
            self.execute(statement, None)
        taken, self.recorded = tuple(self.recorded), []
        return taken

    def discard(self, deferred: Sequence[Any] = ()) -> None:
        """Forget what an operation that failed half-way had said so far. deferred: what was deferred before it."""
        self.recorded, self.deferred_sql = [], list(deferred)
        self._fragments, self._altered, self._column = [], "", None

    # What is sent

    def execute(self, sql: Any, params: Any = ()) -> None:
        """Record a statement; parameters are written into it as literals."""
        text = as_text(sql, params)
        if self._aside is not None:
            self._aside.append(text)
            return
        if isinstance(sql, DjangoStatement) and self._is_foreign(sql):
            self.recorded.append(sql_steps.read(Statement(text), text, self.prospect))
            return
        changes = tuple(map(_unquoted, self._changes(sql)))
        if not changes and text not in self._plain:
            self.recorded.append(sql_steps.read(Statement(text), text, self.prospect))
            return
        online, attach = self._online(sql, text) if isinstance(sql, DjangoStatement) else ("", "")
        self.recorded.append(Statement(text, changes, online, attach, *self._split_column(changes)))
        for change in changes:
            self.prospect.apply(change)
            if change.kind is Kind.DROP_IDENTITY:
                self._without_identity.add((change.table, change.columns[0]))

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

    @staticmethod
    def _is_written(value: Any) -> bool:
        return is_written(value)

    def _changes(self, sql: Any) -> tuple[Change, ...]:
        if isinstance(sql, DjangoStatement):
            return (self._change_of(sql),)
        found = tuple(change for fragment, change in self._fragments if fragment in sql)
        self._fragments = [each for each in self._fragments if each[0] not in sql]
        return found

    @contextlib.contextmanager
    def _expecting(self, fragment: str, changes: Iterable[Change]) -> Iterator[None]:
        """The statement with this text in it makes these changes. A third party's editor may send others before it."""
        mine = [(fragment, change) for change in changes]
        self._fragments += mine
        yield
        self._fragments = [each for each in self._fragments if not any(each is other for other in mine)]

    def _beginning(self, name: str, end: str = "", **parts: str) -> str:
        """What one of the editor's templates comes to, as far as a placeholder, or whole. parts: names, unquoted."""
        return self._t(name).partition(f"%({end})s")[0] % {key: self.quote_name(part) for key, part in parts.items()}

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

    def _change_of_constraint(self, template: str, parts: dict[str, Any], found: Change) -> Change:
        if template == self._t("sql_create_fk"):
            target = parts["to_table"]
            references = target.table if isinstance(target, Table) else strip_quotes(str(target))
            special = bool(parts.get("on_delete_db"))  # the server's own ON DELETE, from Django 6.1 on
            return found._replace(kind=Kind.ADD_FOREIGN_KEY, references=references, special=special)
        if template in self._texts("sql_delete_constraint", "sql_delete_fk"):
            return self._of_known(found._replace(kind=Kind.DROP_CONSTRAINT))
        made = {
            self._t("sql_create_unique"): Kind.ADD_UNIQUE,
            self._t("sql_create_pk"): Kind.ADD_PRIMARY_KEY,
            self._t("sql_create_check"): Kind.ADD_CHECK,
            EXCLUSION_TEMPLATE: Kind.ADD_EXCLUSION,
        }
        kind = made.get(template, Kind.OTHER)
        if kind is Kind.ADD_CHECK:
            known = self._conditions.get((found.table, found.name), UNKNOWN)
            return found._replace(
                kind=kind, columns=(self._altered,) if self._altered else known.columns, requires=known.required
            )
        return found._replace(kind=kind, unique=kind is Kind.ADD_UNIQUE, nulls_equal=_nulls_equal(parts))

    def _of_known(self, dropped: Change) -> Change:
        """With what is known of the constraint or index that is dropped by name."""
        known = self.prospect.find(dropped.table, dropped.name)
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
            covered=self.prospect.covering(dropped.table, known),
        )

    def _quoted(self, table: str, column: str) -> dict[str, str]:
        return {"table": self.quote_name(table), "column": self.quote_name(column)}

    def _texts(self, *names: str) -> tuple[str, ...]:
        return tuple(map(self._t, names))

    def _t(self, name: str) -> str:
        return str(getattr(self, name))

    # What is asked

    def _constraint_names(  # noqa: PLR0913, PLR0917  Django's own parameters
        self,
        model: type[Model],
        column_names: Any = None,
        unique: bool | None = None,
        primary_key: bool | None = None,
        index: bool | None = None,
        foreign_key: bool | None = None,
        check: bool | None = None,
        type_: str | None = None,
        exclude: Any = None,
    ) -> list[str]:
        table = model._meta.db_table
        self._require_known(table)
        answer = self.prospect.constraint_names(
            table,
            column_names,
            unique=unique,
            primary_key=primary_key,
            index=index,
            foreign_key=foreign_key,
            check=check,
            method="btree" if type_ == Index.suffix else None,
            exclude=exclude or (),
        )
        if identifiers.unquoted(table) not in self.prospect.changed | self.prospect.new_tables:
            conditions: dict[str, Any] = {
                "unique": unique,
                "primary_key": primary_key,
                "index": index,
                "foreign_key": foreign_key,
            }
            conditions |= {"check": check, "type_": type_, "exclude": exclude}
            self.asked.append(Question("_constraint_names", (model, column_names), conditions, answer))
        return answer

    def _get_sequence_name(self, table: str, column: str) -> str | None:
        """The sequence of an identity or serial column; of a table that is not there yet, or unseen, its usual name.

        An identity takes its sequence along when it is dropped, which Django does before it asks.
        """
        self._require_known(table)
        found = self.prospect.fact(table)
        known = found.columns.get(column) if found else None
        if (identifiers.unquoted(table), column) in self._without_identity and (known is None or known.identity):
            return None
        return known.sequence if known else identifiers.given(table, column, "seq")

    def _require_known(self, table: str) -> None:
        """Of a table that nobody has looked at, what it has is not known: it is not taken for nothing."""
        if not self.prospect.knows(table):
            raise LockgateError(f'what constraints and sequences "{table}" has is not known')

    def _is_collation_deterministic(self, collation_name: str) -> bool:
        """As the catalog has it. Of one that is not there yet nothing is known, and the operation stays in place.

        Offline, where nothing is built by the answer, it is taken for deterministic, as nearly all are.
        """
        if self.prospect.facts.offline:
            return True
        if collation_name not in self.prospect.facts.collations:
            raise LockgateError(f'whether collation "{collation_name}" is deterministic is not known')
        answer = self.prospect.facts.collations[collation_name]
        self.asked.append(Question("_is_collation_deterministic", (collation_name,), {}, answer))
        return answer

    # What announces itself

    def create_model(self, model: type[Model]) -> None:
        table = model._meta.db_table
        made = [Change(Kind.CREATE_TABLE, table)]
        for field in model._meta.local_concrete_fields:
            made += self._inline_constraints(table, field)
        for each in (*model._meta.indexes, *model._meta.constraints):
            self._conditions[table, each.name] = found = conditions.read(model, each)
            if isinstance(each, CheckConstraint):
                made.append(Change(Kind.ADD_CHECK, table, found.columns, each.name, requires=found.required))
        with self._expecting(self._beginning("sql_create_table", "definition", table=table), made):
            super().create_model(model)  # type: ignore[misc]

    def delete_model(self, model: type[Model]) -> None:
        table = model._meta.db_table
        targets = {each.references for each in self.prospect.named(table) if each.references} or {""}
        gone = [Change(Kind.DROP_TABLE, table, references=target) for target in sorted(targets)]
        with self._expecting(self._beginning("sql_delete_table", table=table), gone):
            super().delete_model(model)  # type: ignore[misc]

    def alter_db_table(self, model: type[Model], old_db_table: str, new_db_table: str) -> None:
        renamed = Change(Kind.RENAME_TABLE, old_db_table, name=new_db_table, old_name=old_db_table)
        text = self._beginning("sql_rename_table", old_table=old_db_table, new_table=new_db_table)
        with self._expecting(text, [renamed]):
            super().alter_db_table(model, old_db_table, new_db_table)  # type: ignore[misc]

    def alter_db_tablespace(self, model: type[Model], old: str, new: str) -> None:
        table = model._meta.db_table
        with self._expecting(
            self._beginning("sql_retablespace_table", "new_tablespace", table=table), [Change(Kind.MOVE_TABLE, table)]
        ):
            super().alter_db_tablespace(model, old, new)  # type: ignore[misc]

    def alter_db_table_comment(self, model: type[Model], old: str, new: str) -> None:
        table = model._meta.db_table
        with self._expecting(
            self._beginning("sql_alter_table_comment", "comment", table=table), [Change(Kind.COMMENT, table)]
        ):
            super().alter_db_table_comment(model, old, new)  # type: ignore[misc]

    def add_constraint(self, model: type[Model], constraint: Any) -> None:
        self._conditions[model._meta.db_table, constraint.name] = conditions.read(model, constraint)
        super().add_constraint(model, constraint)  # type: ignore[misc]

    def add_index(self, model: type[Model], index: Any, *args: Any, **kwargs: Any) -> None:
        self._conditions[model._meta.db_table, index.name] = conditions.read(model, index)
        super().add_index(model, index, *args, **kwargs)  # type: ignore[misc]

    def remove_field(self, model: type[Model], field: Any) -> None:
        if field.db_parameters(self.connection)["type"] is not None:  # a table of its own has none
            quoted = self._quoted(model._meta.db_table, field.column)
            takes = tuple(map(str, self.prospect.shared(model._meta.db_table, field.column)))
            change = Change(Kind.DROP_COLUMN, model._meta.db_table, (field.column,), takes=takes)
            self._fragments.append((self._t("sql_delete_column") % quoted, change))
        super().remove_field(model, field)  # type: ignore[misc]

    def _alter_field(self, model: type[Model], old_field: Any, new_field: Any, *args: Any, **kwargs: Any) -> None:
        quoted = self._quoted(model._meta.db_table, new_field.column)
        update = self._t("sql_update_with_default").partition("%(default)s")[0] % quoted
        self._fragments.append((update, Change(Kind.UPDATE_ROWS, model._meta.db_table, (new_field.column,))))
        self._altered = new_field.column
        super()._alter_field(model, old_field, new_field, *args, **kwargs)  # type: ignore[misc]
        self._altered = ""
        self._fragments.clear()

    # What makes the fragments of ALTER TABLE … ALTER COLUMN

    def _alter_column_type_sql(
        self, model: type[Model], old_field: Any, new_field: Any, new_type: str, *args: Any
    ) -> tuple[Any, Any]:
        dropped = self._t("sql_drop_indentity") % self._quoted(model._meta.db_table, new_field.column)
        self._fragments.append((dropped, Change(Kind.DROP_IDENTITY, model._meta.db_table, (new_field.column,))))
        made: tuple[Any, Any] = super()._alter_column_type_sql(model, old_field, new_field, new_type, *args)  # type: ignore[misc]
        old, new = old_field.db_parameters(self.connection), new_field.db_parameters(self.connection)
        table, columns = model._meta.db_table, (new_field.column,)
        old_type, collated = str(old["type"]), old.get("collation") != new.get("collation")
        zone = self.connection.timezone_name  # Django gives it to each session that it opens
        kept = type_changes.stored(old_type, str(new_type), self.prospect.types)
        needed = type_changes.work(*kept, collation=collated, zone=zone)
        work = type_changes.with_dependents(needed, new_field.column, self.prospect.named(table))
        if self.prospect.facts.offline and needed.grows:
            work = needed  # the indexes that there are cannot be seen
        change = Change(Kind.ALTER_TYPE, table, columns, type=str(new_type), old_type=old_type, work=work)
        change = change._replace(collated=collated, referring=tuple(self._referring(model, old_field)))
        self._fragments.append((made[0][0], change))
        sequence = self._beginning("sql_alter_sequence_type", "sequence")
        self._plain.update(statement for statement, _ in made[1] if statement.startswith(sequence))
        beside = self._t("sql_add_identity") % self._quoted(table, new_field.column)
        if any(statement == beside for statement, _ in made[1]):
            self._fragments.append((beside, Change(Kind.ADD_IDENTITY, table, columns)))
        return made

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
            known = [each for each in self.prospect.named(other) if each.kind == "f" and each.references == table]
            mine = field in key.foreign_related_fields and other != table
            if mine and (any(each.columns == (key.column,) for each in known) or not self.prospect.knows(other)):
                yield other

    def _alter_column_null_sql(self, model: type[Model], old_field: Any, new_field: Any) -> Any:
        made = super()._alter_column_null_sql(model, old_field, new_field)  # type: ignore[misc]
        kind = Kind.DROP_NOT_NULL if new_field.null else Kind.SET_NOT_NULL
        return self._column_fragment(made, Change(kind, model._meta.db_table, (new_field.column,)))

    def _alter_column_default_sql(self, model: type[Model], old_field: Any, new_field: Any, drop: bool = False) -> Any:
        made = super()._alter_column_default_sql(model, old_field, new_field, drop)  # type: ignore[misc]
        kind = Kind.DROP_DEFAULT if drop else Kind.SET_DEFAULT
        return self._column_fragment(made, Change(kind, model._meta.db_table, (new_field.column,)))

    def _alter_column_database_default_sql(
        self, model: type[Model], old_field: Any, new_field: Any, drop: bool = False
    ) -> Any:
        made = super()._alter_column_database_default_sql(model, old_field, new_field, drop)  # type: ignore[misc]
        kind = Kind.DROP_DEFAULT if drop else Kind.SET_DEFAULT
        change = Change(kind, model._meta.db_table, (new_field.column,), database_default=True)
        return self._column_fragment(made, change)

    def _column_fragment(self, made: Any, change: Change) -> Any:
        self._fragments.append((made[0], change))
        return made

    def _rename_field_sql(self, table: str, old_field: Any, new_field: Any, new_type: str) -> str:
        made = str(super()._rename_field_sql(table, old_field, new_field, new_type))  # type: ignore[misc]
        change = Change(
            Kind.RENAME_COLUMN, table, (new_field.column,), name=new_field.column, old_name=old_field.column
        )
        self._fragments.append((made, change))
        return made

    def _alter_column_comment_sql(self, model: type[Model], new_field: Any, new_type: str, new_db_comment: str) -> Any:
        made = super()._alter_column_comment_sql(model, new_field, new_type, new_db_comment)  # type: ignore[misc]
        return self._column_fragment(made, Change(Kind.COMMENT, model._meta.db_table, (new_field.column,)))

    def quote_name(self, name: str) -> str:
        return str(super().quote_name(name))  # type: ignore[misc]


def _unquoted(change: Change) -> Change:
    """A change with its tables named as plans name them."""
    table, references = identifiers.unquoted(change.table), identifiers.unquoted(change.references)
    if change.kind is not Kind.RENAME_TABLE:
        return change._replace(table=table, references=references)
    return change._replace(
        table=table, name=identifiers.unquoted(change.name), old_name=identifiers.unquoted(change.old_name)
    )


def as_text(sql: Any, params: Any) -> str:
    """A statement of an editor as one text, with its parameters as literals: what it is known by."""
    text = str(sql)
    if not params:
        return text
    return text % tuple(map(_written, params))


def _written(value: Any) -> str:
    """A literal; what only an open connection knows how to write (PostGIS' geometries) is named by its type.

    No server takes that for SQL, so that a statement with it in it can be known again, and never sent by mistake.
    """
    return psycopg_sql.Literal(value).as_string(_literals()) if is_written(value) else f"<a {type(value).__name__}>"


def is_written(value: Any) -> bool:
    """Whether a value can be written without asking an open connection."""
    try:
        psycopg_sql.Literal(value).as_string(_literals())
    except psycopg.ProgrammingError:
        return False
    return True


@cache
def _literals() -> AdaptersMap:
    """How values are written: as psycopg does, and a dict as hstore, whose number every database gives anew.

    Django teaches a connection that type once its database has it; a plan may be about to make it.
    """
    known = AdaptersMap(psycopg.adapters)
    register_hstore(TypeInfo("hstore", HSTORE, HSTORE + 1), known)
    return known


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
