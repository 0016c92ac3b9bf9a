"""SIGTERM and SIGINT end a run promptly and cleanly; nothing that a migration's code does can swallow them for good.

The handler raises ``Interrupted``, a KeyboardInterrupt, because psycopg then cancels the statement in the server before
it lets the exception pass. Should the process still be there when the stop deadline has passed (code that catches
everything, a server that does not answer the cancellation), the kernel ends it; the next run finds what was left.
"""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType

from lockgate import policy
from lockgate.errors import Interrupted

_SIGNALS = (signal.SIGTERM, signal.SIGINT)
_received: list[str] = []


@contextlib.contextmanager
def guarded(*, to_the_end: bool) -> Iterator[None]:
    """Turn SIGTERM and SIGINT into Interrupted for the length of the block (main thread only).

    After the first signal the process ends within policy.STOP_DEADLINE, whatever happens: in the block, and, where it
    is the process's last (to_the_end), after it.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    _received.clear()
    previous = {number: signal.signal(number, _interrupt) for number in _SIGNALS}
    try:
        yield
    finally:
        if not to_the_end:
            signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in previous.items():
            signal.signal(number, handler)


def raise_if_requested() -> None:
    """Raise Interrupted where a signal arrived and something swallowed it."""
    if _received:
        raise Interrupted(_received[0])


def _interrupt(number: int, frame: FrameType | None) -> None:
    if _received:
        return  # the first one is being obeyed; a second must not disturb the rollback
    _received.append(signal.Signals(number).name)
    # The default action of SIGALRM is the kernel's: it ends the process even where no Python code can run.
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, policy.STOP_DEADLINE.total_seconds())
    raise Interrupted(_received[0])
