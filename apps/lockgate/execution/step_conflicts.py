"""What is said where the catalog has something else of a step's name than the step has made, or asks for."""

from __future__ import annotations

from lockgate.errors import MigrationFailed
from lockgate.models import JournalEntry
from lockgate.planning.steps import Kind


def in_the_way(step: JournalEntry, *, valid: bool) -> MigrationFailed:
    name = f'"{step.object_name}"'
    if step.attempts or step.kind == Kind.DROP_INDEX:
        why = f"it is not what {step.app}.{step.name} has made or asks for: it is of another definition, or table"
        advice = f"rename it, or drop it if nobody needs it, and run again:  DROP INDEX CONCURRENTLY {name};"
        advice += f"\n{settling(step)}"
    elif valid:
        why, advice = "no recorded migration made it", "rename or drop it, or record the migration with --fake"
    else:
        why = "it is invalid: a concurrent build that Lockgate did not run was broken off"
        advice = f"if nobody is building it now, drop it and run again:  DROP INDEX CONCURRENTLY {name};"
    return MigrationFailed(f"an index {name} is there already", why=why, state="", next_step=advice)


def renamed(step: JournalEntry, schema: str, name: str) -> MigrationFailed:
    return MigrationFailed(
        f'the index "{step.object_name}" of {step.table_name} is not where it was',
        why=f'{step.app}.{step.name} is to drop it, and somebody has renamed it, or its table, since: it is "{name}" '
        f'in schema "{schema}" now',
        state="",
        next_step=f'rename it back, or drop it if nobody needs it, and run again:  DROP INDEX CONCURRENTLY "{name}";\n'
        + settling(step),
    )


def unknown_whose(step: JournalEntry, schema: str, table: str) -> MigrationFailed:
    """It was killed before it could note what it had built, and by its table it is not known either."""
    return MigrationFailed(
        f'it is not known whether the index "{step.object_name}" is the one that {step.app}.{step.name} was building',
        why=f'{step.table_name} is not there, and "{schema}"."{table}" has an index of that name: the table was '
        "renamed, or the index is somebody else's",
        state="",
        next_step="where it is that table, rename it back, or drop the index; then run again:  "
        f'DROP INDEX CONCURRENTLY "{schema}"."{step.object_name}";\n{settling(step)}',
    )


def settling(step: JournalEntry) -> str:
    """The command by which a person settles a step that cannot go on."""
    return f"or see what is there, and settle it:  manage.py lockgate repair {step.pk}"


def another_constraint(step: JournalEntry, *, there: bool = True) -> MigrationFailed:
    name = f'"{step.object_name}"'
    if not there:
        return MigrationFailed(
            f"the constraint {name} of {step.table_name} is gone",
            why=f"{step.app}.{step.name} has made it; somebody has dropped or renamed it, or its table, since",
            state="",
            next_step=f"bring it back by hand, {settling(step)}",
        )
    return MigrationFailed(
        f"a constraint {name} of {step.table_name} is there already",
        why=f"it is not what {step.app}.{step.name} has made or asks for: it has another definition",
        state="",
        next_step=f"rename it, or drop it if nobody needs it, and run again:  ALTER TABLE {step.table_name} "
        f"DROP CONSTRAINT {name};\n{settling(step)}",
    )
