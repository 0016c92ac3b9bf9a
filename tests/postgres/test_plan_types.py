"""Every change from one type to another that PostgreSQL knows a cast for, with and without an index on the column."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from lockgate.database.sql import read
from lockgate.facts.types import TypeFacts
from lockgate.linting.rules.rule import OFFLINE
from lockgate.planning import new_types, sql_changes, type_changes
from lockgate.planning.steps import Work
from lockgate.planning.virtual_catalog import VirtualCatalog
from tests.support import databases, plans

TYPES = (
    *("smallint", "integer", "bigint", "real", "double precision", "money", "boolean", "oid", "uuid", "bytea"),
    *("numeric", "numeric(8, 2)", "decimal(8)", "numeric(12, 2)", "numeric(12, 4)", "numeric(6, 2)"),
    *("varchar", "varchar(10)", "character varying(20)", "text", "char(10)", "char(20)", "name", "json", "jsonb"),
    *("date", "time", "time(3)", "time(6)", "timetz", "timetz(3)", "interval", "interval(3)", "interval(6)"),
    *("timestamp", "timestamp(3)", "timestamp(6)", "timestamptz", "timestamptz(3)", "timestamp with time zone"),
    *("inet", "cidr", "macaddr", "macaddr8", "bit(3)", "bit(5)", "varbit", "bit varying(3)", "bit varying(5)"),
    *("int4range", "int8range", "numrange", "daterange", "tsvector", "xml", "point"),
    *("varchar(10)[]", "varchar(20)[]", "varchar[]", "text[]", "integer[]", "bigint[]"),
    *("numeric(8, 2)[]", "numeric(12, 2)[]", "timestamp(3)[]", "timestamp(6)[]"),
)
# What PostgreSQL does at once and we take for a rewrite, because Django has no field for one side of it.
CAUTIOUS = {("integer", "oid"), ("oid", "integer")}
LOOK = (
    "SELECT pg_relation_filenode('t'),"
    " (SELECT pg_relation_filenode(indexrelid) FROM pg_index WHERE indrelid = 't'::regclass),"
    " pg_stat_get_xact_numscans('t'::regclass)"
)
WORKS = (Work.REWRITE, Work.BUILD, Work.SCAN)


@pytest.fixture(params=databases.several(), ids=lambda version: f"postgres{version}")
def connection(request: pytest.FixtureRequest) -> Iterator[psycopg.Connection[Any]]:
    with plans.servers(request.param) as address, psycopg.connect(address) as opened:
        opened.execute("SET TIME ZONE 'Europe/Athens'")
        yield opened
        opened.rollback()


def observed(connection: psycopg.Connection[Any], old: str, *news: str, indexed: bool) -> dict[str, Work]:
    """What changes of a column's type do, by the new type; those without a cast, or such an index, are left out."""
    works = {}
    with contextlib.suppress(psycopg.Error), connection.transaction(force_rollback=True):
        connection.execute(f"CREATE TABLE t (c {old})")  # type: ignore[arg-type]
        connection.execute("INSERT INTO t SELECT NULL FROM generate_series(1, 3)")
        if indexed:
            connection.execute("CREATE INDEX ON t (c)")
        for new in news:
            with contextlib.suppress(psycopg.Error), connection.transaction(force_rollback=True):
                before = connection.execute(LOOK).fetchone() or ()
                connection.execute(f"ALTER TABLE t ALTER c TYPE {new} USING c::{new}")  # type: ignore[arg-type]
                after = connection.execute(LOOK).fetchone() or ()
                done = [work for work, was, now in zip(WORKS, before, after, strict=True) if was != now]
                works[new] = done[0] if done else Work.MOMENT
    return works


@pytest.mark.parametrize("indexed", [False, True])
def test_every_pair_of_types(connection: psycopg.Connection[Any], indexed: bool) -> None:
    seen, wrong = 0, []
    for old in TYPES:
        for new, did in observed(connection, old, *TYPES, indexed=indexed).items():
            if (old, new) in CAUTIOUS:
                continue
            seen += 1
            needed = type_changes.work(old, new)
            claimed = Work.MOMENT if needed is Work.BUILD and not indexed else needed
            if did is not claimed:
                wrong.append(f"{old} → {new}: claimed {claimed}, observed {did}")
    assert wrong == []
    assert seen > 500


