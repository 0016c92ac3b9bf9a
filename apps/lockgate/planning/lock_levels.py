"""Which lock each change takes, on which tables, and what it does to the rows meanwhile.

The table is verified against PostgreSQL itself, change by change (tests/postgres/test_plan_locks.py).
Sources: https://www.postgresql.org/docs/current/sql-altertable.html, …/sql-createindex.html,
…/explicit-locking.html, and the lock levels in src/backend/commands/tablecmds.c.
"""

from __future__ import annotations

from collections.abc import Iterable

from lockgate.planning.lock_modes import LockMode
from lockgate.planning.steps import Change, Kind, Lock, Work

_MODES = {
    Kind.DROP_TABLE: LockMode.ACCESS_EXCLUSIVE,
    Kind.RENAME_TABLE: LockMode.ACCESS_EXCLUSIVE,
    Kind.MOVE_TABLE: LockMode.ACCESS_EXCLUSIVE,
    Kind.COMMENT: LockMode.SHARE_UPDATE_EXCLUSIVE,
    Kind.ADD_COLUMN: LockMode.ACCESS_EXCLUSIVE,
    Kind.DROP_COLUMN: LockMode.ACCESS_EXCLUSIVE,
    Kind.RENAME_COLUMN: LockMode.ACCESS_EXCLUSIVE,
    Kind.ALTER_TYPE: LockMode.ACCESS_EXCLUSIVE,
    Kind.SET_NOT_NULL: LockMode.ACCESS_EXCLUSIVE,
    Kind.DROP_NOT_NULL: LockMode.ACCESS_EXCLUSIVE,
    Kind.SET_DEFAULT: LockMode.ACCESS_EXCLUSIVE,
    Kind.DROP_DEFAULT: LockMode.ACCESS_EXCLUSIVE,
    Kind.ADD_IDENTITY: LockMode.ACCESS_EXCLUSIVE,
    Kind.DROP_IDENTITY: LockMode.ACCESS_EXCLUSIVE,
    Kind.ADD_INDEX: LockMode.SHARE,
    Kind.DROP_INDEX: LockMode.ACCESS_EXCLUSIVE,
    Kind.ADD_UNIQUE: LockMode.ACCESS_EXCLUSIVE,
    Kind.ADD_PRIMARY_KEY: LockMode.ACCESS_EXCLUSIVE,
    Kind.ADD_CHECK: LockMode.ACCESS_EXCLUSIVE,
    Kind.ADD_FOREIGN_KEY: LockMode.SHARE_ROW_EXCLUSIVE,
    Kind.ADD_EXCLUSION: LockMode.ACCESS_EXCLUSIVE,
    Kind.DROP_CONSTRAINT: LockMode.ACCESS_EXCLUSIVE,
    Kind.VALIDATE_CONSTRAINT: LockMode.SHARE_UPDATE_EXCLUSIVE,
    Kind.RENAME_CONSTRAINT: LockMode.ACCESS_EXCLUSIVE,
    Kind.ALTER_CONSTRAINT: LockMode.ACCESS_EXCLUSIVE,
    Kind.SET_EXPRESSION: LockMode.ACCESS_EXCLUSIVE,
    Kind.SET_STATISTICS: LockMode.SHARE_UPDATE_EXCLUSIVE,
    Kind.SET_STORAGE: LockMode.ACCESS_EXCLUSIVE,
    Kind.TABLE_OPTIONS: LockMode.SHARE_UPDATE_EXCLUSIVE,
    Kind.STRONG_OPTIONS: LockMode.ACCESS_EXCLUSIVE,
    Kind.MOVE_INDEX: LockMode.ACCESS_EXCLUSIVE,
    Kind.OWNER: LockMode.ACCESS_EXCLUSIVE,
    Kind.SET_SCHEMA: LockMode.ACCESS_EXCLUSIVE,
    Kind.CLUSTER_ON: LockMode.SHARE_UPDATE_EXCLUSIVE,
    Kind.REPLICA_IDENTITY: LockMode.ACCESS_EXCLUSIVE,
    Kind.INHERIT: LockMode.ACCESS_EXCLUSIVE,
    Kind.GIVE_PARENT: LockMode.SHARE_UPDATE_EXCLUSIVE,
    Kind.ADD_PARTITION: LockMode.ACCESS_EXCLUSIVE,
    Kind.ATTACH_PARTITION: LockMode.SHARE_UPDATE_EXCLUSIVE,
    Kind.BECOME_PARTITION: LockMode.ACCESS_EXCLUSIVE,
    Kind.DETACH_PARTITION: LockMode.ACCESS_EXCLUSIVE,
    Kind.DETACHED: LockMode.ACCESS_EXCLUSIVE,
    Kind.CREATE_TRIGGER: LockMode.SHARE_ROW_EXCLUSIVE,
    Kind.SWITCH_TRIGGER: LockMode.SHARE_ROW_EXCLUSIVE,
    Kind.DROP_TRIGGER: LockMode.ACCESS_EXCLUSIVE,
    Kind.RULE: LockMode.ACCESS_EXCLUSIVE,
    Kind.ROW_SECURITY: LockMode.ACCESS_EXCLUSIVE,
    Kind.STATISTICS: LockMode.SHARE_UPDATE_EXCLUSIVE,
    Kind.PUBLICATION: LockMode.SHARE_UPDATE_EXCLUSIVE,
    Kind.VIEW: LockMode.ACCESS_EXCLUSIVE,
    Kind.REFRESH: LockMode.ACCESS_EXCLUSIVE,
    Kind.SEQUENCE: LockMode.SHARE_ROW_EXCLUSIVE,
    Kind.DROP_SEQUENCE: LockMode.ACCESS_EXCLUSIVE,
    Kind.TRUNCATE: LockMode.ACCESS_EXCLUSIVE,
    Kind.VACUUM: LockMode.SHARE_UPDATE_EXCLUSIVE,
    Kind.VACUUM_FULL: LockMode.ACCESS_EXCLUSIVE,
    Kind.ANALYZE: LockMode.SHARE_UPDATE_EXCLUSIVE,
    Kind.CLUSTER: LockMode.ACCESS_EXCLUSIVE,
    # SHARE on the table, and this on its indexes, each of which every query's plan looks at.
    # Source: https://www.postgresql.org/docs/current/sql-reindex.html (Notes)
    Kind.REINDEX: LockMode.ACCESS_EXCLUSIVE,
    Kind.READ: LockMode.ACCESS_SHARE,
    Kind.READ_ROWS: LockMode.ACCESS_SHARE,
    Kind.LOCK_ROWS: LockMode.ROW_SHARE,
    Kind.INSERT_ROWS: LockMode.ROW_EXCLUSIVE,
    Kind.WRITES_LATER: LockMode.ROW_EXCLUSIVE,
    Kind.UPDATE_ROWS: LockMode.ROW_EXCLUSIVE,
}
# What is done CONCURRENTLY lets reads and writes pass; refreshing a view so lets reads pass.
_CONCURRENT = LockMode.SHARE_UPDATE_EXCLUSIVE
_CONCURRENT_REFRESH = LockMode.EXCLUSIVE

