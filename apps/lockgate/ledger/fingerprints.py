"""What a migration file says, in two digests: its bytes, and its meaning.

Bytes are quick to compare, and equal bytes settle it. Only where they differ is the syntax tree looked at, so that
comments, quotes and line breaks do not count. The tree is written down by our own rules, because ``ast.dump``
changes between Python versions and a container's Python may be newer than the one that applied the migration.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Mapping
from sys import modules

from django.db.migrations import Migration

from lockgate.facts import Fingerprint, Fingerprints, Key

UNKNOWN = Fingerprint("", "")
_known: dict[str, str] = {}  # meanings by the digest of the bytes
# Positions say where, not what; the others say how a constant was spelt, or are new in some Python version.
_IGNORED_FIELDS = frozenset({"kind", "type_comment", "type_params", "type_ignores"})


def of(migration: Migration) -> Fingerprint:
    """Both digests of a migration's file; UNKNOWN where there is no source to read (a compiled-only release)."""
    text = source(migration)
    if text is None:
        return UNKNOWN
    digest = _sha256(text)
    return Fingerprint(digest, _known[digest] if digest in _known else _ast_digest(text))


def take_over(digests: Mapping[str, str]) -> None:
    """Meanings of files, by the digest of their bytes, that need not be found out again in this process."""
    _known.update(digests)


def edited(applied: Fingerprints, disk: Mapping[Key, Migration]) -> tuple[Key, ...]:
    """The migrations whose meaning differs from the one recorded when they were applied, sorted.

    Migrations without a record, or without a source on either side, are not judged.
    """
    return tuple(sorted(key for key, recorded in applied.items() if key in disk and _differs(recorded, disk[key])))


def _differs(recorded: Fingerprint, migration: Migration) -> bool:
    text = source(migration)
    if text is None or not recorded.file_digest or _sha256(text) == recorded.file_digest:
        return False
    return bool(recorded.ast_digest) and _ast_digest(text) != recorded.ast_digest


def source(migration: Migration) -> bytes | None:
    """The text of a migration's file; None where there is none to read."""
    path = getattr(modules.get(type(migration).__module__), "__file__", None)
    if path is None or not path.endswith(".py"):
        return None
    try:
        with open(path, "rb") as file:  # noqa: PTH123  a thousand of them
            return file.read()
    except OSError:
        return None


def _sha256(text: bytes) -> str:
    return hashlib.sha256(text).hexdigest()


def _ast_digest(text: bytes) -> str:
    try:
        tree = ast.parse(text)
    except SyntaxError:
        return ""
    parts: list[str] = []
    try:
        _write(tree, parts)
        return _sha256("".join(parts).encode())
    except RecursionError:  # an expression of a thousand terms: its bytes must do
        return ""


def _write(node: object, parts: list[str]) -> None:
    """Append a syntax tree as text: node types, non-empty fields and constants, in order, without positions."""
    if isinstance(node, ast.AST):
        parts.append(f"({type(node).__name__}")
        for name, value in ast.iter_fields(node):
            if name not in _IGNORED_FIELDS and value is not None and value != []:
                parts.append(f" {name}=")
                _write(value, parts)
        parts.append(")")
    elif isinstance(node, list):
        parts.append("[")
        for item in node:
            _write(item, parts)
        parts.append("]")
    else:
        parts.append(f"{type(node).__name__}:{node!r}")
