"""One read of the catalog: everything that planning needs to know of some tables."""

from __future__ import annotations

import contextlib
from collections.abc import Collection
from typing import Any

import psycopg
from django.db.backends.base.base import BaseDatabaseWrapper

from lockgate import policy
from lockgate.database import parameters, table_names
from lockgate.database.one_message import Question, Rows, ask
from lockgate.database.session import raw
from lockgate.facts.dependents import Dependent, DependentKind
from lockgate.facts.tables import ColumnFacts, ConstraintFacts, DatabaseFacts, IndexFacts, SessionFacts, TableFacts
from lockgate.facts.types import TypeFacts


def facts(
    connection: BaseDatabaseWrapper, names: Collection[str], large: int = 0, known: DatabaseFacts | None = None
) -> DatabaseFacts:
    """What the catalog says of these tables now, and of whoever may stand in the way. Reads only.

    names: table names as Django has them; those that do not exist are left out. Measuring a table takes a weak lock;
    where somebody keeps that from us, sizes are estimated, and no table is taken for smaller than ``large``, in bytes.
    known: facts whose types, functions and collations are not asked for again.
    """
    age = {"age": policy.SESSION_OF_INTEREST.total_seconds()}
    measuring = Question("tables", {**table_names.of(connection, names), **age})
    besides = [Question("old_snapshots", age), *(() if known else map(Question, _OF_THE_DATABASE))]
    tables, snapshots, *rest = _measured(connection, measuring, large, *besides)
    return (known or _of_the_database(connection, *rest))._replace(
        tables={row["name"]: _table(row) for row in tables},
        old_snapshots=tuple(SessionFacts(**row) for row in snapshots),
        dependents=(),
        largest=None,
    )


_OF_THE_DATABASE = ("collations", "volatile_functions", "types")


def _of_the_database(connection: BaseDatabaseWrapper, collations: Rows, volatile: Rows, types: Rows) -> DatabaseFacts:
    return DatabaseFacts(
        version=raw(connection).info.server_version,
        volatile_functions=frozenset(row["proname"] for row in volatile),
        collations={row["collname"]: row["deterministic"] for row in collations},
        types={
            name: TypeFacts(row["base"], row["constrained"], row["filled"])
            for row in types
            for name in (row["name"], row["qualified"])
        },
    )


def surveyed(connection: BaseDatabaseWrapper, known: DatabaseFacts, names: Collection[str]) -> DatabaseFacts:
    """The facts with what depends on the tables that a plan changes. Nothing is asked where it changes none."""
    if not names:
        return known
    opened = raw(connection)
    simply = [Question("plan_simply")] if opened.autocommit else []  # it would last as long as the transaction
    *_, rows = ask(opened, *simply, Question("survey", table_names.of(connection, names)))
    return known._replace(dependents=tuple(map(_dependent, rows)))


def measured(connection: BaseDatabaseWrapper, known: DatabaseFacts, large: int, *, blind: bool) -> DatabaseFacts:
    """The facts with the size of the largest table, where a plan may touch any. large: as in ``facts``."""
    if not blind:
        return known
    [[row]] = _measured(connection, Question("largest", {}), large)
    return known._replace(largest=row["size"])


def _dependent(row: dict[str, Any]) -> Dependent:
    return Dependent(**{**row, "kind": DependentKind(row["kind"]), "columns": tuple(row["columns"])})


def _measured(connection: BaseDatabaseWrapper, measuring: Question, large: int, *besides: Question) -> tuple[Rows, ...]:
    """The rows of what measures tables, with sizes that are measured, or that are no smaller than ``large``; and those
    of what is asked besides. One message; two where somebody keeps a table from us.
    """
    opened = raw(connection)
    limit = Question("limit_waiting", {"longest": parameters.milliseconds(policy.FACTS_LOCK_TIMEOUT)})
    alone = contextlib.nullcontext() if opened.autocommit else opened.transaction()  # a message is a transaction then
    try:
        with alone:
            # The tables come last: what measuring locks is locked until the message ends.
            _, *others, rows = ask(opened, limit, *besides, measuring.given(measure=True))
    except psycopg.errors.LockNotAvailable:
        *others, rows = ask(opened, *besides, measuring.given(measure=False))
        rows = [{**row, "size": max(row["size"], large)} for row in rows]
    return (rows, *others)


def _table(row: dict[str, Any]) -> TableFacts:
    return TableFacts(
        name=row["name"],
        kind=row["kind"],
        size=row["size"],
        rows=row["rows"],
        columns={column["name"]: ColumnFacts(**column) for column in row["columns"]},
        indexes={index["name"]: IndexFacts(**_tuples(index)) for index in row["indexes"]},
        constraints={constraint["name"]: ConstraintFacts(**_tuples(constraint)) for constraint in row["constraints"]},
        sessions=tuple(SessionFacts(**_tuples(session)) for session in row["sessions"]),
        referenced_by=tuple(row["referenced_by"]),
        parents=tuple(row["parents"]),
    )


def _tuples(row: dict[str, Any]) -> dict[str, Any]:
    """JSON's lists as tuples: facts are frozen."""
    return {key: tuple(value) if isinstance(value, list) else value for key, value in row.items()}