_WORK = {
    Kind.MOVE_TABLE: Work.REWRITE,
    Kind.ADD_INDEX: Work.BUILD,
    Kind.ADD_UNIQUE: Work.BUILD,
    Kind.ADD_PRIMARY_KEY: Work.BUILD,
    Kind.ADD_EXCLUSION: Work.BUILD,
    Kind.ADD_CHECK: Work.SCAN,
    Kind.ADD_FOREIGN_KEY: Work.SCAN,
    Kind.SET_NOT_NULL: Work.SCAN,
    Kind.VALIDATE_CONSTRAINT: Work.SCAN,
    Kind.MOVE_INDEX: Work.BUILD,
    Kind.SET_EXPRESSION: Work.REWRITE,
    Kind.BECOME_PARTITION: Work.SCAN,
    Kind.REFRESH: Work.REWRITE,
    Kind.VACUUM: Work.SCAN,
    Kind.VACUUM_FULL: Work.REWRITE,
    Kind.ANALYZE: Work.SCAN,
    Kind.CLUSTER: Work.REWRITE,
    Kind.REINDEX: Work.BUILD,
    Kind.READ_ROWS: Work.SCAN,
    Kind.LOCK_ROWS: Work.SCAN,
    Kind.INSERT_ROWS: Work.ROWS,
    Kind.UPDATE_ROWS: Work.ROWS,
}


