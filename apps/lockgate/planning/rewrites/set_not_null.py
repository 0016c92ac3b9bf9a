"""SET NOT NULL → a validated constraint first, so that the switch need not scan.

Before PostgreSQL 18 a check (column IS NOT NULL) serves as proof and is dropped in the switch; from 18 on NOT NULL
itself can be added NOT VALID and validated. NULLs are found before anything has changed.
Source: https://www.postgresql.org/docs/current/sql-altertable.html (SET NOT NULL; NOT NULL … NOT VALID)
"""

from __future__ import annotations

from lockgate.planning import identifiers
from lockgate.planning.rewrites.context import NotRewritten, Online, RewriteContext, Rewritten
from lockgate.planning.steps import Change, Kind, Phase, Statement


def rewrite(statement: Statement, change: Change, context: RewriteContext) -> Rewritten | NotRewritten | None:
    if change.kind is not Kind.SET_NOT_NULL or change.proven or not context.is_large(change.table):
        return None
    if prevented := context.prevented():
        return prevented
    if context.is_of_what_was_made(change):
        return NotRewritten("the column's rows are filled, or the column is made, in the same migration")
    native = context.version >= 180000
    name = _name(change, native=native)
    if native and (context.before.find(change.table, name) or not name.endswith(f"_{change.columns[0]}_not_null")):
        return NotRewritten(
            "the name that PostgreSQL would give its constraint is taken, or may be: it would be numbered"
        )
    table, column, constraint = map(context.quote, (change.table, change.columns[0], name))
    rule = f"NOT NULL {column}" if native else f"CHECK ({column} IS NOT NULL)"
    drop = f"ALTER TABLE {table} DROP CONSTRAINT IF EXISTS {constraint}"
    proof = Change(Kind.ADD_CHECK, change.table, change.columns, name, not_valid=True)
    steps = (
        Online(
            Phase.EXPAND,
            f'require "{change.columns[0]}", not valid',
            Statement(f"ALTER TABLE {table} ADD CONSTRAINT {constraint} {rule} NOT VALID", (proof,)),
            "holds for new rows at once",
            (drop,),
        ),
        Online(
            Phase.EXPAND,
            f'validate that "{change.columns[0]}" has no NULL',
            Statement(
                f"ALTER TABLE {table} VALIDATE CONSTRAINT {constraint}",
                (Change(Kind.VALIDATE_CONSTRAINT, change.table, change.columns, name),),
            ),
            "reads every row once, while reads and writes go on; NULLs are found here, before anything has changed",
            (drop,),
        ),
    )
    proven = tuple(part._replace(proven=True) if part is change else part for part in statement.changes)
    switch = [statement._replace(changes=proven)]
    if not native:
        dropped = Change(Kind.DROP_CONSTRAINT, change.table, change.columns, name)
        switch.append(Statement(f"ALTER TABLE {table} DROP CONSTRAINT {constraint}", (dropped,)))
    return Rewritten("set not null", steps, tuple(switch))


def _name(change: Change, *, native: bool) -> str:
    """PostgreSQL's own name for the constraint from 18 on, a recognisable one before."""
    table, (column,) = change.table, change.columns
    return (
        identifiers.given(table, column, "not_null")
        if native
        else identifiers.distinct(f"{table}_{column}", "lockgate_not_null")
    )
