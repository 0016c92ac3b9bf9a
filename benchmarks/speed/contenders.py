"""Who takes part: stock Django, Lockgate in the ways that differ in speed, and peers."""

from __future__ import annotations

import importlib.util
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.peers import PEERS, Peer
from lockgate import configuration, policy

VERBS = Path(policy.__file__).with_name("management") / "verbs"
MANIFEST, LAZY, SNAPSHOT, RUNNER = "lockgate manifest", "LAZY_RENDERING", "lockgate snapshot", "lockgate.testing"
# What may be measured of a Lockgate that does not have all of it.
PARTS: Mapping[str, Callable[[], bool]] = {
    MANIFEST: lambda: _has_verb(MANIFEST),
    LAZY: lambda: any(option.key == LAZY for option in configuration.OPTIONS),
    SNAPSHOT: lambda: _has_verb(SNAPSHOT),
    RUNNER: lambda: importlib.util.find_spec(RUNNER) is not None,
}


def _has_verb(name: str) -> bool:
    return (VERBS / f"{name.removeprefix('lockgate ')}.py").exists()


def there(part: str) -> bool:
    return PARTS[part]()


@dataclass(frozen=True)
class Contender:
    """needs: parts of Lockgate that it is about. builds: commands that make its release. settings: added to its own."""

    name: str
    title: str
    variant: str = "lockgate"
    needs: tuple[str, ...] = ()
    builds: tuple[str, ...] = (MANIFEST,)
    settings: str = ""
    peer: Peer | None = None

    @property
    def absent(self) -> str:
        """Why it cannot take part, in words; empty where it can. Installs a peer that is not installed."""
        missing = [part for part in self.needs if not there(part)]
        if missing:
            return f"{' and '.join(missing)} not there"
        return _not_installed(self.peer) if self.peer else ""


def _not_installed(peer: Peer) -> str:
    try:
        peer.install()
    except (OSError, subprocess.CalledProcessError) as error:
        return f"did not install: {error}"
    return ""


_RUNNER = 'TEST_RUNNER = "lockgate.testing.SnapshotRunner"\n'

STOCK = Contender("stock", "stock Django", variant="stock", builds=())
LOCKGATE = Contender("lockgate", "Lockgate")
FAST = Contender("lockgate", "Lockgate", needs=(MANIFEST,))
ORDINARY = Contender("ordinary", "Lockgate, no manifest", builds=())
LAZILY = Contender("lockgate", "Lockgate", needs=(LAZY,))
EAGERLY = Contender(
    "eager", "Lockgate, lazy rendering off", settings=f'LOCKGATE = {{"{LAZY}": False}}\n' if there(LAZY) else ""
)
LOADING = Contender("snapshot", "Lockgate, from a snapshot", needs=(SNAPSHOT,), builds=(SNAPSHOT, MANIFEST))
TESTING = Contender("runner-again", "SnapshotRunner, again", needs=(RUNNER,), settings=_RUNNER)
TESTING_FIRST = Contender("runner-first", "SnapshotRunner, first", needs=(RUNNER,), settings=_RUNNER)
OTHERS = tuple(Contender(peer.name, peer.title, variant="", builds=(), peer=peer) for peer in PEERS)

NAMES = ("stock", "lockgate", "ordinary", "eager", "snapshot", "runner-first", "runner-again")
ALL = (*NAMES, *(contender.name for contender in OTHERS))
