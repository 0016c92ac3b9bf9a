"""What a run tells whoever listens: facts, each with its name (``kind``), its level and its sentence (``message``).

Each is written once, at its class: text, JSON, listeners and log lines say the same. A message is empty where only
machines want to know. Names are stable, and documented in docs/commands.md.

Named tuples, because they cost a tenth of what dataclasses do to define, and every start of a container pays for it.
"""

from __future__ import annotations

from collections.abc import Callable

from lockgate.events.failure import Failed
from lockgate.events.gate import (
    Ahead,
    Current,
    Edited,
    Ended,
    ExtensionOutcome,
    ExtensionState,
    Held,
    LedgerMended,
    LockAcquired,
    NothingPending,
    RightsFound,
    RunInterrupted,
    ServerReady,
    SnapshotLoaded,
    SnapshotUnused,
    Started,
    WaitingForLock,
    WaitingForMigrations,
    WaitingForServer,
)
from lockgate.events.hazards import (
    HazardFound,
    HazardsFound,
    HazardsUnknown,
)
from lockgate.events.level import Level
from lockgate.events.work import (
    Action,
    AttemptFailed,
    IndexInvalid,
    InPlace,
    MigrationEnded,
    MigrationStarted,
    Recovering,
    StepEnded,
    StepProgress,
    StepRepeated,
    StepStarted,
    StepUndone,
    WaitingForBlockers,
    WaitsInFront,
    WorkDiffers,
)

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
    | Failed
)
Listener = Callable[[Event], None]

__all__ = [
    "Action",
    "Ahead",
    "AttemptFailed",
    "Current",
    "Edited",
    "Ended",
    "Event",
    "ExtensionOutcome",
    "ExtensionState",
    "Failed",
    "HazardFound",
    "HazardsFound",
    "HazardsUnknown",
    "Held",
    "InPlace",
    "IndexInvalid",
    "LedgerMended",
    "Level",
    "Listener",
    "LockAcquired",
    "MigrationEnded",
    "MigrationStarted",
    "NothingPending",
    "Recovering",
    "RightsFound",
    "RunInterrupted",
    "ServerReady",
    "SnapshotLoaded",
    "SnapshotUnused",
    "Started",
    "StepEnded",
    "StepProgress",
    "StepRepeated",
    "StepStarted",
    "StepUndone",
    "WaitingForBlockers",
    "WaitingForLock",
    "WaitingForMigrations",
    "WaitingForServer",
    "WaitsInFront",
    "WorkDiffers",
]
