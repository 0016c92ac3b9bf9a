"""The steps of a plan as lines of the journal, and what is noted of them before they run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from django.db.backends.base.base import BaseDatabaseWrapper

from lockgate.database import lookups
from lockgate.ledger.journal import Line
from lockgate.models import JournalEntry as Row
from lockgate.planning import identifiers
from lockgate.planning.steps import Kind, Step


def line_of(number: int, step: Step) -> Line:
    change = step.changes[0]
    target = change.name or (change.columns[0] if change.columns else "")
    return Line(
        number,
        step.phase.value,
        step.title,
        change.kind.value,
        change.table,
        identifiers.stored(target),
        step.statements[0].sql,
        step.undo,
        step.transactional,
    )


def same(rows: Sequence[Row], lines: Sequence[Line]) -> bool:
    """Whether the plan asks for what an earlier run has begun, step for step."""
    return [(row.phase, row.sql) for row in rows] == [(line.phase, line.sql) for line in lines]


def made(rows: Sequence[Row]) -> set[str]:
    """Names of what the steps have made: what cannot be undone was there before."""
    return {row.object_name for row in rows if row.undo}


def identified(connection: BaseDatabaseWrapper, line: Line) -> Line:
    """With the oid of what the step will drop or validate: by then another may bear its name."""
    if line.kind == Kind.DROP_INDEX:
        index = lookups.index(connection, line.table_name, line.object_name)
        return replace(line, object_oid=index.oid if index else None)
    if line.kind == Kind.VALIDATE_CONSTRAINT:
        constraint = lookups.constraint(connection, line.table_name, line.object_name)
        return replace(line, object_oid=constraint.oid if constraint else None)
    return line


def expecting(connection: BaseDatabaseWrapper, line: Line) -> Line:
    """With the default that a column has now, which the contract phase drops where it has it still."""
    default = lookups.column_default(connection, line.table_name, line.object_name)
    return replace(line, definition=default.expression, object_oid=default.oid) if default else line
