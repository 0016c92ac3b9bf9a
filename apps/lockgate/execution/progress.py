"""How far a run has come: what it has done, and what it is doing when something goes wrong."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field

from lockgate.database.invalid_indexes import InvalidIndex
from lockgate.events import Action, Listener, MigrationEnded, MigrationStarted
from lockgate.facts import Key


@dataclass
class StepUnderWay:
    """A step of the journal that has not come to its end here. done: whether it did in the server; None is unknown."""

    pk: int
    title: str
    transactional: bool
    done: bool | None = None


@dataclass
class Progress:
    """Kept by the executor, read when a failure is explained."""

    listen: Listener
    total: int = 0
    run: int | None = None  # its row in the ledger
    done: list[tuple[Key, Action]] = field(default_factory=list)
    current: Key | None = None
    current_action: Action = "apply"
    current_is_atomic: bool = True
    along: Sequence[Key] = ()  # migrations that the server may have committed after the current one
    unknown: bool = False  # what became of the current migration, and of those along with it, and of the step
    lost: bool = False  # whether the session is
    doubt: str = ""  # why what became of it is not known, in words
    pid: int | None = None  # of the lost session, where it is still at work
    committed: Key | None = None  # the current migration, which was found to be committed when the run failed
    under_way: StepUnderWay | None = None
    taken_back: Sequence[Key] = ()  # what was done, and the server has lost
    operation: str = ""  # of the current migration, by place and class, while it is under way
    runs_code: bool = False  # whether that operation may send anything, a COMMIT too
    statement: str = ""  # the one that failed last, shortened
    sql: str = ""  # the same, as it was sent; never shown
    invalid: Sequence[InvalidIndex] = ()  # that the current migration has left, or has met
    invalid_unknown: bool = False  # whether it has left any
    invalid_before: Collection[int] = ()  # oids of those that there were before
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

    def settle(self, applied: Collection[tuple[str, str]], *, lost: bool = False) -> None:
        """Count as done what its row says was committed: the current migration, and of those along with it as many.

        lost: the session is, perhaps with the server: what was done before may be taken back then.
        """
        if lost:
            gone = [migration for migration in self.done if not _stands(migration, applied)]
            self.taken_back = [key for key, _ in gone]
            self.done = [migration for migration in self.done if migration not in gone]
        waiting = [] if self.current is None else [self.current, *self.along]
        self.current, self.along = None, ()
        for place, key in enumerate(waiting):
            if not _stands((key, self.current_action), applied):
                self.current, self.along = key, waiting[place + 1 :] if self.unknown else ()
                break
            self.committed = key
            if (key, self.current_action) not in self.done:
                self.done.append((key, self.current_action))


def _stands(done: tuple[Key, Action], applied: Collection[tuple[str, str]]) -> bool:
    key, action = done
    return (key in applied) == (action in ("apply", "fake"))
