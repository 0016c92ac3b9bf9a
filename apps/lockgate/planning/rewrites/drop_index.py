"""DROP INDEX → DROP INDEX CONCURRENTLY, after the switch: it needs no lock that blocks, and cannot be undone.

Source: https://www.postgresql.org/docs/current/sql-dropindex.html
"""

from __future__ import annotations

from lockgate.planning.rewrites.context import NotRewritten, Online, RewriteContext, Rewritten
from lockgate.planning.steps import Change, Kind, Phase, Statement


def rewrite(statement: Statement, change: Change, context: RewriteContext) -> Rewritten | NotRewritten | None:
    if change.kind is not Kind.DROP_INDEX or not statement.online or not context.is_large(change.table):
        return None
    if context.partitioned(change.table):
        return NotRewritten("the table is partitioned, and PostgreSQL drops no index of all partitions concurrently")
    if (change.table, "") in context.created:
        return NotRewritten("the table is renamed in the same migration")
    dropped = Statement(statement.online, (change._replace(concurrently=True),))
    step = Online(
        Phase.FINISH,
        f'drop index "{change.name}"',
        dropped,
        "after the switch, because a dropped index cannot be brought back at once; reads and writes go on",
        transactional=False,
    )
    return Rewritten("drop index", (step,))
