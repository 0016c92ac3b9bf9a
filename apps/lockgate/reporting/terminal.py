"""A live line on a terminal, on top of the plain ones: what runs now, and for how long.

rich is an extra, and imported only where there is a terminal; without it the plain lines stand alone.
"""

from __future__ import annotations

import contextlib
import importlib.util
from collections.abc import Iterator
from typing import Any

from lockgate import events, foreign
from lockgate.events import Event, Listener
from lockgate.reporting.console import Console, TextConsole

LONGEST = 100  # characters of the live line: wrapped, it could not be redrawn in place
_TAKES_TIME = events.WaitingForServer | events.WaitingForLock | events.LockAcquired | events.MigrationStarted


@contextlib.contextmanager
def live(console: Console, out: Any) -> Iterator[Listener]:
    """A listener that also keeps a live line, where ``out`` is a terminal and rich is installed.

    out: has ``exact``, by which its cursor can be moved.
    """
    if not isinstance(console, TextConsole) or not out.isatty() or importlib.util.find_spec("rich") is None:
        yield console
        return
    from rich.console import Console as RichConsole  # noqa: PLC0415
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn  # noqa: PLC0415

    columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn())
    progress = Progress(*columns, console=RichConsole(file=out.exact()), transient=True)
    with progress, console.writing_to(_Above(progress)):
        yield _Live(console, progress)


class _Above:
    """A stream whose lines appear above the live one."""

    def __init__(self, progress: Any) -> None:
        self._progress = progress

    def write(self, line: str) -> int:
        self._progress.console.print(line, end="", markup=False, highlight=False, soft_wrap=True)
        return len(line)

    def flush(self) -> None:
        """Nothing is kept back."""


class _Live:
    """Passes events on, and shows the last one that takes time on the live line."""

    def __init__(self, listen: Listener, progress: Any) -> None:
        self._listen, self._progress = listen, progress
        self._task = progress.add_task("connecting", total=None)

    def __call__(self, event: Event) -> None:
        self._listen(event)
        if isinstance(event, _TAKES_TIME):
            self._progress.reset(self._task, description=foreign.line(event.message)[:LONGEST])
