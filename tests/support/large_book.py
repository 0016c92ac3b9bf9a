"""A planner of a large table of books that no server has, and what it says of operations on it."""

from __future__ import annotations

import re
from typing import Any

from django.db import models
from django.db.migrations import operations as ops
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ProjectState

from lockgate.facts.tables import DatabaseFacts, TableFacts
from lockgate.planning import planner
from lockgate.planning.recorder.offline import offline_connection
from lockgate.planning.recorder.schema_editor import recording
from lockgate.planning.steps import MigrationPlan
from tests.support import plans
from tests.support.plan_case import BASE, add, alter, check, index

MEGABYTE = 1024**2
BOOK = TableFacts("library_book", "r", size=100 * MEGABYTE, rows=10**6)
AUTHOR, SHELF = BOOK._replace(name="library_author"), BOOK._replace(name="library_shelf")
INDEX = index("pages_idx", fields=["pages"])
SET_NOT_NULL = alter("isbn", models.CharField(max_length=20))
CHECK = ops.AddConstraint("Book", check("c", models.Q(pages__gte=0)))
NOTHING = ops.RunPython(ops.RunPython.noop)

EXTRA = add("extra", models.IntegerField(null=True))
EXTRA_INDEX = index("x", fields=["extra"])

SETTINGS = planner.Settings(threshold=8 * MEGABYTE)


def named(parameter: object) -> str:
    """A test's name, the same in every process: a function's would have its address."""
    return re.sub(r" at 0x[0-9a-f]+", "", repr(parameter))


def new_planner(book: TableFacts = BOOK, version: int = 160000) -> planner.Planner:
    facts = DatabaseFacts(version, tables={table.name: table for table in (book, AUTHOR, SHELF)})
    connection = offline_connection("default", version)
    return planner.Planner(facts, lambda prospect: recording(connection, prospect), SETTINGS)


def library() -> ProjectState:
    state = ProjectState()
    for operation in BASE:
        operation.state_forwards(plans.APP, state)
    return state


def plan(*operations: Operation, book: TableFacts = BOOK, version: int = 160000, **attributes: Any) -> MigrationPlan:
    return new_planner(book, version).plan(plans.migration("0001_case", *operations, **attributes), library())


def kept(*operations: Operation, **options: Any) -> list[str]:
    """The reasons for what stays in place."""
    return [step.kept_in_place for step in plan(*operations, **options).steps if step.kept_in_place]


def phases(*operations: Operation, **options: Any) -> list[str]:
    return [step.phase.value for step in plan(*operations, **options).steps]
