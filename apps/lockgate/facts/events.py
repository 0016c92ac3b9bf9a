"""What a run tells whoever listens: facts with a name. Only ``reporting`` turns them into text.

Named tuples, because they cost a tenth of what dataclasses do to define, and every start of a container pays for it.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Literal, NamedTuple

from lockgate.facts.migrations import Key
from lockgate.facts.server import Holder, ServerFacts

ExtensionState = Literal["present", "created", "needs-grant", "needs-superuser", "not-installed", "failed"]


class ExtensionOutcome(NamedTuple):
    """What became of a wanted extension, and the exact remedy where it is not there."""

    name: str
    state: ExtensionState
    remedy: str = ""

    @property
    def available(self) -> bool:
        return self.state in ("present", "created")


class Held(NamedTuple):
    """A pending migration that is skipped until an extension is there."""

    migration: Key
    reason: str


class Started(NamedTuple):
    lockgate: str
    release: str
    host: str
    database: str


class WaitingForServer(NamedTuple):
    why: str
    waited_seconds: float
    deadline_seconds: float


class ServerReady(NamedTuple):
    server: ServerFacts
    waited_seconds: float


class WaitingForLock(NamedTuple):
    holder: Holder | None
    waited_seconds: float
    deadline_seconds: float


class LockAcquired(NamedTuple):
    waited_seconds: float


class RunInterrupted(NamedTuple):
    """An earlier run that died without closing its row, found by this one."""

    run: int
    host: str
    started_at: datetime


class Ahead(NamedTuple):
    migrations: tuple[Key, ...]
    pending: int


class Edited(NamedTuple):
    migrations: tuple[Key, ...]


Action = Literal["apply", "unapply", "fake", "unfake"]


class MigrationStarted(NamedTuple):
    migration: Key
    action: Action
    number: int
    total: int


class MigrationEnded(NamedTuple):
    migration: Key
    action: Action
    seconds: float


class NothingPending(NamedTuple):
    """Nothing to do. behind: another runner had just done it."""

    behind: bool
    held: int


class WaitingForMigrations(NamedTuple):
    missing: tuple[Key, ...]
    waited_seconds: float


class Current(NamedTuple):
    waited_seconds: float
    held: int


class Ended(NamedTuple):
    migrations: int
    held: int
    seconds: float


Event = (
    Started
    | WaitingForServer
    | ServerReady
    | WaitingForLock
    | LockAcquired
    | ExtensionOutcome
    | Held
    | RunInterrupted
    | Ahead
    | Edited
    | MigrationStarted
    | MigrationEnded
    | NothingPending
    | WaitingForMigrations
    | Current
    | Ended
)
Listener = Callable[[Event], None]

# By what name machines know an event: stable, and documented in docs/commands.md.
NAMES: dict[type[Event], str] = {
    ExtensionOutcome: "extension",
    Held: "held",
    Started: "started",
    WaitingForServer: "waiting_for_server",
    ServerReady: "server_ready",
    WaitingForLock: "waiting_for_lock",
    LockAcquired: "lock_acquired",
    RunInterrupted: "found_interrupted_run",
    Ahead: "ahead_of_code",
    Edited: "edited",
    MigrationStarted: "migration_started",
    MigrationEnded: "migration_ended",
    NothingPending: "nothing_pending",
    WaitingForMigrations: "waiting_for_migrations",
    Current: "current",
    Ended: "ended",
}
