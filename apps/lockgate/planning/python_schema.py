"""What a RunPython function does beyond rows of models: the SQL that is written out in it, and what is unknown.

What is not known may do anything: another module's function, a text that is made up, the schema editor's own methods.
"""

from __future__ import annotations

import ast
import builtins
import enum
import inspect
import sys
from collections.abc import Iterator
from types import FunctionType, MethodType, ModuleType
from typing import Any, NamedTuple

from django.utils.connection import ConnectionProxy

from lockgate.planning import python_names
from lockgate.planning.python_reading import Code
from lockgate.planning.python_source import closure, is_own, own

# What may lead to more than rows of models.
_BEYOND_ROWS = {
    "connection", "connections", "cursor", "execute", "executemany", "raw", "extra", "RawSQL", "schema_editor",
    "exec", "eval", "compile", "getattr", "globals", "locals", "vars", "__import__", "__builtins__",
}  # fmt: skip
_OF_DJANGO = ("django.db.models", "django.db.transaction", "django.utils", "django.conf", "django.core.exceptions")
_OF_PYTHON = sys.stdlib_module_names - {"os", "subprocess", "importlib", "ctypes", "sys", "builtins", "multiprocessing"}
_ASKED = ("alias", "vendor")  # what data needs of a connection
_PLAIN = (str, int, float, bytes, type(None))
_MANY = (tuple, list, set, frozenset, dict)
NO_SOURCE = "code whose source is not at hand"


class BeyondModels(NamedTuple):
    """sql: the texts that are sent, as RunSQL takes them, with parameters or None. unknown: what nobody can tell."""

    sql: tuple[tuple[str, tuple[()] | None], ...] = ()
    unknown: tuple[str, ...] = ()


def of(statements: Code | None) -> BeyondModels:
    if statements is None:
        return BeyondModels(unknown=(NO_SOURCE,))
    readers = [_SchemaCodeReader(statements, at) for at in range(len(statements.functions))]
    editors = _editors(statements, readers)
    for value in readers:
        value.read(editors[value.function])
    unknown = [what for reader in readers for what in reader.unknown]
    unknown += [
        f"it is given a {type(value).__name__}"
        for value in (*statements.arguments, *statements.named)
        if not is_known(value)
    ]
    return BeyondModels(tuple(text for reader in readers for text in reader.sql), tuple(dict.fromkeys(unknown)))


Editors = dict[FunctionType, set[str]]


def _editors(code: Code, readers: list[_SchemaCodeReader]) -> Editors:
    """What each function calls the schema editor: RunPython's gets it as the second, others where it is passed on."""
    names: Editors = {function: set() for function in code.functions}
    first = readers[0]
    names[first.function] = {first.parameter(1 + len(code.arguments))}
    while True:
        before = {function: set(editors) for function, editors in names.items()}
        for editors in readers:
            for callee, name in editors.passed_on(names[editors.function], {one.function: one for one in readers}):
                names[callee].add(name)
        if names == before:
            return names


def is_known(value: Any, functions: tuple[FunctionType, ...] = ()) -> bool:
    """Whether a value is data, a function that was read, or of what is known to leave the schema alone."""
    if isinstance(value, _MANY):
        return all(is_known(item, functions) for item in (*value, *(value.values() if isinstance(value, dict) else ())))
    if isinstance(value, _PLAIN) or (isinstance(value, type) and issubclass(value, Exception | enum.Enum)):
        return True
    if isinstance(value, MethodType) or any(value is function for function in functions):
        return getattr(value, "__func__", value) in functions
    name = value.__name__ if isinstance(value, ModuleType) else str(getattr(value, "__module__", ""))
    if getattr(value, "__name__", "") in _BEYOND_ROWS or isinstance(value, ConnectionProxy):
        return False
    return any(f"{name}.".startswith(f"{item}.") for item in _OF_DJANGO) or name.partition(".")[0] in _OF_PYTHON


