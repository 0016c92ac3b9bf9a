"""VALIDATE CONSTRAINT → the same before the switch, in a transaction of its own.

By itself it lets reads and writes pass. In the switch it would be done under whatever the operations before it have
locked. Rows that violate the constraint are found before anything has changed. Nothing is taken back where the
migration then fails: a constraint that holds may say so.
Source: https://www.postgresql.org/docs/current/sql-altertable.html (VALIDATE CONSTRAINT)
"""

from __future__ import annotations

from lockgate.planning.rewrites.context import NotRewritten, Online, RewriteContext, Rewritten
from lockgate.planning.steps import Change, Kind, Phase, Statement


def rewrite(statement: Statement, change: Change, context: RewriteContext) -> Rewritten | NotRewritten | None:
    if change.kind is not Kind.VALIDATE_CONSTRAINT:
        return None
    if not (context.is_large(change.table) or context.is_large(change.references)):
        return None
    if reason := _reason(change, context):
        return NotRewritten(reason)
    step = Online(
        Phase.EXPAND,
        f'validate constraint "{change.name}"',
        statement,
        "reads every row once, while reads and writes go on; rows that violate it are found here, before anything has "
        "changed",
    )
    return context.prevented() or Rewritten("validate constraint", (step,))


def _reason(change: Change, context: RewriteContext) -> str:
    """Why it must come after what the migration has done by now. That another column is added does not matter."""
    if (change.table, "") in context.created:
        return "the table is renamed in the same migration"
    if change.name in context.added or change.name in context.dropped:
        return "the constraint is made in the same migration"
    known = context.before.find(change.table, change.name)
    columns = set(known.uses or known.columns) if known else set()
    touched = {column for table, column in context.created if table == change.table}
    if (touched & columns if columns else touched) or (change.references, "") in context.created:
        return "its columns are altered or filled in the same migration"
    return ""
