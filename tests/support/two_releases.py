"""A new release is killed at a statement, an old one starts or was waiting, and the new one runs again.

The old release is the same project without the files of what is pending: all that the new one has done, or begun, is
not its business. It must start, and leave everything as it is.
"""

from __future__ import annotations

import contextlib
import enum
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from tests.support import sweep, sweep_forks, sweep_functions, sweep_project, sweep_states
from tests.support.processes import until
from tests.support.sites import Result
from tests.support.sweep import Sweep
from tests.support.sweep_bench import OWNER, Bench
from tests.support.sweep_cases import CASES, COUNTED, Case
from tests.support.sweep_ends import End
from tests.support.sweep_forks import Forks
from tests.support.sweep_states import Point
from tests.support.sweep_wire import Moment, Watch

FORWARDS, BACKWARDS = ("migrate", "--noinput"), ("migrate", "library", "0001", "--noinput")
CONTRACT = ("migrate", "--contract", "--noinput")
PATIENCE = 15.0  # seconds for an old container to come as far as the lock; then the kill comes anyway
TITLES = (
    "AddIndex",
    "RemoveIndex",
    "AddConstraint Unique",
    "AddConstraint Unique, partial",
    "AddConstraint Check",
    "AddField, ForeignKey",
    "AddField, db_index on text",
    "AddField, constant default",
    "AlterField: null → not null",
    "AlterField: null → not null, with default",
    "Several operations on one table",
    "A release: three migrations",
    "AddIndex and AddField, on a database that Lockgate has not seen",
    "AddIndexConcurrently",
    "RemoveIndexConcurrently",
    "AddConstraintNotValid, then ValidateConstraint",
)


class Old(enum.StrEnum):
    """What the old release does."""

    STARTS = "starts"  # once the new one's sessions have ended
    WAITS = "waits"  # it was waiting for the lock at the kill, and has something to do itself
    CONTRACTS = "contracts"  # migrate --contract: a default that the new one keeps is not the old one's to drop


@dataclass(frozen=True)
class Turn:
    """What is killed of a case, and how the new release goes on."""

    case: Case
    killed: tuple[str, ...] = FORWARDS
    then: tuple[str, ...] = FORWARDS

    def __str__(self) -> str:
        way = {(FORWARDS, FORWARDS): "forwards", (BACKWARDS, BACKWARDS): "backwards"}
        return f"{self.case}, {way.get((self.killed, self.then), 'backwards, then forwards')}"


_NAMED = {str(case): case for case in CASES}
TURNS = (
    *(Turn(_NAMED[title]) for title in TITLES),
    *(Turn(case) for case in COUNTED),
    *(
        Turn(case, BACKWARDS, then)
        for case in (*COUNTED, *(_NAMED[title] for title in TITLES[-3:]))
        for then in (BACKWARDS, FORWARDS)
    ),
)

