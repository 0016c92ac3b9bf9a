"""Offers for RunPython: the same rows written for a portion of the keys at a time, each committed by itself.

Of a function that says literally what it does with the rows of one model: a queryset that is updated or deleted, one
whose rows are saved in a loop, or a loop over portions. As for SQL, a row that is done again comes to the same.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
from typing import Any

from django.db.migrations.operations import RunPython
from django.db.models import CASCADE, RESTRICT, Field

from lockgate.linting.rules import portions
from lockgate.linting.rules.fields import PORTION
from lockgate.linting.rules.offer import Function, Offer, Situation
from lockgate.linting.rules.querysets import Reading, Unclear, column, put_in, require
from lockgate.planning import python_calls

_HEAD = '''def {name}({apps}, {editor}):
    """In portions by key, each committed by itself; stopped and run again, it comes to the same end."""
    rows = {rows}
'''
_AT_ONCE = (
    _HEAD
    + """    keys = list(rows.order_by("pk").values_list("pk", flat=True)[:{portion}])
    while keys:
        rows.filter(pk__in=keys).{written}
        keys = list(rows.filter(pk__gt=keys[-1]).order_by("pk").values_list("pk", flat=True)[:{portion}])"""
)
_EACH = (
    _HEAD
    + """    rows = rows.order_by("pk").select_for_update()
    left = rows
    while True:
        with transaction.atomic(rows.db):
            portion = list(left[:{portion}])
            changed = []
            for {row} in portion:
{body}
            rows.bulk_update(changed, {fields}, batch_size={portion})
        if not portion:
            break
        left = rows.filter(pk__gt=portion[-1].pk)"""
)
_TAKEN = {"rows", "left", "keys", "portion", "changed", "transaction"}
_OF_TEXT = ("lower", "upper", "strip", "lstrip", "rstrip", "replace", "title", "capitalize", "casefold")


def code_in_portions(situation: Situation) -> Offer | None:
    """RunPython."""
    operation = situation.operation
    if not isinstance(operation, RunPython) or operation.hints:
        return None
    if operation.reverse_code not in (None, RunPython.noop):
        return None
    for of in (_at_once, _each, _kept):
        try:
            reading = Reading(situation, operation.code)
            source = of(reading)
        except Unclear:
            continue
        reversible = operation.reverse_code is not None
        function = Function(
            reading.function.__name__, source, frozenset(reading.imports), reversible, bool(operation.elidable)
        )
        return portions.placed(situation, function)
    return None


def _at_once(reading: Reading) -> str:
    """….update(…) or ….delete() of one queryset."""
    call, model = _change(reading, put_in(reading.names(), reading.body[-1]))
    written = f"{call.func.attr}({', '.join(map(ast.unparse, call.keywords))})"
    return _source(_AT_ONCE, reading, model, call.func.value, written=written)


def _change(reading: Reading, statement: ast.stmt) -> tuple[Any, Any]:
    """The call, and the options of the model of its queryset."""
    require(isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call) and not statement.value.args)
    call: Any = statement.value  # type: ignore[attr-defined]
    require(isinstance(call.func, ast.Attribute) and call.func.attr in ("update", "delete"))
    model = reading.queryset(call.func.value)
    if call.func.attr == "delete":
        require(not call.keywords and _goes_alone(reading, model))
    else:
        assigned = {_written(model, keyword.arg) for keyword in call.keywords}
        require(assigned and not any(reading.expression(keyword.value, model) & assigned for keyword in call.keywords))
    return call, model


def _kept(reading: Reading) -> str:
    """A loop over portions of keys until there are none, as it is: it wants nothing but to be committed."""
    names = reading.names()
    loop: Any = reading.body[-1]
    require(isinstance(loop, ast.While) and isinstance(loop.test, ast.NamedExpr) and not loop.orelse)
    keys, (write, *moves) = loop.test.target.id, loop.body
    for move in moves:
        last = ast.unparse(move.targets[0]) if isinstance(move, ast.Assign) else ""
        require(last in names and len(moves) == 1 and ast.unparse(move) == f"{last} = {keys}[-1]")
        names[last] = ast.Constant(0)
    names[keys] = ast.List([], ast.Load())
    condition = put_in(names, loop.test.value)
    require(isinstance(condition, ast.Call) and ast.unparse(condition.func) == "list" and len(condition.args) == 1)
    portion = condition.args[0]
    require(isinstance(portion, ast.Subscript) and isinstance(portion.slice, ast.Slice) and not portion.slice.lower)
    listed = portion.value
    require(ast.unparse(listed).endswith(".values_list('pk', flat=True)"))
    require(any(keyword.arg == "pk__in" and ast.unparse(keyword.value) == keys for keyword in _keywords(write)))
    _, model = _change(reading, put_in(names, write))
    require(reading.queryset(listed.func.value) == model)
    return textwrap.dedent(inspect.getsource(reading.function)).strip()


def _keywords(node: ast.AST) -> list[ast.keyword]:
    return [each for each in ast.walk(node) if isinstance(each, ast.keyword)]


def _each(reading: Reading) -> str:
    """for row in …: row.field = …; row.save()"""
    loop = put_in(reading.names(), reading.body[-1])
    require(isinstance(loop, ast.For) and isinstance(loop.target, ast.Name) and not loop.orelse)
    rows, row = loop.iter, loop.target.id
    if isinstance(rows, ast.Call) and isinstance(rows.func, ast.Attribute) and rows.func.attr == "iterator":
        rows = rows.func.value
    model = reading.queryset(rows)
    require(all(_is_saved_as_it_is(field) for field in model.local_concrete_fields))
    body = loop.body
    if len(body) == 1 and isinstance(body[0], ast.If) and not body[0].orelse:
        _of_row(body[0].test, row, model)
        body = body[0].body
    *assigns, saved = body
    assigned = _assigned(assigns, row, model)
    require(assigned and _saves(saved, row, assigned))
    body[-1] = ast.parse(f"changed.append({row})").body[0]
    text = textwrap.indent("\n".join(ast.unparse(statement) for statement in loop.body), " " * 16)
    reading.imports.add("from django.db import transaction")
    return _source(_EACH, reading, model, rows, row=row, body=text, fields=_listed(sorted(assigned)))


def _source(form: str, reading: Reading, model: Any, rows: ast.expr, **texts: str) -> str:
    require(portions.has_plain_key(model))
    names = {"name": reading.function.__name__, "apps": reading.apps, "editor": reading.editor}
    require(not _TAKEN & {*names.values(), texts.get("row", "")})
    return form.format(rows=ast.unparse(rows), portion=PORTION, **names, **texts)


def _listed(names: list[str]) -> str:
    return "[" + ", ".join(f'"{name}"' for name in names) + "]"


def _written(model: Any, name: Any) -> str:
    """A column that may be written, whatever other rows have."""
    field = column(model, name)
    require(not field.primary_key and not portions.is_unique(model, field))
    return str(field.name)


def _goes_alone(reading: Reading, model: Any) -> bool:
    """Whether a row that is deleted decides nothing on others of its model, nor they on it.

    Through what goes along with it, a row may refer to another; and RESTRICT lets rows go that go together alone.
    """
    own = f"{model.app_label}_{model.model_name}"
    relations = list(python_calls.relations(reading.found.before))
    gone, size = {own}, 0
    while len(gone) > size:
        size = len(gone)
        gone |= {table for table, target, field in relations if target in gone and _on_delete(field) is CASCADE}
    restricted = any(target in gone and _on_delete(field) is RESTRICT for _, target, field in relations)
    return not restricted and not any(table == own and target in gone for table, target, _ in relations)


def _on_delete(field: Any) -> Any:
    return getattr(field.remote_field, "on_delete", None)


def _is_saved_as_it_is(field: Any) -> bool:
    """Whether save() writes what the row has: no moment, no file."""
    moment = getattr(field, "auto_now", False)
    return not moment and (type(field).pre_save is Field.pre_save or hasattr(field, "auto_now"))


def _assigned(assigns: list[ast.stmt], row: str, model: Any) -> set[str]:
    """The fields that get a value. It may ask for what the row has else, or for itself: ``row.note or ""``."""
    values: dict[str, ast.expr] = {}
    for assign in assigns:
        require(isinstance(assign, ast.Assign) and len(assign.targets) == 1)
        target: Any = assign.targets[0]  # type: ignore[attr-defined]
        require(isinstance(target, ast.Attribute) and ast.unparse(target.value) == row)
        field = _written(model, target.attr)
        require(field not in values)
        values[field] = assign.value  # type: ignore[attr-defined]
    for field, value in values.items():
        require(_fits(value, column(model, field)))
        require(not _of_row(_default(value, row, field), row, model) & {*values})
    return {*values}


def _fits(value: ast.expr, field: Any) -> bool:
    """Whether it is no longer than its column, or fails: bulk_update() casts a text, which cuts it off in silence."""
    if type(field).__module__.startswith("django.db.models.") and field.max_length is None:
        return True
    return isinstance(value, ast.Constant) and (value.value is None or len(str(value.value)) <= (field.max_length or 0))


def _default(value: ast.expr, row: str, field: str) -> ast.expr:
    """What it comes to where it is empty, of ``row.field or …``."""
    own = isinstance(value, ast.BoolOp) and isinstance(value.op, ast.Or) and ast.unparse(value.values[0])
    return value.values[-1] if own == f"{row}.{field}" and len(value.values) == 2 else value  # type: ignore[attr-defined]


def _of_row(node: ast.AST, row: str, model: Any) -> set[str]:
    """The fields that a value in Python is made of; nothing else may be in it, but constants."""
    if isinstance(node, ast.Attribute) and ast.unparse(node.value) == row:
        field = column(model, node.attr)
        require(not field.is_relation or node.attr == field.attname)
        return {field.name}
    if isinstance(node, ast.Call):
        require(isinstance(node.func, ast.Attribute) and node.func.attr in _OF_TEXT and not node.keywords)
        parts: Any = [node.func.value, *node.args]  # type: ignore[attr-defined]
        return {name for part in parts for name in _of_row(part, row, model)}
    known = (ast.Constant, ast.BoolOp, ast.BinOp, ast.UnaryOp, ast.Compare, ast.IfExp, ast.JoinedStr)
    operators = (ast.FormattedValue, ast.boolop, ast.operator, ast.unaryop, ast.cmpop, ast.Tuple, ast.List)
    require(isinstance(node, (*known, *operators, ast.Load)))
    return {name for child in ast.iter_child_nodes(node) for name in _of_row(child, row, model)}


def _saves(node: ast.stmt, row: str, assigned: set[str]) -> bool:
    """Whether it is save(), of all fields or of those that were assigned."""
    text = ast.unparse(node)
    if text == f"{row}.save()":
        return True
    prefix, _, fields = text.partition("(update_fields=")
    try:
        return prefix == f"{row}.save" and {*ast.literal_eval(fields[:-1])} == assigned
    except (ValueError, SyntaxError):
        return False
