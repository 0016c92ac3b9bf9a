"""Looks into the source of a RunPython function: which rows it touches, and in what portions.

It reads names, not types, so it can be mistaken; what it reports says what was seen, and can be accepted.
"""

from __future__ import annotations

import ast
import functools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from types import FunctionType
from typing import Any

from django.db.models import Model

from lockgate.planning import python_source
from lockgate.planning.python_source import closure, is_own, own

_MANAGERS = {"objects", "_default_manager", "_base_manager"}
_FEW = {"pk", "id"}
# What gives a queryset of a queryset.
_CHAINED = {
    *("all", "filter", "exclude", "order_by", "reverse", "distinct", "using", "annotate", "alias"),
    *("only", "defer", "select_related", "prefetch_related"),
}
_LOOPS = (ast.For, ast.While, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


@dataclass(frozen=True)
class Code:
    """A function, and those of its module that it calls.

    owners: for each, the object whose method it is, or None. arguments: values that come before what it is called with,
    and those that it gets by name. db_tables: the tables of models that have not Django's default one, by that.
    """

    functions: tuple[FunctionType, ...]
    trees: tuple[ast.AST, ...]
    owners: tuple[Any, ...]
    arguments: tuple[Any, ...] = ()
    named: tuple[Any, ...] = ()
    db_tables: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def tables(self) -> tuple[str, ...]:
        """Tables of the models that it names in full (``apps.get_model("shop", "Order")``)."""
        return tuple(dict.fromkeys(self.db_tables.get(name, name) for name in self._models if name))

    @property
    def names_all_tables(self) -> bool:
        """Whether every model that it gets is named in full."""
        return bool(self._models) and all(self._models)

    @cached_property
    def _models(self) -> list[str]:
        """The tables of the models that it gets; empty for one whose name is made up at run time."""
        return [table_of(call) for call in self._calls("get_model")]

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """The models that it names in full, as ``shop.Order``; none where it gets one by another name too."""
        calls = list(self._calls("get_model"))
        labels = (".".join(str(arg.value) for arg in call.args if isinstance(arg, ast.Constant)) for call in calls)
        return tuple(dict.fromkeys(labels)) if self.names_all_tables and not any(c.keywords for c in calls) else ()

    def unbatched(self, *methods: str) -> Iterator[str]:
        """Calls of these methods on a whole queryset, outside any loop."""
        for tree in self.trees:
            for call in _outside_loops(tree):
                if isinstance(call.func, ast.Attribute) and call.func.attr in methods and self._many(call.func.value):
                    yield f".{call.func.attr}()"

    def loops_over_everything(self) -> Iterator[str]:
        """Loops over a queryset that loads every row at once."""
        for loop in self._nodes(ast.For):
            chain = _chain(loop.iter)
            whole = not {"iterator", "get", "first"} & set(chain) and not any(map(_sliced, self._said(loop.iter)))
            if self._is_queryset(loop.iter) and whole:
                yield f".{chain[-1]}()" if chain else "a queryset"

    def in_loops(self, *methods: str) -> Iterator[str]:
        """Calls of these methods inside a loop."""
        for loop in self._nodes(ast.For, ast.While):
            for call in ast.walk(loop):
                if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr in methods:
                    yield f".{call.func.attr}()"

    def in_loops_over_rows(self, *methods: str) -> Iterator[str]:
        """Calls of these methods in a loop over rows or keys, or in one that goes on until there are none."""
        for loop in self._nodes(ast.For, ast.While):
            for call in ast.walk(loop) if isinstance(loop, ast.While) or self._is_over_rows(loop.iter) else ():
                if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr in methods:
                    yield f".{call.func.attr}()"

    def _is_over_rows(self, node: ast.AST) -> bool:
        names = {part.id for part in ast.walk(node) if isinstance(part, ast.Name)}
        managed = any(isinstance(part, ast.Attribute) and part.attr in _MANAGERS for part in ast.walk(node))
        return managed or bool(names & (self._querysets | {"range"}))

    def without_batch_size(self) -> Iterator[str]:
        for name in ("bulk_create", "bulk_update"):
            for call in self._calls(name):
                limited = any(keyword.arg in ("batch_size", None) for keyword in call.keywords)
                if not limited and len(call.args) < (2 if name == "bulk_create" else 3):
                    yield f".{name}()"

    def imported_models(self) -> Iterator[str]:
        """Models of the code of today, where the migration's own (``apps.get_model``) are meant."""
        for function, tree in zip(self.functions, self.trees, strict=True):
            for node in ast.walk(tree):
                if isinstance(node, ast.Name):
                    value = function.__globals__.get(node.id)
                    if isinstance(value, type) and issubclass(value, Model):
                        yield node.id
                elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[-1] == "models":
                    yield from (name.name for name in node.names if node.module != "django.db.models")

    def adds_up(self) -> bool:
        """Whether it makes rows without asking for them first, or computes values from themselves."""
        created = any(True for _ in self._calls("create"))
        bulk = (
            call for call in self._calls("bulk_create") if not any(e.arg == "ignore_conflicts" for e in call.keywords)
        )
        updated = (call for call in self._calls("update") if any(_callee(inner) == "F" for inner in _inner_calls(call)))
        return created or any(True for _ in bulk) or any(True for _ in updated)

    def changes_data(self) -> bool:
        """Whether any call looks as if it changed rows."""
        writes = ("update", "delete", "save", "create", "get_or_create", "update_or_create", "bulk_create", "execute")
        return any(True for name in (*writes, "bulk_update") for _ in self._calls(name))

    def _nodes(self, *kinds: type[ast.AST]) -> Iterator[Any]:
        return (node for tree in self.trees for node in ast.walk(tree) if isinstance(node, kinds))

    def _calls(self, name: str) -> Iterator[ast.Call]:
        for call in self._nodes(ast.Call):
            if isinstance(call.func, ast.Attribute) and call.func.attr == name:
                yield call

    def _many(self, node: ast.AST) -> bool:
        """Whether an expression is a queryset of more than a row or a slice."""
        said = self._said(node)
        keys = {key for each in said for key in _filters(each) if key.split("__")[0] in _FEW}
        return self._is_queryset(node) and not keys and not any(map(_sliced, said))

    def _said(self, node: ast.AST) -> list[ast.AST]:
        """An expression, and what the name stands for that it begins with, where that has one value."""
        found = [node]
        while (values := self._values.get(_begins(found[-1]), [])) and len(values) == 1 and values[0] not in found:
            found.append(values[0])
        return found

    def _is_queryset(self, node: ast.AST) -> bool:
        if any(isinstance(part, ast.Attribute) and part.attr in _MANAGERS for part in ast.walk(node)):
            return not isinstance(node, ast.Call) or _callee(node) not in (
                "len",
                "range",
                "enumerate",
                "zip",
                "batched",
            )
        return _begins(node) in self._querysets

    @cached_property
    def _values(self) -> dict[str, list[ast.expr]]:
        """What each name is assigned."""
        found: dict[str, list[ast.expr]] = {}
        for assignment in self._nodes(ast.Assign):
            for target in assignment.targets:
                if isinstance(target, ast.Name):
                    found.setdefault(target.id, []).append(assignment.value)
        return found

    @cached_property
    def _querysets(self) -> set[str]:
        """Names that a queryset or a manager is assigned to, also one that is made of such a name."""
        names: set[str] = set()
        while (
            new := {name for name, values in self._values.items() if any(_gives_rows(each, names) for each in values)}
            - names
        ):
            names |= new
        return names


def _gives_rows(node: ast.expr, querysets: set[str]) -> bool:
    """Whether an expression is a manager, or a queryset of one or of such a name."""
    if isinstance(node, ast.Attribute):
        return node.attr in _MANAGERS
    managed = any(isinstance(each, ast.Attribute) and each.attr in _MANAGERS for each in ast.walk(node))
    chain = _chain(node)
    return (managed and bool(chain) and chain[-1] in _CHAINED) or _begins(node) in querysets


def _begins(node: ast.AST) -> str:
    """The name that a queryset is made of, through calls that give one, and slices; empty where it is of none."""
    while not isinstance(node, ast.Name):
        if isinstance(node, ast.Subscript):
            node = node.value
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in _CHAINED:
            node = node.func.value
        else:
            return ""
    return node.id


def table_of(node: ast.AST) -> str:
    """The table of a model that is named in full right here (``apps.get_model(…)``), by Django's default."""
    if not isinstance(node, ast.Call) or _callee(node) != "get_model":
        return ""
    parts = [*node.args, *(keyword.value for keyword in node.keywords)]
    constants = [part.value for part in parts if isinstance(part, ast.Constant) and isinstance(part.value, str)]
    return "_".join(constants).replace(".", "_").lower() if len(constants) == len(parts) else ""


def read(function: Callable[..., Any]) -> Code | None:
    """The code of a function, a method, an object that can be called, or a partial of these, with what wraps it.

    None for what has no source at hand.
    """
    arguments: tuple[Any, ...] = ()
    named: tuple[Any, ...] = ()
    while isinstance(function, functools.partial):
        arguments, named, function = (*function.args, *arguments), (*named, *function.keywords.values()), function.func
    waiting = [python_source.plain(function)]
    functions: list[FunctionType] = []
    trees: list[ast.AST] = []
    owners: list[Any] = []
    while waiting:
        owner, function_now = python_source.bare(waiting.pop())
        if (
            not isinstance(function_now, FunctionType)
            or function_now in functions
            or (tree := python_source.tree(function_now)) is None
        ):
            continue
        functions.append(function_now)
        trees.append(tree)
        owners.append(owner)
        near = (
            called
            for called in _called(function_now, tree, owner)
            if getattr(called, "__module__", None) == function_now.__module__
        )
        waiting += [*near, *closure(function_now).values()]
    return Code(tuple(functions), tuple(trees), tuple(owners), arguments, named) if trees else None


def _called(function: FunctionType, tree: ast.AST, owner: Any) -> Iterator[Any]:
    """What a function may call by a name of its module, or as a method of its own object."""
    names = {node.func.id for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)}
    yield from (function.__globals__.get(name) for name in sorted(names))
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and is_own(node, function, owner):
            yield own(owner, node.attr)


def _outside_loops(node: ast.AST) -> Iterator[ast.Call]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, _LOOPS):
            continue
        if isinstance(child, ast.Call):
            yield child
        yield from _outside_loops(child)


def _chain(node: ast.AST) -> list[str]:
    """The methods called one after the other: ``objects.filter().all()`` has filter and all."""
    names: list[str] = []
    while isinstance(node, ast.Call | ast.Attribute | ast.Subscript):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            names.insert(0, node.func.attr)
            node = node.func.value
        else:
            node = node.func if isinstance(node, ast.Call) else node.value
    return names


def _filters(node: ast.AST) -> Iterator[str]:
    for call in ast.walk(node):
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr in ("filter", "get"):
            yield from (keyword.arg for keyword in call.keywords if keyword.arg)


def _sliced(node: ast.AST) -> bool:
    return any(isinstance(part, ast.Subscript) and isinstance(part.slice, ast.Slice) for part in ast.walk(node))


def _callee(call: ast.Call) -> str:
    return call.func.id if isinstance(call.func, ast.Name) else getattr(call.func, "attr", "")


def _inner_calls(call: ast.Call) -> Iterator[ast.Call]:
    return (inner for part in call.keywords for inner in ast.walk(part.value) if isinstance(inner, ast.Call))
