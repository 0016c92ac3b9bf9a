"""Builds a snapshot: two replays, which show what differs from one to the next, a dump, and a load that ends the same.

A file is written only when loading it has ended in the very database that it was dumped from.
"""

from __future__ import annotations

import difflib
import shutil
import stat
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import psycopg
from django.db import transaction
from django.db.utils import Error as DatabaseError

from lockgate.database import scratch
from lockgate.errors import LockgateError
from lockgate.execution import failures
from lockgate.snapshot import reader, scratch_replay, snapshot_file
from lockgate.snapshot.contents import Column
from lockgate.snapshot.load import Snapshot
from lockgate.snapshot.scratch_replay import End, Replayed, ReplayMethod
from lockgate.snapshot.snapshot_file import Header

_MARKS = ("---", "+++")  # lines of a diff that are its own


class NotTheSame(LockgateError):
    """the same migrations do not always make the same schema"""


class TooLarge(LockgateError):
    """the snapshot is larger than what a start loads"""


@dataclass(frozen=True)
class Built:
    """header: of the file that was written. moments, values: columns that differ from one replay to the next.

    unsettled: why starts cannot load it without Django; empty where they can.
    """

    header: Header
    moments: tuple[str, ...]
    values: tuple[str, ...]
    bytes: int
    unsettled: str


def build(alias: str, replay: ReplayMethod, target: Path) -> Built:
    """Write the snapshot of an alias's migrations. replay: applies them to the empty database it is given.

    The alias must mean a server on which databases can be created. Raises LockgateError.
    """
    with tempfile.TemporaryDirectory(prefix="lockgate-snapshot-") as folder:
        dumped, path = Path(folder) / "first.sql", Path(folder) / target.name
        first = scratch_replay.replayed(alias, replay, dumped)
        second = scratch_replay.replayed(alias, replay, Path(folder) / "second.sql")
        _require_same(first.end.schema, second.end.schema, "two replays")
        varying = sorted({column.label for column in _differing(first.end.digests, second.end.digests)})
        first = replace(first, header=replace(first.header, varying=tuple(varying)))
        if first.settled and (why := _why_not_alike(first, second)):
            first = first.without_settled(why)
        _write(path, first, dumped)
        if why := _prove(alias, Snapshot.of(target.name, reader.read(str(path))), first):
            first = first.without_settled(why)
            _write(path, first, dumped)
        target.parent.mkdir(parents=True, exist_ok=True)
        new = target.with_name(f".{target.name}.new")
        shutil.copyfile(path, new)
        new.chmod(stat.S_IMODE(new.stat().st_mode) & ~0o022)  # whatever the umask: what others can write is not loaded
        new.replace(target)  # at once: nobody reads half of it
    return _built(first.header, first, target)


def _write(path: Path, replayed: Replayed, dumped: Path) -> None:
    on_top = replayed.settled.statements if replayed.settled else ()
    snapshot_file.write(path, replayed.header, scratch_replay.statements(replayed.role, dumped), on_top)
    if path.stat().st_size > reader.LARGEST:
        raise TooLarge(
            why=f"it has {path.stat().st_size >> 20} MiB; a start reads it whole, and takes {reader.LARGEST >> 20}",
            next_step="say lockgate_snapshot = False on the class of the migration that makes so many rows",
        )


def _why_not_alike(first: Replayed, second: Replayed) -> str:
    """What post_migrate does not make alike in two replays, beside what migrations do not."""
    if not (first.settled and second.settled):
        return second.unsettled
    differing = {column.label for column in _differing(first.settled.end.digests, second.settled.end.digests)}
    new = sorted(differing - set(first.header.varying))
    return f"post_migrate makes other values each time: {', '.join(new)}" if new else ""


def check(alias: str, replay: ReplayMethod, target: Path) -> Built:
    """Compare an existing snapshot with a replay of today's migrations. Raises NotTheSame where it is not current."""
    snapshot = _read(target)
    header = snapshot.header
    with tempfile.TemporaryDirectory(prefix="lockgate-snapshot-") as folder:
        fresh = scratch_replay.replayed(alias, replay, Path(folder) / "fresh.sql")
    different = [
        name
        for name in ("digest", "server", "extensions", "settings_digest", "django", "lockgate")
        if getattr(header, name) != getattr(fresh.header, name)
    ]
    if header.settled not in ("", fresh.header.settled):
        different.append("what post_migrate makes")
    if different:
        raise _outdated(target.name, f"it was made from something else: {', '.join(different)}")
    if why := _prove(alias, snapshot, fresh):
        raise _outdated(target.name, why)
    return _built(header, fresh, target)


def _read(path: Path) -> Snapshot:
    try:
        return Snapshot.of(path.name, reader.read(str(path)))
    except FileNotFoundError:
        raise _outdated(path.name, "there is no such file") from None
    except OSError as error:
        raise _outdated(path.name, f"it cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise _outdated(path.name, str(error)) from error


def _outdated(name: str, why: str) -> NotTheSame:
    return NotTheSame(
        f"{name} is not the snapshot of this release",
        why=why,
        next_step="build it again:  manage.py lockgate snapshot",
    )


def _prove(alias: str, snapshot: Snapshot, replayed: Replayed) -> str:
    """Load it into an empty database, and find there what was replayed. Raises NotTheSame.

    Returns why the half that post_migrate makes, where the file has it, does not lead to what that makes.
    """
    with scratch.database(alias) as connection, tempfile.TemporaryDirectory() as folder:
        scrap = Path(folder) / "loaded.sql"
        connection.ensure_connection()
        with transaction.atomic(using=alias):
            snapshot.load(connection)
        _require_end(snapshot, replayed.end, scratch_replay.end(connection, scrap))
        if not (snapshot.header.settled and replayed.settled):
            return ""
        try:
            with transaction.atomic(using=alias):
                snapshot.settle(connection)
            _require_end(snapshot, replayed.settled.end, scratch_replay.end(connection, scrap))
        except (DatabaseError, psycopg.Error, NotTheSame) as error:
            why = failures.sqlstate_of(error) or type(error).__name__
            return f"rows that post_migrate makes cannot be loaded ({why}): a trigger may make more of them"
    return ""


def _require_end(snapshot: Snapshot, expected: End, end: End) -> None:
    _require_same(expected.schema, end.schema, "a replay and its snapshot")
    known = set(snapshot.header.varying)
    differing = {column.label for column in _differing(expected.digests, end.digests)} - known
    if differing:
        raise _outdated(snapshot.name, f"other rows were loaded than a replay makes: {', '.join(sorted(differing))}")


def _differing(first: Mapping[Column, str], second: Mapping[Column, str]) -> list[Column]:
    return [column for column in {**first, **second} if first.get(column) != second.get(column)]


def _require_same(first: Sequence[str], second: Sequence[str], what: str) -> None:
    if first != second:
        lines = [line for line in difflib.unified_diff(first, second, lineterm="", n=0) if line[:3] not in _MARKS]
        raise NotTheSame(
            f"{what} do not end in the same schema",
            why="\n".join(scratch_replay.some([line for line in lines if not line.startswith("@@")])),
            next_step="say lockgate_snapshot = False on the class of the migration that makes what differs",
        )


def _built(header: Header, replayed: Replayed, target: Path) -> Built:
    varying = header.varying
    return Built(
        header,
        moments=tuple(column for column in varying if column in replayed.moments),
        values=tuple(column for column in varying if column not in replayed.moments),
        bytes=target.stat().st_size,
        unsettled=replayed.unsettled,
    )
