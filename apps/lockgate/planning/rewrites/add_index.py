"""CREATE INDEX → CREATE INDEX CONCURRENTLY, before the switch; after it where the columns are made there.

Source: https://www.postgresql.org/docs/current/sql-createindex.html#SQL-CREATEINDEX-CONCURRENTLY
"""

from __future__ import annotations

from lockgate.planning.rewrites.context import NotRewritten, Online, RewriteContext, Rewritten
from lockgate.planning.steps import Change, Kind, Phase, Statement


def rewrite(statement: Statement, change: Change, context: RewriteContext) -> Rewritten | NotRewritten | None:
    if change.kind is not Kind.ADD_INDEX or not statement.online or not context.is_large(change.table):
        return None
    if context.partitioned(change.table):
        return NotRewritten("the table is partitioned, and PostgreSQL builds no index on all partitions concurrently")
    if prevented := context.prevented():
        return prevented
    later = context.depends_on_switch(change)
    if later and change.unique and (kept := context.violable(change)):
        return kept
    if later and change.unique:
        reason = "after the switch, which makes its columns; until it is built duplicates are not refused"
    elif later:
        reason = "after the switch, which makes its columns"
    else:
        reason = "before the switch, so that it is there when the migration counts"
    built = Statement(statement.online, (change._replace(concurrently=True),))
    step = Online(
        Phase.FINISH if later else Phase.EXPAND,
        f'build index "{change.name}"',
        built,
        f"{reason}; reads and writes go on",
        undo=(f"DROP INDEX CONCURRENTLY IF EXISTS {context.quote(change.name)}",),
        transactional=False,
    )
    return Rewritten("add index", (step,))
