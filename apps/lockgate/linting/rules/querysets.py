"""Reads a RunPython function that says literally what it does with the rows of one model.

Anything that is not known to depend on the row alone raises Unclear: then nothing can be told, and nothing is offered.
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterable
from types import FunctionType, ModuleType
from typing import Any

from django.db import models
from django.db.models import functions

from lockgate.linting.rules.offer import Situation
from lockgate.planning import python_source

_MANAGERS = ("objects", "_default_manager", "_base_manager")
_NARROWING = ("filter", "exclude")
_CHAINED = (*_NARROWING, "all", "using", "order_by", "iterator")
_LOOKUPS = ("exact", "isnull", "in", "gt", "gte", "lt", "lte", "range")  # what can be asked of a key that refers
_EXPRESSIONS = {"F", "Q", "Value"}
_FUNCTIONS = {"Coalesce", "Concat", "Length", "Lower", "NullIf", "Replace", "StrIndex", "Substr", "Trim", "Upper"}


class Unclear(Exception):
    """It is not known to be of the row alone."""


def require(known: object) -> None:
    if not known:
        raise Unclear


class Reading:
    """One function. imports: what its expressions need."""

    def __init__(self, situation: Situation, function: Any) -> None:
        require(isinstance(function, FunctionType) and function.__name__ != "<lambda>" and not function.__closure__)
        self.found, self.function = situation, function
        tree = python_source.tree(function)
        require(isinstance(tree, ast.Module) and len(tree.body) == 1 and isinstance(tree.body[0], ast.FunctionDef))
        self.definition: Any = tree.body[0]  # type: ignore[union-attr]
        arguments = self.definition.args
        require(not self.definition.decorator_list and len(arguments.args) == 2 and not arguments.defaults)
        require(not (arguments.vararg or arguments.kwarg or arguments.kwonlyargs or arguments.posonlyargs))
        require(not any(arg.annotation for arg in arguments.args) and self.definition.returns is None)
        self.apps, self.editor = (arg.arg for arg in arguments.args)
        self.imports: set[str] = set()
        self.body = [statement for statement in self.definition.body if not _is_text(statement)]
        require(self.body)

    def names(self) -> dict[str, ast.expr]:
        """What all statements but the last give names to."""
        values: dict[str, ast.expr] = {}
        for statement in self.body[:-1]:
            require(isinstance(statement, ast.Assign) and len(statement.targets) == 1)
            target = statement.targets[0]
            require(isinstance(target, ast.Name) and target.id not in values)
            values[target.id] = put_in(values, statement.value)
        return values

    # Models

    def queryset(self, node: ast.expr) -> Any:
        """The options of its model, where each row is found by what it is itself."""
        calls = []
        while isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in _CHAINED:
            calls.append(node)
            node = node.func.value
        require(isinstance(node, ast.Attribute) and node.attr in _MANAGERS)
        model = self.model(node.value)  # type: ignore[attr-defined]
        manager = getattr(model.model, node.attr, None)  # type: ignore[attr-defined]
        require(type(manager) is models.Manager)  # another may leave rows out
        for call in calls:
            self._chained(call, model)
        return model

    def model(self, node: ast.expr) -> Any:
        require(isinstance(node, ast.Call) and ast.unparse(node.func) == f"{self.apps}.get_model")
        expression: Any = node
        label = [str(arg.value) for arg in expression.args if isinstance(arg, ast.Constant)]
        require(label and len(label) == len(expression.args) and not expression.keywords)
        app, _, name = ".".join(label).partition(".")
        try:
            return self.found.before.apps.get_model(app, name)._meta
        except LookupError:
            raise Unclear from None

    def _chained(self, call: ast.Call, model: Any) -> None:
        name = call.func.attr  # type: ignore[attr-defined]
        if name in _NARROWING:
            for arg in call.args:
                self.expression(arg, model)
            self._conditions(call.keywords, model)
        elif name == "using":
            own = ast.unparse(call) == ast.unparse(call.func) + f"({self.editor}.connection.alias)"
            require(own or all(isinstance(arg, ast.Constant) for arg in call.args))
        elif name != "iterator":
            require(all(isinstance(arg, ast.Constant) for arg in call.args) and not call.keywords)

    def _conditions(self, keywords: Iterable[ast.keyword], model: Any) -> None:
        """Lookups of the model's own columns."""
        for keyword in keywords:
            first, *lookups = (keyword.arg or "").split("__")
            if first != "pk":
                field = column(model, first)
                require(not field.is_relation or all(lookup in _LOOKUPS for lookup in lookups))
            self.expression(keyword.value, model)

    # Values

    def expression(self, node: ast.expr, model: Any) -> set[str]:
        """The columns that it asks for: a constant has none, F() and functions of the database have theirs."""
        if _is_constant(node):
            return set()
        if isinstance(node, ast.BinOp):
            return self.expression(node.left, model) | self.expression(node.right, model)
        if isinstance(node, ast.UnaryOp):
            return self.expression(node.operand, model)
        require(isinstance(node, ast.Call))
        call: Any = node
        what = self._object(call.func)
        kind = getattr(what, "__name__", "")
        if what is getattr(models, kind, None) and kind in _EXPRESSIONS:
            return self._of_django(kind, call, model)
        require(what is getattr(functions, kind, None) and kind in _FUNCTIONS and not call.keywords)
        columns: set[str] = set()
        for arg in call.args:
            named = isinstance(arg, ast.Constant) and isinstance(arg.value, str)
            columns |= {column(model, arg.value).name} if named else self.expression(arg, model)
        return columns

    def _of_django(self, kind: str, call: ast.Call, model: Any) -> set[str]:
        if kind == "Q":
            self._conditions(call.keywords, model)
            return {name for arg in call.args for name in self.expression(arg, model)}
        require(len(call.args) == 1 and not call.keywords and isinstance(call.args[0], ast.Constant))
        return {column(model, call.args[0].value).name} if kind == "F" else set()  # type: ignore[attr-defined]

    def _object(self, node: ast.expr) -> Any:
        """What a name of the module is, or an attribute of a module of Django's; its import is noted."""
        if isinstance(node, ast.Attribute):
            module = self._object(node.value)
            require(module is models or module is functions)
            return getattr(module, node.attr, None)
        require(isinstance(node, ast.Name) and node.id in self.function.__globals__)
        name = node.id  # type: ignore[attr-defined]
        value = self.function.__globals__[name]
        where = {models: "django.db", functions: "django.db.models"} if isinstance(value, ModuleType) else {}
        origin = where.get(value) if where else _origin(name, value)
        require(origin and (where or value.__name__ == name) and (not where or value.__name__.endswith(f".{name}")))
        self.imports.add(f"from {origin} import {name}")
        return value


def _origin(name: str, value: Any) -> str:
    if getattr(models, name, None) is value:
        return "django.db.models"
    return "django.db.models.functions" if getattr(functions, name, None) is value else ""


def column(model: Any, name: Any) -> Any:
    """The model's own field of this name, or of that of its column in Python."""
    for field in model.local_concrete_fields:
        if name in (field.name, field.attname):
            return field
    raise Unclear


def _is_constant(node: ast.expr) -> bool:
    try:
        ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError):
        return False
    return True


def _is_text(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def put_in(names: dict[str, ast.expr], node: Any) -> Any:
    """With what names stand for in their places."""

    class Names(ast.NodeTransformer):
        def visit_Name(self, each: ast.Name) -> ast.expr:
            require(each.id not in names or isinstance(each.ctx, ast.Load))
            return copy.deepcopy(names.get(each.id, each))

    return Names().visit(copy.deepcopy(node))
