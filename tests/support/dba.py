"""Between a kill and the rerun, somebody drops, renames, replaces or completes by hand what a step has made.

The deeds are made from the catalog alone, as a person would: what is there that was not there before, what is there and
will go, and what will be there and is not. Nothing here knows how a run does its work.
"""

from __future__ import annotations

import contextlib
import enum
import random
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import psycopg
from psycopg.conninfo import make_conninfo

from tests.support import sweep, sweep_states
from tests.support.processes import until
from tests.support.sites import Result
from tests.support.sweep import Sweep
from tests.support.sweep_bench import Bench
from tests.support.sweep_cases import CASES, COUNTED, Case
from tests.support.sweep_states import Point
from tests.support.sweep_wire import Moment, Watch

MINE = "_of_the_dba"
WRITES = ('INSERT INTO "lockgate_journalentry"', 'UPDATE "lockgate_journalentry"')  # the journal
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
    "AlterField: db_constraint turned on",
    "Several operations on one table",
    "AddIndexConcurrently",
    "RemoveIndexConcurrently",
    "AddConstraintNotValid, then ValidateConstraint",
)
_NAMED = {str(case): case for case in CASES}
ATTACKED = (*(_NAMED[title] for title in TITLES), *COUNTED)


class Deed(enum.StrEnum):
    """What somebody does by hand."""

    DROP = "drops"
    RENAME = "renames"
    RENAME_TABLE = "renames the table of"
    REPLACE = "replaces by another of its name"
    COMPLETE = "completes"


class Thing(NamedTuple):
    """An index, a constraint, a column or a default. whole: valid, or validated; a column's: whether it is NOT NULL."""

    kind: str
    table: str
    name: str
    whole: bool
    definition: str

    @property
    def place(self) -> tuple[str, str, str]:
        return self[:3]


# Indexes of constraints are their constraints' matter.
THINGS = """
    SELECT 'index', indrelid::regclass::text, relname::text, indisvalid, pg_get_indexdef(indexrelid)
    FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid
    WHERE relnamespace = 'public'::regnamespace AND indrelid::regclass::text LIKE 'library%'
    AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid AND contype IN ('p', 'u', 'x'))
    UNION ALL
    SELECT 'constraint', conrelid::regclass::text, conname::text, convalidated,
           regexp_replace(pg_get_constraintdef(oid), ' NOT VALID$', '')
    FROM pg_constraint WHERE connamespace = 'public'::regnamespace AND conrelid::regclass::text LIKE 'library%'
    AND contype <> 'n'
    UNION ALL
    SELECT 'column', attrelid::regclass::text, attname::text, attnotnull, format_type(atttypid, atttypmod)
    FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
    WHERE attnum > 0 AND NOT attisdropped AND relkind = 'r' AND attrelid::regclass::text LIKE 'library%'
    UNION ALL
    SELECT 'default', adrelid::regclass::text, attname::text, true, pg_get_expr(adbin, adrelid)
    FROM pg_attrdef JOIN pg_attribute ON attrelid = adrelid AND attnum = adnum
    WHERE adrelid::regclass::text LIKE 'library%'
"""
APPLIED = "SELECT name FROM django_migrations WHERE app = 'library' ORDER BY 1"
OPEN = "SELECT phase FROM lockgate_journalentry WHERE state NOT IN ('done', 'undone', 'obsolete')"  # contract steps too
FINISHED = "SELECT object_name FROM lockgate_journalentry WHERE phase = 'finish'"
CODE_UNDER_WAY = "SELECT FROM lockgate_journalentry WHERE state = 'running' AND NOT transactional AND kind ~ '^Run'"
# Another thing, of a name and on a table that are given; the columns are the start's.
ANOTHER = {
    "index": 'CREATE INDEX "{name}" ON {table} (id DESC, id)',
    "constraint": 'ALTER TABLE {table} ADD CONSTRAINT "{name}" CHECK (id > -5)',
    "default": 'ALTER TABLE {table} ALTER COLUMN "{name}" SET DEFAULT 99',
    "column": 'ALTER TABLE {table} ADD COLUMN "{name}" date',
}
DROPS = {
    "index": 'DROP INDEX "{name}"',
    "constraint": 'ALTER TABLE {table} DROP CONSTRAINT "{name}"',
    "default": 'ALTER TABLE {table} ALTER COLUMN "{name}" DROP DEFAULT',
    "column": 'ALTER TABLE {table} DROP COLUMN "{name}"',
}
RENAMES = {
    "index": 'ALTER INDEX "{name}" RENAME TO "{to}"',
    "constraint": 'ALTER TABLE {table} RENAME CONSTRAINT "{name}" TO "{to}"',
    "column": 'ALTER TABLE {table} RENAME COLUMN "{name}" TO "{to}"',
}

