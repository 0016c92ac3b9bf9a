"""The server, and the sessions on it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

RELEASE_SHOWN = 16  # characters of a release's name that other sessions see
APPLICATION_NAME_LIMIT = 63  # bytes: PostgreSQL truncates longer names (NAMEDATALEN)


@dataclass(frozen=True)
class Runner:
    """Who runs, as other sessions see it: written into ``application_name``, read from ``pg_stat_activity``."""

    release: str
    host: str
    since: datetime | None = None

    def application_name(self) -> str:
        since = f"{self.since.astimezone(UTC):%Y%m%dT%H%M%SZ}" if self.since else "-"
        whole = f"lockgate {since} {self.release[-RELEASE_SHOWN:]} {self.host}"
        return whole.encode("ascii", "replace")[:APPLICATION_NAME_LIMIT].decode("ascii")

    @classmethod
    def read(cls, application_name: str) -> Runner | None:
        """The runner that a session's ``application_name`` describes; None where it is not Lockgate's."""
        parts = application_name.split(" ", 3)
        if len(parts) != 4 or parts[0] != "lockgate":
            return None
        _, since, release, host = parts
        try:
            at = datetime.strptime(since, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        except ValueError:
            at = None
        return cls(release=release, host=host, since=at)


@dataclass(frozen=True)
class Holder:
    """The session that holds the migration lock. None is unknown: another role's session hides its activity.

    pid: None for a transaction that was prepared. runner: who it says it is; only where its role could run migrations.
    able: whether it could. command: the first word of its statement, where that is one of SQL's.
    """

    pid: int | None
    role: str | None
    runner: Runner | None
    application: str | None
    address: str | None
    state: str | None
    command: str
    session_since: datetime | None
    able: bool = True

    def __str__(self) -> str:
        """Who it is, since when, doing what."""
        if self.pid is None:
            return "a prepared transaction, which is none of Lockgate's"
        command = f": {self.command}" if self.command else ""
        return f"pid {self.pid} ({self._who}), {self.state or 'state unknown'}{command}"

    @property
    def _who(self) -> str:
        if self.runner:
            since = self.runner.since
            until_now = f"since {since:%Y-%m-%d %H:%M:%S} UTC" if since else "waiting itself a moment ago"
            return f"release {self.runner.release} on {self.runner.host}, {until_now}"
        role = f'role "{self.role or "unknown"}"'
        if not self.able:
            return f"{role}, which may not write what is applied: no session of Lockgate's"
        name = f'"{self.application}"' if self.application else "unknown application"
        began = f", session since {self.session_since:%H:%M:%S}" if self.session_since else ""
        return f"{name}, {role}{began}"


@dataclass(frozen=True)
class ServerFacts:
    """The server of this session, read once."""

    version: str
    version_number: int
    database: str
    user: str
    address: str
    read_only: bool
    standby: bool
