"""Where tables are: the names of plans, which may carry a schema in quotes of their own, as SQL names them."""

from __future__ import annotations

import re
from collections.abc import Collection

from django.db.backends.base.base import BaseDatabaseWrapper
from psycopg import sql

# One identifier or two; to_regclass of PostgreSQL 14 and 15 fails at what is none.
_PLACE = re.compile(r'"(?:[^"]|"")+"(?:\."(?:[^"]|"")+")?')


def of(connection: BaseDatabaseWrapper, names: Collection[str]) -> dict[str, list[str]]:
    """Parameters of a query about tables: ``names`` and ``places``, in the same order."""
    ordered = sorted(names)
    return {"names": ordered, "places": [_place(connection, name) for name in ordered]}


def _place(connection: BaseDatabaseWrapper, name: str) -> str:
    """As Django quotes it, where that is a name at all."""
    quoted = connection.ops.quote_name(name)
    return quoted if _PLACE.fullmatch(quoted) else sql.Identifier(name).as_string(None)