VALUES = {"integer": "7", "character varying": "'none'", "text": "'none'", "boolean": "false"}

Things = dict[tuple[str, str, str], Thing]


@dataclass(frozen=True)
class Act:
    """One deed on one thing. done: its SQL. back: what sets it right again, as the refusal says."""

    deed: Deed
    thing: Thing
    done: tuple[str, ...]
    back: tuple[str, ...]

    def __str__(self) -> str:
        return f"somebody {self.deed} {self.thing.kind} {self.thing.name} of {self.thing.table}"


@dataclass
class Outcome:
    """problem: empty where all is well. refused: whether the rerun was refused."""

    problem: str = ""
    refused: bool = False


@dataclass
class Attack:
    """swept: where the runs are."""

    swept: Sweep
    _ends: dict[Case, Things] = field(default_factory=dict)
    _starts: dict[Case, Things] = field(default_factory=dict)

    @property
    def bench(self) -> Bench:
        return self.swept.bench

    def points(self, case: Case, seed: object, *, states: bool = False) -> list[Point]:
        """Before each statement of the run, and during what builds or drops. states: one of those that leave the same;
        else by lot, those first that come while the journal is written, before and after which nothing can be undone.
        """
        undisturbed = self.swept.undisturbed(case)
        statements = undisturbed.statements
        found_points = [Point(at, Moment.BEFORE) for at in range(len(statements))]
        if states:
            same = [
                [point for point in points if point in found_points]
                for points in sweep_states.classes(undisturbed.seen)
            ]
            found_points = [points[0] for points in same if points]
        slow = [at for at, text in enumerate(statements) if "CONCURRENTLY" in text]
        found_points += [Point(at, Moment.DURING) for at in slow]
        if states:
            return found_points
        written = [at for at, text in enumerate(statements) if text.startswith(WRITES)]
        drawn = random.Random(f"{seed} {case}").sample(found_points, len(found_points))
        return sorted(drawn, key=lambda each: not (written and written[0] < each.at <= written[-1]))

    def find(self, case: Case, point: Point, known: set[object]) -> Iterator[tuple[str, Outcome]]:
        """Kill at the point, and do each possible deed on a copy of what is left; what came of each.

        known: states, as journal and catalog tell them, of which all deeds were done; this one is added.
        """
        self._learn(case)
        with self.swept.start(case) as killed:
            watch = Watch(point.at, point.moment)
            self.bench.run("lockgate", killed, case, watch=watch)
            until(lambda: not self._sessions(killed), "the killed run's sessions end")
            state = self._told(killed)
            begun = any(tried for *_, tried, _, _ in state[0])
            if state in known or self._is_settled(case, killed):
                return
            known.add(state)
            for act in acts(self._starts[case], self._things(killed), self._ends[case]):
                if not self._is_at_work(case, killed, act):
                    continue  # as on any later day
                if act.deed is Deed.RENAME_TABLE and not begun:
                    continue  # no step has begun: what Django says of such a table is all there is to say
                if act.deed is Deed.REPLACE and self._code_was_under_way(killed):
                    continue  # it may have done that itself, as far as a rerun can tell: docs/online.md says so
                with self.bench.database(killed) as database:
                    yield f"{case}, killed {point} ({watch.statements[-1][:60]}), {act}", self._one(case, database, act)

    def _is_settled(self, case: Case, database: str) -> bool:
        """Whether every migration counts and nothing of it is open: what happens then might happen on any day."""
        with self._connect(database) as connection:
            applied = len(connection.execute(APPLIED).fetchall())
            unfinished = connection.execute(OPEN).fetchone()
        return applied == 1 + len(case.pending) and unfinished is None

    def _code_was_under_way(self, database: str) -> bool:
        with self._connect(database) as connection:
            return connection.execute(CODE_UNDER_WAY).fetchone() is not None

    def _is_at_work(self, case: Case, database: str, act: Act) -> bool:
        """Whether a run has still to do with a thing: once every migration counts, that is what their steps finish, and
        until it is there, the columns that it is for; and where only contract steps are left, defaults.
        """
        with self._connect(database) as connection:
            applied = len(connection.execute(APPLIED).fetchall())
            phases = {phase for (phase,) in connection.execute(OPEN).fetchall()}
            finished = {name for (name,) in connection.execute(FINISHED).fetchall()}
        if act.thing.kind == "default" or applied < 1 + len(case.pending):
            return True
        if phases <= {"contract"} or act.deed is Deed.RENAME_TABLE:
            return not phases <= {"contract"}
        if act.thing.kind == "column":
            now, end = self._things(database), self._ends[case]
            return any(place[2] in finished and now.get(place) != end.get(place) for place in now | end)
        return act.thing.name in finished

    def _one(self, case: Case, database: str, act: Act) -> Outcome:
        try:
            self._do(database, act.done)
        except psycopg.Error as error:
            return Outcome("" if act.deed is Deed.COMPLETE else f"the deed itself fails: {error}")
        result = self.bench.run("lockgate", database, case)
        if result.code == 0:
            return Outcome(self._lacks(case, database, act) or self._contracted(case, database, act))
        problem = unclear(result) or self._settled(case, database, act, result)
        return Outcome(problem, refused=True)

    def _contracted(self, case: Case, database: str, act: Act) -> str:
        """What is wrong once the release before is gone: a default that somebody has set is his, and stays."""
        if act.thing.kind != "default":
            return ""
        result = self.bench.run("lockgate", database, case, "migrate", "--contract", "--noinput")
        if result.code:
            return f"migrate --contract exits {result.code}: {result.err[-600:]}"
        thing = self._things(database).get(act.thing.place)
        stays = thing is not None and thing.definition == "99"
        return f"the default is {thing} once contracted" if stays != (act.deed is Deed.REPLACE) else ""

    def _settled(self, case: Case, database: str, act: Act, refused: Result) -> str:
        """What is wrong with the way out that the refusal tells."""
        lines = re.findall(r"manage\.py (lockgate repair[ \d\-a-z]*)", refused.err)
        for line in lines:
            with self.bench.database(database) as copy:
                problem = self._typed(case, copy, act, line)
            if problem:
                return f"{problem}\n{refused.err[-800:]}"
            if "--apply" in line:
                continue  # one way or the other: here somebody sets it right by hand
            typed = self.bench.run("lockgate", database, case, *shlex.split(line))
            if typed.code:
                return f"{line} exits {typed.code}: {typed.err[-300:]}"
        with contextlib.suppress(psycopg.errors.UndefinedObject, psycopg.errors.DuplicateObject):
            self._do(database, act.back)
        again = ("migrate", "--noinput", "--retry") if "migrate --retry" in refused.err else ()
        result = self.bench.run("lockgate", database, case, *again)
        if in_the_way := re.search(r'an index "(\w+)" is there already', result.err):  # its remedy is to drop it
            self._do(database, (f'DROP INDEX "{in_the_way[1]}"',))
            result = self.bench.run("lockgate", database, case, "migrate", "--noinput", "--retry")
        said = re.findall(r"^ +((?:ALTER|CREATE|DROP) .*;)$", result.err, re.MULTILINE)
        if result.code and said:  # what was in the way is gone, and what was there before is to be brought back
            self._do(database, tuple(said))
            result = self.bench.run("lockgate", database, case)
        if result.code:
            return f"set right again, it exits {result.code}: {result.err[-800:]}\nafter\n{refused.err[-800:]}"
        return self._lacks(case, database, None)

    def _typed(self, case: Case, database: str, act: Act, line: str) -> str:
        """A person who accepts, or where that is refused forgets, does not meet the same step again."""
        way = () if "--apply" in line else ("--accept", "--apply")
        accepted = self.bench.run("lockgate", database, case, *shlex.split(line), *way)
        if accepted.code:
            lines = re.findall(r"manage\.py (lockgate repair[ \d\-a-z]*)", accepted.err)
            if not lines:
                return f"{line} --accept --apply exits {accepted.code}, and names no way: {accepted.err[-600:]}"
            forgot = self.bench.run("lockgate", database, case, *shlex.split(lines[-1]))
            if forgot.code:
                return f"{lines[-1]} exits {forgot.code}: {forgot.err[-600:]}"
        result = self.bench.run("lockgate", database, case)
        if result.code and line in result.err:
            return f"after {line}, accepted or forgotten, the same step is in the way: {result.err[-600:]}"
        if result.code == 0 and accepted.code == 0:
            return self._lacks(case, database, act)
        return unclear(result) if result.code else ""

    def _lacks(self, case: Case, database: str, act: Act | None) -> str:
        """What a database that a run has left as finished lacks of stock Django's end, or has beside it."""
        things, expected = self._things(database), self._ends[case]
        found = [f"lacks {thing}" for place, thing in expected.items() if not _is_there(thing, things.get(place), act)]
        known = {*expected, *self._starts[case]} if act else {*expected}
        found += [
            f"has {thing}" for place, thing in things.items() if place not in known and not _is_the_dbas(thing, act)
        ]
        with self._connect(database) as connection:
            applied = len(connection.execute(APPLIED).fetchall())
        if applied != 1 + len(case.pending):
            found.append(f"{applied} migrations are recorded")
        return f"exit 0, and it {'; '.join(found[:4])}" if found else ""

    def _learn(self, case: Case) -> None:
        if case not in self._ends:
            with self.swept.start(case) as database:
                self._starts[case] = self._things(database)
                result = self.bench.run("lockgate", database, case)
                assert result.code == 0, result.text
                self._ends[case] = self._things(database)

    def _things(self, database: str) -> Things:
        with self._connect(database) as connection:
            things = [Thing(*row) for row in connection.execute(THINGS).fetchall()]
        return {thing.place: thing for thing in things}

    def _told(self, database: str) -> tuple[Any, ...]:
        """Journal and catalog, without numbers and times: two kills that leave the same are one."""
        with self._connect(database) as connection:
            steps = connection.execute(
                "SELECT app, name, phase, ordinal, state, attempts > 0, committed, object_oid IS NULL"
                " FROM lockgate_journalentry WHERE app = 'library' ORDER BY id"
            ).fetchall()
            applied = connection.execute(APPLIED).fetchall()
        return tuple(steps), tuple(applied), tuple(sorted(self._things(database).values()))

    def _do(self, database: str, statements: tuple[str, ...]) -> None:
        with self._connect(database) as connection:
            for statement in statements:
                connection.execute(statement)  # type: ignore[arg-type]

    def _sessions(self, database: str) -> bool:
        with self.bench.admin() as admin:
            query = "SELECT pid FROM pg_stat_activity WHERE datname = %s"
            return admin.execute(query, [database]).fetchone() is not None

    def _connect(self, database: str) -> psycopg.Connection[Any]:
        return psycopg.connect(make_conninfo(self.bench.conninfo, dbname=database), autocommit=True)


