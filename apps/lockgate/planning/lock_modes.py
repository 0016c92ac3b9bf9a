"""PostgreSQL's table lock modes."""

from __future__ import annotations

from enum import Enum


class LockMode(Enum):
    """PostgreSQL's table lock modes, weakest first, by the name ``pg_locks`` shows.

    Source: https://www.postgresql.org/docs/current/explicit-locking.html#LOCKING-TABLES
    """

    ACCESS_SHARE = "AccessShareLock"
    ROW_SHARE = "RowShareLock"
    ROW_EXCLUSIVE = "RowExclusiveLock"
    SHARE_UPDATE_EXCLUSIVE = "ShareUpdateExclusiveLock"
    SHARE = "ShareLock"
    SHARE_ROW_EXCLUSIVE = "ShareRowExclusiveLock"
    EXCLUSIVE = "ExclusiveLock"
    ACCESS_EXCLUSIVE = "AccessExclusiveLock"

    @property
    def strength(self) -> int:
        return list(LockMode).index(self)

    def conflicts_with(self, other: LockMode) -> bool:
        """Whether two sessions cannot hold both on one table. Source: table 13.2 of the page above."""
        weak, strong = sorted((self, other), key=lambda mode: mode.strength)
        return strong.strength >= _FIRST_CONFLICT.get(weak.name, weak.strength)

    @property
    def blocks_writes(self) -> bool:
        """Whether INSERT, UPDATE and DELETE wait for it."""
        return self.strength >= LockMode.SHARE.strength

    @property
    def blocks_reads(self) -> bool:
        """Whether SELECT waits for it."""
        return self is LockMode.ACCESS_EXCLUSIVE


# The weakest mode at or above each that conflicts with it, as a strength, where that is not the mode itself.
_FIRST_CONFLICT = {"ACCESS_SHARE": 7, "ROW_SHARE": 6, "ROW_EXCLUSIVE": 4, "SHARE": 5}
