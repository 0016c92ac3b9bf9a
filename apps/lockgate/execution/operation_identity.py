"""By what a rerun knows an operation of a migration with ``atomic = False`` again: for the journal.

Django's own schema operations are written down as a migration file would write them. Whatever else there is (SQL, code
with its arguments, a third party's operation) may hold a secret, and everybody who may read the journal would read it.
So its text is kept as Django keeps a password: hashed with a salt, slowly, because a short secret could be guessed.
"""

from __future__ import annotations

from django.contrib.auth.hashers import PBKDF2PasswordHasher
from django.db.migrations.operations.base import Operation
from django.db.migrations.writer import OperationWriter

from lockgate import policy

_HASHER = PBKDF2PasswordHasher()


def kept(operation: Operation, *, plain: bool) -> str:
    """What the journal keeps. plain: whether the text is nobody's secret."""
    text = _text(operation)
    return text if plain else _HASHER.encode(text, _HASHER.salt(), policy.OPERATION_HASH_ROUNDS)


def matches(written: str, operation: Operation) -> bool:
    """Whether this was kept of this very operation; earlier builds of Lockgate kept every text as it is."""
    text = _text(operation)
    if not written.startswith(f"{_HASHER.algorithm}$"):
        return written == text
    return _HASHER.verify(text, written)


def _text(operation: Operation) -> str:
    try:
        text, _ = OperationWriter(operation, indentation=0).serialize()
    except (ValueError, TypeError):  # a lambda, or a value that has no source
        return f"{type(operation).__name__}: {operation.describe()}"
    return text
