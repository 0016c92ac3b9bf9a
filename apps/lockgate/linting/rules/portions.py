"""Offers for UPDATE and DELETE in SQL: the same statement, for a portion of the keys at a time, each committed alone.

A run that is killed in the midst of it begins anew, so what is done to a row must come to the same when it is done
again; and a row must not ask about others, some of which are done by then. Where the statement does not say so itself,
nothing is offered.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.db.migrations.operations import RunSQL
from django.db.models import Manager

from lockgate.linting.rules import sql_offers
from lockgate.linting.rules.fields import PORTION
from lockgate.linting.rules.offer import Function, Offer, Situation, Written
from lockgate.planning import sql_parser
from lockgate.planning.sql_changes import functions
from lockgate.planning.sql_changes.tree import columns_in, literal, walk
from lockgate.planning.sql_parser import Tree

NOTE = "the same rows, a portion at a time, so that each lock is held for a moment; what was done before it stays done"
_SOURCE = '''def {name}(apps, schema_editor):
    """In portions by key, each committed by itself; stopped and run again, it comes to the same end."""
    rows = apps.get_model("{app}", "{model}")._base_manager.using(schema_editor.connection.alias).order_by("pk")
    with schema_editor.connection.cursor() as cursor:
        keys = list(rows.values_list("pk", flat=True)[:{portion}])
        while keys:
            cursor.execute({sql})
            keys = list(rows.filter(pk__gt=keys[-1]).values_list("pk", flat=True)[:{portion}])'''
_TEXT = '''
                """
                {statement}
                WHERE {condition}"{key}" = ANY(%s)
                """,
                [keys],
            '''
# Keys that are sent as they are read, one after the other in the order of ">".
_KEYS = {
    *("AutoField", "BigAutoField", "SmallAutoField", "IntegerField", "BigIntegerField", "SmallIntegerField"),
    *("PositiveIntegerField", "PositiveBigIntegerField", "PositiveSmallIntegerField", "UUIDField"),
    *("CharField", "SlugField", "TextField"),
}
# What these give is of the statement, and would be another for each portion; or nobody says what a node does.
_OF_THE_MOMENT = {"SQLValueFunction", "SubLink", "SetToDefault", "MultiAssignRef", "ParamRef", "CurrentOfExpr"}
_MOMENTS = {"now", "today", "tomorrow", "yesterday"}


def sql_in_portions(situation: Situation) -> Offer | None:
    """RunSQL with one UPDATE or DELETE on the table of a model."""
    operation = situation.operation
    if not isinstance(operation, RunSQL) or operation.state_operations or operation.hints:
        return None
    if operation.reverse_sql not in (None, RunSQL.noop) or not (sql := sql_offers.only(operation)):
        return None
    if "\\" in sql.text or '"""' in sql.text:
        return None
    [parsed] = sql_parser.parse(sql.text) or ()
    model = sql_offers.model_of(situation, parsed.body.get("relation", {}))
    if model is None or not has_plain_key(model) or type(model.model._base_manager) is not Manager:
        return None
    if not _is_alone(parsed.kind, parsed.body) or not _comes_to_the_same(parsed.body, model):
        return None
    verb = "update" if parsed.kind == "UpdateStmt" else "delete"
    name = f"{verb}_{model.model_name}"
    source = _SOURCE.format(
        name=name, app=model.app_label, model=model.object_name, portion=PORTION, sql=_statement(sql, model.pk.column)
    )
    function = Function(name, source, frozenset(), operation.reverse_sql is not None, operation.elidable)
    return placed(situation, function)


def placed(situation: Situation, function: Function) -> Offer | None:
    """In place of the operation, or in a migration after its own where it is the last of several."""
    operations = situation.migration.operations
    if situation.number + 1 < len(operations):
        return None  # what follows may need it
    if len(operations) == 1:
        return Offer(situation.number, NOTE, (function,), atomic=False)
    later = Written(function.name, (function,), atomic=False)
    return Offer(situation.number, NOTE, (), (later,), atomic=bool(situation.migration.atomic))


