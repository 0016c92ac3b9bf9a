"""A database default is known by the SQL that Django makes of it. No server is asked."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import models
from django.db.models import Func
from django.db.models.functions import Abs

from lockgate.facts.tables import DatabaseFacts
from lockgate.planning import planner
from lockgate.planning.recorder.offline import offline_connection
from lockgate.planning.recorder.schema_editor import recording
from lockgate.planning.steps import Kind
from tests.support import plans
from tests.support.large_book import (
    BOOK,
    SETTINGS,
    library,
    named,
    plan,
)
from tests.support.plan_case import add


class Whatever(Func):
    """A third party's: what it sends is its own affair."""

    function = "ABS"
    template = "COALESCE(random()::int, %(expressions)s)"


@pytest.mark.parametrize(
    ("default", "computed"),
    [
        (Whatever(models.Value(1)), "volatile"),
        (Func(models.Value(1), template="COALESCE(random()::int, %(expressions)s)"), "volatile"),
        (Abs(models.Value(1)), "constant"),
    ],
    ids=named,
)
def test_a_database_default_that_writes_its_own_sql_may_call_anything(default: Any, computed: str) -> None:
    changes = [
        change for step in plan(add("extra", models.IntegerField(db_default=default))).steps for change in step.changes
    ]
    assert [change.default for change in changes if change.kind is Kind.ADD_COLUMN] == [computed]


class Renamed(Func):
    """Django's own, as its ``UUID4`` from 6.1 on: another function on PostgreSQL than its class is called after."""

    __module__ = "django.db.models.functions.uuid"
    function = "UUIDV4"
    arity = 0

    def as_postgresql(self, compiler: Any, connection: Any, **context: Any) -> Any:
        return self.as_sql(compiler, connection, function="RANDOM", **context)


@pytest.mark.parametrize(
    ("default", "computed"),
    [(Renamed(), "volatile"), (Abs(Renamed()), "volatile"), (Abs(models.Value("random()")), "constant")],
    ids=["itself", "within", "text"],
)
def test_a_database_default_is_known_by_the_sql_that_django_makes_of_it(default: Any, computed: str) -> None:
    facts = DatabaseFacts(160000, tables={"library_book": BOOK}, volatile_functions=frozenset({"random"}))
    connection = offline_connection("default", 160000)
    new_planner = planner.Planner(facts, lambda catalog: recording(connection, catalog), SETTINGS)
    adds = add("extra", models.FloatField(db_default=default))
    changes = [
        change
        for step in new_planner.plan(plans.migration("0001_case", adds), library()).steps
        for change in step.changes
    ]
    assert [change.default for change in changes if change.kind is Kind.ADD_COLUMN] == [computed]
