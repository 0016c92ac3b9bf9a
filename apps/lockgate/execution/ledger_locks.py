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
        if failures.sqlstate_of(error) == failures.LOCK_NOT_AVAILABLE and (found := _looked(connection)):
            raise _held(found, state) from error
        raise


def holders(connection: BaseDatabaseWrapper, least: LockMode = LockMode.ROW_SHARE) -> tuple[Blocker, ...]:
    """Who holds such a lock, or a stronger one, on one of our tables, the strongest first.

    least: by default more than a reader's: who has changed a row, or locked it, keeps it from us as well.
    """
    modes = {mode.value: mode.strength for mode in LockMode if mode.strength >= least.strength}
    found = [each for each in locks.holders(connection, records.tables()) if each.mode in modes]
    return tuple(locks.blocker(each) for each in sorted(found, key=lambda each: -modes[each.mode]))


def _looked(connection: BaseDatabaseWrapper) -> tuple[Blocker, ...]:
    with contextlib.suppress(DatabaseError, psycopg.Error):
        django_seams.leave_transaction(connection)
        return holders(connection)
    return ()


def _held(found: tuple[Blocker, ...], state: str) -> LocksNotAcquired:
    who = "; ".join(f'{each}, which holds {each.mode} on "{each.table}"' for each in found[:SHOWN])
    more = f" and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
    ending = next((f":  {each.ending}" for each in found if each.ending), "")
    return LocksNotAcquired(
        f'"{found[0].table}" is kept from this run by others',
        why=f"held by {who}{more}",
        state=state,
        next_step=f"end it, or run again when it is gone{ending}",
    )
