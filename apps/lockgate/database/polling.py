"""The pauses between polls: growing, bounded and jittered, so that containers started together spread out."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from datetime import timedelta

from lockgate import policy


def until(deadline: float) -> Iterator[None]:
    """Yield at once, then after each pause, until the deadline has passed.

    deadline: a moment of ``time.monotonic()``, seconds. The last pause ends at the deadline, and one last turn
    follows it, so that whoever polls has looked once after the whole time.
    """
    pause = policy.POLL_FIRST
    while True:
        yield
        left = deadline - time.monotonic()
        if left <= 0:
            return
        time.sleep(min(_jittered(pause), left))
        pause = min(pause * policy.POLL_GROWTH, policy.POLL_LONGEST)


def _jittered(pause: timedelta) -> float:
    return pause.total_seconds() * random.uniform(0.5, 1.0)  # noqa: S311  spreading, not secrecy
