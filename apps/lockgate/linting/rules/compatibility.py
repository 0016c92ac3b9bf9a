"""LG8xx: what breaks the release that still serves while this one is rolled out; what it loses is in ``removals``."""

from __future__ import annotations

from collections.abc import Iterator

from lockgate.linting.rules.fields import altered_later
from lockgate.linting.rules.rule import ERROR, WARNING, Finding, accepting, rule
from lockgate.linting.rules.rule_context import RuleContext, column
from lockgate.planning import type_changes
from lockgate.planning.steps import Change, Kind, Phase, Work


@rule(
    "LG805",
    "required-column-without-database-default",
    ERROR,
    condition="A NOT NULL column is added whose default the database does not keep while the last release serves.",
    effect="Django drops the default right after adding the column, so every INSERT of the release that still serves, "
    "which does not know the column, fails.",
    remedy="Add the field in an atomic migration that does not alter it further: Lockgate leaves the default in the "
    "database until that release is gone. Or give the field db_default, or null=True until the next release.",
    rests_on="https://docs.djangoproject.com/en/stable/ref/models/fields/#db-default",
    unsafe="""
        migrations.AddField("order", "source", models.CharField(max_length=20, default="web")),
        migrations.AlterField("order", "source", models.CharField(max_length=40, default="web")),
    """,
    safe="""
        migrations.AddField("order", "source", models.CharField(max_length=40, default="web")),
    """,
    instead=altered_later,
)
def required_column(context: RuleContext) -> Iterator[Finding]:
    kept = {
        (change.table, change.columns)
        for step, change in context.changes(Kind.DROP_DEFAULT)
        if step.phase is Phase.CONTRACT
    }
    for step, change in context.changes(Kind.ADD_COLUMN):
        dropped = change.default and not change.database_default  # without any, LG306 says that it fails
        needed = change.not_null and dropped and not change.identity and not context.is_generated(change)
        if needed and (change.table, change.columns) not in kept | _set_again(context):
            what = (
                f'column "{column(change)}" of {context.described(change.table)} is NOT NULL with no database default'
            )
            yield Finding(what + context.why_in_place(step), step.operation, change.table)


def _set_again(context: RuleContext) -> set[tuple[str, tuple[str, ...]]]:
    """Columns that end the migration with a database default that SQL of its own has set."""
    last = {
        (change.table, change.columns): step for step, change in context.changes(Kind.SET_DEFAULT, Kind.DROP_DEFAULT)
    }
    sets = [(step, change) for step, change in context.changes(Kind.SET_DEFAULT) if context.is_sql(step)]
    return {(change.table, change.columns) for step, change in sets if last[change.table, change.columns] is step}


@rule(
    "LG806",
    "type-narrowed",
    ERROR,
    condition="A column's type becomes narrower: a shorter text, a smaller number.",
    effect="The migration fails on the first row that does not fit; afterwards the release that still serves fails "
    "where it writes what used to fit.",
    remedy="Stop writing the longer values first, then add a check constraint, and narrow the type, if at all, a "
    "release later.",
    rests_on="https://www.postgresql.org/docs/current/ddl-alter.html#DDL-ALTER-COLUMN-TYPE",
    unsafe="""
        migrations.AlterField("order", "number", models.CharField(max_length=10)),
    """,
    safe="""
        migrations.AddConstraint(
            "order",
            models.CheckConstraint(
                condition=models.lookups.LessThanOrEqual(functions.Length("number"), 10), name="order_number_short"
            ),
        ),
    """,
    other_end="The type stays, and a check constraint keeps longer values out.",
)
def narrowed(context: RuleContext) -> Iterator[Finding]:
    for step, change in context.changes(Kind.ALTER_TYPE):
        if type_changes.narrows(change.old_type, change.type):
            what = (
                f'"{column(change)}" of {context.described(change.table)} goes from {change.old_type} to {change.type}'
            )
            yield Finding(what, step.operation, change.table)


@rule(
    "LG807",
    "new-rule-for-old-code",
    WARNING,
    condition="A table that is there already gets a constraint, or NOT NULL, that its rows had not to satisfy before.",
    effect="The release that still serves does not know it: where it writes what the constraint forbids, its requests "
    "fail from the moment it is added.",
    remedy="Make sure that the code of the release before this one satisfies it, and accept this hazard by naming that "
    "release.",
    rests_on="https://www.postgresql.org/docs/current/ddl-constraints.html",
    unsafe="""
        migrations.AddConstraint(
            "order", models.CheckConstraint(condition=models.Q(total__gte=0), name="order_total_positive")
        ),
    """,
    safe=accepting(
        "LG807",
        "no release since 41 writes a negative total",
        """
        migrations.AddConstraint(
            "order", models.CheckConstraint(condition=models.Q(total__gte=0), name="order_total_positive")
        ),
    """,
    ),
)
def new_rule(context: RuleContext) -> Iterator[Finding]:
    added = {(change.table, column) for _, change in context.changes(Kind.ADD_COLUMN) for column in change.columns}
    kinds = (Kind.ADD_CHECK, Kind.ADD_UNIQUE, Kind.ADD_FOREIGN_KEY, Kind.ADD_EXCLUSION, Kind.SET_NOT_NULL)
    seen = set()
    for step, change in context.changes(*kinds):
        if change.kind is Kind.SET_NOT_NULL and change.proven and step.rewrite != "set not null":
            continue  # a check has said so before
        old = not change.columns or not all((change.table, column) in added for column in change.columns)
        again = change.name in _made_again(context) or _held_before(context, change)
        if old and (step.operation, change.table) not in seen and not again:
            seen.add((step.operation, change.table))
            columns = ", ".join(f'"{column_name}"' for column_name in change.columns)
            name = f' "{change.name}"' if change.name else f" of {columns}" if columns else ""
            kind = change.kind.removeprefix("add ").removeprefix("set ")
            what = f"{kind}{name} holds for {context.described(change.table)} from now on"
            yield Finding(what, step.operation, change.table)