def _statement(sql: sql_offers.Sql, key: str) -> str:
    """The call's argument: its text with placeholders, and with the condition that names the portion."""
    at = sql.outermost("WHERE")
    last = len(sql.words) - 1
    statement = sql.raw(0, at - 1 if at else last)
    condition = f"({sql.raw(at + 1, last)}) AND " if at else ""
    escaped = {name: part.replace("%", "%%") for name, part in (("statement", statement), ("condition", condition))}
    return _TEXT.format(key=key.replace('"', '""').replace("%", "%%"), **escaped)


def has_plain_key(model: Any) -> bool:
    """Whether a model's rows can be walked through by their key."""
    key = model.pk
    return type(key).__module__.startswith("django.db.models.") and type(key).__name__ in _KEYS


def _is_alone(kind: str, body: Tree) -> bool:
    """Whether the table is the only one that the statement has to do with."""
    others = {"fromClause", "usingClause", "returningList", "withClause"}
    return kind in ("UpdateStmt", "DeleteStmt") and not others & {*body}


def _comes_to_the_same(body: Tree, model: Any) -> bool:
    """Whether a row that is done again, after others, gets what it would get of the one statement."""
    targets = [target["ResTarget"] for target in body.get("targetList", ())]
    fields = {field.column: field for field in model.local_concrete_fields}
    assigned = {str(target.get("name")) for target in targets}
    if any("indirection" in target for target in targets) or not assigned <= {*fields} or model.pk.column in assigned:
        return False
    if not targets and any(field.remote_field and field.related_model._meta == model for field in fields.values()):
        return False  # a row of a later portion may refer to it
    if any(is_unique(model, fields[target]) for target in assigned) or any(map(_is_of_the_moment, _nodes(body))):
        return False
    if functions.is_volatile(body.get("whereClause")):
        return False
    values = [target["val"] for target in targets]
    own = any(functions.is_volatile(target) or {*columns_in(target)} & assigned for target in values)
    return not own or _is_done_once(body, targets)


def is_unique(model: Any, field: Any) -> bool:
    """Whether other rows decide on what a field may have, which is asked when a portion ends too."""
    together = any(field.name in names for names in model.unique_together)
    others = any(type(constraint).__name__ != "CheckConstraint" for constraint in model.constraints)
    return bool(field.unique or together or others)


def _nodes(body: Tree) -> Iterator[tuple[str, Tree]]:
    return walk([body.get("targetList", []), body.get("whereClause", {})])


def _is_of_the_moment(node: tuple[str, Tree]) -> bool:
    kind, body = node
    if kind == "FuncCall":
        return functions.name_of(body) not in functions.OF_EACH_ROW | functions.OF_ITS_ARGUMENTS
    return kind in _OF_THE_MOMENT or (kind == "TypeCast" and str(literal(body["arg"])).strip().lower() in _MOMENTS)


def _is_done_once(body: Tree, targets: list[Tree]) -> bool:
    """Whether a row that is done is not found again: a column was NULL, and is not any more."""
    whole = body.get("whereClause", {})
    parts = whole["BoolExpr"]["args"] if whole.get("BoolExpr", {}).get("boolop") == "AND_EXPR" else [whole]
    tests = (part["NullTest"] for part in parts if "NullTest" in part)
    empty = {name for test in tests if test["nulltesttype"] == "IS_NULL" for name in columns_in(test["arg"])}
    return any(target["name"] in empty and _is_never_null(target["val"]) for target in targets)


def _is_never_null(value: Tree) -> bool:
    while "TypeCast" in value:
        value = value["TypeCast"]["arg"]
    [(kind, body)] = value.items()
    if kind == "A_Const":
        return not body.get("isnull")
    return kind == "FuncCall" and functions.name_of(body) in functions.OF_EACH_ROW
