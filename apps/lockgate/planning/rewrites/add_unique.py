"""ADD CONSTRAINT UNIQUE → a unique index built concurrently, then attached in a moment (USING INDEX).

Unique constraints with a condition, expressions, included columns or operator classes are indexes in Django already,
and are served by ``add_index``. Duplicates are found while the index is built, before anything has changed.
Source: https://www.postgresql.org/docs/current/sql-altertable.html (ADD table_constraint_using_index)
"""

from __future__ import annotations

from lockgate.planning.rewrites.context import NotRewritten, Online, RewriteContext, Rewritten
from lockgate.planning.steps import Change, Kind, Phase, Statement

PARTITIONED = "the table is partitioned, and no index can be attached to all partitions as a constraint"


def rewrite(statement: Statement, change: Change, context: RewriteContext) -> Rewritten | NotRewritten | None:
    if change.kind is not Kind.ADD_UNIQUE or not statement.attach or not context.is_large(change.table):
        return None
    if context.partitioned(change.table):
        return NotRewritten(PARTITIONED)
    if prevented := context.prevented():
        return prevented
    if context.depends_on_switch(change):
        return context.violable(change) or Rewritten(
            "add unique constraint", after_the_switch(statement, change, context)
        )
    note = "duplicates are found here, before anything has changed; reads and writes go on"
    build = _build(Phase.EXPAND, statement, change, context, note)
    return Rewritten("add unique constraint", (build,), (_attach(statement, change),))


def after_the_switch(statement: Statement, change: Change, context: RewriteContext) -> tuple[Online, ...]:
    """Both steps in finish."""
    reason = "after the switch, which makes its columns; until it is built duplicates are not refused"
    return (
        _build(Phase.FINISH, statement, change, context, reason),
        Online(
            Phase.FINISH,
            f'attach unique constraint "{change.name}"',
            _attach(statement, change),
            "needs the index that was built",
        ),
    )


def _build(phase: Phase, statement: Statement, change: Change, context: RewriteContext, reason: str) -> Online:
    return Online(
        phase,
        f'build unique index "{change.name}"',
        Statement(statement.online, (change._replace(kind=Kind.ADD_INDEX, concurrently=True),)),
        reason,
        undo=(f"DROP INDEX CONCURRENTLY IF EXISTS {context.quote(change.name)}",),
        transactional=False,
    )


def _attach(statement: Statement, change: Change) -> Statement:
    return Statement(statement.attach, (change._replace(using_index=True),))
