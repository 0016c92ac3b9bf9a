"""How often Python looks for garbage while migrations run.

A model's class refers to itself in many ways, so that one which is replaced waits for the collector. At its usual pace
it comes after every few classes, and each time looks at more of what is still in use than it finds: a seventh of the
processor's time of a long history.
"""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterator

from lockgate import policy


@contextlib.contextmanager
def collected_in_bulk() -> Iterator[None]:
    """Have the collector come seldom. Whoever has switched it off, or made it come more seldom, keeps that."""
    young, *older = gc.get_threshold()
    if young:
        gc.set_threshold(max(young, policy.GARBAGE_THRESHOLD), *older)
    try:
        yield
    finally:
        gc.set_threshold(young, *older)
