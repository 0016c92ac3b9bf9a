"""The two steps that checks and foreign keys share: add NOT VALID, then validate."""

from __future__ import annotations

from dataclasses import replace

from lockgate.planning.rewrites.context import Context, Online, Rewritten
from lockgate.planning.steps import Change, Kind, Phase, Statement


def added_and_validated(name: str, statement: Statement, change: Change, context: Context) -> Rewritten:
    """NOT VALID and VALIDATE before the switch; or in it and after it, where the switch makes what they need."""
    table, constraint = context.quote(change.table), context.quote(change.name)
    drop = (f"ALTER TABLE {table} DROP CONSTRAINT IF EXISTS {constraint}",)
    added = Statement(statement.online, (replace(change, not_valid=True),))
    validated = Statement(
        f"ALTER TABLE {table} VALIDATE CONSTRAINT {constraint}",
        (Change(Kind.VALIDATE_CONSTRAINT, change.table, change.columns, change.name, references=change.references),),
    )
    later = context.depends_on_switch(change)
    phase = Phase.FINISH if later else Phase.EXPAND
    validation = Online(
        phase,
        f'validate constraint "{change.name}"',
        validated,
        "reads every row once, while reads and writes go on"
        + ("" if later else "; rows that violate it are found here, before anything has changed"),
        undo=() if later else drop,
    )
    if later:
        return Rewritten(name, (validation,), (added,))
    addition = Online(phase, f'add constraint "{change.name}", not valid', added, "holds for new rows at once", drop)
    return Rewritten(name, (addition, validation))
