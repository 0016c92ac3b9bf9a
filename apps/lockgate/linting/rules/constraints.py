"""LG2xx: constraints that are checked or built while others wait, or dropped with what nobody named."""

from __future__ import annotations

from collections.abc import Iterator

from lockgate.linting.rules.fields import checked_later
from lockgate.linting.rules.offer import alone
from lockgate.linting.rules.rule import ERROR, WARNING, Finding, rule
from lockgate.linting.rules.rule_context import RuleContext, named
from lockgate.linting.rules.sql_offers import in_sql, index_first, key_from_index, proven_first, validated_later
from lockgate.planning.sql_statements import SqlStatement
from lockgate.planning.steps import Change, Kind, Step


def _in_place(context: RuleContext, kind: Kind) -> Iterator[tuple[Step, Change]]:
    """Constraints of a kind that are checked against every row of a large table, under a lock that blocks."""
    for step, change in context.switch(kind):
        waived = change.not_valid or change.using_index or change.proven
        large = context.large(change.table) or (change.references and context.large(change.references))
        if not waived and large and change.table not in context.empty:
            yield step, change


@rule(
    "LG201",
    "unique-built-in-place",
    ERROR,
    condition="A unique constraint is added to a large table without an index that was built beforehand.",
    effect="Reads and writes wait while its index is built under an ACCESS EXCLUSIVE lock.",
    remedy="Add the constraint in an atomic migration of its own: Lockgate builds the index concurrently and attaches "
    "it. Add a unique field with null=True and without a default, and fill it in a later migration.",
    rests_on="https://www.postgresql.org/docs/current/sql-altertable.html#SQL-ALTERTABLE-NOTES",
    unsafe="""
        migrations.RunSQL("UPDATE shop_order SET number = id WHERE number = ''", migrations.RunSQL.noop),
        migrations.AddConstraint("order", models.UniqueConstraint(fields=["number"], name="order_number")),
    """,
    safe=[
        """
            migrations.RunSQL("UPDATE shop_order SET number = id WHERE number = ''", migrations.RunSQL.noop),
        """,
        """
            migrations.AddConstraint("order", models.UniqueConstraint(fields=["number"], name="order_number")),
        """,
    ],
    squawk=("disallowed-unique-constraint",),
    instead=in_sql(index_first, alone),
)
def unique_in_place(context: RuleContext) -> Iterator[Finding]:
    for step, change in _in_place(context, Kind.ADD_UNIQUE):
        what = f"unique constraint {named(change)}is built on {context.described(change.table)} under an exclusive lock"
        yield Finding(what + context.why_in_place(step), step.operation, change.table)


@rule(
    "LG202",
    "check-validated-in-place",
    ERROR,
    condition="A check constraint is added to a large table, and checked in the same statement.",
    effect="Reads and writes wait while every row is read under an ACCESS EXCLUSIVE lock.",
    remedy="Add the constraint in an atomic migration of its own: Lockgate adds it NOT VALID and validates it while "
    "reads and writes go on. A new field with a check of its own needs a default that is known to satisfy it.",
    rests_on="https://www.postgresql.org/docs/current/sql-altertable.html#SQL-ALTERTABLE-NOTES",
    unsafe="""
        migrations.RunSQL("UPDATE shop_order SET total = 0 WHERE total < 0", migrations.RunSQL.noop),
        migrations.AddConstraint(
            "order", models.CheckConstraint(condition=models.Q(total__gte=0), name="order_total_positive")
        ),
    """,
    safe=[
        """
            migrations.RunSQL("UPDATE shop_order SET total = 0 WHERE total < 0", migrations.RunSQL.noop),
        """,
        """
            migrations.AddConstraint(
                "order", models.CheckConstraint(condition=models.Q(total__gte=0), name="order_total_positive")
            ),
        """,
    ],
    squawk=("constraint-missing-not-valid",),
    instead=in_sql(validated_later, alone),
)
def check_in_place(context: RuleContext) -> Iterator[Finding]:
    for step, change in _in_place(context, Kind.ADD_CHECK):
        what = f"check constraint {named(change)}reads all of {context.described(change.table)} under an exclusive lock"
        yield Finding(what + context.why_in_place(step), step.operation, change.table)


