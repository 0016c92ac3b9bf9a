"""Attempts that a deadlock or a serialization failure has ended are made again."""

from __future__ import annotations

import time
from collections.abc import Callable

from lockgate import django_seams, policy
from lockgate.execution import failures, shutdown
from lockgate.execution.context import RunContext

# Deadlock and serialization failure. Not a lock timeout, which comes after all the time that there is to wait.
REPEATED = ("40P01", "40001")


def repeatedly(context: RunContext, attempt: Callable[[], None]) -> None:
    """Make an attempt again after a deadlock or the like, a bounded number of times."""
    for number in range(1, policy.STEP_ATTEMPTS + 1):
        try:
            attempt()
        except Exception as error:
            if number == policy.STEP_ATTEMPTS or failures.sqlstate_of(error) not in REPEATED:
                raise
            django_seams.leave_transaction(context.connection)
            shutdown.raise_if_requested()
            time.sleep(policy.LOCK_RETRY_FIRST_PAUSE.total_seconds() * number)
        else:
            return
