"""ADD COLUMN … UNIQUE, ADD COLUMN … CHECK → the column in the switch, what its constraints need after it.

PostgreSQL adds a column in a moment, but builds the index of its UNIQUE, and reads every row for its CHECK, under the
same ACCESS EXCLUSIVE lock. That is put off only where no row that is there can violate the constraint: what failed
after the switch could not be rolled back.
Source: https://www.postgresql.org/docs/current/sql-altertable.html (ADD COLUMN, NOT VALID, USING INDEX)
"""

from __future__ import annotations

from lockgate.planning.rewrites import add_unique, validation
from lockgate.planning.rewrites.context import NotRewritten, Online, RewriteContext, Rewritten
from lockgate.planning.steps import Change, Kind, Statement

_INLINE = (Kind.ADD_UNIQUE, Kind.ADD_CHECK)


def rewrite(statement: Statement, change: Change, context: RewriteContext) -> Rewritten | NotRewritten | None:
    inline = [part for part in statement.changes if part.kind in _INLINE]
    if change.kind is not Kind.ADD_COLUMN or not inline or not context.is_large(change.table):
        return None
    if reason := _reason(statement, inline, context):
        return NotRewritten(reason)
    left = tuple(part for part in statement.changes if part.kind not in _INLINE)
    online: list[Online] = []
    switch = [statement._replace(sql=statement.bare, changes=left, bare="", constraints=())]
    for constraint in statement.constraints:
        (added,) = constraint.changes
        if added.kind is Kind.ADD_UNIQUE:
            online += add_unique.after_the_switch(constraint, added, context)
        else:
            put_off = validation.after_the_switch("add check constraint", constraint, added, context)
            online += put_off.online
            switch += put_off.switch
    return Rewritten("add column", tuple(online), tuple(switch))


def _reason(statement: Statement, inline: list[Change], context: RewriteContext) -> str:
    """Why the constraints must come with the column."""
    for change in inline:
        if change.kind is Kind.ADD_UNIQUE and context.partitioned(change.table):
            return add_unique.PARTITIONED
        if change.kind is Kind.ADD_UNIQUE and not change.satisfied:
            return "its rows do not all get NULL, and duplicates must fail before anything is committed"
        if not change.satisfied:
            return "its rows may violate the column's check, which must fail before anything is committed"
    if not statement.constraints:
        return "its default is another each time, or its names or tablespace are not told apart from the statement"
    return ""