@rule(
    "LG203",
    "foreign-key-validated-in-place",
    ERROR,
    condition="A foreign key is added to a column with data, and checked in the same statement.",
    effect="Writes to both tables wait while every row is looked up.",
    remedy="Add the field with null=True and no default, so that no row has to be looked up; or first with "
    "db_constraint=False, and take that away with AlterField in a later atomic migration of its own: Lockgate adds the "
    "key NOT VALID and validates it while writes go on.",
    rests_on="https://www.postgresql.org/docs/current/sql-altertable.html#SQL-ALTERTABLE-NOTES",
    unsafe="""
        migrations.RunSQL(
            "ALTER TABLE shop_order ADD CONSTRAINT order_payer FOREIGN KEY (total) REFERENCES shop_customer (id)",
            migrations.RunSQL.noop,
        ),
    """,
    safe=[
        """
            migrations.RunSQL(
                "ALTER TABLE shop_order ADD CONSTRAINT order_payer"
                " FOREIGN KEY (total) REFERENCES shop_customer (id) NOT VALID",
                migrations.RunSQL.noop,
            ),
        """,
        """
            migrations.RunSQL("ALTER TABLE shop_order VALIDATE CONSTRAINT order_payer", migrations.RunSQL.noop),
        """,
    ],
    squawk=("adding-foreign-key-constraint",),
    instead=in_sql(validated_later, checked_later),
)
def foreign_key_in_place(context: RuleContext) -> Iterator[Finding]:
    for step, change in _in_place(context, Kind.ADD_FOREIGN_KEY):
        tables = f"{context.described(change.table)} against {context.described(change.references)}"
        what = f"foreign key {named(change)}checks {tables} while writes to both wait"
        yield Finding(what + context.why_in_place(step), step.operation, change.table)


@rule(
    "LG204",
    "exclusion-built-in-place",
    ERROR,
    condition="An exclusion constraint is added to a large table.",
    effect="Reads and writes wait while its index is built under an ACCESS EXCLUSIVE lock; PostgreSQL has no online "
    "way.",
    remedy="Make a table with the constraint, copy the rows in portions, and swap the tables; or add it in a "
    "maintenance window and accept this hazard.",
    rests_on="https://www.postgresql.org/docs/current/ddl-constraints.html#DDL-CONSTRAINTS-EXCLUSION",
    unsafe="""
        migrations.AddConstraint(
            "order",
            postgres_constraints.ExclusionConstraint(
                name="order_no_twins", expressions=[("number", "=")], index_type="spgist"
            ),
        ),
    """,
    safe="""
        migrations.CreateModel(
            "Slot",
            [("id", models.BigAutoField(primary_key=True)), ("number", models.CharField(max_length=20))],
            options={
                "constraints": [
                    postgres_constraints.ExclusionConstraint(
                        name="slot_no_twins", expressions=[("number", "=")], index_type="spgist"
                    )
                ]
            },
        ),
    """,
    other_end="The constraint is on a new table, into which the rows are copied.",
)
def exclusion_in_place(context: RuleContext) -> Iterator[Finding]:
    for step, change in _in_place(context, Kind.ADD_EXCLUSION):
        what = (
            f"exclusion constraint {named(change)}is built on {context.described(change.table)} under an exclusive lock"
        )
        yield Finding(what, step.operation, change.table)


