"""The snapshot that a run may load: found, compared with what the manifest says of it, and judged."""

from __future__ import annotations

import os
from pathlib import Path

from django.db.backends.base.base import BaseDatabaseWrapper

from lockgate.events import SnapshotUnused
from lockgate.facts import ServerFacts
from lockgate.gate.context import GateContext
from lockgate.gate.preflight import Preflight
from lockgate.manifest import manifest_file
from lockgate.manifest.manifest_file import Unusable
from lockgate.snapshot import compatibility, load, reader
from lockgate.snapshot.compatibility import Release
from lockgate.snapshot.load import Snapshot
from lockgate.snapshot.reader import Unreadable


def find(gate: GateContext, preflight: Preflight, *, plain: bool) -> Snapshot | None:
    """The snapshot that a run without history may load; None, with the reason told, where it has to replay.

    plain: whether everything forward is asked for, and nothing else. Silent where there is no snapshot.
    """
    path = load.place(gate.limits)
    if path is None or (not path.exists() and not gate.limits.snapshot):
        return None
    release = Release(preflight.disk, preflight.graph, preflight.held.keys())
    chosen = (
        chosen_from(path, release, gate.connection, gate.server)
        if plain
        else "it is all of the migrations, and something else was asked for"
    )
    if isinstance(chosen, str):
        gate.listen(SnapshotUnused(path.name, chosen))
        return None
    return chosen


def chosen_from(path: Path, release: Release, connection: BaseDatabaseWrapper, server: ServerFacts) -> Snapshot | str:
    """The snapshot in a file, if it may be run and fits; or why not."""
    if not path.is_absolute():
        return 'LOCKGATE["SNAPSHOT"] is a relative path'
    try:
        snapshot = Snapshot.of(path.name, reader.trusted(str(path), _checksum(path)))
    except FileNotFoundError:
        return "there is no such file"
    except OSError as error:
        return f"it cannot be read: {error.strerror}"
    except (ValueError, TypeError, KeyError) as error:
        return str(error)
    return compatibility.why_not(snapshot.header, release, connection, server) or snapshot


def _checksum(path: Path) -> str:
    """Of the snapshot that the release was built with, as its manifest has it. Raises Unreadable.

    The manifest is beside manage.py; of another command line, beside the snapshot that the setting names.
    """
    place = manifest_file.place(str(load.started_with() or path), os.environ)
    try:
        for line in manifest_file.read(place).all("snapshot"):
            return manifest_file.decoded(line.split(" ")[1])
        why = f"{place} has not"
    except Unusable as unusable:
        why = f"{place}: {unusable}"
    raise Unreadable(
        f"no manifest says which it is ({why}); after lockgate snapshot, run:  manage.py lockgate manifest"
    )
