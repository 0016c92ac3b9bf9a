"""Who keeps our own tables from us, told where a statement has waited for one of them as long as it may.

The server does not say for which table it gave up, nor for whom. So those are named who hold something now on one that
a run reads and writes; where nobody does, the error stays as it is.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import psycopg
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.utils import Error as DatabaseError

from lockgate import django_seams
from lockgate.database import locks
from lockgate.errors import NOTHING_CHANGED, LocksNotAcquired
from lockgate.execution import failures
from lockgate.facts import Blocker
from lockgate.ledger import records
from lockgate.planning.lock_modes import LockMode

SHOWN = 3


@contextlib.contextmanager
def named(connection: BaseDatabaseWrapper, state: str = NOTHING_CHANGED) -> Iterator[None]:
    """Raise LocksNotAcquired, naming who holds our tables, where the block ends in a lock timeout for them."""
    try:
        yield
    except (DatabaseError, psycopg.Error) as error:
        if failures.sqlstate_of(error) == failures.LOCK_NOT_AVAILABLE and (blockers := _looked(connection)):
            raise _held(blockers, state) from error
        raise


def holders(connection: BaseDatabaseWrapper, least: LockMode = LockMode.ROW_SHARE) -> tuple[Blocker, ...]:
    """Who holds such a lock, or a stronger one, on one of our tables, the strongest first.

    least: by default more than a reader's: who has changed a row, or locked it, keeps it from us as well.
    """
    modes = {mode.value: mode.strength for mode in LockMode if mode.strength >= least.strength}
    lock_holders = [holder for holder in locks.holders(connection, records.tables()) if holder.mode in modes]
    return tuple(locks.blocker(holder) for holder in sorted(lock_holders, key=lambda holder: -modes[holder.mode]))


def _looked(connection: BaseDatabaseWrapper) -> tuple[Blocker, ...]:
    with contextlib.suppress(DatabaseError, psycopg.Error):
        django_seams.leave_transaction(connection)
        return holders(connection)
    return ()


def _held(blockers: tuple[Blocker, ...], state: str) -> LocksNotAcquired:
    who = "; ".join(f'{blocker}, which holds {blocker.mode} on "{blocker.table}"' for blocker in blockers[:SHOWN])
    more = f" and {len(blockers) - SHOWN} more" if len(blockers) > SHOWN else ""
    ending = next((f":  {blocker.ending}" for blocker in blockers if blocker.ending), "")
    return LocksNotAcquired(
        f'"{blockers[0].table}" is kept from this run by others',
        why=f"held by {who}{more}",
        state=state,
        next_step=f"end it, or run again when it is gone{ending}",
    )
