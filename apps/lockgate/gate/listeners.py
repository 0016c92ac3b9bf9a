"""Who else is told of a run, after the console: the logger ``lockgate``, and what LOCKGATE["LISTENERS"] names.

Invariant: none of them changes a run. They are called in a thread of their own, one event after the other, so that a
slow one keeps no lock from anybody, its queries are those of another session, and what it raises ends there.
"""

from __future__ import annotations

import contextlib
import contextvars
import logging
import queue
import threading
from collections.abc import Callable, Iterator, Sequence

from django.db import connections
from django.utils.module_loading import import_string

from lockgate import foreign, policy
from lockgate.errors import ConfigurationError, Interrupted
from lockgate.events import Event, Failed, Listener
from lockgate.execution import unexpected
from lockgate.redaction import masked, sifted

LOGGER = logging.getLogger("lockgate")
SETTING = 'LOCKGATE["LISTENERS"]'


class _Named:
    """A listener, by the path that names it. failed: whether that has been said."""

    def __init__(self, path: str, listen: Listener) -> None:
        self.path, self._listen, self.failed = path, listen, False

    def __call__(self, event: Event) -> None:
        try:
            self._listen(event)
        except BaseException as error:  # also what would end a process: a thread is not the place for it
            if not self.failed:
                self.failed = True
                why = masked(f"{type(error).__name__}: {error}")
                LOGGER.error(
                    "%s failed at %s, and is told of later events all the same: %s",
                    *(self.path, event.kind, foreign.line(why)),
                )


class _Telling:
    """Passes events on to the console at once, and to all others in a thread.

    Raises RuntimeError where no thread is to be had.
    """

    def __init__(self, console: Listener, others: Sequence[Listener]) -> None:
        self._console, self._others = console, others
        self._events: queue.SimpleQueue[Event | None] = queue.SimpleQueue()
        # Also what a tracer keeps in the context of its caller is seen by listeners.
        run = contextvars.copy_context().run
        self._thread = threading.Thread(target=run, args=(self._tell,), name="lockgate listeners", daemon=True)
        self._thread.start()

    def __call__(self, event: Event) -> None:
        self._console(event)
        self.put(event)

    def put(self, event: Event) -> None:
        self._events.put(event)

    def close(self) -> None:
        """Wait until everybody has heard all, but no longer than policy.LISTENERS_FINISH. Raises Interrupted."""
        self._events.put(None)
        try:
            self._thread.join(policy.LISTENERS_FINISH.total_seconds())
        except Interrupted as signal:
            signal.state = "the run was over, and all of it is done; not every listener has heard of that"
            raise
        if self._thread.is_alive():
            LOGGER.warning("a listener is still busy; %d events are told to nobody", max(self._events.qsize() - 1, 0))

    def _tell(self) -> None:
        try:
            while (event := self._events.get()) is not None:
                for listener in self._others:
                    listener(event)
        finally:
            connections.close_all()  # those of this thread


@contextlib.contextmanager
def told(limits: policy.Policy, console: Listener) -> Iterator[Listener]:
    """A listener that tells everybody; how the block failed is told to all but the console, which gets the error."""
    others = [*_logger(), *_named(limits.listeners)]
    if not others:
        yield console
        return
    try:
        telling = _Telling(console, others)
    except RuntimeError as error:
        LOGGER.error("no listener is told of this run: %s", error)
        yield console
        return
    try:
        yield telling
    except (Exception, SystemExit, Interrupted) as error:
        telling.put(_failed(error))
        with contextlib.suppress(Interrupted):  # the error is on its way, and says more
            telling.close()
        raise
    telling.close()


def load(path: str) -> Listener:
    """Raises ConfigurationError where nothing can be called by that name."""
    try:
        listener: Callable[[Event], None] = import_string(path)
    except (Exception, SystemExit) as error:  # whatever the module does when it is imported
        why = masked(f"{type(error).__name__}: {error}")
        raise ConfigurationError(
            f'{SETTING} names "{path}", which cannot be imported',
            why=why,
            next_step='write it as "package.module.function"',
        ) from error
    if not callable(listener):
        raise ConfigurationError(
            f'{SETTING} names "{path}", which cannot be called', next_step="name a function that takes one event"
        )
    return listener


def _named(paths: Sequence[str]) -> Iterator[Listener]:
    """Those that there are; one that cannot be had is an error of the system checks (lockgate.E004)."""
    for path in paths:
        try:
            yield _Named(path, load(path))
        except ConfigurationError as error:
            LOGGER.error("%s: %s", error.what, foreign.line(error.why))


def _logger() -> Iterator[Listener]:
    if LOGGER.hasHandlers():  # else Python would write warnings to stderr, where the console has written them
        yield _Named("the logger lockgate", _log)


def _log(event: Event) -> None:
    """A line for the event, at its level; of what only machines want to know, its name at DEBUG."""
    level = getattr(logging, event.level.upper()) if event.message else logging.DEBUG
    text = (foreign.part if isinstance(event, Failed) else foreign.line)(sifted(event.message))
    LOGGER.log(level, "%s", text or event.kind, extra={"lockgate": event})


def _failed(error: BaseException) -> Failed:
    failed = Failed.of(error if isinstance(error, Interrupted) else unexpected.as_ours(error))
    what, why, state, next_step, operation, statement = map(foreign.part, failed[:6])
    return Failed(what, why, state, next_step, operation, statement, failed.error)