@pytest.mark.parametrize("zone", ["Europe/Athens", "Europe/London", "UTC", "Etc/GMT", "Zulu"])
def test_timestamps_change_their_zone_in_place_in_utc_alone(connection: psycopg.Connection[Any], zone: str) -> None:
    connection.execute(f"SET TIME ZONE '{zone}'")  # type: ignore[arg-type]
    times = ("timestamp", "timestamp(3)", "timestamptz", "timestamptz(3)", "timestamp[]", "timestamptz[]", "date")
    did = {(old, new): work for old in times for new, work in observed(connection, old, *times, indexed=True).items()}
    assert len(did) > 20
    assert did == {(old, new): type_changes.work(old, new, zone=zone) for old, new in did}


OWN = """
CREATE DOMAIN words AS text; CREATE DOMAIN short AS varchar(10); CREATE DOMAIN over AS short;
CREATE DOMAIN filled AS integer DEFAULT 1; CREATE DOMAIN drawn AS float DEFAULT random();
CREATE DOMAIN checked AS integer CHECK (VALUE > 0); CREATE DOMAIN over_checked AS checked;
CREATE DOMAIN required AS text NOT NULL; CREATE TYPE mood AS ENUM ('good'); CREATE TYPE pair AS (a int, b int);
CREATE DOMAIN "Loud" AS text; CREATE DOMAIN numbers AS int[]; CREATE SCHEMA other; CREATE DOMAIN other.checked AS int
CHECK (VALUE > 0);
"""
OWN_TYPES = (
    *("words", "short", "over", "filled", "drawn", "checked", "over_checked", "mood", "pair", '"Loud"', "numbers"),
    *("other.checked", "checked[]", "mood[]", "short[]", "serial", "bigserial", "smallserial"),
)
CHANGED = (
    "varchar(10)",
    "varchar(20)",
    "text",
    "integer",
    "words",
    "short",
    "over",
    "filled",
    "checked",
    "over_checked",
)
CAUTIOUS_NEW = {"filled"}  # a domain's default is taken for one that is computed for each row


def types_of(connection: psycopg.Connection[Any]) -> dict[str, TypeFacts]:
    rows = connection.execute(read("types")).fetchall()
    return {name: TypeFacts(*facts) for found, qualified, *facts in rows for name in (found, qualified)}


def test_a_new_column_of_a_type_of_the_databases_own(connection: psycopg.Connection[Any]) -> None:
    connection.execute(OWN)
    types, wrong = types_of(connection), []
    for each in OWN_TYPES:
        with connection.transaction(force_rollback=True):
            connection.execute("CREATE TABLE t AS SELECT n FROM generate_series(1, 3) AS n")
            before = connection.execute("SELECT pg_relation_filenode('t')").fetchone()
            connection.execute(f"ALTER TABLE t ADD c {each}")  # type: ignore[arg-type]
            rewritten = connection.execute("SELECT pg_relation_filenode('t')").fetchone() != before
        claimed = new_types.work(each, types)
        if each not in CAUTIOUS_NEW and (claimed is Work.REWRITE) != rewritten:
            wrong.append(f"{each}: claimed {claimed}, rewritten: {rewritten}")
        assert claimed is not Work.UNKNOWN, each
    assert wrong == []
    assert new_types.work("words", {}) is Work.UNKNOWN, "nobody was asked"


def test_a_column_becomes_one_of_a_domain_or_of_what_that_stands_on(connection: psycopg.Connection[Any]) -> None:
    connection.execute(OWN)
    types, wrong, seen = types_of(connection), [], 0
    for indexed in (False, True):
        for old in CHANGED:
            for new, did in observed(connection, old, *CHANGED, indexed=indexed).items():
                seen += 1
                needed = type_changes.work(*type_changes.stored(old, new, types))
                claimed = Work.MOMENT if needed is Work.BUILD and not indexed else needed
                if did is not claimed:
                    wrong.append(f"{old} → {new} ({indexed}): claimed {claimed}, observed {did}")
    assert not wrong, "\n".join(wrong)
    assert seen > 100


def test_types_that_the_migrations_own_sql_makes_are_known() -> None:
    virtual_catalog = VirtualCatalog(OFFLINE)
    for change in sql_changes.of(OWN + "ALTER DOMAIN words ADD CHECK (VALUE <> '');"):
        virtual_catalog.note_sql(change)
    claimed = {
        each: new_types.work(each, virtual_catalog.types)
        for each in ("over", "over_checked", "mood", "filled", "words")
    }
    assert claimed == {
        "over": Work.MOMENT,
        "over_checked": Work.REWRITE,
        "mood": Work.MOMENT,
        "filled": Work.REWRITE,
        "words": Work.REWRITE,
    }
