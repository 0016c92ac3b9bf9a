"""What must not be put off until after the switch, because the switch itself relies on it.

A rewrite looks at what came before its statement. Whether the same migration later renames, drops or needs what the
statement makes is known only once all of it is recorded; where it does, the statement stays where it was.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from lockgate.planning import kept_defaults
from lockgate.planning.rewrites.context import NotRewritten, Rewritten
from lockgate.planning.steps import Change, Kind, Phase, Statement


@dataclass
class RewrittenStatement:
    """A statement, and what the rewrites make of it."""

    statement: Statement
    outcome: Rewritten | NotRewritten | None

    @property
    def put_off(self) -> bool:
        """Whether any of it runs only after the switch."""
        return self._has(Phase.FINISH)

    @property
    def contracted(self) -> bool:
        """Whether it runs only when the release before this one is gone."""
        return self._has(Phase.CONTRACT)

    def _has(self, phase: Phase) -> bool:
        return isinstance(self.outcome, Rewritten) and any(step.phase is phase for step in self.outcome.online)


def keep_repeated_in_place(statements: Sequence[RewrittenStatement]) -> None:
    """Let statements stay in place of which the migration has several: the switch knows them by their text."""
    times = Counter(statement.statement.sql for statement in statements)
    for statement in statements:
        if isinstance(statement.outcome, Rewritten) and times[statement.statement.sql] > 1:
            statement.outcome = NotRewritten("the same statement comes again in the same migration")


def keep_needed_in_place(statements: Sequence[RewrittenStatement]) -> None:
    """Let statements stay in place that were put off although a later one of the same migration is not, and relies on
    them. statements: of one migration, in order."""
    later: list[RewrittenStatement] = []
    for statement in reversed(statements):
        touched = _touched if statement.put_off else _disturbed if statement.contracted else None
        if touched and (reason := touched(statement.statement, later)):
            statement.outcome = NotRewritten(reason)
        later.append(statement)


def meet(some: Sequence[Change], others: Sequence[Change]) -> bool:
    """Whether any of some changes concerns a table of the others, or may concern any."""
    tables = {table for change in others for table in (change.table, change.references) if table}
    return any(not change.table or change.table in tables or change.name in tables for change in some)


def _touched(statement: Statement, later: Sequence[RewrittenStatement]) -> str:
    for other in reversed(later):
        for change in other.statement.changes:
            if any(_relies(change, mine, put_off=other.put_off) for mine in statement.changes):
                return _reason(change)
    return ""


def _disturbed(statement: Statement, later: Sequence[RewrittenStatement]) -> str:
    """Why a default cannot be left to its contract step."""
    for other in reversed(later):
        for mine in statement.changes:
            if kept_defaults.disturbs(other.statement, mine.table, mine.columns[0]):
                return _reason(other.statement.changes[0])
    return ""


def _reason(later: Change) -> str:
    name = later.old_name or later.name or "".join(later.columns[:1]) or later.table
    what = f'"{name}"' if later.table else ""
    return f"{later.kind.value} {what}".strip() + " comes after it in the same migration"


def _relies(later: Change, mine: Change, *, put_off: bool) -> bool:  # noqa: PLR0911  one answer for each kind
    """Whether a later change would fail, or do something else, if ``mine`` had not happened by then, or the reverse."""
    same_name = bool(mine.name) and mine.name in (later.name, later.old_name)
    match later.kind:
        case Kind.RUN_SQL | Kind.UNKNOWN:
            return True
        case Kind.RUN_PYTHON:
            return mine.unique or mine.kind is Kind.DROP_INDEX
        case Kind.RENAME_TABLE | Kind.DROP_TABLE | Kind.MOVE_TABLE:
            return later.table in (mine.table, mine.references)
        case Kind.DROP_CONSTRAINT | Kind.DROP_INDEX | Kind.RENAME_INDEX:
            return same_name and not put_off
        case Kind.ADD_INDEX | Kind.ADD_UNIQUE | Kind.ADD_EXCLUSION | Kind.ADD_PRIMARY_KEY:
            return same_name and not put_off and mine.kind is Kind.DROP_INDEX
        case Kind.DROP_COLUMN | Kind.RENAME_COLUMN | Kind.ALTER_TYPE | Kind.UPDATE_ROWS:
            return later.table == mine.table and _same_columns(later, mine)
        case _:  # a foreign key needs the unique index of what it refers to
            return mine.unique and later.references == mine.table


def _same_columns(later: Change, mine: Change) -> bool:
    columns = {*mine.columns, *mine.included, *mine.conditioned}
    if not columns or not (mine.uses or mine.kind is Kind.DROP_INDEX):
        return True  # the column may be in an expression or a condition
    return bool({*later.columns, later.old_name} & columns)
