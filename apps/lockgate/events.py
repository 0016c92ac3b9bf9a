"""What a run tells whoever listens: facts with a name. Only ``reporting`` turns them into text.

Named tuples, because they cost a tenth of what dataclasses do to define, and every start of a container pays for it.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Literal, NamedTuple

from lockgate.facts.locks import Blocker
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


class RightsFound(NamedTuple):
    """Others than their owner could write Lockgate's own tables. remedy: SQL; empty where that is over by now."""

    roles: tuple[str, ...]
    tables: tuple[str, ...]
    remedy: str


class LedgerMended(NamedTuple):
    """Lockgate's own tables were not as they should be: what was missing is made again."""

    what: tuple[str, ...]


class Ahead(NamedTuple):
    migrations: tuple[Key, ...]
    pending: int


class Edited(NamedTuple):
    migrations: tuple[Key, ...]


class HazardFound(NamedTuple):
    """A hazard of a migration that is about to run. id: of its rule. what: where it is. accepted: why, if it is."""

    migration: Key
    id: str
    rule: str
    severity: str
    what: str
    effect: str
    accepted: str


class HazardsFound(NamedTuple):
    """How many hazards were found in what is about to run."""

    errors: int
    warnings: int
    accepted: int


class HazardsUnknown(NamedTuple):
    """What is about to run could not be judged."""

    why: str


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


class SnapshotLoaded(NamedTuple):
    """An empty database was filled from a snapshot, in place of replaying its migrations."""

    file: str
    migrations: int
    seconds: float


class SnapshotUnused(NamedTuple):
    """A snapshot is there, and does not fit: migrations are replayed."""

    file: str
    why: str


class StepStarted(NamedTuple):
    """A step outside a migration's transaction begins: number of total of its phase."""

    migration: Key
    phase: str
    title: str
    number: int
    total: int


class StepEnded(NamedTuple):
    migration: Key
    phase: str
    title: str
    seconds: float


class StepProgress(NamedTuple):
    """A step takes its time. doing: the server's own word for it. done, total: blocks; total 0 where not known."""

    migration: Key
    title: str
    doing: str
    done: int
    total: int
    blockers: tuple[Blocker, ...]
    seconds: float


class StepUndone(NamedTuple):
    """What an expand step had prepared is taken back."""

    migration: Key
    title: str


class StepRepeated(NamedTuple):
    """An operation outside any transaction failed, or was under way when its run died; it is run once more."""

    migration: Key
    title: str
    failed: bool = False


class WaitsInFront(NamedTuple):
    """A statement that cannot be tried again asks for locks that others wait behind, for so long at most each."""

    migration: Key
    statement: str
    why: str
    longest_seconds: float


class WorkDiffers(NamedTuple):
    """What a done operation has left is of another definition, and code outside a transaction was under way when its
    run died: it may have been that, or somebody. what: each thing with both definitions, as far as they are known."""

    migration: Key
    what: tuple[str, ...]


class WaitingForBlockers(NamedTuple):
    """A locking step waits, without queueing, until those who hold its tables let go."""

    migration: Key
    blockers: tuple[Blocker, ...]
    attempt: int
    waited_seconds: float
    deadline_seconds: float


class AttemptFailed(NamedTuple):
    """An attempt got no lock in time, or met a deadlock, and was rolled back; another follows."""

    migration: Key
    attempt: int
    sqlstate: str
    waited_seconds: float
    deadline_seconds: float


class Recovering(NamedTuple):
    """What a dead or failed run left of a migration. action: what is done about it."""

    migration: Key
    action: Literal["finish", "carry on", "undo", "abandon", "leave", "restore"]
    done: int
    total: int


class InPlace(NamedTuple):
    """A plan did not hold when it was carried out; the migration is run as Django runs it."""

    migration: Key
    reason: str


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


class IndexInvalid(NamedTuple):
    """One that no query uses, found at a run's end, whoever made it. name: with its schema, quoted. drop: SQL."""

    name: str
    table: str
    drop: str


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
    | RightsFound
    | LedgerMended
    | Ahead
    | Edited
    | HazardFound
    | HazardsFound
    | HazardsUnknown
    | MigrationStarted
    | MigrationEnded
    | SnapshotLoaded
    | SnapshotUnused
    | StepStarted
    | StepEnded
    | StepProgress
    | StepUndone
    | StepRepeated
    | WaitsInFront
    | WorkDiffers
    | WaitingForBlockers
    | AttemptFailed
    | Recovering
    | InPlace
    | NothingPending
    | WaitingForMigrations
    | Current
    | IndexInvalid
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
    RightsFound: "rights_found",
    LedgerMended: "ledger_mended",
    Ahead: "ahead_of_code",
    Edited: "edited",
    HazardFound: "hazard",
    HazardsFound: "hazards",
    HazardsUnknown: "hazards_unknown",
    MigrationStarted: "migration_started",
    MigrationEnded: "migration_ended",
    SnapshotLoaded: "snapshot_loaded",
    SnapshotUnused: "snapshot_unused",
    StepStarted: "step_started",
    StepEnded: "step_ended",
    StepProgress: "step_progress",
    StepUndone: "step_undone",
    StepRepeated: "step_repeated",
    WaitsInFront: "waits_in_front",
    WorkDiffers: "work_differs",
    WaitingForBlockers: "waiting_for_blockers",
    AttemptFailed: "attempt_failed",
    Recovering: "recovering",
    InPlace: "in_place",
    NothingPending: "nothing_pending",
    WaitingForMigrations: "waiting_for_migrations",
    Current: "current",
    IndexInvalid: "index_invalid",
    Ended: "ended",
}
