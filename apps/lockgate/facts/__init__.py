"""Frozen facts: what a run learned, and what it tells whoever listens.

Durations are seconds as floats here, because facts are what is stored and printed.
"""

from lockgate.facts.locks import Blocker, LockHolder
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
    "Blocker",
    "Fingerprint",
    "Fingerprints",
    "Holder",
    "Key",
    "LockHolder",
    "Runner",
    "ServerFacts",
]
