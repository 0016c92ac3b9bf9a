"""Frozen facts: what a run learned, and what it tells whoever listens.

An event is a fact with a name. Stages hand events to a ``Listener``; only ``reporting`` turns them into text.
Durations are seconds as floats here, because facts are what is stored and printed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import ClassVar, Literal, NamedTuple


class Key(NamedTuple):
    """A migration's name, as Django writes it: app label and file name without ``.py``."""

    app: str
    name: str

    def __str__(self) -> str:
        return f"{self.app}.{self.name}"


@dataclass(frozen=True)
class Fingerprint:
    """What a migration file says.

    source: sha256 of its bytes; equal sources need no closer look.
    meaning: sha256 of its syntax tree; comments and formatting do not count. Empty where not computed.
    """

    source: str
    meaning: str


APPLICATION_NAME_LIMIT = 63  # bytes: PostgreSQL truncates longer names (NAMEDATALEN)


@dataclass(frozen=True)
class Runner:
    """Who runs, as other sessions see it: written into ``application_name``, read from ``pg_stat_activity``."""

    release: str
    host: str
    since: datetime | None = None

    def application_name(self) -> str:
        since = f"{self.since.astimezone(UTC):%Y%m%dT%H%M%SZ}" if self.since else "-"
        return f"lockgate {since} {self.release[:12]} {self.host}"[:APPLICATION_NAME_LIMIT]

    @classmethod
    def read(cls, application_name: str) -> Runner | None:
        """The runner that a session's ``application_name`` describes; None where it is not Lockgate's."""
        parts = application_name.split(" ", 3)
        if len(parts) != 4 or parts[0] != "lockgate":
            return None
        _, since, release, host = parts
        try:
            at = datetime.strptime(since, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        except ValueError:
            at = None
        return cls(release=release, host=host, since=at)


@dataclass(frozen=True)
class Holder:
    """The session that holds the migration lock. None is unknown: another role's session hides its activity."""

    pid: int
    runner: Runner | None
    application: str | None
    address: str | None
    state: str | None
    statement: str | None
    session_since: datetime | None


@dataclass(frozen=True)
class ServerFacts:
    """The server of this session, read once."""

    version: str
    version_number: int
    database: str
    user: str
    address: str
    read_only: bool
    standby: bool


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

Fingerprints = Mapping[Key, Fingerprint]
