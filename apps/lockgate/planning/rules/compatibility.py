"""LG8xx: what breaks the release that still serves while this one is rolled out."""

from __future__ import annotations

import re
from collections.abc import Iterator

from lockgate.planning.rules.case import Case
from lockgate.planning.rules.rule import ERROR, WARNING, Finding, rule
from lockgate.planning.sql_reading import SqlStatement
from lockgate.planning.steps import Change, Kind, Phase, Work


def _column(change: Change) -> str:
    return change.columns[0] if change.columns else "?"


@rule(
    "LG801",
    "column-dropped",
    ERROR,
    condition="A column is dropped.",
    effect="The release that still serves names all columns in its queries, so each of them on this table fails "
    "until it is replaced. The data is gone for good.",
    remedy="Remove the field in state only (SeparateDatabaseAndState), with a database default or NULL allowed for the "
    "inserts that no longer name it; drop the column in a later release.",
    unsafe="""
        migrations.RemoveField("order", "note"),
    """,
    safe="""
        migrations.SeparateDatabaseAndState(state_operations=[migrations.RemoveField("order", "note")]),
    """,
    squawk=("ban-drop-column",),
)
def column_dropped(case: Case) -> Iterator[Finding]:
    for step, change in case.changes(Kind.DROP_COLUMN):
        if step.phase is not Phase.CONTRACT:
            what = f'column "{_column(change)}" of {case.described(change.table)} is dropped'
            yield Finding(what, step.operation, change.table)


@rule(
    "LG802",
    "table-dropped",
    ERROR,
    condition="A table is dropped.",
    effect="Every query of the release that still serves on this table fails, and deletes that cascade to it too. The "
    "data is gone for good.",
    remedy="Remove the model in state only (SeparateDatabaseAndState), and drop the table in a later release.",
    unsafe="""
        migrations.DeleteModel("Order"),
    """,
    safe="""
        migrations.SeparateDatabaseAndState(state_operations=[migrations.DeleteModel("Order")]),
    """,
    squawk=("ban-drop-table",),
)
def table_dropped(case: Case) -> Iterator[Finding]:
    for step, change in case.changes(Kind.DROP_TABLE):
        if step.phase is not Phase.CONTRACT:
            yield Finding(f"table {case.described(change.table)} is dropped", step.operation, change.table)


@rule(
    "LG803",
    "column-renamed",
    ERROR,
    condition="A column is renamed.",
    effect="Every query of the release that still serves on this table fails, because it names the column as it was.",
    remedy="Rename the field and keep the column: db_column with the old name makes it a change of state alone.",
    unsafe="""
        migrations.RenameField("order", "note", "remark"),
    """,
    safe="""
        migrations.AlterField("order", "note", models.TextField(null=True, db_column="note")),
        migrations.RenameField("order", "note", "remark"),
    """,
    squawk=("renaming-column",),
)
def column_renamed(case: Case) -> Iterator[Finding]:
    for step, change in case.changes(Kind.RENAME_COLUMN):
        what = f'column "{change.old_name}" of {case.described(change.table)} is renamed to "{change.name}"'
        yield Finding(what, step.operation, change.table)


@rule(
    "LG804",
    "table-renamed",
    ERROR,
    condition="A table is renamed.",
    effect="Every query of the release that still serves on this table fails, because it names the table as it was.",
    remedy="Rename the model and keep the table: db_table with the old name makes it a change of state alone.",
    unsafe="""
        migrations.RenameModel("Order", "Purchase"),
    """,
    safe="""
        migrations.AlterModelTable("order", "shop_order"),
        migrations.RenameModel("Order", "Purchase"),
    """,
    squawk=("renaming-table",),
)
def table_renamed(case: Case) -> Iterator[Finding]:
    for step, change in case.changes(Kind.RENAME_TABLE):
        if case.existed(change.name):
            yield Finding(f'table "{change.old_name}" is renamed to "{change.name}"', step.operation, change.name)


