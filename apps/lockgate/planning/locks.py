"""Which lock each change takes, on which tables, and what it does to the rows meanwhile.

The table is verified against PostgreSQL itself, change by change (tests/postgres/test_plan_locks.py).
Sources: https://www.postgresql.org/docs/current/sql-altertable.html, …/sql-createindex.html,
…/explicit-locking.html, and the lock levels in src/backend/commands/tablecmds.c.
"""

from __future__ import annotations

from collections.abc import Iterable

from lockgate.planning.steps import Change, Kind, Lock, LockMode, Work

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
    Kind.UPDATE_ROWS: LockMode.ROW_EXCLUSIVE,
}
# CREATE INDEX CONCURRENTLY and DROP INDEX CONCURRENTLY let reads and writes pass.
_CONCURRENT = LockMode.SHARE_UPDATE_EXCLUSIVE

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
    mode = _MODES.get(change.kind)
    if mode is None:
        return _on_referenced(change)
    if change.concurrently:
        mode = _CONCURRENT
    return (Lock(change.table, mode, work_of(change)), *_on_referenced(change))


def work_of(change: Change) -> Work:
    """What a change does to the rows of its table."""
    if change.kind is Kind.ALTER_TYPE:
        return change.work
    if change.kind is Kind.ADD_COLUMN:
        return Work.REWRITE if change.stored or change.identity or change.default == "volatile" else Work.MOMENT
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
