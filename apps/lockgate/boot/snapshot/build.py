"""Builds a snapshot: two replays, which show what differs from one to the next, a dump, and a load that ends the same.

A file is written only when loading it has ended in the very database that it was dumped from. What it cannot carry to
another server (privileges, owners, tablespaces, settings of the database) ends the build: it would be lost silently.
"""

from __future__ import annotations

import difflib
import shutil
import tempfile
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from django.db import transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder

from lockgate import models
from lockgate.boot.snapshot import document, dump, fit, scratch
from lockgate.boot.snapshot.document import Header
from lockgate.boot.snapshot.loading import Snapshot
from lockgate.database import content, pg_tools
from lockgate.database.content import Column
from lockgate.database.session import raw
from lockgate.errors import LockgateError
from lockgate.facts import Fingerprint, Key
from lockgate.planning import fingerprint, settings_reading

# Rows that say something about the replay itself: the run that loads a snapshot writes its own.
_NOT_DUMPED = (MigrationRecorder.Migration, *models.OWN)
_MARKS = ("---", "+++")  # lines of a diff that are its own
SHOWN = 5  # statements or lines in a message; the rest are counted

Replay = Callable[[BaseDatabaseWrapper], None]


class NotPortable(LockgateError):
    """a snapshot would lack something that migrations do"""


class NotTheSame(LockgateError):
    """the same migrations do not always make the same schema"""


@dataclass(frozen=True)
class Replayed:
    """One replay: what it left, and by which role. schema: its statements but for rows. moments: columns with times."""

    header: Header
    role: str
    schema: tuple[str, ...]
    digests: Mapping[Column, str]
    moments: frozenset[str]


@dataclass(frozen=True)
class Built:
    """header: of the file that was written. moments, values: columns that differ from one replay to the next."""

    header: Header
    moments: tuple[str, ...]
    values: tuple[str, ...]
    bytes: int


def build(alias: str, replay: Replay, target: Path) -> Built:
    """Write the snapshot of an alias's migrations. replay: applies them to the empty database it is given.

    The alias must mean a server on which databases can be created. Raises LockgateError.
    """
    with tempfile.TemporaryDirectory(prefix="lockgate-snapshot-") as folder:
        first = _replayed(alias, replay, Path(folder) / "first.sql")
        second = _replayed(alias, replay, Path(folder) / "second.sql")
        _require_same(first.schema, second.schema, "two replays")
        varying = sorted({_name(each) for each in _differing(first.digests, second.digests)})
        header = replace(first.header, varying=tuple(varying))
        made = Path(folder) / target.name
        document.write(made, header, _statements(dump.Cleaned(first.role), Path(folder) / "first.sql"))
        _prove(alias, Snapshot(made, header), first)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(made, target.with_name(f".{target.name}.new"))
        target.with_name(f".{target.name}.new").replace(target)  # at once: nobody reads half of it
    return _built(header, first.moments, target)


def check(alias: str, replay: Replay, target: Path) -> Built:
    """Compare an existing snapshot with a replay of today's migrations. Raises NotTheSame where it is not current."""
    header = _read(target)
    with tempfile.TemporaryDirectory(prefix="lockgate-snapshot-") as folder:
        fresh = _replayed(alias, replay, Path(folder) / "fresh.sql")
    different = [
        name
        for name in ("digest", "server", "extensions", "settings_digest", "django", "lockgate")
        if getattr(header, name) != getattr(fresh.header, name)
    ]
    if different:
        raise _outdated(target, f"it was made from something else: {', '.join(different)}")
    _prove(alias, Snapshot(target, header), fresh)
    return _built(header, fresh.moments, target)


def _read(path: Path) -> Header:
    try:
        return document.read(path)
    except FileNotFoundError:
        raise _outdated(path, "there is no such file") from None
    except ValueError as error:
        raise _outdated(path, str(error)) from error


def _outdated(path: Path, why: str) -> NotTheSame:
    return NotTheSame(
        f"{path.name} is not the snapshot of this release",
        why=why,
        next_step="build it again:  manage.py buildsnapshot",
    )


def _replayed(alias: str, replay: Replay, target: Path) -> Replayed:
    """Replay into a database of its own, and leave its dump in target."""
    with scratch.database(alias) as connection:
        replay(connection)
        connection.ensure_connection()
        _dump(connection, target)
        cleaned = dump.Cleaned(_role(connection))
        schema = _schema(cleaned, target)
        _require_portable(cleaned.unkept, connection)
        digests = _digests(connection)
        moments = frozenset(_name(each) for each in digests if each.moment)
        return Replayed(_header(connection), cleaned.role, schema, digests, moments)


