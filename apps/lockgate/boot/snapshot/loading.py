"""Finds the snapshot, judges it, and loads it: one transaction that is not its own."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from django.db.backends.base.base import BaseDatabaseWrapper

from lockgate import policy
from lockgate.boot.snapshot import document, fit
from lockgate.boot.snapshot.document import Header
from lockgate.boot.snapshot.fit import Release
from lockgate.database.session import raw
from lockgate.execution import django_seams
from lockgate.execution.gate import Gate
from lockgate.execution.judging.survey import Survey
from lockgate.facts import Fingerprint, Key, ServerFacts, SnapshotUnused


@dataclass(frozen=True)
class Snapshot:
    """A snapshot that fits a database."""

    path: Path
    header: Header

    @property
    def name(self) -> str:
        return self.path.name

    def load(self, connection: BaseDatabaseWrapper) -> Mapping[Key, Fingerprint]:
        """Run its SQL in the transaction that is open, and record its migrations; returns them in their order.

        Raises django.db.Error, psycopg.Error, or Unreadable; then that transaction must be rolled back.
        """
        opened = raw(connection)
        found = opened.execute("SELECT pg_catalog.current_setting('search_path')").fetchone()
        for part in document.parts(self.path, self.header):
            opened.execute(part)
        opened.execute("SELECT pg_catalog.set_config('search_path', %s, true)", found)
        django_seams.record_all(connection, self.header.recorded)
        if self.header.extensions:
            django_seams.renew_type_handlers(connection)
        return self.header.recorded

    def settle(self, connection: BaseDatabaseWrapper) -> None:
        """Run what makes what post_migrate makes, in the transaction that is open."""
        for part in document.settled_parts(self.path, self.header):
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
    """The snapshot in a file, if it fits; or why not."""
    try:
        header = document.read(path)
    except FileNotFoundError:
        return "there is no such file"
    except (ValueError, TypeError, KeyError) as error:
        return str(error)
    return fit.why_not(header, release, connection, server) or Snapshot(path, header)


def place(limits: policy.Policy) -> Path | None:
    """Where the snapshot is: what the setting says, or beside manage.py. None where it is switched off."""
    if limits.snapshot == policy.NO_SNAPSHOT:
        return None
    return Path(limits.snapshot) if limits.snapshot else beside_manage_py()


def beside_manage_py(called: Path | None = None) -> Path:
    """The usual place; for another command line the directory that it is called in. called: None for this process."""
    script = called or Path(sys.argv[0])
    return (script.resolve().parent if script.name == "manage.py" else Path.cwd()) / policy.SNAPSHOT_NAME