@rule(
    "LG805",
    "required-column-without-database-default",
    ERROR,
    condition="A NOT NULL column is added whose default the database does not keep while the last release serves.",
    effect="Django drops the default right after adding the column, so every INSERT of the release that still serves, "
    "which does not know the column, fails.",
    remedy="Add the field in an atomic migration that does not alter it further: Lockgate leaves the default in the "
    "database until that release is gone. Or give the field db_default, or null=True until the next release.",
    unsafe="""
        migrations.AddField("order", "source", models.CharField(max_length=20, default="web")),
        migrations.AlterField("order", "source", models.CharField(max_length=40, default="web")),
    """,
    safe="""
        migrations.AddField("order", "source", models.CharField(max_length=40, default="web")),
    """,
)
def required_column(case: Case) -> Iterator[Finding]:
    kept = {
        (change.table, change.columns)
        for step, change in case.changes(Kind.DROP_DEFAULT)
        if step.phase is Phase.CONTRACT
    }
    for step, change in case.changes(Kind.ADD_COLUMN):
        dropped = change.default and not change.database_default  # without any, LG306 says that it fails
        needed = change.not_null and dropped and not change.identity and not case.is_generated(change)
        if needed and (change.table, change.columns) not in kept:
            what = f'column "{_column(change)}" of {case.described(change.table)} is NOT NULL with no database default'
            yield Finding(what + case.why_in_place(step), step.operation, change.table)


@rule(
    "LG806",
    "type-narrowed",
    ERROR,
    condition="A column's type becomes narrower: a shorter text, a smaller number.",
    effect="The migration fails on the first row that does not fit; afterwards the release that still serves fails "
    "where it writes what used to fit.",
    remedy="Stop writing the longer values first, then add a check constraint, and narrow the type, if at all, a "
    "release later.",
    unsafe="""
        migrations.AlterField("order", "number", models.CharField(max_length=10)),
    """,
    safe="""
        migrations.AlterField("order", "number", models.CharField(max_length=40)),
    """,
)
def narrowed(case: Case) -> Iterator[Finding]:
    for step, change in case.changes(Kind.ALTER_TYPE):
        if _is_narrower(change.old_type, change.type):
            what = f'"{_column(change)}" of {case.described(change.table)} goes from {change.old_type} to {change.type}'
            yield Finding(what, step.operation, change.table)


_SIZES = {"smallint": 2, "integer": 4, "bigint": 8, "real": 4, "double precision": 8}
_LENGTH = re.compile(r"\((\d+)(?:\s*,\s*(-?\d+))?\)")


def _is_narrower(old: str, new: str) -> bool:
    if old in _SIZES and new in _SIZES:
        return _SIZES[new] < _SIZES[old]
    before, after = _LENGTH.search(old), _LENGTH.search(new)
    if old.partition("(")[0] == new.partition("(")[0] and after:
        if before is None:
            return True
        whole = [int(found[1]) - int(found[2] or 0) for found in (before, after)]
        return whole[1] < whole[0] or int(after[2] or 0) < int(before[2] or 0)
    return old == "text" and new.startswith(("varchar", "char"))


@rule(
    "LG807",
    "new-rule-for-old-code",
    WARNING,
    condition="A table that is there already gets a constraint, or NOT NULL, that its rows had not to satisfy before.",
    effect="The release that still serves does not know it: where it writes what the constraint forbids, its requests "
    "fail from the moment it is added.",
    remedy="Make sure that the code of the release before this one satisfies it, and accept this hazard by naming that "
    "release.",
    unsafe="""
        migrations.AddConstraint(
            "order", models.CheckConstraint(condition=models.Q(total__gte=0), name="order_total_positive")
        ),
    """,
    safe="""
        migrations.AddField("order", "source", models.CharField(max_length=20, null=True)),
    """,
)
def new_rule(case: Case) -> Iterator[Finding]:
    added = {(change.table, column) for _, change in case.changes(Kind.ADD_COLUMN) for column in change.columns}
    kinds = (Kind.ADD_CHECK, Kind.ADD_UNIQUE, Kind.ADD_FOREIGN_KEY, Kind.ADD_EXCLUSION, Kind.SET_NOT_NULL)
    seen = set()
    for step, change in case.changes(*kinds):
        old = not change.columns or not all((change.table, column) in added for column in change.columns)
        if old and (step.operation, change.table) not in seen and (change.name not in _made_again(case)):
            seen.add((step.operation, change.table))
            name = f' "{change.name}"' if change.name else ""
            kind = change.kind.removeprefix("add ").removeprefix("set ")
            what = f"{kind}{name} holds for {case.described(change.table)} from now on"
            yield Finding(what, step.operation, change.table)