# Everything of the database that is not the runs' account of themselves, to the oid.
STATE = {
    "columns": "SELECT attrelid::regclass::text, attname, atttypid::regtype::text, attnotnull, atthasdef"
    " FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid WHERE attnum > 0 AND relkind = 'r'"
    " AND relnamespace = 'public'::regnamespace AND relname !~ '^lockgate_' ORDER BY attrelid, attnum",
    "indexes": "SELECT indexrelid::bigint, indexrelid::regclass::text, indisvalid, pg_get_indexdef(indexrelid)"
    " FROM pg_index JOIN pg_class ON pg_class.oid = indrelid WHERE relnamespace = 'public'::regnamespace"
    " AND relname !~ '^lockgate_' ORDER BY 1",
    "constraints": "SELECT oid::bigint, conrelid::regclass::text, conname, convalidated, pg_get_constraintdef(oid)"
    " FROM pg_constraint WHERE connamespace = 'public'::regnamespace AND conrelid::regclass::text !~ '^lockgate_'"
    " ORDER BY 1",
    "defaults": "SELECT oid::bigint, adrelid::regclass::text, pg_get_expr(adbin, adrelid) FROM pg_attrdef"
    " WHERE adrelid::regclass::text !~ '^lockgate_' ORDER BY 1",
    "applied": "SELECT app, name FROM django_migrations WHERE app <> 'lockgate' ORDER BY id",
    "tally": "SELECT n FROM library_tally",
    "books": "SELECT count(*), md5(string_agg(b::text, ',' ORDER BY id)) FROM library_book AS b",
}
JOURNAL = "SELECT to_jsonb(s)::text FROM lockgate_journalentry AS s ORDER BY id"
RUNS = "SELECT count(*) FROM lockgate_run"
HAS_JOURNAL = "SELECT to_regclass('lockgate_journalentry') IS NOT NULL"
# begun: what is taken back, or may be, and so is applied again where the new release goes forwards.
CODE = (
    "SELECT name, phase, state, attempts > 0 AND (state = 'done' OR NOT transactional) AND state <> 'undone' AS begun"
    " FROM lockgate_journalentry WHERE kind = 'RunPython' AND NOT committed AND state <> 'undone'"
)
OLD_NAME = "old-again"  # a name that the ledger has not seen: its receivers have not run yet
# It has been told that another holds the lock, and asks whether that one has done its work; or it stands in some line.
WAITING = (
    "SELECT FROM pg_stat_activity WHERE datname = %s AND application_name LIKE 'lockgate - ' || %s || ' %%'"
    " AND (query LIKE '%%\"outcome\"%%' OR query LIKE '%%advisory%%' OR wait_event_type = 'Lock')"
)
PHASES = {FORWARDS: "switch", BACKWARDS: "backwards"}


@dataclass(frozen=True)
class Account:
    """What a turn's runs do that nobody disturbs. statements, seen: of the one that is killed otherwise."""

    statements: tuple[str, ...]
    seen: tuple[tuple[str, ...], ...]
    end: End
    contracted: End


