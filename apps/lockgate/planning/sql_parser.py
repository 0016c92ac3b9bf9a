"""PostgreSQL's own parser (libpg_query, by way of ``pgparse``), where it is installed: ``django-lockgate[sql]``.

Without it, and for what it refuses, there is no tree, and SQL stays unknown. It may be of another version of PostgreSQL
than the server: what only a newer one understands is unknown too.
Source: https://github.com/pganalyze/libpg_query, whose trees are those of src/include/nodes/parsenodes.h
"""

from __future__ import annotations

from functools import cache, lru_cache
from typing import Any, NamedTuple

Tree = dict[str, Any]
_KEPT = 4096  # texts whose trees are remembered: a history says the same again each time it is walked through


class Parsed(NamedTuple):
    """One statement. kind: the name of its node (``AlterTableStmt``); body: its fields; text: as it was written."""

    kind: str
    body: Tree
    text: str


@cache
def _module() -> Any:
    try:
        import pgparse  # noqa: PLC0415  optional, and not needed by who has no SQL to read
    except ImportError:
        return None
    return pgparse


def available() -> bool:
    return _module() is not None


@lru_cache(_KEPT)
def parse(text: str) -> tuple[Parsed, ...] | None:
    """The statements of a text; None where nobody can say, the parser being missing or at a loss.

    What is returned is shared: it must not be changed.
    """
    module = _module()
    if module is None or "\0" in text:
        return None
    try:
        statements = module.parse(text)
    except (module.PGQueryError, ValueError, RecursionError):
        return None
    raw = text.encode(errors="surrogatepass")
    return tuple(_parsed(statement, raw) for statement in statements if statement.get("stmt"))


def _parsed(node: Tree, raw: bytes) -> Parsed:
    """stmt_location and stmt_len count bytes; no length is to the end."""
    [(kind, body)] = node["stmt"].items()
    start, length = node.get("stmt_location", 0), node.get("stmt_len", 0)
    text = raw[start : start + length if length else None].decode(errors="replace")
    return Parsed(kind, body, text.strip().rstrip(";").strip())


@lru_cache(_KEPT)
def parse_body(body: str) -> Any:
    """The tree of a body in PL/pgSQL; None where nobody can say."""
    module = _module()
    if module is None:
        return None
    mark = "$lockgate$"
    if mark in body:
        return None
    try:
        return module.parse_pgsql(f"CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS {mark}{body}{mark}")
    except (module.PGQueryError, ValueError, RecursionError):
        return None
