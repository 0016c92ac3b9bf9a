"""One replay of all migrations into a scratch database, and what it left there.

What cannot be carried to another server (privileges, owners, tablespaces, settings of the database) ends it: a snapshot
would lose that silently.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder

from lockgate import models
from lockgate.database import pg_tools, scratch
from lockgate.database.session import raw
from lockgate.errors import LockgateError
from lockgate.facts import Fingerprint, Key
from lockgate.ledger import fingerprints
from lockgate.snapshot import compatibility, contents, pg_dump_output, post_migrate_rows, settings_used
from lockgate.snapshot.contents import Column
from lockgate.snapshot.post_migrate_rows import NotOnTop
from lockgate.snapshot.snapshot_file import Header

# Rows that say something about the replay itself: the run that loads a snapshot writes its own.
_NOT_DUMPED = (MigrationRecorder.Migration, *models.OWN)
SHOWN = 5  # statements or lines in a message; the rest are counted


class ReplayMethod(Protocol):
    """How migrations get into a database."""

    def run(self, connection: BaseDatabaseWrapper) -> None:
        """Apply every migration that can be, but send no post_migrate."""

    def settle(self, connection: BaseDatabaseWrapper) -> None:
        """Send post_migrate."""


class NotPortable(LockgateError):
    """a snapshot would lack something that migrations do"""


class MaybeSecret(LockgateError):
    """a snapshot would keep a digest of what may be a secret"""


@dataclass(frozen=True)
class End:
    """What is in a database. schema: its statements but for rows. digests: of the rows."""

    schema: tuple[str, ...]
    digests: Mapping[Column, str]


@dataclass(frozen=True)
class Settled:
    """What post_migrate makes: the statements that do the same, and where they lead."""

    statements: tuple[str, ...]
    end: End


@dataclass(frozen=True)
class Replayed:
    """One replay: what it left, and by which role. moments: columns with times.

    settled: what post_migrate then made; None where a start cannot load that, and unsettled says why.
    """

    header: Header
    role: str
    end: End
    moments: frozenset[str]
    settled: Settled | None = None
    unsettled: str = ""

    def without_settled(self, why: str) -> Replayed:
        return replace(self, header=replace(self.header, settled=""), settled=None, unsettled=why)


def replayed(alias: str, replay: ReplayMethod, target: Path) -> Replayed:
    """Replay into a database of its own, and leave its dump in target. Raises LockgateError."""
    with scratch.database(alias) as connection:
        connection.ensure_connection()
        _dump(connection, target)
        unkept_before = _unkept(connection, target)
        replay.run(connection)
        left = end(connection, target)
        _require_portable(connection, _unkept(connection, target), unkept_before)
        moments = frozenset(digest.label for digest in left.digests if digest.is_temporal)
        header, disk = _header(connection)
        result = Replayed(header, _role(connection), left, moments, unsettled=post_migrate_rows.why_not(header, disk))
        return result if result.unsettled else _settled(result, replay, connection, target)


def _settled(result: Replayed, replay: ReplayMethod, connection: BaseDatabaseWrapper, target: Path) -> Replayed:
    """The same, with what post_migrate makes; or with the reason why that cannot be told as rows that are added."""
    scrap = target.with_suffix(".settled")
    before = _rows(connection, scrap)
    replay.settle(connection)
    try:
        settled_rows = post_migrate_rows.statements(before, _rows(connection, scrap))
    except NotOnTop as error:
        return replace(result, unsettled=str(error))
    header = replace(result.header, settled=post_migrate_rows.digest())
    return replace(result, header=header, settled=Settled(tuple(settled_rows), end(connection, scrap)))


def end(connection: BaseDatabaseWrapper, target: Path) -> End:
    """What is in a database now; its dump is left in target."""
    connection.ensure_connection()
    _dump(connection, target)
    schema = tuple(
        statement for statement in statements(_role(connection), target) if not statement.startswith("INSERT INTO ")
    )
    return End(schema, _digests(connection))


def statements(role: str, path: Path) -> Iterator[str]:
    """What a dump in a file, made by a role, says to be loaded."""
    return _cleaned(pg_dump_output.Cleaned(role), path)


def _cleaned(cleaned: pg_dump_output.Cleaned, path: Path) -> Iterator[str]:
    with path.open(encoding="utf-8", newline="\n") as lines:
        yield from cleaned.statements(lines)


def _rows(connection: BaseDatabaseWrapper, scrap: Path) -> list[str]:
    """Every row, as a statement of its own."""
    connection.ensure_connection()
    _dump(connection, scrap, "--data-only", "--rows-per-insert=1")
    return list(statements(_role(connection), scrap))


def _dump(connection: BaseDatabaseWrapper, target: Path, *options: str) -> None:
    program = pg_tools.pg_dump(raw(connection).info.server_version // 10000)
    tables = [model._meta.db_table for model in _NOT_DUMPED]
    left_out = [f"--exclude-table-data=public.{name}" for table in tables for name in (table, f"{table}_id_seq")]
    pg_tools.dump(program, connection, target, *left_out, *options)


def _role(connection: BaseDatabaseWrapper) -> str:
    row = raw(connection).execute("SELECT current_user").fetchone()
    assert row is not None  # noqa: S101  a SELECT without FROM has one row
    return str(row[0])


def _digests(connection: BaseDatabaseWrapper) -> dict[Column, str]:
    not_dumped = {model._meta.db_table for model in _NOT_DUMPED}
    return {column: digest for column, digest in contents.digests(connection).items() if column.table not in not_dumped}


def _header(connection: BaseDatabaseWrapper) -> tuple[Header, Collection[Key]]:
    """What was replayed, rows of django_migrations in their order; and all migrations that there are."""
    loader = MigrationLoader(connection)
    disk = {Key(*key): migration for key, migration in loader.disk_migrations.items()}
    rows = MigrationRecorder(connection).migration_qs.order_by("id").values_list("app", "name")
    recorded = [Key(*row) for row in rows]
    known = {key: fingerprints.of(disk[key]) for key in recorded if key in disk}
    sources = {key: fingerprints.source(disk[key]) or b"" for key in known}
    settings = settings_used.names(sources.values())
    _require_no_secret(settings, sources)
    header = Header(
        recorded={key: known.get(key, Fingerprint("", "")) for key in recorded},
        server=raw(connection).info.server_version // 10000,
        alias=connection.alias,
        collation=contents.database_properties(connection).collation,
        extensions={extension.name: extension.version for extension in contents.extensions(connection)},
        settings=settings,
        settings_digest=compatibility.digest_of_settings(settings),
    )
    return header, disk.keys()


def _require_no_secret(settings: Collection[str], sources: Mapping[Key, bytes]) -> None:
    """Whoever has the file could try guesses on the digest in it. sources: of the migrations that read them."""
    if unlisted := set(compatibility.unlisted_settings(settings)):
        read = {key: sorted(unlisted.intersection(settings_used.names([source]))) for key, source in sources.items()}
        raise MaybeSecret(
            why="\n".join(some([f"{key} reads settings.{name}" for key, names in read.items() for name in names])),
            next_step=f'name what is no secret in LOCKGATE["SNAPSHOT_SETTINGS"]: {", ".join(sorted(unlisted))};\n'
            "for a secret, say lockgate_snapshot = False on the class of the migrations that read it",
        )


def _unkept(connection: BaseDatabaseWrapper, target: Path) -> list[str]:
    """What the dump in target says that no snapshot has."""
    cleaned = pg_dump_output.Cleaned(_role(connection))
    for _ in _cleaned(cleaned, target):
        pass  # what is unkept is known at the end
    return cleaned.unkept


def _require_portable(connection: BaseDatabaseWrapper, unkept: list[str], before: list[str]) -> None:
    """before: what was unkept of the database when it was new, and is no migration's doing: a pg_dump from version 15
    on tells of a server before it what PUBLIC may do in schema public."""
    added = [item for item in unkept if item not in before]
    gone = [f"no longer: {item}" for item in before if item not in unkept]
    settings = [f"ALTER DATABASE … SET {item}" for item in contents.database_properties(connection).settings]
    kept_away = [f"a router keeps {item} away" for item in compatibility.models_kept_away(connection.alias)]
    if reasons := [*added, *gone, *settings, *kept_away]:
        raise NotPortable(
            why="\n".join(["what belongs to one server is not put into it:", *some(reasons)]),
            next_step="say lockgate_snapshot = False on the class of migrations that do so; they, and what depends\n"
            "on them, are then left out, and run after a snapshot is loaded",
        )


def some(lines: Sequence[str]) -> list[str]:
    """The first few of them, and how many more there are."""
    more = len(lines) - SHOWN
    return [*(" ".join(line.split())[:200] for line in lines[:SHOWN]), *([f"and {more} more"] if more > 0 else [])]
