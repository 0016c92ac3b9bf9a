"""Where the snapshot is, and how it is loaded: in a transaction that is not its own."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from django.db.backends.base.base import BaseDatabaseWrapper

from lockgate import django_seams, policy
from lockgate.database.session import raw
from lockgate.facts import Fingerprint, Key
from lockgate.snapshot import snapshot_file
from lockgate.snapshot.reader import Content
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
        row = opened.execute("SELECT pg_catalog.current_setting('search_path')").fetchone()
        for part in snapshot_file.parts(self.content, self.header):
            opened.execute(part)
        opened.execute("SELECT pg_catalog.set_config('search_path', %s, true)", row)
        django_seams.record_all(connection, self.header.recorded)
        if self.header.extensions:
            django_seams.renew_type_handlers(connection)
        return self.header.recorded

    def settle(self, connection: BaseDatabaseWrapper) -> None:
        """Run what makes what post_migrate makes, in the transaction that is open."""
        for part in snapshot_file.settled_parts(self.content, self.header):
            raw(connection).execute(part)


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