def _made_again(case: Case) -> set[str]:
    """Constraints that were there before, and are dropped and made anew."""
    return {change.name for _, change in case.changes(Kind.DROP_CONSTRAINT) if change.name} - {
        change.name for step in case.steps if step.rewrite == "set not null" for change in step.changes
    }


@rule(
    "LG808",
    "database-default-dropped",
    ERROR,
    condition="The database default of a column that stays is dropped.",
    effect="The release that still serves leaves the column to its default: its inserts fail where it is NOT NULL, and "
    "write NULL where it is not.",
    remedy="Keep the default for one more release; drop it when every release that serves writes the column.",
    unsafe="""
        migrations.RunSQL("ALTER TABLE shop_order ALTER COLUMN total DROP DEFAULT", migrations.RunSQL.noop),
    """,
    safe="""
        migrations.RunSQL("ALTER TABLE shop_order ALTER COLUMN total SET DEFAULT 1", migrations.RunSQL.noop),
    """,
)
def default_dropped(case: Case) -> Iterator[Finding]:
    for step, change in case.changes(Kind.DROP_DEFAULT):
        if change.database_default:
            what = f'"{_column(change)}" of {case.described(change.table)} loses its database default'
            yield Finding(what, step.operation, change.table)


@rule(
    "LG809",
    "upsert-target-dropped",
    WARNING,
    condition="A unique constraint or index is dropped.",
    effect="Where the release that still serves upserts on it (bulk_create with update_conflicts, ON CONFLICT), the "
    "statement fails, because no unique index matches; and duplicates are let in that block its return.",
    remedy="Drop it a release after the last code that relies on it, and accept this hazard by naming that release.",
    unsafe="""
        migrations.AlterField("customer", "email", models.CharField(max_length=200)),
    """,
    safe="""
        migrations.RemoveIndex("order", "order_total"),
    """,
)
def upsert_target_dropped(case: Case) -> Iterator[Finding]:
    for step, change in case.changes(Kind.DROP_CONSTRAINT, Kind.DROP_INDEX):
        if change.unique and change.name not in _added_again(case):
            what = f'unique "{change.name}" of {case.described(change.table)} is dropped'
            yield Finding(what, step.operation, change.table)


def _added_again(case: Case) -> set[str]:
    return {change.name for _, change in case.changes(Kind.ADD_UNIQUE, Kind.ADD_INDEX) if change.unique}


@rule(
    "LG810",
    "type-of-another-family",
    ERROR,
    condition="A column's type changes to another family: a number to text, text to a date.",
    effect="The release that still serves compares it with values of the old family, for which PostgreSQL has no "
    "operator, so those queries fail; others read values they cannot use.",
    remedy="Add a column of the new type beside it, write to both, and drop the old one when no release reads it.",
    unsafe="""
        migrations.AlterField("order", "total", models.CharField(max_length=20)),
    """,
    safe="""
        migrations.AlterField("order", "number", models.TextField()),
    """,
)
def another_family(case: Case) -> Iterator[Finding]:
    for step, change in case.changes(Kind.ALTER_TYPE):
        before, after = _family(change.old_type), _family(change.type)
        if change.work is Work.REWRITE and before and after and before != after:
            what = f'"{_column(change)}" of {case.described(change.table)} goes from {change.old_type} to {change.type}'
            yield Finding(what, step.operation, change.table)


