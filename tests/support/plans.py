"""Plans on a scratch database: made as ``migrate`` would make them, run step by step, and watched by the catalog.

A case is a migration of the app ``library``, which exists only as states: nothing of it is on disk or installed.
"""

from __future__ import annotations

import contextlib
import os
import threading
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple
from unittest import mock
from urllib.parse import urlencode

import psycopg
from django.db import ConnectionHandler, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations import Migration
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ProjectState
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from lockgate.database import catalog, url
from lockgate.planning import affected_tables, planner
from lockgate.planning.lock_modes import LockMode
from lockgate.planning.recorder.schema_editor import recording
from lockgate.planning.steps import Kind, MigrationPlan, Phase, Step, Work
from project import embedded
from tests.support.databases import Database, forget_the_disk, server
from tests.support.processes import until

APP = "library"
ROWS = 200  # enough that reading all of them shows, few enough to be made hundreds of times
ORDER = (Work.MOMENT, Work.ROWS, Work.SCAN, Work.BUILD, Work.REWRITE)
PATIENCE = "5ms"  # of who tries a table from beside: a lock that nobody holds is there at once


def migration(name: str, *operations: Operation, app: str = APP, **attributes: Any) -> Migration:
    new_migration = Migration(name, app)
    new_migration.operations = list(operations)
    for key, value in attributes.items():
        setattr(new_migration, key, value)
    return new_migration


@dataclass(frozen=True)
class ServerDatabase(Database):
    """A database of a server that is given, instead of the session's."""

    at: str

    def parameters(self) -> dict[str, Any]:
        return {**conninfo_to_dict(self.at), "dbname": self.name}

    @property
    def url(self) -> str:
        query = {key: value for key, value in self.parameters().items() if key != "dbname"}
        return f"postgresql:///{self.name}?{urlencode(query)}"

    def connect(self, **options: Any) -> psycopg.Connection[Any]:
        return psycopg.connect(**self.parameters(), autocommit=options.pop("autocommit", True))


@contextlib.contextmanager
def servers(version: int) -> Iterator[str]:
    """A URL of a server of this major version: the session's where it is one, otherwise one more for the block."""
    given = server() if "TEST_DATABASE_URL" in os.environ else ""
    if given:
        with psycopg.connect(given) as connection:
            if connection.info.server_version // 10000 == version:
                yield given
                return
    with embedded.server(postgres=version) as address:
        forget_the_disk(address)
        yield address


@contextlib.contextmanager
def scratch(version: int) -> Iterator[Scratch]:
    """A database on a server of this major version, gone at the end of the block."""
    name = f"lg_{uuid.uuid4().hex[:12]}"
    with servers(version) as address, psycopg.connect(address, autocommit=True) as admin:
        admin.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        new_scratch = Scratch(ServerDatabase(name, address))
        try:
            yield new_scratch
        finally:
            new_scratch.connection.close()
            new_scratch.beside.close()
            admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@contextlib.contextmanager
def as_default(connection: BaseDatabaseWrapper) -> Iterator[None]:
    """What is asked by the alias ``default`` is this connection, and no session is opened to the settings' database."""
    kept = connections["default"]
    connections["default"] = connection
    try:
        yield
    finally:
        connections["default"] = kept


