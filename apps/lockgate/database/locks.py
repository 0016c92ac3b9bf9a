"""Who holds locks on tables, who holds up a statement, and how a transaction limits its own waiting for them.

What is read here is read in autocommit, so that no snapshot stays; nothing waits in a table's queue.
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Mapping
from datetime import timedelta

import psycopg
from django.db.backends.base.base import BaseDatabaseWrapper
from psycopg import sql
from psycopg.rows import dict_row

from lockgate.database import parameters, table_names
from lockgate.database.session import raw
from lockgate.database.sql import read
from lockgate.facts import Blocker, LockHolder


def holders(connection: BaseDatabaseWrapper, tables: Collection[str]) -> list[LockHolder]:
    """Every lock that another session holds on one of the tables now, those of the oldest transaction first."""
    with raw(connection).cursor(row_factory=dict_row) as cursor:
        return [LockHolder(**row) for row in cursor.execute(read("lock_holders"), table_names.of(connection, tables))]


def blocker(holder: LockHolder) -> Blocker:
    """The session that holds a lock, as it is told."""
    state = holder.state or holder.backend
    return Blocker(
        holder.pid,
        holder.application,
        state,
        holder.transaction_seconds,
        holder.table,
        holder.mode,
        holder.role,
        holder.command,
        holder.gid,
    )


def limit_waiting(connection: BaseDatabaseWrapper, timeout: timedelta) -> None:
    """No statement of the open transaction waits longer than this for one lock (SQLSTATE 55P03)."""
    raw(connection).execute(
        "SELECT pg_catalog.set_config('lock_timeout', %s, true)", [parameters.milliseconds(timeout)]
    )


def take(connection: BaseDatabaseWrapper, modes: Mapping[str, str]) -> None:
    """Lock tables that this role owns, in the order of their names, in the open transaction.

    modes: by table, as LOCK TABLE writes them. Others are left for their statements to lock.
    Source: https://www.postgresql.org/docs/current/explicit-locking.html#LOCKING-DEADLOCKS
    """
    opened = raw(connection)
    mine = {row[0] for row in opened.execute(read("tables_of_role"), {"names": sorted(modes)})}
    for table in sorted(mine):
        opened.execute(sql.SQL(f"LOCK TABLE {{}} IN {modes[table]} MODE").format(sql.Identifier(table)))


def ask_autovacuum_to_yield(connection: BaseDatabaseWrapper, table: str) -> None:
    """Wait for a lock that conflicts with autovacuum's and with no read or write, until the server has cancelled it.

    A table of another owner is left alone. Source: DeadLockCheck() in src/backend/storage/lmgr/deadlock.c
    """
    opened = raw(connection)
    if not opened.execute(read("tables_of_role"), {"names": [table]}).fetchone():
        return
    with contextlib.suppress(psycopg.errors.LockNotAvailable), opened.transaction():
        opened.execute(read("wait_for_deadlock_check"))
        opened.execute(sql.SQL("LOCK TABLE {} IN SHARE UPDATE EXCLUSIVE MODE").format(sql.Identifier(table)))