def _prove(alias: str, snapshot: Snapshot, replayed: Replayed) -> None:
    """Load it into an empty database, and find there what was replayed. Raises NotTheSame."""
    with scratch.database(alias) as connection, tempfile.TemporaryDirectory() as folder:
        connection.ensure_connection()
        with transaction.atomic(using=alias):
            snapshot.load(connection)
        loaded = Path(folder) / "loaded.sql"
        _dump(connection, loaded)
        _require_same(replayed.schema, _schema(dump.Cleaned(_role(connection)), loaded), "a replay and its snapshot")
        known = set(snapshot.header.varying)
        differing = [each for each in _differing(replayed.digests, _digests(connection)) if _name(each) not in known]
        if differing:
            names = ", ".join(sorted(map(_name, differing)))
            raise _outdated(snapshot.path, f"other rows were loaded than a replay makes: {names}")


def _dump(connection: BaseDatabaseWrapper, target: Path) -> None:
    program = pg_tools.pg_dump(raw(connection).info.server_version // 10000)
    tables = [model._meta.db_table for model in _NOT_DUMPED]
    left_out = [f"--exclude-table-data=public.{name}" for table in tables for name in (table, f"{table}_id_seq")]
    pg_tools.dump(program, connection, target, *left_out)


def _statements(cleaned: dump.Cleaned, path: Path) -> Iterator[str]:
    with path.open(encoding="utf-8", newline="\n") as lines:
        yield from cleaned.statements(lines)


def _schema(cleaned: dump.Cleaned, path: Path) -> tuple[str, ...]:
    """All but rows; the positions of sequences are a part of it."""
    return tuple(each for each in _statements(cleaned, path) if not each.startswith("INSERT INTO "))


def _role(connection: BaseDatabaseWrapper) -> str:
    row = raw(connection).execute("SELECT current_user").fetchone()
    assert row is not None  # noqa: S101  a SELECT without FROM has one row
    return str(row[0])


def _digests(connection: BaseDatabaseWrapper) -> dict[Column, str]:
    not_dumped = {model._meta.db_table for model in _NOT_DUMPED}
    return {each: found for each, found in content.digests(connection).items() if each.table not in not_dumped}


def _differing(first: Mapping[Column, str], second: Mapping[Column, str]) -> list[Column]:
    return [each for each in {**first, **second} if first.get(each) != second.get(each)]


def _name(column: Column) -> str:
    return f"{column.schema}.{column.table}.{column.name}"


def _header(connection: BaseDatabaseWrapper) -> Header:
    """What was replayed; rows of django_migrations in their order."""
    loader = MigrationLoader(connection)
    disk = {Key(*key): migration for key, migration in loader.disk_migrations.items()}
    rows = MigrationRecorder(connection).migration_qs.order_by("id").values_list("app", "name")
    recorded = [Key(*row) for row in rows]
    known = {key: fingerprint.of(disk[key]) for key in recorded if key in disk}
    sources = [fingerprint.source(disk[key]) or b"" for key in known]
    settings = settings_reading.names(sources)
    return Header(
        recorded={key: known.get(key, Fingerprint("", "")) for key in recorded},
        server=raw(connection).info.server_version // 10000,
        alias=connection.alias,
        collation=content.nature(connection).collation,
        extensions={each.name: each.version for each in content.extensions(connection)},
        settings=settings,
        settings_digest=fit.digest_of_settings(settings),
    )


def _require_portable(unkept: Sequence[str], connection: BaseDatabaseWrapper) -> None:
    settings = [f"ALTER DATABASE … SET {each}" for each in content.nature(connection).settings]
    kept_away = [f"a router keeps {each} away" for each in fit.models_kept_away(connection.alias)]
    if found := [*unkept, *settings, *kept_away]:
        raise NotPortable(
            why="\n".join(["what belongs to one server is not put into it:", *_some(found)]),
            next_step="say lockgate_snapshot = False on the class of migrations that do so; they, and what depends\n"
            "on them, are then left out, and run after a snapshot is loaded",
        )


def _require_same(first: Sequence[str], second: Sequence[str], what: str) -> None:
    if first != second:
        lines = [each for each in difflib.unified_diff(first, second, lineterm="", n=0) if each[:3] not in _MARKS]
        raise NotTheSame(
            f"{what} do not end in the same schema",
            why="\n".join(_some([line for line in lines if not line.startswith("@@")])),
            next_step="say lockgate_snapshot = False on the class of the migration that makes what differs",
        )


def _some(lines: Sequence[str]) -> list[str]:
    more = len(lines) - SHOWN
    return [*(" ".join(each.split())[:200] for each in lines[:SHOWN]), *([f"and {more} more"] if more > 0 else [])]


def _built(header: Header, moments: Collection[str], target: Path) -> Built:
    varying = header.varying
    return Built(
        header,
        moments=tuple(each for each in varying if each in moments),
        values=tuple(each for each in varying if each not in moments),
        bytes=target.stat().st_size,
    )
