"""How far a run has come: what it has done, and what it is doing when something goes wrong."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from lockgate.database.invalid_indexes import InvalidIndex
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
    along: Sequence[Key] = ()  # migrations that the server may have committed after the current one
    unknown: bool = False  # what became of the current migration, and of those along with it
    operation: str = ""  # of the current migration, by place and class, while it is under way
    runs_code: bool = False  # whether that operation may send anything, a COMMIT too
    statement: str = ""  # the one that failed last, shortened
    sql: str = ""  # the same, as it was sent; never shown
    invalid: Sequence[InvalidIndex] = ()  # that the current migration has left, or has met
    invalid_unknown: bool = False  # whether it has left any
    transaction_ended: bool = False  # by the current migration's own SQL
    stands: bool = False  # the run's failure is written down, and would stand for the next run
    _began: float = 0.0
    remaining: str = ""  # what steps outside a migration's transaction have left in the database, in words

    @property
    def touched(self) -> bool:
        """Whether a migration has begun, or is done, that is not Lockgate's own."""
        return self.current is not None or any(key.app != "lockgate" for key, _ in self.done)

    @contextlib.contextmanager
    def step(self, migration: Key, action: Action, *, atomic: bool) -> Iterator[None]:
        """Announce a migration, and its end; where it fails, it stays the current one."""
        self.begin(migration, action, atomic=atomic)
        yield
        self.end()

    def begin(self, migration: Key, action: Action, *, atomic: bool, along: Sequence[Key] = ()) -> None:
        """along: migrations that the server got with this one, to be begun when it is done."""
        self.along = along
        self.current, self.current_action, self.current_is_atomic = migration, action, atomic
        self.transaction_ended = False
        self.operation = self.statement = self.sql = ""
        self.invalid, self.invalid_unknown = (), False
        self.listen(MigrationStarted(migration, action, len(self.done) + 1, self.total))
        self._began = time.monotonic()

    def end(self, seconds: float | None = None) -> None:
        """The current migration is committed. seconds: it took, where that is not the time since it was begun."""
        assert self.current is not None  # noqa: S101  it was begun
        migration = self.current
        self.done.append((migration, self.current_action))
        self.current = None
        self.listen(
            MigrationEnded(
                migration, self.current_action, time.monotonic() - self._began if seconds is None else seconds
            )
        )

    def settle(self, *, recorded: bool) -> None:
        """Count the current migration as done where its row says that it was committed."""
        forwards = self.current_action in ("apply", "fake")
        if self.current is not None and recorded == forwards:
            if (self.current, self.current_action) not in self.done:
                self.done.append((self.current, self.current_action))
            self.current = None
