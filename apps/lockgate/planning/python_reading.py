"""Looks into the source of a RunPython function: which rows it touches, and in what portions.

It reads names, not types, so it can be mistaken; what it reports says what was seen, and can be accepted.
"""

from __future__ import annotations

import ast
import builtins
import inspect
import sys
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from types import FunctionType, ModuleType
from typing import Any

from django.db.models import Model

_MANAGERS = {"objects", "_default_manager", "_base_manager"}
_FEW = {"pk", "id"}
# What may lead to more than rows of models.
_BEYOND_ROWS = {
    "connection", "connections", "cursor", "execute", "executemany", "raw", "extra", "RawSQL", "schema_editor",
    "exec", "eval", "compile", "getattr", "globals", "locals", "vars", "__import__", "__builtins__",
}  # fmt: skip
_OF_DJANGO = ("django.db.models", "django.db.transaction", "django.utils")
_OF_PYTHON = sys.stdlib_module_names - {"os", "subprocess", "importlib", "ctypes", "sys", "builtins", "multiprocessing"}
_LOOPS = (ast.For, ast.While, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


@dataclass(frozen=True)
class Code:
    """A function, and those of its module that it calls."""

    functions: tuple[FunctionType, ...]
    trees: tuple[ast.AST, ...]

    @cached_property
    def tables(self) -> tuple[str, ...]:
        """Tables of the models that it names in full (``apps.get_model("shop", "Order")``), by Django's default."""
        return tuple(dict.fromkeys(name for name in self._models if name))

    @property
    def names_all_tables(self) -> bool:
        """Whether every model that it gets is named in full."""
        return bool(self._models) and all(self._models)

    @cached_property
    def _models(self) -> list[str]:
        """The tables of the models that it gets; empty for one whose name is made up at run time."""
        return [table_of(call) for call in self._calls("get_model")]

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
            if (
                self._is_queryset(loop.iter)
                and not {"iterator", "get", "first"} & set(chain)
                and not _sliced(loop.iter)
            ):
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
        names = {each.id for each in ast.walk(node) if isinstance(each, ast.Name)}
        managed = any(isinstance(each, ast.Attribute) and each.attr in _MANAGERS for each in ast.walk(node))
        return managed or bool(names & (self._querysets | {"range"}))

    def without_batch_size(self) -> Iterator[str]:
        for name in ("bulk_create", "bulk_update"):
            for call in self._calls(name):
                limited = any(each.arg in ("batch_size", None) for each in call.keywords)
                if not limited and len(call.args) < (2 if name == "bulk_create" else 3):
                    yield f".{name}()"

    def imported_models(self) -> Iterator[str]:
        """Models of the code of today, where the migration's own (``apps.get_model``) are meant."""
        for function, tree in zip(self.functions, self.trees, strict=True):
            for node in ast.walk(tree):
                if isinstance(node, ast.Name):
                    found = function.__globals__.get(node.id)
                    if isinstance(found, type) and issubclass(found, Model):
                        yield node.id
                elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[-1] == "models":
                    yield from (each.name for each in node.names if node.module != "django.db.models")

    def adds_up(self) -> bool:
        """Whether it makes rows without asking for them first, or computes values from themselves."""
        created = any(True for _ in self._calls("create"))
        bulk = (
            call for call in self._calls("bulk_create") if not any(e.arg == "ignore_conflicts" for e in call.keywords)
        )
        updated = (call for call in self._calls("update") if any(_callee(each) == "F" for each in _inner_calls(call)))
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
        keys = {key for key in _filters(node) if key.split("__")[0] in _FEW}
        return self._is_queryset(node) and not keys and not _sliced(node)

    def _is_queryset(self, node: ast.AST) -> bool:
        if any(isinstance(each, ast.Attribute) and each.attr in _MANAGERS for each in ast.walk(node)):
            return not isinstance(node, ast.Call) or _callee(node) not in (
                "len",
                "range",
                "enumerate",
                "zip",
                "batched",
            )
        return isinstance(node, ast.Name) and node.id in self._querysets

    @cached_property
    def _querysets(self) -> set[str]:
        """Names that a queryset is assigned to."""
        found: set[str] = set()
        for assignment in self._nodes(ast.Assign):
            chain = _chain(assignment.value)
            managed = any(isinstance(e, ast.Attribute) and e.attr in _MANAGERS for e in ast.walk(assignment.value))
            last = chain[-1] if chain else ""
            if managed and last in ("all", "filter", "exclude", "order_by", "select_related", "annotate", "only"):
                found.update(target.id for target in assignment.targets if isinstance(target, ast.Name))
        return found


def table_of(node: ast.AST) -> str:
    """The table of a model that is named in full right here (``apps.get_model(…)``), by Django's default."""
    if not isinstance(node, ast.Call) or _callee(node) != "get_model":
        return ""
    parts = [*node.args, *(each.value for each in node.keywords)]
    given = [each.value for each in parts if isinstance(each, ast.Constant) and isinstance(each.value, str)]
    return "_".join(given).replace(".", "_").lower() if len(given) == len(parts) else ""


def read(function: Callable[..., Any]) -> Code | None:
    """A function's code; None for what is no plain function, or has no source at hand."""
    wanted: list[Any] = [inspect.unwrap(function)]
    functions: list[FunctionType] = []
    trees: list[ast.AST] = []
    while wanted:
        each = wanted.pop()
        if not isinstance(each, FunctionType) or each in functions or (tree := _tree(each)) is None:
            continue
        functions.append(each)
        trees.append(tree)
        called = {
            node.func.id for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
        }
        near = (each.__globals__.get(name) for name in sorted(called))
        wanted += [found for found in near if getattr(found, "__module__", None) == each.__module__]
    return Code(tuple(functions), tuple(trees)) if trees else None


def leaves_schema_alone(found: Code | None) -> bool:
    """Whether all of a RunPython function was read, and works on rows by way of models alone.

    What is not known may do anything: another module's function, a cursor, the schema editor itself.
    """
    return found is not None and all(
        not each.__closure__ and all(_on_rows_alone(node, each, found, _aliases(tree)) for node in ast.walk(tree))
        for each, tree in zip(found.functions, found.trees, strict=True)
    )


def _aliases(tree: ast.AST) -> set[int]:
    """The nodes of ``schema_editor.connection.alias``, all that data needs of an editor."""
    found: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr == "alias" and _is_connection(node.value):
            found |= {id(each) for each in ast.walk(node)}
    return found


def _is_connection(node: ast.AST) -> bool:
    return isinstance(node, ast.Attribute) and node.attr == "connection" and isinstance(node.value, ast.Name)


def _on_rows_alone(node: ast.AST, function: FunctionType, found: Code, aliases: set[int]) -> bool:
    if id(node) in aliases:
        return True
    if isinstance(node, ast.Attribute):
        return node.attr not in _BEYOND_ROWS and not node.attr.startswith("__")
    if not isinstance(node, ast.Name):
        return not isinstance(node, ast.Import | ast.ImportFrom)
    if node.id in _locals(function):
        return node.id not in _editors(function, found)
    if node.id in function.__globals__:
        return _is_known(function.__globals__[node.id], found)
    return hasattr(builtins, node.id) and node.id not in _BEYOND_ROWS


def _locals(function: FunctionType) -> tuple[str, ...]:
    return (*function.__code__.co_varnames, *function.__code__.co_cellvars)


def _editors(function: FunctionType, found: Code) -> tuple[str, ...]:
    """What RunPython's function calls its schema editor; no other gets it, since it cannot be passed on."""
    return function.__code__.co_varnames[1:2] if function is found.functions[0] else ()


def _is_known(value: Any, found: Code) -> bool:
    if value in found.functions or isinstance(value, str | int | float | tuple | list | dict | set | type(None)):
        return True
    name = value.__name__ if isinstance(value, ModuleType) else str(getattr(value, "__module__", ""))
    if getattr(value, "__name__", "") in _BEYOND_ROWS:
        return False
    return name.startswith(_OF_DJANGO) or name.partition(".")[0] in _OF_PYTHON


def _tree(function: FunctionType) -> ast.AST | None:
    try:
        return ast.parse(textwrap.dedent(inspect.getsource(function)))
    except (OSError, SyntaxError, TypeError):  # no source; or a lambda in the middle of an expression
        return None


def _outside_loops(node: ast.AST) -> Iterator[ast.Call]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, _LOOPS):
            continue
        if isinstance(child, ast.Call):
            yield child
        yield from _outside_loops(child)


def _chain(node: ast.AST) -> list[str]:
    """The methods called one after the other: ``objects.filter().all()`` has filter and all."""
    found: list[str] = []
    while isinstance(node, ast.Call | ast.Attribute | ast.Subscript):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            found.insert(0, node.func.attr)
            node = node.func.value
        else:
            node = node.func if isinstance(node, ast.Call) else node.value
    return found


def _filters(node: ast.AST) -> Iterator[str]:
    for call in ast.walk(node):
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr in ("filter", "get"):
            yield from (each.arg for each in call.keywords if each.arg)


def _sliced(node: ast.AST) -> bool:
    return any(isinstance(each, ast.Subscript) and isinstance(each.slice, ast.Slice) for each in ast.walk(node))


def _callee(call: ast.Call) -> str:
    return call.func.id if isinstance(call.func, ast.Name) else getattr(call.func, "attr", "")


def _inner_calls(call: ast.Call) -> Iterator[ast.Call]:
    return (each for part in call.keywords for each in ast.walk(part.value) if isinstance(each, ast.Call))
