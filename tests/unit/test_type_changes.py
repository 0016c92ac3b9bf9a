"""Which changes of a type leave the rows as they are. Held against PostgreSQL in tests/postgres/test_plan_types.py."""

from __future__ import annotations

import pytest

from lockgate.planning import type_changes
from lockgate.planning.named_objects import NamedObject
from lockgate.planning.steps import Work

MOMENT, SCAN, BUILD, REWRITE = Work.MOMENT, Work.SCAN, Work.BUILD, Work.REWRITE

TABLE = [
    ("varchar(10)", "varchar(10)", MOMENT),
    ("varchar(10)", "varchar(20)", MOMENT),
    ("varchar(20)", "varchar(10)", REWRITE),
    ("varchar(10)", "varchar", MOMENT),
    ("varchar", "varchar(10)", REWRITE),
    ("character varying(10)", "varchar(20)", MOMENT),
    ("varchar(10)", "text", MOMENT),
    ("text", "varchar", MOMENT),
    ("text", "varchar(10)", REWRITE),
    ("varchar(10)", "citext", BUILD),
    ("citext", "text", BUILD),
    ("char(10)", "char(20)", REWRITE),
    ("char(10)", "char", REWRITE),
    ("char(10)", "text", REWRITE),
    ("numeric(8, 2)", "numeric(12, 2)", MOMENT),
    ("numeric(8, 2)", "numeric(12, 4)", REWRITE),
    ("numeric(12, 2)", "numeric(8, 2)", REWRITE),
    ("numeric(8, 2)", "numeric", MOMENT),
    ("numeric", "numeric(8, 2)", REWRITE),
    ("decimal(8)", "numeric(9, 0)", MOMENT),
    ("smallint", "integer", REWRITE),
    ("integer", "bigint", REWRITE),
    ("real", "double precision", REWRITE),
    ("integer", "varchar(20)", REWRITE),
    ("timestamp(3)", "timestamp(6)", MOMENT),
    ("timestamp(3)", "timestamp", MOMENT),
    ("timestamp", "timestamp(6)", MOMENT),
    ("timestamp", "timestamp(3)", REWRITE),
    ("timestamp with time zone", "timestamptz", MOMENT),
    ("timestamp", "timestamptz", REWRITE),
    ("date", "timestamptz", REWRITE),
    ("interval(3)", "interval", MOMENT),
    ("cidr", "inet", MOMENT),
    ("inet", "cidr", REWRITE),
    ("xml", "text", MOMENT),
    ("json", "jsonb", REWRITE),
    ("bit(3)", "varbit", BUILD),
    ("bit varying(3)", "bit varying(5)", MOMENT),
    ("varchar(10)[]", "varchar[]", MOMENT),
    ("varchar(10)[]", "varchar(20)[]", REWRITE),
    ("varchar(10)[]", "text[]", REWRITE),
    ("integer[]", "integer[]", MOMENT),
    ("integer", "integer[]", REWRITE),
    ("vector(3)", "vector", MOMENT),
    ("vector(3)", "vector(4)", REWRITE),
    ('"odd".mood', "text", REWRITE),
    ("geometry(POINT,4326)", "geometry(POINT,3857)", REWRITE),
]


@pytest.mark.parametrize(("old", "new", "expected"), TABLE)
def test_the_table(old: str, new: str, expected: Work) -> None:
    assert type_changes.work(old, new) is expected


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("text", "varchar", False),
        ("text", "character varying", False),
        ("text", "varchar(10)", True),
        ("varchar(20)", "char(10)", True),
        ("varchar(20)", "varchar(10)", True),
        ("varchar(10)", "text", False),
        ("text", "char", True),
        ("timestamp", "timestamp(6)", False),
        ("timestamp", "timestamp(3)", True),
        ("integer", "smallint", True),
        ("smallint", "bigint", False),
        ("numeric(8, 2)", "numeric(8, 4)", True),
        ("numeric", "numeric(8, 2)", True),
        ("numeric(8, 2)", "numeric(9, 2)", False),
        ("integer", "text", False),
    ],
)
def test_what_holds_less(old: str, new: str, expected: bool) -> None:
    assert type_changes.narrows(old, new) is expected


def test_another_collation_builds_indexes_again_and_leaves_the_rows() -> None:
    assert type_changes.work("varchar(10)", "varchar(10)", collation=True) is BUILD
    assert type_changes.work("varchar(10)", "varchar(5)", collation=True) is REWRITE


def hanging(kind: str, *uses: str, computed: bool = False) -> NamedObject:
    return NamedObject("n", kind, uses, uses=frozenset(uses), computed=computed)


UNKNOWN = NamedObject("n", "i", (), computed=True)  # an expression that the same plan makes


@pytest.mark.parametrize(
    ("needed", "dependents", "expected"),
    [
        (MOMENT, [], MOMENT),
        (BUILD, [], MOMENT),
        (BUILD, [hanging("i", "other")], MOMENT),
        (BUILD, [hanging("i", "c")], BUILD),
        (BUILD, [hanging("u", "c")], BUILD),
        (MOMENT, [hanging("i", "c")], MOMENT),
        (MOMENT, [hanging("i", "c", computed=True)], BUILD),
        (MOMENT, [hanging("i", "other", computed=True)], MOMENT),
        (MOMENT, [UNKNOWN], BUILD),
        (MOMENT, [hanging("c", "c")], SCAN),
        (MOMENT, [hanging("c", "other")], MOMENT),
        (MOMENT, [hanging("f", "c")], MOMENT),
        (REWRITE, [], REWRITE),
    ],
)
def test_what_hangs_on_the_column_is_made_anew(needed: Work, dependents: list[NamedObject], expected: Work) -> None:
    assert type_changes.with_dependents(needed, "c", dependents) is expected
