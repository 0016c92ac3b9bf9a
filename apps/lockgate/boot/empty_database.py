"""Loads a release's snapshot into an empty database without Django, when a start finds the database empty.

Invariant: what is committed is what the next start calls current; that is asked before the commit, in the transaction
that does it all. In any doubt that is rolled back, and a full start begins as if nothing had been tried. Once the
commit is sent it is waited for, and signals are ignored until the process ends: none comes between it and what is said.
"""

import os
import signal
import time

from lockgate.boot.libpq import NoAnswer, Session, statement
from lockgate.manifest.manifest_file import Fallback, Manifest, decoded
from lockgate.snapshot import reader

TYPE_CHECKING = False  # as in manifest_file.py
if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import FrameType

    Fields = Mapping[str, str | float]

# As in database/advisory_lock.py, policy.py and facts/server.py, whose import would cost more than a load.
LOCK = int.from_bytes(b"lockgate", "big")
SCHEMA, ENCODING = "public", "UTF8"
RELEASE_SHOWN, APPLICATION_NAME_LIMIT = 16, 63
# A load of so long is not one that is worth hurrying for: a replay, or a load that says how far it is, takes over.
LOAD_SECONDS = 600.0
COMMIT_SECONDS = 60.0
CLIENT_CHECK_MILLISECONDS = 500

# Never a second time on the same backend: behind a pooler that is a run of another client's.
_TRY_LOCK = """
SELECT CASE WHEN EXISTS (
    SELECT FROM pg_catalog.pg_locks
    WHERE locktype = 'advisory' AND (classid::bigint << 32) + objid::bigint = $1::bigint AND objsubid = 1
      AND granted AND pid = pg_catalog.pg_backend_pid()
) THEN false ELSE pg_catalog.pg_try_advisory_xact_lock($1::bigint) END"""

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Loaded:
    """What has been loaded, and in how many seconds."""

    def __init__(self, file: str, migrations: int, seconds: float) -> None:
        self.file, self.migrations, self.seconds = file, migrations, seconds

    def events(self) -> "list[tuple[str, Fields]]":
        """What there is to say: each event, and its fields."""
        return [
            ("lock_acquired", {"waited_seconds": 0.0}),
            ("snapshot_loaded", {"file": self.file, "migrations": self.migrations, "seconds": self.seconds}),
            ("ended", {"migrations": self.migrations, "held": 0, "seconds": self.seconds}),
        ]


class Stopped(KeyboardInterrupt):
    """A signal came before the commit."""


def load(
    session: Session, manifest: Manifest, extensions: list[str], environ: "Mapping[str, str]", command: str
) -> Loaded:
    """Load it, under the migration lock. extensions: the parameters of ``current.sql``. command: the arguments, to be
    kept.

    Raises Fallback, NoAnswer or Stopped; then the database is as it was.
    """
    path, checksum, digest, server, zone = _snapshot(manifest, environ)
    kept = [signal.signal(signal_number, _stop) for signal_number in _SIGNALS]
    started = time.monotonic()
    try:
        session.allow(LOAD_SECONDS)
        content = _content(path, checksum)
        _end_with_client(session)
        session.run(b"BEGIN;" + statement("lift_limits").encode())  # in one message: none ends it in between
        _refuse(session, server)
        for name, value in (("application_name", _name(extensions[0])), ("TimeZone", zone)):
            session.row("SELECT pg_catalog.set_config($1, $2, true)", [name, value])
        header = _load(session, content, reader.boundary(digest))
        for right in session.rows(
            statement("own_rights"), ["{django_migrations}"]
        ):  # what default privileges give to others
            session.run(right[-1].encode())
        process = [os.uname().nodename, str(os.getpid()), command]
        run = session.row(statement("snapshot_loaded"), [header, *extensions[:2], *process])
        history_digest = session.row(statement("current"), extensions)[0]
        session.rows(
            "INSERT INTO lockgate_checkpoint (run_id, history_digest) VALUES ($1::bigint, $2)", [run[0], history_digest]
        )
        if session.row(statement("current"), extensions) != [history_digest, "t"]:
            raise Fallback("what was loaded is not all of this release")
        for signal_number in _SIGNALS:
            signal.signal(signal_number, signal.SIG_IGN)
        session.allow(COMMIT_SECONDS)
        session.run(b"COMMIT;")
    except BaseException:
        for signal_number, before in zip(_SIGNALS, kept, strict=True):
            signal.signal(signal_number, before)
        raise
    return Loaded(os.path.basename(path), int(run[1]), time.monotonic() - started)  # noqa: PTH119


def _snapshot(manifest: Manifest, environ: "Mapping[str, str]") -> list[str]:
    """Path, checksum, boundary's digest and server of the snapshot that the manifest names. Raises Fallback."""
    for line in manifest.all("replay"):
        raise Fallback(f"the snapshot is not for a start to load: {decoded(line)}")
    for line in manifest.all("option"):
        if environ.get(name := line.partition(" ")[0]):
            raise Fallback(f"the database is empty, and only a full start reads {name}")
    return [decoded(field) for field in manifest.all("snapshot")[0].split(" ")]


def _content(path: str, checksum: str) -> reader.Content:
    """The file, read once. Raises Fallback unless it is whole, ours, and the one that the manifest names."""
    try:
        return reader.trusted(path, checksum)
    except reader.Unreadable as error:
        raise Fallback(f"the snapshot: {error}") from None
    except OSError:
        raise Fallback("the snapshot cannot be read") from None


def _end_with_client(session: Session) -> None:
    """Have the server end what it does soon after this process dies: until then the transaction has the lock."""
    try:
        session.rows(f"SET client_connection_check_interval = {CLIENT_CHECK_MILLISECONDS}", [])
    except NoAnswer as refused:
        if not refused.sqlstate:
            raise
        # a server's platform that cannot tell a closed socket


def _refuse(session: Session, server: str) -> None:
    """Raise Fallback unless the lock is had, and the snapshot fits: ``snapshot.compatibility`` has the same reasons."""
    if session.row(_TRY_LOCK, [str(LOCK)]) != ["t"]:
        raise Fallback("another run has the migration lock")
    if session.row("SELECT pg_catalog.current_setting('server_version_num')::integer / 10000", []) != [server]:
        raise Fallback(f"the snapshot was made on PostgreSQL {server}, and this is another")
    if session.row(statement("database_nature"), [])[:2] != [SCHEMA, ENCODING]:
        raise Fallback("the database has another encoding, or new tables go elsewhere")
    if session.rows(statement("own_objects"), []):
        raise Fallback("the database is not empty")


def _load(session: Session, content: reader.Content, boundary: bytes) -> str:
    """Run its SQL; returns its header. What that sets is in force until the end of the transaction, but for this."""
    search_path = session.row("SELECT pg_catalog.current_setting('search_path')", [])
    header = content.header.decode()
    for part in content.parts(boundary, settled=True):
        session.run(part)
    session.row("SELECT pg_catalog.set_config('search_path', $1, true)", search_path)
    if session.rows(statement("other_extensions"), [header]):
        raise Fallback("an extension is of another version than where the snapshot was made")
    return header


def _name(release: str) -> str:
    """Who holds the lock, as other runs read it (``facts.Runner``)."""
    since = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    whole = f"lockgate {since} {release[-RELEASE_SHOWN:] or '-'} {os.uname().nodename}"
    return whole.encode("ascii", "replace")[:APPLICATION_NAME_LIMIT].decode()


def _stop(number: int, frame: "FrameType | None") -> None:
    raise Stopped(signal.Signals(number).name)