def of_changes(changes: Iterable[Change]) -> tuple[Lock, ...]:
    """The locks that changes take together: per table the strongest mode, with the longest work under it.

    A table that is renamed on the way is called what it is called before.
    """
    held: dict[str, Lock] = {}
    before: dict[str, str] = {}
    for change in changes:
        for taken in of(change):
            lock = taken._replace(table=before.get(taken.table, taken.table))
            held[lock.table] = stronger(held[lock.table], lock) if lock.table in held else lock
        if change.kind is Kind.RENAME_TABLE:
            before[change.name] = before.get(change.table, change.table)
    return tuple(held.values())


def of(change: Change) -> tuple[Lock, ...]:
    """The locks that one change takes; none where it touches no table that exists."""
    mode = change.mode or _MODES.get(change.kind)
    if mode is None or not change.table:
        return _on_referenced(change)
    if change.concurrently:
        mode = _CONCURRENT_REFRESH if change.kind is Kind.REFRESH else _CONCURRENT
    referring = (Lock(table, LockMode.ACCESS_EXCLUSIVE, Work.MOMENT) for table in change.referring)
    return (Lock(change.table, mode, work_of(change)), *_on_referenced(change), *referring)


def work_of(change: Change) -> Work:
    """What a change does to the rows of its table."""
    if change.kind is Kind.ALTER_TYPE:
        return change.work
    if change.kind is Kind.ADD_COLUMN:
        computed = change.stored or change.identity or change.default == "volatile"
        return Work.REWRITE if computed else change.work
    if change.kind is Kind.REFRESH and (change.special or change.concurrently):
        return Work.MOMENT if change.special else Work.SCAN
    if change.not_valid or change.using_index or change.proven:
        return Work.MOMENT
    return _WORK.get(change.kind, Work.MOMENT)


def _on_referenced(change: Change) -> tuple[Lock, ...]:
    """Foreign keys are triggers on both tables, so making, dropping and checking one locks the other table too."""
    if not change.references or change.references == change.table:
        return ()
    modes = {
        Kind.CREATE_TABLE: LockMode.SHARE_ROW_EXCLUSIVE,
        Kind.ADD_COLUMN: LockMode.SHARE_ROW_EXCLUSIVE,
        Kind.ADD_FOREIGN_KEY: LockMode.SHARE_ROW_EXCLUSIVE,
        Kind.VALIDATE_CONSTRAINT: LockMode.ROW_SHARE,
        Kind.DROP_CONSTRAINT: LockMode.ACCESS_EXCLUSIVE,
        Kind.DROP_COLUMN: LockMode.ACCESS_EXCLUSIVE,
        Kind.DROP_TABLE: LockMode.ACCESS_EXCLUSIVE,
    }
    mode = modes.get(change.kind)
    if mode is None:
        return ()
    work = work_of(change) if change.kind in (Kind.ADD_FOREIGN_KEY, Kind.VALIDATE_CONSTRAINT) else Work.MOMENT
    return (Lock(change.references, mode, work),)


_ORDER = (Work.MOMENT, Work.ROWS, Work.SCAN, Work.BUILD, Work.REWRITE, Work.UNKNOWN)


def stronger(one: Lock, other: Lock) -> Lock:
    """Two locks on one table as one: the stronger mode, and the longer work."""
    mode = max(one.mode, other.mode, key=lambda mode: mode.strength)
    return Lock(one.table, mode, max(one.work, other.work, key=_ORDER.index))
