"""Whom a RunPython function calls: other machines, and the models whose rows it writes or collects.

It reads names, as ``python_reading`` does.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from types import ModuleType
from typing import Any

from django.db.migrations.state import ProjectState
from django.db.models import DO_NOTHING

from lockgate.planning.identifiers import unquoted
from lockgate.planning.python_reading import Code, table_of

# Modules whose functions wait for another machine.
_NETWORK = (
    "requests", "urllib.request", "urllib3", "httpx", "aiohttp", "http.client", "socket", "smtplib", "ftplib",
    "imaplib", "poplib", "xmlrpc.client", "boto3", "botocore", "paramiko", "redis", "kombu", "pika",
    "django.core.mail",
)  # fmt: skip


def on_the_network(code: Code) -> Iterator[str]:
    """Calls of modules that speak to the network, as they are written."""
    for function, tree in zip(code.functions, code.trees, strict=True):
        imported = _imported(tree)
        for call in ast.walk(tree):
            path = _path(call.func) if isinstance(call, ast.Call) else []
            if path:
                module = imported.get(path[0]) or _module_of(function.__globals__.get(path[0]))
                called = ".".join((module, *path[1:]))
                if any(f"{called}.".startswith(f"{package}.") for package in _NETWORK):
                    yield f"{'.'.join(path)}()"


def written(code: Code, *methods: str) -> Iterator[str]:
    """Tables of the models that are named in full, and of which one of these methods is called."""
    for tree in code.trees:
        models: dict[str, str] = {}
        for node in ast.walk(tree):
            if isinstance(node, ast.Assign) and (found := _table(node.value, models)):
                models |= {target.id: found for target in node.targets if isinstance(target, ast.Name)}
        for call in ast.walk(tree):
            named = isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr in methods
            if named and (table := _table(call, models)):
                yield code.db_tables.get(table, table)


def db_tables(code: Code, state: ProjectState) -> Iterator[tuple[str, str]]:
    """What the tables are called that it names, by Django's default, where their models say otherwise."""
    for (app, name), model in state.models.items():
        if model.options.get("db_table") and f"{app}_{name}" in code.tables:
            yield f"{app}_{name}", unquoted(model.options["db_table"])


def collected(code: Code, state: ProjectState) -> Iterator[str]:
    """Tables from which it deletes, and to whose rows others refer: Django loads all of both, and deletes by keys.

    As Collector.can_fast_delete() decides, less receivers of signals, which historical models do not have.
    """
    deleted = set(written(code, "delete", "_raw_delete"))
    if deleted:
        yield from deleted & {code.db_tables.get(table, table) for table in _referred_to(state)}


def _referred_to(state: ProjectState) -> Iterator[str]:
    for own, target, field in relations(state):
        if getattr(field.remote_field, "on_delete", None) is not DO_NOTHING:
            yield from (own, target) if field.many_to_many else (target,)


def relations(state: ProjectState) -> Iterator[tuple[str, str, Any]]:
    """Every field that refers to another model, with the tables of its own and of that one, by Django's default."""
    for (app, name), model in state.models.items():
        for field in model.fields.values():
            if (relation := field.remote_field) is not None:
                target: Any = relation.model
                if not isinstance(target, str):
                    target = target._meta.label
                elif target == "self":
                    target = f"{app}.{name}"
                yield f"{app}_{name}", (target if "." in target else f"{app}.{target}").replace(".", "_").lower(), field


def _table(node: ast.AST, models: dict[str, str]) -> str:
    """The table that a chain of calls begins with."""
    while not (table := table_of(node)) and isinstance(node, ast.Call | ast.Attribute | ast.Subscript):
        node = node.func if isinstance(node, ast.Call) else node.value
    return table or (models.get(node.id, "") if isinstance(node, ast.Name) else "")


def _path(node: ast.AST) -> list[str]:
    """The names of a dotted expression, ``urllib.request.urlopen``; none for anything else."""
    names: list[str] = []
    while isinstance(node, ast.Attribute):
        names.insert(0, node.attr)
        node = node.value
    return [node.id, *names] if isinstance(node, ast.Name) else []


def _imported(tree: ast.AST) -> dict[str, str]:
    """What a function imports by itself, by the names that it gives them."""
    modules: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            modules |= {name.asname or name.name: name.name for name in node.names}
            modules |= {top: top for name in node.names if not name.asname and (top := name.name.partition(".")[0])}
        elif isinstance(node, ast.ImportFrom) and node.module:
            modules |= {name.asname or name.name: f"{node.module}.{name.name}" for name in node.names}
    return modules


def _module_of(value: Any) -> str:
    """The module that a global is, or comes from."""
    return value.__name__ if isinstance(value, ModuleType) else str(getattr(value, "__module__", ""))
