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
    """The session that holds the migration lock. None is unknown: another role's session hides its activity."""

    pid: int
    runner: Runner | None
    application: str | None
    address: str | None
    state: str | None
    statement: str | None
    session_since: datetime | None


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
