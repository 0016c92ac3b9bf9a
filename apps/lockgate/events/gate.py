"""What the gate tells: how it came to its session and lock, what it found there, and how the run ended."""

from __future__ import annotations

from datetime import datetime
from typing import Literal, NamedTuple

from lockgate import sentences
from lockgate.events.level import Level
from lockgate.facts.migrations import Key
from lockgate.facts.server import Holder, ServerFacts

ExtensionState = Literal["present", "created", "needs-grant", "needs-superuser", "not-installed", "failed"]


class Started(NamedTuple):
    lockgate: str
    release: str
    host: str
    database: str
    kind: Literal["started"] = "started"
    level: Level = "info"

    @property
    def message(self) -> str:
        release = f", release {self.release}" if self.release else ""
        return f"lockgate {self.lockgate}{release}, on {self.host}: database {self.database}"


class WaitingForServer(NamedTuple):
    why: str
    waited_seconds: float
    deadline_seconds: float
    kind: Literal["waiting_for_server"] = "waiting_for_server"
    level: Level = "info"

    @property
    def message(self) -> str:
        return f"waiting for the server: {self.why} ({self.waited_seconds:.1f} of {self.deadline_seconds:g} s)"


class ServerReady(NamedTuple):
    server: ServerFacts
    waited_seconds: float
    kind: Literal["server_ready"] = "server_ready"
    level: Level = "info"

    @property
    def message(self) -> str:
        waited = f" after {self.waited_seconds:.1f} s" if self.waited_seconds >= 1 else ""
        server = self.server
        return f'server ready{waited}: PostgreSQL {server.version}, database "{server.database}", role "{server.user}"'


class WaitingForLock(NamedTuple):
    holder: Holder | None
    waited_seconds: float
    deadline_seconds: float
    kind: Literal["waiting_for_lock"] = "waiting_for_lock"
    level: Level = "info"

    @property
    def message(self) -> str:
        limits = f"({self.waited_seconds:.0f} of {self.deadline_seconds:g} s)"
        holder = f"held by {self.holder}" if self.holder else "held by nobody now"
        return f"waiting for the migration lock {limits}: {holder}"


class LockAcquired(NamedTuple):
    waited_seconds: float
    kind: Literal["lock_acquired"] = "lock_acquired"
    level: Level = "info"

    @property
    def message(self) -> str:
        return sentences.lock_acquired(self.waited_seconds)


class ExtensionOutcome(NamedTuple):
    """What became of a wanted extension, and the exact remedy where it is not there."""

    name: str
    state: ExtensionState
    remedy: str = ""
    kind: Literal["extension"] = "extension"

    @property
    def available(self) -> bool:
        return self.state in ("present", "created")

    @property
    def level(self) -> Level:
        return "info" if self.available else "warning"

    @property
    def message(self) -> str:
        if self.state == "present":
            return ""
        if self.state == "created":
            return f'extension "{self.name}" created'
        why = {
            "needs-grant": "the role lacks CREATE on the database",
            "needs-superuser": "only a superuser may create it",
            "not-installed": "its package is not installed on the server",
            "failed": "creating it failed",
        }[self.state]
        return f'extension "{self.name}" is not available: {why}; {self.remedy}'


class Held(NamedTuple):
    """A pending migration that is skipped until an extension is there."""

    migration: Key
    reason: str
    kind: Literal["held"] = "held"
    level: Level = "warning"

    @property
    def message(self) -> str:
        return f"{self.migration} is held: {self.reason}; it is skipped, and tried again by the next run"


class RunInterrupted(NamedTuple):
    """An earlier run that died without closing its row, found by this one."""

    run: int
    host: str
    started_at: datetime
    kind: Literal["found_interrupted_run"] = "found_interrupted_run"
    level: Level = "warning"

    @property
    def message(self) -> str:
        run = f"run {self.run} ({self.host}, {self.started_at:%Y-%m-%d %H:%M:%S})"
        return f"{run} died without closing; marked interrupted"


