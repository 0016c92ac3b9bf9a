"""Kills between two commits leave the same, so that a sweep may take the first and the last of them for all."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from tests.postgres.test_sweep import SAMPLED, SEED
from tests.support import sweep, sweep_states
from tests.support.processes import until
from tests.support.sweep import Sweep
from tests.support.sweep_cases import CASES, Case
from tests.support.sweep_states import Point
from tests.support.sweep_wire import Moment, Watch

pytestmark = [pytest.mark.sweep, pytest.mark.timeout(3000)]

OWN_TABLES = "SELECT relname::text FROM pg_class WHERE relkind = 'r' AND relname ~ '^lockgate_' ORDER BY 1"
# Of a process, of the server's counters, or of a clock (a checksum is of times too): no two runs have the same.
PASSING = ("process_id", "backend_pid", "object_oid", "seconds", "lock_wait_seconds", "history_digest")
TIME = re.compile(r"\d{4}-\d\d-\d\d[T ][\d:.]+(\+[\d:]+)?|\d{8}T\d{6}Z")
CASES_TRIED = 1 if SAMPLED else 10
STATES_TRIED = 3


@pytest.fixture(scope="module")
def swept() -> Iterator[Sweep]:
    with sweep.own_bench() as bench:
        yield Sweep(bench)


@pytest.mark.parametrize("case", random.Random(f"{SEED} states").sample(CASES, CASES_TRIED), ids=str)
def test_kills_between_two_commits_leave_the_same_and_beyond_them_something_else(swept: Sweep, case: Case) -> None:
    print(f"LOCKGATE_SEED={SEED}")
    chance = random.Random(f"{SEED} {case}")
    pointses = [points for points in sweep_states.classes(swept.undisturbed(case).seen) if len(points) > 3]
    at = chance.randrange(len(pointses) - STATES_TRIED + 1)
    tried = [[points[0], chance.choice(points[1:-1]), points[-1]] for points in pointses[at : at + STATES_TRIED]]
    told = [[left_by(swept, case, point) for point in points] for points in tried]
    for points, states in zip(tried, told, strict=True):
        assert states[1:] == states[:1] * 2, [*map(str, points)]
    assert len({states[0] for states in told}) > 1  # else nothing that is looked at ever changes


def left_by(swept: Sweep, case: Case, point: Point) -> str:
    """Everything that a kill leaves in the database, Lockgate's own tables too, but for what is of that moment."""
    bench = swept.bench
    with swept.start(case) as database:
        watch = Watch(point.at, point.moment)
        bench.run("lockgate", database, case, watch=watch)
        assert watch.struck
        with psycopg.connect(make_conninfo(bench.conninfo, dbname=database), autocommit=True) as connection:
            others = "SELECT FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
            until(lambda: not connection.execute(others).fetchone(), "the killed run's sessions end")
            rows = sorted(own_rows(connection))
        end = bench.end(database).without_sequences()
    return "\n".join((*end.schema, *end.catalog, *end.rows, *rows))


def own_rows(connection: psycopg.Connection[Any]) -> Iterator[str]:
    for (table,) in connection.execute(OWN_TABLES).fetchall():
        for (row,) in connection.execute(f"SELECT to_jsonb(t) FROM {table} AS t"):
            steady = {name: value is not None if name in PASSING else value for name, value in row.items()}
            yield f"{table}: {TIME.sub('then', json.dumps(steady))}"


def points(*found: tuple[int, Moment]) -> list[Point]:
    return [Point(*each) for each in found]


def test_a_statement_that_commits_parts_what_is_before_it_from_what_is_after() -> None:
    seen = [("5:5:", "", ""), ("5:5:", "a lock", ""), ("6:6:", "", "")]
    before, during, after = Moment
    assert sweep_states.classes(seen) == [points((0, before), (0, during), (0, after), (1, before)), points((1, after))]
    assert sweep_states.classes(seen, held=True) == [
        points((0, before)),
        points((0, after), (1, before)),
        points((1, after)),
    ]


@pytest.mark.parametrize(
    ("seen", "own"),
    [
        ([("5:5:", "", ""), ("6:6:", "", "")], False),
        ([("5:6:5", "", ""), ("6:6:", "", "")], False),
        ([("5:5:", "", ""), ("5:7:5", "", "")], False),
        ([("5:5:", "", ""), ("8:8:", "", "")], True),
        ([("5:5:", "", "1"), ("5:5:", "", "")], True),
    ],
    ids=["one transaction", "an older one", "a younger one", "three", "something under way"],
)
def test_during_a_statement_something_else_may_be_left_where_several_transactions_end(
    seen: list[tuple[str, ...]], own: bool
) -> None:
    assert (points((0, Moment.DURING)) in sweep_states.classes(seen)) is own


def test_a_server_tells_of_everything_that_is_committed(swept: Sweep) -> None:
    bench = swept.bench
    with bench.database() as name, bench.admin() as admin:
        look = sweep_states.looking(admin)
        with psycopg.connect(make_conninfo(bench.conninfo, dbname=name), autocommit=True) as connection:
            for statement in (
                "CREATE TABLE seen (n int)",
                "INSERT INTO seen VALUES (1)",
                "BEGIN; UPDATE seen SET n = 2; COMMIT",
                "BEGIN; SAVEPOINT s; DELETE FROM seen; ROLLBACK TO s; ALTER TABLE seen ADD m int; COMMIT",
                "CREATE INDEX CONCURRENTLY seen_n ON seen (n)",
                "ALTER TABLE seen ALTER n SET DEFAULT 1",
                "COMMENT ON TABLE seen IS 'why'",
                "DROP INDEX CONCURRENTLY seen_n",
            ):
                before = look()[0]
                connection.execute(statement)
                assert look()[0] != before, statement
