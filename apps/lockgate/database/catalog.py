"""One read of the catalog: everything that planning needs to know of some tables."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper
from psycopg.rows import dict_row
from psycopg.types.json import JsonbLoader

from lockgate import policy
from lockgate.database.session import raw
from lockgate.database.sql import read
from lockgate.facts.tables import (
    ColumnFacts,
    ConstraintFacts,
    DatabaseFacts,
    IndexFacts,
    SessionFacts,
    TableFacts,
)


def facts(connection: BaseDatabaseWrapper, names: Collection[str]) -> DatabaseFacts:
    """What the catalog says of these tables now, and of whoever may stand in the way. Reads only.

    names: table names as Django has them; those that do not exist are left out.
    """
    age = policy.SESSION_OF_INTEREST.total_seconds()
    with raw(connection).cursor(row_factory=dict_row) as cursor:
        cursor.adapters.register_loader("jsonb", JsonbLoader)  # Django has its connections hand JSON out as text
        tables = cursor.execute(read("tables"), {"names": sorted(names), "age": age}).fetchall()
        snapshots = cursor.execute(read("old_snapshots"), {"age": age}).fetchall()
        volatile = cursor.execute(read("volatile_functions")).fetchall()
    return DatabaseFacts(
        version=raw(connection).info.server_version,
        tables={row["name"]: _table(row) for row in tables},
        volatile_functions=frozenset(row["proname"] for row in volatile),
        old_snapshots=tuple(SessionFacts(**row) for row in snapshots),
    )


def _table(row: dict[str, Any]) -> TableFacts:
    return TableFacts(
        name=row["name"],
        kind=row["kind"],
        size=row["size"],
        rows=row["rows"],
        columns={each["name"]: ColumnFacts(**each) for each in row["columns"]},
        indexes={each["name"]: IndexFacts(**_tuples(each)) for each in row["indexes"]},
        constraints={each["name"]: ConstraintFacts(**_tuples(each)) for each in row["constraints"]},
        sessions=tuple(SessionFacts(**_tuples(each)) for each in row["sessions"]),
        referenced_by=tuple(row["referenced_by"]),
    )


def _tuples(found: dict[str, Any]) -> dict[str, Any]:
    """JSON's lists as tuples: facts are frozen."""
    return {key: tuple(value) if isinstance(value, list) else value for key, value in found.items()}