@rule(
    "LG205",
    "primary-key-changed",
    ERROR,
    condition="A primary key is added to, or taken from, a table that is there already.",
    effect="The new key's index is built under an ACCESS EXCLUSIVE lock, foreign keys to the old one go, and the "
    "release that still serves looks rows up by a key that is no longer unique.",
    remedy="Add the new column, fill it, build a unique index concurrently, and make it the key with ADD PRIMARY KEY "
    "USING INDEX once no release uses the old one.",
    rests_on="https://www.postgresql.org/docs/current/sql-altertable.html#SQL-ALTERTABLE-NOTES",
    unsafe="""
        migrations.RunSQL("ALTER TABLE shop_order ADD PRIMARY KEY (number)", migrations.RunSQL.noop),
    """,
    safe=[
        """
            atomic = False
            migrations.RunSQL(
                "CREATE UNIQUE INDEX CONCURRENTLY order_number_key ON shop_order (number)", migrations.RunSQL.noop
            ),
        """,
        """
            migrations.RunSQL(
                "ALTER TABLE shop_order ADD CONSTRAINT shop_order_pkey PRIMARY KEY USING INDEX order_number_key",
                migrations.RunSQL.noop,
            ),
        """,
    ],
    squawk=("adding-serial-primary-key-field",),
    instead=key_from_index,
)
def primary_key_changed(context: RuleContext) -> Iterator[Finding]:
    for step, change in _in_place(context, Kind.ADD_PRIMARY_KEY):
        what = f"the primary key of {context.described(change.table)} is made anew under an exclusive lock"
        yield Finding(what, step.operation, change.table)


@rule(
    "LG206",
    "not-null-checked-in-place",
    ERROR,
    condition="NOT NULL is set on a column of a large table that no validated constraint proves to have no NULL.",
    effect="Reads and writes wait while every row is read under an ACCESS EXCLUSIVE lock.",
    remedy="Fill the column in an earlier migration, and set null=False in an atomic one of its own: Lockgate proves "
    "it with a validated constraint first, and the switch needs no scan.",
    rests_on="https://www.postgresql.org/docs/current/sql-altertable.html#SQL-ALTERTABLE-NOTES",
    unsafe="""
        migrations.RunSQL("UPDATE shop_order SET note = '' WHERE note IS NULL", migrations.RunSQL.noop),
        migrations.AlterField("order", "note", models.TextField()),
    """,
    safe=[
        """
            migrations.RunSQL("UPDATE shop_order SET note = '' WHERE note IS NULL", migrations.RunSQL.noop),
        """,
        """
            migrations.AlterField("order", "note", models.TextField()),
        """,
    ],
    squawk=("adding-not-nullable-field",),
    instead=in_sql(proven_first, alone),
)
def not_null_in_place(context: RuleContext) -> Iterator[Finding]:
    for step, change in _in_place(context, Kind.SET_NOT_NULL):
        column = change.columns[0] if change.columns else "?"
        what = f'NOT NULL on "{column}" reads all of {context.described(change.table)} under an exclusive lock'
        yield Finding(what + context.why_in_place(step), step.operation, change.table)


@rule(
    "LG209",
    "constraint-dropped-with-cascade",
    WARNING,
    condition="RunSQL drops a constraint, column, type, view or function with CASCADE.",
    effect="Whatever depends on it goes too (views, foreign keys, columns, policies), and no migration says that it "
    "did.",
    remedy="Drop what depends on it by name, then the thing itself without CASCADE, so that a surprise fails.",
    rests_on="https://www.postgresql.org/docs/current/ddl-depend.html",
    unsafe="""
        migrations.RunSQL("DROP VIEW shop_totals CASCADE", migrations.RunSQL.noop),
    """,
    safe="""
        migrations.RunSQL("DROP VIEW shop_totals", migrations.RunSQL.noop),
    """,
)
def dropped_with_cascade(context: RuleContext) -> Iterator[Finding]:
    elsewhere = ("TABLE", "SCHEMA", "DATABASE", "EXTENSION", "OWNED")
    for step, statement in context.sql:
        drops = statement.starts("DROP") and not any(statement.starts("DROP", kind) for kind in elsewhere)
        alters = statement.starts("ALTER", "TABLE") and statement.has("DROP")
        if (drops or alters) and statement.tokens[-1] == "CASCADE" and not _of_foreign_key(statement):
            yield Finding(f"{' '.join(statement.tokens[:2])} … CASCADE drops what nobody named", step.operation)


def _of_foreign_key(statement: SqlStatement) -> bool:
    return statement.tokens[-3:] in (("ON", "DELETE", "CASCADE"), ("ON", "UPDATE", "CASCADE"))
