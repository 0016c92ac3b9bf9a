"""How far a run has come: what it has done, and what it is doing when something goes wrong."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from lockgate.facts import Action, Key, Listener, MigrationEnded, MigrationStarted


@dataclass
class Progress:
    """Kept by the executor, read when a failure is explained."""

    listen: Listener
    total: int = 0
    done: list[tuple[Key, Action]] = field(default_factory=list)
    current: Key | None = None
    current_action: Action = "apply"
    current_is_atomic: bool = True
    transaction_ended: bool = False  # by the current migration's own SQL
    remaining: str = ""  # what steps outside a migration's transaction have left in the database, in words

    @property
    def touched(self) -> bool:
        """Whether a migration has begun, or is done, that is not Lockgate's own."""
        return self.current is not None or any(key.app != "lockgate" for key, _ in self.done)

    @contextlib.contextmanager
    def step(self, migration: Key, action: Action, *, atomic: bool) -> Iterator[None]:
        """Announce a migration, and its end; where it fails, it stays the current one."""
        self.current, self.current_action, self.current_is_atomic = migration, action, atomic
        self.transaction_ended = False
        self.listen(MigrationStarted(migration, action, len(self.done) + 1, self.total))
        started = time.monotonic()
        yield
        self.current = None
        self.done.append((migration, action))
        self.listen(MigrationEnded(migration, action, time.monotonic() - started))

    def settle(self, *, recorded: bool) -> None:
        """Count the current migration as done where its row says that it was committed."""
        forwards = self.current_action in ("apply", "fake")
        if self.current is not None and recorded == forwards:
            self.done.append((self.current, self.current_action))
            self.current = None
