"""What nobody explains where it happens: an error before a run has begun, or beside one."""

from __future__ import annotations

import sys
import traceback
from pathlib import Path

import django
from django.core.management.base import CommandError
from django.db.migrations.exceptions import BadMigrationError, CircularDependencyError, NodeNotFoundError
from django.db.utils import Error as DatabaseError

from lockgate.errors import LockgateError, NobodyToAsk, RequestRefused
from lockgate.execution import failures

# What the loading of migrations ends in, where their files or the graph they make are wrong.
_UNREADABLE = (SyntaxError, ImportError, BadMigrationError, CircularDependencyError, NodeNotFoundError)


def as_ours(error: BaseException) -> LockgateError:
    """The error, or one of ours that says the same."""
    if isinstance(error, LockgateError):
        return error
    return RequestRefused(str(error)) if isinstance(error, CommandError) else explain(error)


def explain(error: BaseException) -> LockgateError:
    if isinstance(error, EOFError) and _was_asked(error):
        return NobodyToAsk(state="")
    sqlstate = failures.sqlstate_of(error)
    return LockgateError(
        "cannot read the migrations" if isinstance(error, _UNREADABLE) else "the command failed",
        why=failures.why(error, sqlstate),
        state="nothing was changed by this command, or it was rolled back",
        next_step=failures.next_step(sqlstate, lost=isinstance(error, DatabaseError) and sqlstate is None),
    )


def _was_asked(error: EOFError) -> bool:
    """Whether it was Django that read an answer: the innermost frame is its, for ``input`` itself has none."""
    place = traceback.extract_tb(error.__traceback__)[-1].filename
    return place.startswith(str(Path(django.__file__).parent)) and not sys.stdin.isatty()