class RightsFound(NamedTuple):
    """Others than their owner could write Lockgate's own tables. remedy: SQL; empty where that is over by now."""

    roles: tuple[str, ...]
    tables: tuple[str, ...]
    remedy: str
    kind: Literal["rights_found"] = "rights_found"
    level: Level = "warning"

    @property
    def message(self) -> str:
        roles, tables = (", ".join(f'"{name}"' for name in names) for names in (self.roles, self.tables))
        done = "revoked; manage.py lockgate repair lists open steps"
        end = f"take it back:  {self.remedy}" if self.remedy else done
        return f"{roles} could write {tables}, which hold SQL that a run executes as its own role: {end}"


class LedgerMended(NamedTuple):
    """Lockgate's own tables were not as they should be: what was missing is made again."""

    what: tuple[str, ...]
    kind: Literal["ledger_mended"] = "ledger_mended"
    level: Level = "warning"

    @property
    def message(self) -> str:
        return f"Lockgate's own tables were created again, without their rows: {', '.join(self.what)}"


class Ahead(NamedTuple):
    migrations: tuple[Key, ...]
    pending: int
    kind: Literal["ahead_of_code"] = "ahead_of_code"
    level: Level = "warning"

    @property
    def message(self) -> str:
        names = ", ".join(map(str, self.migrations))
        pending = f"{self.pending} of this release are applied anyway" if self.pending else "nothing is pending"
        return f"the database is ahead of this release, which does not have {names}; {pending}"


class Edited(NamedTuple):
    migrations: tuple[Key, ...]
    kind: Literal["edited"] = "edited"
    level: Level = "warning"

    @property
    def message(self) -> str:
        names = ", ".join(map(str, self.migrations))
        return f"edited after they were applied: {names}; the database has the result of the old files"


class SnapshotLoaded(NamedTuple):
    """An empty database was filled from a snapshot, in place of replaying its migrations."""

    file: str
    migrations: int
    seconds: float
    kind: Literal["snapshot_loaded"] = "snapshot_loaded"
    level: Level = "info"

    @property
    def message(self) -> str:
        return sentences.snapshot_loaded(self.file, self.migrations, self.seconds)


class SnapshotUnused(NamedTuple):
    """A snapshot is there, and does not fit: migrations are replayed."""

    file: str
    why: str
    kind: Literal["snapshot_unused"] = "snapshot_unused"
    level: Level = "info"

    @property
    def message(self) -> str:
        return f"{self.file} is not used, and migrations are replayed: {self.why}"


class NothingPending(NamedTuple):
    """Nothing to do. behind: another runner had just done it."""

    behind: bool
    held: int
    kind: Literal["nothing_pending"] = "nothing_pending"
    level: Level = "info"

    @property
    def message(self) -> str:
        return sentences.nothing_pending(self.behind, self.held)


class WaitingForMigrations(NamedTuple):
    missing: tuple[Key, ...]
    waited_seconds: float
    kind: Literal["waiting_for_migrations"] = "waiting_for_migrations"
    level: Level = "info"

    @property
    def message(self) -> str:
        more = f" and {len(self.missing) - 3} more" if len(self.missing) > 3 else ""
        return f"waiting for migrations ({self.waited_seconds:.0f} s): {', '.join(map(str, self.missing[:3]))}{more}"


class Current(NamedTuple):
    waited_seconds: float
    held: int
    kind: Literal["current"] = "current"
    level: Level = "info"

    @property
    def message(self) -> str:
        return sentences.current(self.waited_seconds, self.held)


class Ended(NamedTuple):
    migrations: int
    held: int
    seconds: float
    kind: Literal["ended"] = "ended"
    level: Level = "info"

    @property
    def message(self) -> str:
        return sentences.ended(self.migrations, self.held, self.seconds)