def acts(start: Things, now: Things, end: Things) -> Iterator[Act]:
    """Every deed that can be done to what is between start and end."""
    things = [one_thing for place, one_thing in now.items() if place not in start or start[place] != one_thing]
    to_come = [one_thing for place, one_thing in end.items() if place not in now]
    to_go = [one_thing for place, one_thing in now.items() if place not in end and place in start]
    for thing in [
        one_thing for one_thing in things if one_thing.kind != "column" or one_thing.place not in start
    ] + to_go:
        yield _drop(thing, now)
        if thing.kind in RENAMES:
            yield _rename(thing)
        if thing.kind != "column":
            yield _replace(thing)
        if not thing.whole and thing.kind in ("index", "constraint"):
            yield _complete(thing)
    for thing in to_come:
        if thing.kind in ("index", "constraint"):
            yield Act(Deed.REPLACE, thing, (_sql(ANOTHER, thing),), (_sql(DROPS, thing),))
            yield Act(Deed.COMPLETE, thing, (_making(thing),), (_sql(DROPS, thing),))
    for table in {one_thing.table for one_thing in (*things, *to_go)}:
        there = next(one_thing for one_thing in (*things, *to_go) if one_thing.table == table)
        to = f"{table}{MINE}"
        back = f"ALTER TABLE {to} RENAME TO {table}"
        yield Act(Deed.RENAME_TABLE, there, (f"ALTER TABLE {table} RENAME TO {to}",), (back,))


