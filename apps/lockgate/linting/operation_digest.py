"""An operation's identity for a baseline: what it says, and not where it stands."""

from __future__ import annotations

import hashlib
import inspect

from django.db.migrations.operations import RunPython
from django.db.migrations.operations.base import Operation

from lockgate.ledger import stable_text

LENGTH = 16  # hexadecimal digits: 64 bits, of which no migration has enough operations to repeat one by chance


def of(operation: Operation) -> str:
    """The same in every process, on every line of the file; another where the operation, or its code, is another."""
    try:
        text = stable_text.of(operation.deconstruct())
    except Exception:  # a third party's operation need not be deconstructible
        text = operation.describe()
    return hashlib.sha256(f"{text} {_code(operation)}".encode()).hexdigest()[:LENGTH]


def _code(operation: Operation) -> str:
    if not isinstance(operation, RunPython):
        return ""
    try:
        return inspect.getsource(operation.code)
    except (OSError, TypeError):
        return ""
