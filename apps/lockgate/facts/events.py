"""What a run tells whoever listens: facts with a name. Only ``reporting`` turns them into text."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Literal

from lockgate.facts.migrations import Key
from lockgate.facts.server import Holder, ServerFacts

ExtensionState = Literal["present", "created", "needs-grant", "needs-superuser", "not-installed"]


@dataclass(frozen=True)
class ExtensionOutcome:
    """What became of a wanted extension, and the exact remedy where it is not there."""

    event: ClassVar[str] = "extension"
    name: str
    state: ExtensionState
    remedy: str = ""

    @property
    def available(self) -> bool:
        return self.state in ("present", "created")


@dataclass(frozen=True)
class Held:
    """A pending migration that is skipped until an extension is there."""

    event: ClassVar[str] = "held"
    migration: Key
    reason: str


@dataclass(frozen=True)
class Started:
    event: ClassVar[str] = "started"
    lockgate: str
    release: str
    host: str
    database: str


@dataclass(frozen=True)
class WaitingForServer:
    event: ClassVar[str] = "waiting_for_server"
    why: str
    waited_seconds: float
    deadline_seconds: float


@dataclass(frozen=True)
class ServerReady:
    event: ClassVar[str] = "server_ready"
    server: ServerFacts
    waited_seconds: float


@dataclass(frozen=True)
class WaitingForLock:
    event: ClassVar[str] = "waiting_for_lock"
    holder: Holder | None
    waited_seconds: float
    deadline_seconds: float


@dataclass(frozen=True)
class LockAcquired:
    event: ClassVar[str] = "lock_acquired"
    waited_seconds: float


@dataclass(frozen=True)
class RunInterrupted:
    """An earlier run that died without closing its row, found by this one."""

    event: ClassVar[str] = "found_interrupted_run"
    run: int
    host: str
    started_at: datetime


@dataclass(frozen=True)
class Ahead:
    event: ClassVar[str] = "ahead_of_code"
    migrations: tuple[Key, ...]
    pending: int


@dataclass(frozen=True)
class Edited:
    event: ClassVar[str] = "edited"
    migrations: tuple[Key, ...]


Action = Literal["apply", "unapply", "fake", "unfake"]


@dataclass(frozen=True)
class MigrationStarted:
    event: ClassVar[str] = "migration_started"
    migration: Key
    action: Action
    number: int
    total: int


@dataclass(frozen=True)
class MigrationEnded:
    event: ClassVar[str] = "migration_ended"
    migration: Key
    action: Action
    seconds: float


@dataclass(frozen=True)
class NothingPending:
    """Nothing to do. behind: another runner had just done it."""

    event: ClassVar[str] = "nothing_pending"
    behind: bool
    held: int


@dataclass(frozen=True)
class WaitingForMigrations:
    event: ClassVar[str] = "waiting_for_migrations"
    missing: tuple[Key, ...]
    waited_seconds: float


@dataclass(frozen=True)
class Current:
    event: ClassVar[str] = "current"
    waited_seconds: float
    held: int


@dataclass(frozen=True)
class Ended:
    event: ClassVar[str] = "ended"
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