def _drop(thing: Thing, now: Things) -> Act:
    """With a column go its constraints, and are to be brought back."""
    lost = [
        one_thing
        for one_thing in now.values()
        if (thing.kind, one_thing.kind, one_thing.table) == ("column", "constraint", thing.table)
        and re.search(rf"\b{re.escape(thing.name)}\b", one_thing.definition)
    ]
    return Act(Deed.DROP, thing, (_sql(DROPS, thing),), (_making(thing), *map(_making, lost)))


def _rename(thing: Thing) -> Act:
    to = thing.name[:40] + MINE
    renamed = thing._replace(name=to)
    return Act(Deed.RENAME, thing, (_sql(RENAMES, thing, to),), (_sql(RENAMES, renamed, thing.name),))


def _replace(thing: Thing) -> Act:
    dropped = _sql(DROPS, thing)
    return Act(Deed.REPLACE, thing, (dropped, _sql(ANOTHER, thing)), (dropped,))


def _complete(thing: Thing) -> Act:
    if thing.kind == "constraint":
        return Act(Deed.COMPLETE, thing, (f'ALTER TABLE {thing.table} VALIDATE CONSTRAINT "{thing.name}"',), ())
    return Act(Deed.COMPLETE, thing, (_sql(DROPS, thing), thing.definition), ())


