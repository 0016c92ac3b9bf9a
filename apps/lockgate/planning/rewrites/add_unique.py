"""ADD CONSTRAINT UNIQUE → a unique index built concurrently, then attached in a moment (USING INDEX).

Unique constraints with a condition, expressions, included columns or operator classes are indexes in Django already,
and are served by ``add_index``. Duplicates are found while the index is built, before anything has changed.
Source: https://www.postgresql.org/docs/current/sql-altertable.html (ADD table_constraint_using_index)
"""

from __future__ import annotations

from dataclasses import replace

from lockgate.planning.rewrites.context import Context, Kept, Online, Rewritten
from lockgate.planning.steps import Change, Kind, Phase, Statement


def rewrite(statement: Statement, change: Change, context: Context) -> Rewritten | Kept | None:
    if change.kind is not Kind.ADD_UNIQUE or not statement.attach or not context.pays(change.table):
        return None
    if context.partitioned(change.table):
        return Kept("the table is partitioned, and no index can be attached to all partitions as a constraint")
    if prevented := context.prevented():
        return prevented
    later = context.depends_on_switch(change)
    phase = Phase.FINISH if later else Phase.EXPAND
    build = Online(
        phase,
        f'build unique index "{change.name}"',
        Statement(statement.online, (replace(change, kind=Kind.ADD_INDEX, concurrently=True),)),
        "duplicates are found here, before anything has changed; reads and writes go on"
        if not later
        else "after the switch, which makes its columns; until it is built duplicates are not refused",
        undo=(f"DROP INDEX CONCURRENTLY IF EXISTS {context.quote(change.name)}",),
        transactional=False,
    )
    attach = Statement(statement.attach, (replace(change, using_index=True),))
    if not later:
        return Rewritten("add unique constraint", (build,), (attach,))
    attached = Online(phase, f'attach unique constraint "{change.name}"', attach, "needs the index that was built")
    return Rewritten("add unique constraint", (build, attached))
