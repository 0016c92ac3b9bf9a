"""DROP DEFAULT of a column that was just added NOT NULL → a step of the contract phase, one release later.

Django adds the column with the field's default and drops the default at once. Inserts of the release that still serves
do not name the column, so from then on they would all fail. The default stays until that release is gone. One that is a
function stays as the server's expression for it, where there is one; else not at all, for every row would get the same.
"""

from __future__ import annotations

from lockgate.planning.rewrites.context import NotRewritten, Online, RewriteContext, Rewritten
from lockgate.planning.steps import Change, Kind, Phase, Statement


def rewrite(statement: Statement, change: Change, context: RewriteContext) -> Rewritten | NotRewritten | None:
    if change.kind is not Kind.DROP_DEFAULT or change.table in context.before.new_tables:
        return None
    added = next((earlier for earlier in context.previous if _adds(earlier, change)), None)
    if added is None:
        return None
    if added.moving and not added.server_default:
        return NotRewritten(
            "its default is a function that may give each row another value, and the server has none like it"
        )
    step = Online(
        Phase.CONTRACT,
        f'drop default of "{change.columns[0]}"',
        statement,
        "one release later: inserts of the release that still serves do not name the column",
    )
    return Rewritten("keep default", (step,), _computed(added, context) if added.moving else ())


def _computed(added: Change, context: RewriteContext) -> tuple[Statement, ...]:
    """The server's expression in place of what the function gave when the column was added."""
    table, column = context.quote(added.table), context.quote(added.columns[0])
    sql = f"ALTER TABLE {table} ALTER COLUMN {column} SET DEFAULT {added.server_default}"
    return (Statement(sql, (Change(Kind.SET_DEFAULT, added.table, added.columns),)),)


def _adds(previous: Change, change: Change) -> bool:
    """Whether a change added the column with a default that is the field's, not the database's."""
    same = (previous.table, previous.columns) == (change.table, change.columns)
    return previous.kind is Kind.ADD_COLUMN and same and previous.not_null and not previous.database_default
