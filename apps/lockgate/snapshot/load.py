"""Finds the snapshot, judges it, and loads it: one transaction that is not its own."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from django.db.backends.base.base import BaseDatabaseWrapper

from lockgate import django_seams, policy
from lockgate.database.session import raw
from lockgate.events import SnapshotUnused
from lockgate.facts import Fingerprint, Key, ServerFacts
from lockgate.gate.context import Gate
from lockgate.gate.preflight import Survey
from lockgate.manifest import manifest_file
from lockgate.manifest.manifest_file import Unusable
from lockgate.snapshot import compatibility, reader, snapshot_file
from lockgate.snapshot.compatibility import Release
from lockgate.snapshot.reader import Content, Unreadable
from lockgate.snapshot.snapshot_file import Header


@dataclass(frozen=True)
class Snapshot:
    """A snapshot that was read and understood. name: its file's."""

    name: str
    header: Header
    content: Content

    @classmethod
    def of(cls, name: str, content: Content) -> Snapshot:
        """Raises ValueError, TypeError or KeyError."""
        return cls(name, snapshot_file.header(content), content)

    def load(self, connection: BaseDatabaseWrapper) -> Mapping[Key, Fingerprint]:
        """Run its SQL in the transaction that is open, and record its migrations; returns them in their order.

        Raises django.db.Error, psycopg.Error, or Unreadable; then that transaction must be rolled back.
        """
        opened = raw(connection)
        found = opened.execute("SELECT pg_catalog.current_setting('search_path')").fetchone()
        for part in snapshot_file.parts(self.content, self.header):
            opened.execute(part)
        opened.execute("SELECT pg_catalog.set_config('search_path', %s, true)", found)
        django_seams.record_all(connection, self.header.recorded)
        if self.header.extensions:
            django_seams.renew_type_handlers(connection)
        return self.header.recorded

    def settle(self, connection: BaseDatabaseWrapper) -> None:
        """Run what makes what post_migrate makes, in the transaction that is open."""
        for part in snapshot_file.settled_parts(self.content, self.header):
            raw(connection).execute(part)


def find(gate: Gate, found: Survey, *, plain: bool) -> Snapshot | None:
    """The snapshot that a run without history may load; None, with the reason told, where it has to replay.

    plain: whether everything forward is asked for, and nothing else. Silent where there is no snapshot.
    """
    path = place(gate.limits)
    if path is None or (not path.exists() and not gate.limits.snapshot):
        return None
    release = Release(found.disk, found.graph, found.held.keys())
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
        found = Snapshot.of(path.name, reader.trusted(str(path), _checksum(path)))
    except FileNotFoundError:
        return "there is no such file"
    except OSError as error:
        return f"it cannot be read: {error.strerror}"
    except (ValueError, TypeError, KeyError) as error:
        return str(error)
    return compatibility.why_not(found.header, release, connection, server) or found


def _checksum(path: Path) -> str:
    """Of the snapshot that the release was built with, as its manifest has it. Raises Unreadable.

    The manifest is beside manage.py; of another command line, beside the snapshot that the setting names.
    """
    place = manifest_file.place(str(started_with() or path), os.environ)
    try:
        for line in manifest_file.read(place).all("snapshot"):
            return manifest_file.decoded(line.split(" ")[1])
        why = f"{place} has not"
    except Unusable as unusable:
        why = f"{place}: {unusable}"
    raise Unreadable(f"no manifest says which it is ({why}); after buildsnapshot, run:  manage.py buildmanifest")


def place(limits: policy.Policy) -> Path | None:
    """Where the snapshot is: what the setting says, or beside manage.py. None where it is switched off."""
    if limits.snapshot == policy.NO_SNAPSHOT:
        return None
    return Path(limits.snapshot) if limits.snapshot else beside_manage_py(started_with())


def beside_manage_py(script: Path | None) -> Path | None:
    """The usual place; another command line has none: whatever folder it is called in is not the project's."""
    if script is None or script.name != "manage.py":
        return None
    return script.resolve().parent / policy.SNAPSHOT_NAME


def started_with() -> Path | None:
    """manage.py, absolute, where this process was started with it: argv has it as seen from a folder left since."""
    script = getattr(sys.modules["__main__"], "__file__", None)
    return Path(script) if script and Path(script).name == "manage.py" else None
