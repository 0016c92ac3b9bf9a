"""ADD FOREIGN KEY on a column with data → NOT VALID in a moment, then VALIDATE, which reads and writes pass.

Orphans are found before anything else has changed. One to a table, or from a column, that this migration makes is added
NOT VALID in the switch and validated after it.
Source: https://www.postgresql.org/docs/current/sql-altertable.html (NOT VALID, VALIDATE CONSTRAINT)
"""

from __future__ import annotations

from lockgate.planning.rewrites.context import NotRewritten, RewriteContext, Rewritten
from lockgate.planning.rewrites.validation import added_and_validated
from lockgate.planning.steps import Change, Kind, Statement


def rewrite(statement: Statement, change: Change, context: RewriteContext) -> Rewritten | NotRewritten | None:
    known = change.kind is Kind.ADD_FOREIGN_KEY and statement.online
    if not known or not (context.is_large(change.table) or context.is_large(change.references)):
        return None
    if change.table in context.before.new_tables or (change.table, "") in context.created:
        return None  # an empty table: nothing to check
    if context.partitioned(change.table) and context.version < 180000:
        return NotRewritten("the table is partitioned, and PostgreSQL before 18 adds no foreign key to one NOT VALID")
    return context.prevented() or added_and_validated("add foreign key", statement, change, context)
