"""Values of statements, written as literals without an open connection."""

from __future__ import annotations

from functools import cache
from typing import Any

import psycopg
from psycopg import sql as psycopg_sql
from psycopg.adapt import AdaptersMap
from psycopg.types import TypeInfo
from psycopg.types.hstore import register_hstore

HSTORE = 2**31  # a type's number that no server has given in practice; it never leaves this process


def as_text(sql: Any, params: Any) -> str:
    """A statement of an editor as one text, with its parameters as literals: what it is known by."""
    text = str(sql)
    if not params:
        return text
    return text % tuple(map(_written, params))


def _written(value: Any) -> str:
    """A literal; what only an open connection knows how to write (PostGIS' geometries) is named by its type.

    No server takes that for SQL, so that a statement with it in it can be known again, and never sent by mistake.
    """
    return psycopg_sql.Literal(value).as_string(_literals()) if is_written(value) else f"<a {type(value).__name__}>"


def is_written(value: Any) -> bool:
    """Whether a value can be written without asking an open connection."""
    try:
        psycopg_sql.Literal(value).as_string(_literals())
    except psycopg.ProgrammingError:
        return False
    return True


@cache
def _literals() -> AdaptersMap:
    """How values are written: as psycopg does, and a dict as hstore, whose number every database gives anew.

    Django teaches a connection that type once its database has it; a plan may be about to make it.
    """
    known = AdaptersMap(psycopg.adapters)
    register_hstore(TypeInfo("hstore", HSTORE, HSTORE + 1), known)
    return known