def _held_before(context: RuleContext, change: Change) -> bool:
    """Whether rows had to satisfy as much by what the migration drops: the same key, or a unique one of fewer."""
    gone = [
        other for _, other in context.changes(Kind.DROP_CONSTRAINT) if other.table == change.table and other.columns
    ]
    if change.kind is Kind.ADD_FOREIGN_KEY:
        return any((other.columns, other.references) == (change.columns, change.references) for other in gone)
    unique = change.kind is Kind.ADD_UNIQUE and not change.nulls_equal
    return unique and any(other.unique and {*other.columns} <= {*change.columns} for other in gone)


def _made_again(context: RuleContext) -> set[str]:
    """Constraints that were there before, and are dropped and made anew."""
    return {change.name for _, change in context.changes(Kind.DROP_CONSTRAINT) if change.name} - {
        change.name for step in context.steps if step.rewrite == "set not null" for change in step.changes
    }


@rule(
    "LG808",
    "database-default-dropped",
    ERROR,
    condition="The database default of a column that stays is dropped.",
    effect="The release that still serves leaves the column to its default: its inserts fail where it is NOT NULL, and "
    "write NULL where it is not.",
    remedy="Keep the default for one more release; drop it when every release that serves writes the column.",
    rests_on="https://www.postgresql.org/docs/current/ddl-default.html",
    unsafe="""
        migrations.RunSQL("ALTER TABLE shop_order ALTER COLUMN total DROP DEFAULT", migrations.RunSQL.noop),
    """,
    safe=accepting(
        "LG808",
        "every release since 41 writes the column",
        """
        migrations.RunSQL("ALTER TABLE shop_order ALTER COLUMN total DROP DEFAULT", migrations.RunSQL.noop),
    """,
    ),
)
def default_dropped(context: RuleContext) -> Iterator[Finding]:
    for step, change in context.changes(Kind.DROP_DEFAULT):
        if change.database_default:
            what = f'"{column(change)}" of {context.described(change.table)} loses its database default'
            yield Finding(what, step.operation, change.table)


@rule(
    "LG809",
    "upsert-target-dropped",
    WARNING,
    condition="A unique constraint or index is dropped.",
    effect="Where the release that still serves upserts on it (bulk_create with update_conflicts, ON CONFLICT), the "
    "statement fails, because no unique index matches; and duplicates are let in that block its return.",
    remedy="Drop it a release after the last code that relies on it, and accept this hazard by naming that release.",
    rests_on="https://www.postgresql.org/docs/current/sql-insert.html#SQL-ON-CONFLICT",
    unsafe="""
        migrations.AlterField("customer", "email", models.CharField(max_length=200)),
    """,
    safe=accepting(
        "LG809",
        "no release since 41 upserts on it",
        """
        migrations.AlterField("customer", "email", models.CharField(max_length=200)),
    """,
    ),
)
def upsert_target_dropped(context: RuleContext) -> Iterator[Finding]:
    for step, change in context.changes(Kind.DROP_CONSTRAINT, Kind.DROP_INDEX):
        if change.unique and change.name not in _added_again(context):
            what = f'unique "{change.name}" of {context.described(change.table)} is dropped'
            yield Finding(what, step.operation, change.table)


def _added_again(context: RuleContext) -> set[str]:
    return {change.name for _, change in context.changes(Kind.ADD_UNIQUE, Kind.ADD_INDEX) if change.unique}


@rule(
    "LG810",
    "type-of-another-family",
    ERROR,
    condition="A column's type changes to another family: a number to text, text to a date.",
    effect="The release that still serves compares it with values of the old family, for which PostgreSQL has no "
    "operator, so those queries fail; others read values they cannot use.",
    remedy="Add a column of the new type beside it, write to both, and drop the old one when no release reads it.",
    rests_on="https://www.postgresql.org/docs/current/typeconv-oper.html",
    unsafe="""
        migrations.AlterField("order", "total", models.CharField(max_length=20)),
    """,
    safe="""
        migrations.AddField("order", "total_text", models.CharField(max_length=20, null=True)),
    """,
    other_end="A column of the new type stands beside the old one, until no release reads that.",
)
def another_family(context: RuleContext) -> Iterator[Finding]:
    for step, change in context.changes(Kind.ALTER_TYPE):
        before, after = _family(change.old_type), _family(change.type)
        if change.work is Work.REWRITE and before and after and before != after:
            what = (
                f'"{column(change)}" of {context.described(change.table)} goes from {change.old_type} to {change.type}'
            )
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
    rests_on="https://www.postgresql.org/docs/current/ddl-constraints.html#DDL-CONSTRAINTS-NOT-NULL",
    unsafe="""
        migrations.AlterField("order", "number", models.CharField(max_length=20, null=True)),
    """,
    safe=accepting(
        "LG811",
        "every release since 41 reads None",
        """
        migrations.AlterField("order", "number", models.CharField(max_length=20, null=True)),
    """,
    ),
    squawk=("ban-drop-not-null",),
)
def null_allowed(context: RuleContext) -> Iterator[Finding]:
    for step, change in context.changes(Kind.DROP_NOT_NULL):
        what = f'"{column(change)}" of {context.described(change.table)} may be NULL from now on'
        yield Finding(what, step.operation, change.table)
