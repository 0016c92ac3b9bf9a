"""DROP DEFAULT of a column that was just added NOT NULL → a step of the contract phase, one release later.

Django adds the column with the field's default and drops the default at once. Inserts of the release that still serves
do not name the column, so from then on they would all fail. The default stays until that release is gone.
"""

from __future__ import annotations

from lockgate.planning.rewrites.context import Context, Kept, Online, Rewritten
from lockgate.planning.steps import Change, Kind, Phase, Statement


def rewrite(statement: Statement, change: Change, context: Context) -> Rewritten | Kept | None:
    if change.kind is not Kind.DROP_DEFAULT or change.table in context.before.new_tables:
        return None
    if not any(_adds(each, change) for each in context.previous):
        return None
    step = Online(
        Phase.CONTRACT,
        f'drop default of "{change.columns[0]}"',
        statement,
        "one release later: inserts of the release that still serves do not name the column",
    )
    return Rewritten("keep default", (step,))


def _adds(previous: Change, change: Change) -> bool:
    """Whether a change added the column with a default that is the field's, not the database's."""
    same = (previous.table, previous.columns) == (change.table, change.columns)
    return previous.kind is Kind.ADD_COLUMN and same and previous.not_null and not previous.database_default
