"""The two steps that checks and foreign keys share: add NOT VALID, then validate."""

from __future__ import annotations

from lockgate.planning.rewrites.context import NotRewritten, Online, RewriteContext, Rewritten
from lockgate.planning.steps import Change, Kind, Phase, Statement


def added_and_validated(
    name: str, statement: Statement, change: Change, context: RewriteContext
) -> Rewritten | NotRewritten:
    """NOT VALID and VALIDATE before the switch; or in it and after it, where the switch makes what they need."""
    if context.depends_on_switch(change):
        return context.violable(change) or after_the_switch(name, statement, change, context)
    drop = _dropping(change, context)
    note = "; rows that violate it are found here, before anything has changed"
    (addition,) = added_alone(statement, change, context).online
    return Rewritten(name, (addition, _validation(Phase.EXPAND, change, context, note, drop)))


def added_alone(statement: Statement, change: Change, context: RewriteContext) -> Rewritten:
    """NOT VALID before the switch."""
    title, reason = f'add constraint "{change.name}", not valid', "holds for new rows at once"
    step = Online(Phase.EXPAND, title, _added(statement, change), reason, _dropping(change, context))
    return Rewritten("add check constraint", (step,))


def after_the_switch(name: str, statement: Statement, change: Change, context: RewriteContext) -> Rewritten:
    """NOT VALID in the switch, and VALIDATE after it."""
    return Rewritten(name, (_validation(Phase.FINISH, change, context),), (_added(statement, change),))


def _added(statement: Statement, change: Change) -> Statement:
    return Statement(statement.online, (change._replace(not_valid=True),))


def _validation(
    phase: Phase, change: Change, context: RewriteContext, note: str = "", undo: tuple[str, ...] = ()
) -> Online:
    table, constraint = context.quote(change.table), context.quote(change.name)
    validated = Change(
        Kind.VALIDATE_CONSTRAINT, change.table, change.columns, change.name, references=change.references
    )
    return Online(
        phase,
        f'validate constraint "{change.name}"',
        Statement(f"ALTER TABLE {table} VALIDATE CONSTRAINT {constraint}", (validated,)),
        f"reads every row once, while reads and writes go on{note}",
        undo=undo,
    )


def _dropping(change: Change, context: RewriteContext) -> tuple[str, ...]:
    table, constraint = context.quote(change.table), context.quote(change.name)
    return (f"ALTER TABLE {table} DROP CONSTRAINT IF EXISTS {constraint}",)