@dataclass
class Releases:
    """swept: where the new release runs. olds: the process that forks the old one."""

    swept: Sweep
    olds: Forks
    kept: contextlib.ExitStack
    _applied: dict[Case, str] = field(default_factory=dict)
    _accounts: dict[Turn, Account] = field(default_factory=dict)

    @property
    def bench(self) -> Bench:
        return self.swept.bench

    def points(self, turn: Turn, old: Old, seed: object, sample: int = 0, *, states: bool = False) -> list[Point]:
        """Every point of the run that is killed, or so many by chance. states: the first and the last of those that
        leave the same; whoever waits at the kill has also met what the killed run held.
        """
        account = self.account(turn)
        points = [Point(at, moment) for at in range(len(account.statements)) for moment in Moment]
        if states:
            points = sweep_states.ends(sweep_states.classes(account.seen, held=old is Old.WAITS))
        return random.Random(f"{seed} {turn}").sample(points, min(sample, len(points))) if sample else points

    def account(self, turn: Turn) -> Account:
        """What is found out once of a turn, and that it ends as stock Django does."""
        if turn not in self._accounts:
            with self.start(turn) as database:
                result, watch = self.bench.watched("lockgate", database, turn.case, *turn.killed)
                assert result.code == 0, f"{turn}\n{result.text}"
                if turn.then != turn.killed:
                    self._succeeds(turn, database, turn.then)
                end = self._end(database)
                if turn.then == FORWARDS:
                    self._succeeds(turn, database, CONTRACT)
                contracted = self._end(database)
            problem = contracted.differences(self._stock(turn))
            assert not problem, f"{turn}, undisturbed, ends elsewhere than stock Django: {'; '.join(problem[:6])}"
            self._accounts[turn] = Account(tuple(watch.statements), tuple(watch.seen), end, contracted)
        return self._accounts[turn]

    def disturb(self, turn: Turn, old: Old, point: Point) -> str:
        """What is wrong after a kill at the point, the old release, and the new one again; empty where nothing is."""
        account = self.account(turn)
        with self.start(turn) as database:
            watch = Watch(point.at, point.moment)
            first = (lambda: self._wait(database)) if old is Old.WAITS else (lambda: None)
            self.bench.run("lockgate", database, turn.case, *turn.killed, watch=watch, first=first)
            if not watch.struck:
                return "the statement never came"
            problem = self._waited(database) if old is Old.WAITS else self._starts(turn, database, old)
            return problem or self._goes_on(turn, database, account)

    # The new release

    def start(self, turn: Turn) -> contextlib.AbstractContextManager[str]:
        """A database to kill a run on: where it goes backwards, the case has been applied."""
        if turn.killed == FORWARDS:
            return self.swept.start(turn.case)
        if turn.case not in self._applied:
            name = self.kept.enter_context(self.swept.start(turn.case))
            self._succeeds(turn, name, FORWARDS)
            self._applied[turn.case] = name
        return self.bench.database(self._applied[turn.case])

    def _goes_on(self, turn: Turn, database: str, account: Account) -> str:
        """What is wrong with the new release's next run."""
        tally = self._tally_to_come(turn, database)
        result = self.bench.run("lockgate", database, turn.case, *turn.then)
        if result.code:
            return f"the next run exits {result.code}: {result.err[-600:]}"
        found = uncounted(self._end(database)).differences(uncounted(account.end))
        if found:
            return f"the next run exits 0 and ends elsewhere: {'; '.join(found[:6])}"
        with self._connect(database) as connection:
            there = _value(connection, STATE["tally"])
        if there != tally:
            return f"the tally is {there}, not {tally}"
        if turn.then == BACKWARDS:
            return ""
        result = self.bench.run("lockgate", database, turn.case, *CONTRACT)
        if result.code:
            return f"migrate --contract exits {result.code}: {result.err[-600:]}"
        found = uncounted(self._end(database)).differences(uncounted(account.contracted))
        return f"once contracted it ends elsewhere than stock Django: {'; '.join(found[:6])}" if found else ""

    def _tally_to_come(self, turn: Turn, database: str) -> int:
        """What the tally must be in the end: what is not done in the journal is done, and what was under way outside a
        transaction when its run died is done again, as the documentation says.
        """
        with self._connect(database) as connection:
            tally = int(_value(connection, STATE["tally"]))
            rows = connection.execute(CODE).fetchall() if _value(connection, HAS_JOURNAL) else []
            recorded = {name for _, name in connection.execute(STATE["applied"]).fetchall()}
        for number, pending in enumerate(turn.case.pending, 2):
            name, count = f"{number:04}_pending", sum(map(_counts, pending.operations))
            mine = [(phase, state, begun) for migration, phase, state, begun in rows if migration == name]
            done = [state == "done" for phase, state, _ in mine if phase == PHASES[turn.killed]].count(True)
            if turn.then != turn.killed and name in recorded:
                tally += sum(begun for phase, _, begun in mine if phase == "backwards")
            elif turn.then == BACKWARDS and name in recorded:
                tally -= count - done
            elif turn.then == FORWARDS and name not in recorded:
                tally += count - (done if turn.killed == FORWARDS else 0)
        return tally

    def _succeeds(self, turn: Turn, database: str, arguments: Sequence[str]) -> None:
        result = self.bench.run("lockgate", database, turn.case, *arguments)
        assert result.code == 0, f"{turn}: {' '.join(arguments)}\n{result.text}"

    # Where it ends

    def _stock(self, turn: Turn) -> End:
        """Where stock Django ends, going the same way."""
        if turn.then == FORWARDS:
            return self.bench.expected(turn.case).without_sequences()
        with self.bench.database(self.bench.template("stock")) as database:
            for arguments in (FORWARDS, BACKWARDS):
                result = self.bench.run("stock", database, turn.case, *arguments)
                assert result.code == 0, f"{turn}\n{result.text}"
            return self._end(database)

    def _end(self, database: str) -> End:
        return self.bench.end(database).without_sequences()

    # The old release

    def _starts(self, turn: Turn, database: str, old: Old) -> str:
        """What is wrong with a start once the new release's sessions are gone, as after a kill they soon are."""
        until(lambda: not self._sessions(database), "the killed run's sessions end")
        before = self._state(database)
        self.olds.start(
            self._url(database), sweep_project.START_ONLY, *(CONTRACT if old is Old.CONTRACTS else FORWARDS)
        )
        problem = _ended(self.olds.finish())
        if problem:
            return problem
        after = self._state(database)
        touched = [what for what, rows in after.items() if rows != before.get(what, rows)]
        if old is Old.CONTRACTS or not turn.case.adopted:  # it has the lock, and so a run of its own
            touched = [what for what in touched if what != "runs"]
        return f"the old release has touched {', '.join(touched)}" if touched else ""

    def _wait(self, database: str) -> None:
        """Start an old container that has something to do, and let it come as far as the lock."""
        pid = self.olds.start(self._url(database), sweep_project.START_ONLY, *FORWARDS, release=OLD_NAME)
        with contextlib.suppress(AssertionError):  # what it waits for is then something else
            until(lambda: _is_gone(pid) or self._waits(database), "it waits for the lock", PATIENCE)

    def _waited(self, database: str) -> str:
        problem = _ended(self.olds.finish())
        until(lambda: not self._sessions(database), "the killed run's sessions end")
        return problem

    def _waits(self, database: str) -> bool:
        with self.bench.admin() as admin:
            return admin.execute(WAITING, [database, OLD_NAME]).fetchone() is not None

    def _sessions(self, database: str) -> bool:
        with self.bench.admin() as admin:
            return admin.execute("SELECT FROM pg_stat_activity WHERE datname = %s", [database]).fetchone() is not None

    def _state(self, database: str) -> dict[str, list[Any]]:
        """Everything that the old release must leave alone."""
        with self._connect(database) as connection:
            found = {what: connection.execute(query).fetchall() for what, query in STATE.items()}
            if _value(connection, HAS_JOURNAL):
                found |= {
                    "the journal": connection.execute(JOURNAL).fetchall(),
                    "runs": connection.execute(RUNS).fetchall(),
                }
        return found

    def _url(self, database: str) -> str:
        where = conninfo_to_dict(self.bench.conninfo)
        return f"postgresql://{OWNER}@/{database}?host={where['host']}&port={where['port']}"

    def _connect(self, database: str) -> psycopg.Connection[Any]:
        return psycopg.connect(make_conninfo(self.bench.conninfo, dbname=database), autocommit=True)


@contextlib.contextmanager
def releases() -> Iterator[Releases]:
    """On a server of their own."""
    with (
        sweep.own_bench() as bench,
        sweep_forks.forks(bench.project, "site_settings") as olds,
        contextlib.ExitStack() as kept,
    ):
        yield Releases(Sweep(bench), olds, kept)


def uncounted(end: End) -> End:
    """Without the tally, which says how often data was changed: where that may be twice, it is counted by itself."""
    return End(end.schema, end.catalog, tuple(line for line in end.rows if not line.startswith("library_tally")))


def _counts(operation: Any) -> bool:
    return getattr(operation, "code", None) is sweep_functions.count_up


def _ended(result: Result) -> str:
    return f"the old release exits {result.code}: {result.err[-600:]}" if result.code else ""


def _is_gone(pid: int) -> bool:
    return not Path(f"/proc/{pid}").exists()


def _value(connection: psycopg.Connection[Any], query: str) -> Any:
    row = connection.execute(query).fetchone()  # type: ignore[arg-type]
    assert row
    return row[0]
