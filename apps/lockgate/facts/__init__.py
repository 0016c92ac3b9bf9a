"""Frozen facts: what a run learned, and what it tells whoever listens.

Durations are seconds as floats here, because facts are what is stored and printed.
"""

from lockgate.facts.events import (
    NAMES,
    Action,
    Ahead,
    Current,
    Edited,
    Ended,
    Event,
    ExtensionOutcome,
    ExtensionState,
    Held,
    Listener,
    LockAcquired,
    MigrationEnded,
    MigrationStarted,
    NothingPending,
    RunInterrupted,
    ServerReady,
    Started,
    WaitingForLock,
    WaitingForMigrations,
    WaitingForServer,
)
from lockgate.facts.migrations import (
    Fingerprint,
    Fingerprints,
    Key,
)
from lockgate.facts.server import (
    APPLICATION_NAME_LIMIT,
    Holder,
    Runner,
    ServerFacts,
)

__all__ = [
    "APPLICATION_NAME_LIMIT",
    "NAMES",
    "Action",
    "Ahead",
    "Current",
    "Edited",
    "Ended",
    "Event",
    "ExtensionOutcome",
    "ExtensionState",
    "Fingerprint",
    "Fingerprints",
    "Held",
    "Holder",
    "Key",
    "Listener",
    "LockAcquired",
    "MigrationEnded",
    "MigrationStarted",
    "NothingPending",
    "RunInterrupted",
    "Runner",
    "ServerFacts",
    "ServerReady",
    "Started",
    "WaitingForLock",
    "WaitingForMigrations",
    "WaitingForServer",
]
