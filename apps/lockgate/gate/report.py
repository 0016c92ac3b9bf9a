"""What a run was like, for who called it."""

from __future__ import annotations

from typing import Literal, NamedTuple

from lockgate.events import Action, Event, HazardFound, Held, Listener, LockAcquired, SnapshotLoaded
from lockgate.facts import Key


class Done(NamedTuple):
    """One migration that a run has applied, taken back, or only recorded so."""

    migration: Key
    action: Action


class Report(NamedTuple):
    """outcome: ``nothing_pending`` where there was nothing to do: then no row is in the ledger.

    run: its row in ``lockgate_run``. migrations: what was done, in its order, also Lockgate's own, and those that a
    snapshot stood for. held: pending ones that an extension is missing for. hazards: those of what was done, by
    Lockgate's rules and the project's, accepted ones too. warnings: every event of that level, hazards and held among
    them. snapshot: the file that was loaded, or empty. seconds: the whole call; of them waited_seconds for the lock.
    """

    using: str
    outcome: Literal["done", "nothing_pending"]
    run: int | None
    migrations: tuple[Done, ...]
    held: tuple[Held, ...]
    hazards: tuple[HazardFound, ...]
    warnings: tuple[Event, ...]
    snapshot: str
    waited_seconds: float
    seconds: float


class Kept:
    """A listener that keeps what a report tells of, and passes everything on."""

    def __init__(self, listen: Listener) -> None:
        self._listen = listen
        self.events: list[Event] = []

    def __call__(self, event: Event) -> None:
        if event.level == "warning" or isinstance(event, HazardFound | LockAcquired | SnapshotLoaded):
            self.events.append(event)
        self._listen(event)

    def report(
        self, using: str, run: int | None, done: tuple[tuple[Key, Action], ...] | None, seconds: float
    ) -> Report:
        """done: None where there was nothing to do."""
        return Report(
            using,
            "nothing_pending" if done is None else "done",
            run,
            tuple(Done(*values) for values in done or ()),
            tuple(event for event in self.events if isinstance(event, Held)),
            tuple(event for event in self.events if isinstance(event, HazardFound)),
            tuple(event for event in self.events if event.level == "warning"),
            next((event.file for event in self.events if isinstance(event, SnapshotLoaded)), ""),
            sum(event.waited_seconds for event in self.events if isinstance(event, LockAcquired)),
            seconds,
        )