def _making(thing: Thing) -> str:
    if thing.kind == "index":
        return thing.definition
    if thing.kind == "column":  # one that is NOT NULL with a value for the rows that there are
        made = f'ALTER TABLE {thing.table} ADD COLUMN "{thing.name}" {thing.definition}'
        value = VALUES.get(thing.definition.partition("(")[0])
        if value is None or not thing.whole:
            return made
        without = f'ALTER TABLE {thing.table} ALTER COLUMN "{thing.name}" DROP DEFAULT'
        return f"{made} NOT NULL DEFAULT {value}; {without}"
    if thing.kind == "default":
        return f'ALTER TABLE {thing.table} ALTER COLUMN "{thing.name}" SET DEFAULT {thing.definition}'
    return f'ALTER TABLE {thing.table} ADD CONSTRAINT "{thing.name}" {thing.definition}'


def _sql(templates: dict[str, str], thing: Thing, to: str = "") -> str:
    return templates[thing.kind].format(name=thing.name, table=thing.table, to=to)


def _is_there(expected: Thing, thing: Thing | None, act: Act | None) -> bool:
    """A kept default that somebody has dropped, or set himself, is his; the code does not need it."""
    if act and expected.kind == "default" and act.thing.kind in ("default", "column"):
        return True
    return thing == expected


def _is_the_dbas(thing: Thing, act: Act | None) -> bool:
    return MINE in thing.name or (act is not None and thing.place == act.thing.place)


def unclear(result: Result) -> str:
    """What a refusal does not say; empty where it says what, why, how it stands, and what next."""
    missing = [word for word in ("error: ", "  why ", "  state ", "  next ") if word not in result.err]
    if "Traceback" in result.err or missing or result.code != 1:
        return f"exit {result.code} without {', '.join(missing) or 'a clear message'}: {result.err[-800:]}"
    return ""


@contextlib.contextmanager
def attack() -> Iterator[Attack]:
    """On a server of its own."""
    with sweep.own_bench() as bench:
        yield Attack(Sweep(bench))