@dataclass
class Scratch:
    """One database that is emptied for each case, and Django's connection to it."""

    database: ServerDatabase
    connection: BaseDatabaseWrapper = field(init=False)

    def __post_init__(self) -> None:
        self.connection = ConnectionHandler({"default": url.parse(self.database.url)})["default"]

    @property
    def version(self) -> int:
        return int(self.database.value("SHOW server_version_num"))

    @cached_property
    def beside(self) -> psycopg.Connection[Any]:
        """Another session, which gives up soon where it must wait for a lock."""
        connection = self.database.connect()
        connection.prepare_threshold = (
            None  # a plan that is kept does not look at the indexes again, and waits for none
        )
        connection.execute(f"SET lock_timeout = '{PATIENCE}'")
        return connection

    def query(self, query: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        with self.connection.cursor() as cursor:
            cursor.execute(query, parameters)
            rows: list[tuple[Any, ...]] = cursor.fetchall()
        return rows

    def send(self, statement: str) -> None:
        """Send a statement of a plan as it is."""
        if statement:
            with self.connection.cursor() as cursor:
                cursor.execute(statement)

    def prepare(self, *operations: Operation, app: str = APP) -> ProjectState:
        """An empty schema, then these operations as stock Django runs them, and rows in every table."""
        self.connection.ensure_connection()
        self.send("ROLLBACK")  # of what a failed test left
        self.send("SET client_min_messages = warning; DROP SCHEMA public CASCADE; CREATE SCHEMA public")
        state = ProjectState()
        for number, operation in enumerate(operations):
            self.migrate(migration(f"{number:04}_before", operation, app=app), state)
        self.populate()
        return state

    def migrate(self, one_migration: Migration, state: ProjectState) -> None:
        """Stock Django's way; the state is brought forward."""
        with self.connection.schema_editor(atomic=one_migration.atomic) as editor:
            one_migration.apply(state, editor)

    def plan(self, pending: Sequence[Migration], state: ProjectState, *, online: bool = True) -> list[MigrationPlan]:
        """The plan of pending migrations, every table taken for a large one. The state stays as it is.

        Fails when planning sends anything to the server.
        """
        facts = catalog.facts(self.connection, affected_tables.concerned(state, pending))
        settings = planner.Settings(threshold=0, online=online)
        with mock.patch.object(psycopg.Connection, "wait", side_effect=AssertionError) as asked:
            planned = planner.plan(
                pending, state.clone(), facts, lambda catalog: recording(self.connection, catalog), settings
            )
        assert not asked.called, "planning asked the server"
        unknown = [
            change.name
            for plan in planned
            for step in plan.steps
            for change in step.changes
            if change.kind is Kind.UNKNOWN
        ]
        assert unknown == [], unknown
        return planned

    def populate(self) -> None:
        """ROWS rows in every table, all values distinct and none NULL, so that every constraint can be satisfied."""
        columns = self.query(
            "SELECT class.relname, attname, typname, typcategory FROM pg_attribute"
            " JOIN pg_class AS class ON class.oid = attrelid JOIN pg_type AS type ON type.oid = atttypid"
            " WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition"
            " AND attnum > 0 AND NOT attisdropped"
            " AND attidentity = '' AND attgenerated = '' ORDER BY class.oid, attnum"
        )
        given: dict[str, dict[str, str]] = {}
        for table, column, kind, category in columns:
            given.setdefault(table, {})[column] = _value(kind, category)
        every = self.query(
            "SELECT relname FROM pg_class"
            " WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition"
        )
        with self.connection.cursor() as cursor:
            cursor.execute("SET session_replication_role = replica")  # any order of tables will do
            for (table,) in every:
                values = given.get(table, {})
                names = ", ".join(f'"{name}"' for name in values)
                target, selected = (f"({names})", ", ".join(values.values())) if values else ("", "")
                source = f"SELECT {selected} FROM generate_series(1, {ROWS}) AS n"
                cursor.execute(f'INSERT INTO "{table}" {target} {source}' if values else _only_identity(table))
            cursor.execute("RESET session_replication_role")
            if every:  # not the catalog, which would take longer than all the rest
                cursor.execute("ANALYZE " + ", ".join(f'"{table}"' for (table,) in every))

    def relations(self) -> dict[int, str]:
        """The tables there are, by number; a partition counts as the table that it is a part of."""
        return dict(
            self.query(
                "SELECT class.oid::bigint, coalesce(whole.relname, class.relname) FROM pg_class AS class"
                " LEFT JOIN pg_inherits ON inhrelid = class.oid LEFT JOIN pg_class AS whole ON whole.oid = inhparent"
                " WHERE class.relkind IN ('r', 'p') AND class.relnamespace = 'public'::regnamespace"
            )
        )


def _value(kind: str, category: str) -> str:
    """An SQL expression of ``n``, distinct for every n, for a type."""
    special = {
        "bool": "n % 2 = 0",
        "date": "DATE '2024-01-01' + n",
        "timestamp": "TIMESTAMP '2024-01-01' + n * INTERVAL '1 day'",
        "timestamptz": "TIMESTAMPTZ '2024-01-01 00:00Z' + n * INTERVAL '1 day'",
        "time": "TIME '00:00' + n * INTERVAL '1 second'",
        "interval": "n * INTERVAL '1 second'",
        "uuid": "gen_random_uuid()",
        "json": "'{}'",
        "jsonb": "'{}'",
        "inet": "INET '10.0.0.0' + n",
        "cidr": "(INET '10.0.0.0' + n)::cidr",
        "int4range": "int4range(n, n + 1)",
        "bit": "(n % 8)::bit(3)",
        "varbit": "(n % 8)::bit(3)::varbit",
        "bytea": "n::text::bytea",
    }
    if category == "A":
        return f"ARRAY[n::text]::{kind[1:]}[]"
    return special.get(kind, f"n::text::{kind}")


def _only_identity(table: str) -> str:
    return f'INSERT INTO "{table}" SELECT n FROM generate_series(1, {ROWS}) AS n'


# Who waits


class Waits(NamedTuple):
    """Which statements of another session wait for a table."""

    select: bool
    insert: bool
    update: bool


def waits_for(mode: LockMode | None) -> Waits:
    """What waits for a lock, as LockMode has it."""
    return Waits(bool(mode and mode.blocks_reads), *(bool(mode and mode.blocks_writes),) * 2)


def tried(scratch: Scratch, table: str, column: str) -> Waits:
    """What really waits, tried by a second session; it changes no row, and says so in a way that nobody foresees: else
    the partitions of a table are left alone.
    """
    name, it = sql.Identifier(table), sql.Identifier(column)
    statements = (
        "SELECT FROM {0} LIMIT 0",
        "INSERT INTO {0} ({1}) SELECT {1} FROM {0} WHERE ctid IS NULL",
        "UPDATE {0} SET {1} = {1} WHERE ctid IS NULL",
    )
    return Waits(*(_is_late(scratch.beside, sql.SQL(statement).format(name, it)) for statement in statements))  # type: ignore[arg-type]


def _is_late(beside: psycopg.Connection[Any], statement: sql.Composed) -> bool:
    try:
        beside.execute(statement)
    except psycopg.errors.LockNotAvailable:
        return True
    return False


def columns_to_try(scratch: Scratch) -> dict[str, str]:
    """For each table that there is for others, a column that anybody may write."""
    return dict(
        scratch.query(
            "SELECT relname, min(attname) FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid"
            " WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND attnum > 0"
            " AND NOT attisdropped AND attgenerated = '' AND attidentity = '' GROUP BY relname"
        )
    )


def contradicted(scratch: Scratch, modes: dict[str, LockMode], columns: dict[str, str]) -> list[str]:
    """Where a second session waits otherwise than locks say. columns: of the tables to try, whether locked or not."""
    found_waits = {table: tried(scratch, table, column) for table, column in columns.items()}
    return [
        f"{table}: {waits_for(modes.get(table))} is what its lock says; a second session finds {waits}"
        for table, waits in found_waits.items()
        if waits != waits_for(modes.get(table))
    ]


# What a step did


# By table that was there: the strongest lock that a step took on it, and what it did to its rows.
Locks = dict[str, tuple[LockMode, Work]]


def show(locks: Locks) -> str:
    return ", ".join(f"{table}: {mode.value} {work}" for table, (mode, work) in sorted(locks.items())) or "nothing"


def claimed(step: Step) -> Locks:
    return {lock.table: (lock.mode, lock.work) for lock in step.locks}


def run(scratch: Scratch, step: Step) -> Locks:
    """Run one step as it is meant to be run, and say what it did."""
    return _in_transaction(scratch, step) if step.transactional else _concurrently(scratch, step)


_COUNTS = (
    "SELECT oid::bigint, pg_relation_filenode(oid)::bigint, pg_stat_get_xact_numscans(oid),"
    " pg_stat_get_xact_tuples_inserted(oid) + pg_stat_get_xact_tuples_updated(oid)"
    " + pg_stat_get_xact_tuples_deleted(oid)"
    " FROM pg_class WHERE oid = ANY(%s)"
)
_INDEXES = "SELECT indrelid::bigint, pg_relation_filenode(indexrelid)::bigint FROM pg_index WHERE indrelid = ANY(%s)"
_LOCKS = (
    "SELECT relation::bigint, mode FROM pg_locks WHERE pid = %s AND locktype = 'relation' AND granted"
    " AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) AND relation = ANY(%s)"
)


class _Look:
    """What the catalog and the counters of this transaction show of some tables."""

    def __init__(self, scratch: Scratch, oids: list[int]) -> None:
        counts = scratch.query(_COUNTS, [oids])
        self.files = {oid: file for oid, file, _, _ in counts}
        self.scans = {oid: scans for oid, _, scans, _ in counts}
        self.changed = {oid: changed for oid, _, _, changed in counts}
        self.indexes = set(scratch.query(_INDEXES, [oids]))

    def work_since(self, before: _Look, oid: int) -> Work:
        if oid not in self.files:
            return Work.MOMENT  # dropped
        if self.files[oid] != before.files[oid]:
            return Work.REWRITE
        if any(table == oid for table, _ in self.indexes - before.indexes):
            return Work.BUILD
        if self.changed[oid] > before.changed[oid]:
            return Work.ROWS
        return Work.SCAN if self.scans[oid] > before.scans[oid] else Work.MOMENT


def _in_transaction(scratch: Scratch, step: Step) -> Locks:
    names, columns = scratch.relations(), columns_to_try(scratch)
    oids = list(names)
    works = dict.fromkeys(oids, Work.MOMENT)
    scratch.send("BEGIN")
    try:
        for statement in step.statements:
            before = _Look(scratch, oids)
            scratch.send(statement.sql)
            after = _Look(scratch, oids)
            for oid in oids:
                works[oid] = max(works[oid], after.work_since(before, oid), key=ORDER.index)
        pid = scratch.query("SELECT pg_backend_pid()")[0][0]
        held = scratch.query(_LOCKS, [pid, oids])
        modes = {table: mode for table, (mode, _) in _strongest(held, works, names).items()}
        wrong = contradicted(scratch, modes, {table: name for table, name in columns.items() if table in modes})
        assert not wrong, wrong
        scratch.send("COMMIT")
    except BaseException:
        scratch.send("ROLLBACK")
        raise
    return _strongest(held, works, names)


def _strongest(held: list[tuple[Any, ...]], works: dict[int, Work], names: dict[int, str]) -> Locks:
    found: Locks = {}
    for oid, text in held:
        mode, work = found.get(names[oid], (LockMode.ACCESS_SHARE, Work.MOMENT))
        stronger = max(mode, LockMode(text), key=lambda mode: mode.strength)
        found[names[oid]] = (stronger, max(work, works[oid], key=ORDER.index))
    return found


def _concurrently(scratch: Scratch, step: Step) -> Locks:
    """The step's one statement, halted by a writer in a transaction, with its locks read from beside it.

    While it waits, others must be able to read and to write the table.
    """
    (statement,) = step.statements
    names = scratch.relations()
    oids = list(names)
    before = _Look(scratch, oids)
    (pid,) = scratch.query("SELECT pg_backend_pid()")[0]
    failures: list[BaseException] = []

    def send() -> None:
        try:
            scratch.send(statement.sql)
        except BaseException as error:
            failures.append(error)

    with scratch.database.connect(autocommit=False) as writer, scratch.database.connect() as observer:
        for lock in step.locks:
            writer.execute(f'LOCK TABLE "{lock.table}" IN ROW EXCLUSIVE MODE')  # type: ignore[arg-type]
        scratch.connection.inc_thread_sharing()
        runs = threading.Thread(target=send)
        runs.start()
        try:
            waits = "SELECT 1 FROM pg_stat_activity WHERE pid = %s AND wait_event_type = 'Lock'"
            until(lambda: observer.execute(waits, [pid]).fetchone() or not runs.is_alive(), "it waits for the writer")
            held = observer.execute(_LOCKS, [pid, oids]).fetchall()
            for lock in step.locks:
                with observer.transaction():
                    observer.execute(f'LOCK TABLE "{lock.table}" IN ROW EXCLUSIVE MODE NOWAIT')  # type: ignore[arg-type]
        finally:
            writer.rollback()
            runs.join()
            scratch.connection.dec_thread_sharing()
    if failures:
        raise failures[0]
    after = _Look(scratch, oids)
    works = {oid: after.work_since(before, oid) for oid in oids}
    return _strongest(held, works, names)


def run_all(scratch: Scratch, planned: MigrationPlan) -> None:
    """A plan to its end: what is online in autocommit, the switch in one transaction."""
    for phase in Phase:
        switch = phase is Phase.SWITCH and planned.atomic
        if switch:
            scratch.send("BEGIN")
        for step in planned.phase(phase):
            for statement in step.sql:
                scratch.send(statement)
        if switch:
            scratch.send("COMMIT")