_FAMILIES = {
    "number": ("smallint", "integer", "bigint", "numeric", "real", "double precision"),
    "text": ("varchar", "text", "char", "citext"),
    "time": ("date", "timestamp"),
    "boolean": ("boolean",),
    "uuid": ("uuid",),
    "json": ("jsonb", "json"),
    "address": ("inet", "cidr"),
    "bytes": ("bytea",),
}


def _family(name: str) -> str:
    return next((family for family, names in _FAMILIES.items() if name.startswith(names)), "")


@rule(
    "LG811",
    "null-allowed",
    WARNING,
    condition="NOT NULL is dropped from a column.",
    effect="As soon as the new release writes a NULL, the one that still serves reads a None where it never had to "
    "expect one.",
    remedy="Let the code of one release read None before the code of the next writes it; then accept this hazard.",
    unsafe="""
        migrations.AlterField("order", "number", models.CharField(max_length=20, null=True)),
    """,
    safe="""
        migrations.AlterField("order", "number", models.CharField(max_length=40)),
    """,
    squawk=("ban-drop-not-null",),
)
def null_allowed(case: Case) -> Iterator[Finding]:
    for step, change in case.changes(Kind.DROP_NOT_NULL):
        what = f'"{_column(change)}" of {case.described(change.table)} may be NULL from now on'
        yield Finding(what, step.operation, change.table)


@rule(
    "LG812",
    "object-dropped-or-renamed",
    WARNING,
    condition="RunSQL drops, renames or moves a view, function, sequence, trigger, policy or constraint by hand.",
    effect="Where the release that still serves names it (a view in its queries, a function in a default), those "
    "queries fail; what a trigger or policy did is done no more.",
    remedy="Make the new one beside it, and drop the old one when no release that serves uses it; then accept "
    "this hazard.",
    unsafe="""
        migrations.RunSQL("ALTER VIEW shop_totals RENAME TO shop_sums", migrations.RunSQL.noop),
    """,
    safe="""
        migrations.RunSQL("CREATE VIEW shop_sums AS SELECT 1", "DROP VIEW shop_sums"),
    """,
)
def object_gone(case: Case) -> Iterator[Finding]:
    for step, statement in case.sql:
        kind = _object(statement)
        gone = statement.starts("DROP") or statement.has("RENAME", "TO") or statement.has("SET", "SCHEMA")
        if kind and gone:
            yield Finding(f"a {kind.lower()} that may be in use goes away", step.operation)


_OBJECTS = ("VIEW", "FUNCTION", "PROCEDURE", "SEQUENCE", "TRIGGER", "POLICY", "DOMAIN", "AGGREGATE", "OPERATOR")


def _object(statement: SqlStatement) -> str:
    """What kind of object a DROP or ALTER is about, of those that are not tables, columns, indexes or types."""
    words = [word for word in statement.tokens[:3] if word != "MATERIALIZED"]
    return words[1] if words[0] in ("DROP", "ALTER") and len(words) > 1 and words[1] in _OBJECTS else ""


@rule(
    "LG813",
    "privilege-revoked",
    WARNING,
    condition="RunSQL revokes a privilege, or gives a table to another owner.",
    effect="The release that still serves fails at whatever it did with that privilege, from the moment of the commit.",
    remedy="Revoke when no release that serves uses it any more; then accept this hazard by naming that release.",
    unsafe="""
        migrations.RunSQL("REVOKE INSERT ON shop_order FROM shop", migrations.RunSQL.noop),
    """,
    safe="""
        migrations.RunSQL("GRANT INSERT ON shop_order TO shop", migrations.RunSQL.noop),
    """,
)
def privilege_revoked(case: Case) -> Iterator[Finding]:
    for step, statement in case.sql:
        if statement.starts("REVOKE") or (statement.starts("ALTER") and statement.has("OWNER", "TO")):
            yield Finding("a privilege that may be in use goes away", step.operation)


RULES = (
    column_dropped,
    table_dropped,
    column_renamed,
    table_renamed,
    required_column,
    narrowed,
    new_rule,
    default_dropped,
    upsert_target_dropped,
    another_family,
    null_allowed,
    object_gone,
    privilege_revoked,
)