class _SchemaCodeReader:
    """Reads one function of a code."""

    def __init__(self, code: Code, at: int) -> None:
        self.function, self.tree, self.owner = code.functions[at], code.trees[at], code.owners[at]
        self.functions = code.functions
        self.around = closure(self.function)
        self.locals = set(python_names.bound(self.tree))
        self.mentioned: set[int] = set()  # nodes that are accounted for
        self.connections: set[str] = set()
        self.cursors: set[str] = set()
        self.editors: set[str] = set()
        self.sql: list[tuple[str, tuple[()] | None]] = []
        self.unknown: list[str] = []

    def parameter(self, place: int) -> str:
        """The name of what is passed in a place, from 0; the object of a method comes before."""
        code = self.function.__code__
        place += self.owner is not None
        if place < code.co_argcount:
            return code.co_varnames[place]
        at = code.co_argcount + code.co_kwonlyargcount
        return (
            code.co_varnames[at] if code.co_flags & inspect.CO_VARARGS and len(code.co_varnames) > at else ""
        )  # *args

    def passed_on(
        self, editors: set[str], readers: dict[FunctionType, _SchemaCodeReader]
    ) -> Iterator[tuple[FunctionType, str]]:
        """To which functions that were read the editor is given, and what they call it."""
        for call in (node for node in ast.walk(self.tree) if isinstance(node, ast.Call)):
            callee = readers.get(self._called(call.func))
            for node, name in _arguments(call, callee) if callee else ():
                if callee and isinstance(node, ast.Name) and node.id in editors:
                    self.mentioned.add(id(node))
                    yield callee.function, name

    def _called(self, node: ast.AST) -> Any:
        value = self._value(node)
        return value.__func__ if isinstance(value, MethodType) else value if isinstance(value, FunctionType) else None

    def _value(self, node: ast.AST) -> Any:
        """What a name of the module or of what is around the function stands for, or an attribute of its own object."""
        if isinstance(node, ast.Attribute) and is_own(node, self.function, self.owner):
            return own(self.owner, node.attr)
        if isinstance(node, ast.Name) and node.id not in self.locals:
            return self.around.get(node.id, self.function.__globals__.get(node.id))
        return None

    # What it does

    def read(self, editors: set[str]) -> None:
        self.editors = editors
        for node in python_names.said_of_it(self.tree):
            self._tell(node)
        self.connections = set(python_names.imported_connections(self.tree))
        self.cursors = {name for name, value in python_names.assigned(self.tree) if self._is_cursor(value)}
        values = [*(self.function.__defaults__ or ()), *(self.function.__kwdefaults__ or {}).values()]
        self.unknown += [f"it has a default of {type(default).__name__}" for default in values if not is_known(default)]
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Call):
                self._call(node)
            elif isinstance(node, ast.Attribute) and node.attr in _ASKED and self._is_connection(node.value):
                self._tell(node)
        self.unknown += [
            what for node in ast.walk(self.tree) if id(node) not in self.mentioned and (what := self._why(node))
        ]

    def _tell(self, node: ast.AST) -> None:
        self.mentioned.update(id(part) for part in ast.walk(node))

    def _call(self, call: ast.Call) -> None:
        """A cursor that is opened, and what is executed with one or with the editor."""
        if self._is_cursor(call):
            self._tell(call)
        if not isinstance(call.func, ast.Attribute) or call.func.attr != "execute":
            return
        of_editor = isinstance(call.func.value, ast.Name) and call.func.value.id in self.editors
        if not (of_editor or self._is_cursor(call.func.value)):
            return
        self._tell(call.func)
        text = self._text(call.args[0]) if call.args else None
        arguments = [*call.args[1:], *(keyword.value for keyword in call.keywords)]
        bare = not of_editor if not arguments else isinstance(arguments[0], ast.Constant) and arguments[0].value is None
        if text is None:
            self.unknown.append("it executes SQL that is made up as it runs")
        else:
            self.sql.append((text, None if bare else ()))

    def _text(self, node: ast.AST) -> str | None:
        """A text that is written out, there or under a name of the module or of its own that has no other value."""
        if isinstance(node, ast.Name) and node.id in self.locals:
            values = [value for name, value in python_names.assigned(self.tree) if name == node.id]
            stored = [part for part in ast.walk(self.tree) if python_names.stores(part, node.id)]
            node = values[0] if len(values) == len(stored) == 1 else node
        value = node.value if isinstance(node, ast.Constant) else self._value(node)
        return value if isinstance(value, str) else None

    def _is_cursor(self, node: ast.AST) -> bool:
        if isinstance(node, ast.Name):
            return node.id in self.cursors
        opened = isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "cursor"
        return opened and self._is_connection(node.func.value)  # type: ignore[attr-defined]

    def _is_connection(self, node: ast.AST) -> bool:
        if isinstance(node, ast.Attribute):
            return node.attr == "connection" and isinstance(node.value, ast.Name) and node.value.id in self.editors
        if isinstance(node, ast.Name):
            return node.id in self.connections or isinstance(self._value(node), ConnectionProxy)
        return False

    def _why(self, node: ast.AST) -> str:  # noqa: PLR0911  one answer for each kind
        """What is not known of a node; "" where all is."""
        if isinstance(node, ast.Import | ast.ImportFrom):
            return "" if _is_plain_import(node) else f"it imports {getattr(node, 'module', None) or node.names[0].name}"
        if isinstance(node, ast.Attribute):
            if isinstance(node.value, ast.Name) and node.value.id in self.editors:
                self._tell(node)
                return f"it uses {node.value.id}.{node.attr}"
            if node.attr in _BEYOND_ROWS or node.attr.startswith("__"):
                return f"it uses .{node.attr}"
            mine = is_own(node, self.function, self.owner)
            return "" if not mine or is_known(self._value(node), self.functions) else f"it uses self.{node.attr}"
        if not isinstance(node, ast.Name):
            return ""
        if node.id in self.editors:
            return f"it passes on {node.id}, the schema editor"
        if node.id in self.locals:
            return ""
        if node.id in self.around or node.id in self.function.__globals__:
            return "" if is_known(self._value(node), self.functions) else f"it uses {node.id}, which is not read"
        known = hasattr(builtins, node.id) and node.id not in _BEYOND_ROWS
        return "" if known else f"it uses {node.id}"


def _arguments(call: ast.Call, callee: _SchemaCodeReader) -> Iterator[tuple[ast.AST, str]]:
    """What a function is called with, and what it calls that. All that a wrapper got is passed on as ``*args`` alone:
    the editor is the second."""
    for place, arg in enumerate(call.args):
        if not isinstance(arg, ast.Starred):
            yield arg, callee.parameter(place)
        elif len(call.args) == 1 and callee.owner is None:
            yield arg.value, callee.parameter(1)
        else:
            return  # nobody can tell in which places it and those after it are
    yield from ((keyword.value, keyword.arg) for keyword in call.keywords if keyword.arg)


def _is_plain_import(node: ast.Import | ast.ImportFrom) -> bool:
    """Whether an import is of what is known; a connection of django.db is, since its use is looked at."""
    if isinstance(node, ast.Import):
        return all(name.name.partition(".")[0] in _OF_PYTHON for name in node.names)
    names = {name.name for name in node.names}
    if node.level or not node.module or names & (_BEYOND_ROWS - {"connection"}):
        return False
    if node.module == "django.db":
        return names <= {"connection", "models", "transaction", "IntegrityError"}
    if "connection" in names:
        return False
    return node.module.startswith(_OF_DJANGO) or node.module.partition(".")[0] in _OF_PYTHON
