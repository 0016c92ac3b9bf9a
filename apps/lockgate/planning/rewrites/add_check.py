"""ADD CONSTRAINT CHECK → NOT VALID in a moment, then VALIDATE, which reads and writes pass.

Rows that violate it are found before anything else has changed. A check on columns that this migration makes is added
NOT VALID in the switch and validated after it. One that the migration adds NOT VALID and validates by itself goes ahead
together with its validation.
Source: https://www.postgresql.org/docs/current/sql-altertable.html (NOT VALID, VALIDATE CONSTRAINT)
"""

from __future__ import annotations

from lockgate.planning.rewrites.context import NotRewritten, RewriteContext, Rewritten
from lockgate.planning.rewrites.validation import added_alone, added_and_validated
from lockgate.planning.steps import Change, Kind, Statement


def rewrite(statement: Statement, change: Change, context: RewriteContext) -> Rewritten | NotRewritten | None:
    if change.kind is not Kind.ADD_CHECK or not statement.online or not context.is_large(change.table):
        return None
    if change.not_valid:  # what validates it is a statement of its own
        return None if context.data or context.depends_on_switch(change) else added_alone(statement, change, context)
    return context.prevented() or added_and_validated("add check constraint", statement, change, context)
