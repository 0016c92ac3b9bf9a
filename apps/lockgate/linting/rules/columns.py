"""LG3xx: columns whose adding or filling writes every row, or cannot succeed."""

from __future__ import annotations

from collections.abc import Iterator

from lockgate.linting.rules.fields import computed_default, filled_by_django, unique_field
from lockgate.linting.rules.rule import ERROR, WARNING, Finding, filling, rule
from lockgate.linting.rules.rule_context import RuleContext
from lockgate.planning import lock_levels
from lockgate.planning.steps import Kind, Work


@rule(
    "LG301",
    "volatile-default",
    ERROR,
    condition="A column is added to a large table with a default that is computed for every row.",
    effect="Reads and writes wait under an ACCESS EXCLUSIVE lock while the table and its indexes are written anew; "
    "disk for a second copy is needed.",
    remedy="Add the column without a default and null=True, then set the default, then fill old rows in portions.",
    rests_on="https://www.postgresql.org/docs/current/sql-altertable.html#SQL-ALTERTABLE-NOTES",
    unsafe="""
        migrations.AddField("order", "token", models.UUIDField(db_default=postgres_functions.RandomUUID())),
    """,
    safe=[
        """
            migrations.AddField("order", "token", models.UUIDField(null=True)),
            migrations.AlterField(
                "order", "token", models.UUIDField(null=True, db_default=postgres_functions.RandomUUID())
            ),
        """,
        filling("token", "postgres_functions.RandomUUID()"),
        """
            migrations.AddConstraint(
                "order", models.CheckConstraint(condition=models.Q(token__isnull=False), name="order_token_set")
            ),
        """,
        """
            migrations.AlterField("order", "token", models.UUIDField(db_default=postgres_functions.RandomUUID())),
            migrations.RemoveConstraint("order", "order_token_set"),
        """,
    ],
    squawk=("adding-field-with-default",),
    instead=computed_default,
)
def volatile_default(context: RuleContext) -> Iterator[Finding]:
    for step, change in context.changes(Kind.ADD_COLUMN):
        if change.default == "volatile" and context.large(change.table):
            what = f'column "{change.columns[0]}" rewrites {context.described(change.table)} for its default'
            yield Finding(what, step.operation, change.table)


@rule(
    "LG302",
    "stored-generated-column",
    ERROR,
    condition="A stored generated column is added to a large table.",
    effect="Reads and writes wait under an ACCESS EXCLUSIVE lock while every row is computed and written anew.",
    remedy="Index the expression instead, compute it in queries (from PostgreSQL 18 on with db_persist=False), or "
    "add a plain column, keep it up to date with a trigger, and fill old rows in portions.",
    rests_on="https://www.postgresql.org/docs/current/ddl-generated-columns.html",
    unsafe="""
        migrations.AddField(
            "order",
            "doubled",
            models.GeneratedField(
                expression=models.F("total") * 2, output_field=models.IntegerField(), db_persist=True
            ),
        ),
    """,
    safe="""
        migrations.AddField("order", "doubled", models.IntegerField(null=True)),
    """,
    other_end="A plain column: PostgreSQL makes no stored generated column of one that is there.",
    squawk=("adding-field-with-default",),
)
def stored_generated(context: RuleContext) -> Iterator[Finding]:
    for step, change in context.changes(Kind.ADD_COLUMN):
        if change.stored and context.large(change.table):
            what = f'generated column "{change.columns[0]}" rewrites {context.described(change.table)}'
            yield Finding(what, step.operation, change.table)


@rule(
    "LG303",
    "numbered-column-added",
    ERROR,
    condition="A serial or identity column is added to a large table that is there already.",
    effect="Reads and writes wait under an ACCESS EXCLUSIVE lock while every row gets its number and is written anew.",
    remedy="Add a nullable column, make a sequence its default, number old rows in portions, then set NOT NULL.",
    rests_on="https://www.postgresql.org/docs/current/sql-altertable.html#SQL-ALTERTABLE-NOTES",
    unsafe="""
        migrations.RunSQL("ALTER TABLE shop_order ADD COLUMN serial_number bigserial", migrations.RunSQL.noop),
    """,
    safe=[
        """
            migrations.AddField("order", "serial_number", models.BigIntegerField(null=True)),
            migrations.RunSQL(
                "CREATE SEQUENCE shop_order_serial_number_seq OWNED BY shop_order.serial_number;"
                "ALTER TABLE shop_order ALTER serial_number SET DEFAULT nextval('shop_order_serial_number_seq')",
                migrations.RunSQL.noop,
            ),
        """,
        filling("serial_number", 'models.Func(models.Value("shop_order_serial_number_seq"), function="nextval")'),
        """
            migrations.AlterField("order", "serial_number", models.BigIntegerField()),
        """,
    ],
)
def numbered(context: RuleContext) -> Iterator[Finding]:
    for step, change in context.changes(Kind.ADD_COLUMN):
        if change.identity and context.large(change.table):
            what = f'numbered column "{change.columns[0]}" rewrites {context.described(change.table)}'
            yield Finding(what, step.operation, change.table)
    for step, change in context.changes(Kind.ADD_IDENTITY):
        if context.large(change.table) and lock_levels.work_of(change) is Work.REWRITE:
            what = f"an identity column rewrites {context.described(change.table)}"
            yield Finding(what, step.operation, change.table)


@rule(
    "LG306",
    "required-column-without-default",
    ERROR,
    condition="A NOT NULL column is added without a default to a table that is there already.",
    effect="It fails as soon as the table has one row, because that row would have no value.",
    remedy="Give the column a default, or add it nullable, fill it, and set NOT NULL in a later migration.",
    rests_on="https://www.postgresql.org/docs/current/ddl-alter.html#DDL-ALTER-ADDING-A-COLUMN",
    unsafe="""
        migrations.RunSQL("ALTER TABLE shop_order ADD COLUMN source text NOT NULL", migrations.RunSQL.noop),
    """,
    safe=[
        """
            migrations.AddField("order", "source", models.TextField(null=True)),
        """,
        filling("source", '"web"'),
        """
            migrations.AlterField("order", "source", models.TextField()),
        """,
    ],
    squawk=("adding-required-field",),
)
def required_without_default(context: RuleContext) -> Iterator[Finding]:
    written: set[str] = set()  # new tables that have rows by then
    for step, change in ((row, change) for row in context.steps for change in row.changes):
        written |= {change.table} if change.kind is Kind.INSERT_ROWS else set()
        there = change.kind is Kind.ADD_COLUMN and (context.existed(change.table) or change.table in written)
        if there and context.lacks_a_value(change):
            what = f'column "{change.columns[0]}" of {context.described(change.table)} is NOT NULL and has no default'
            yield Finding(what, step.operation, change.table)


@rule(
    "LG307",
    "nullable-column-filled-in-place",
    WARNING,
    condition="A column with null=True becomes null=False on a large table with a default that Django first writes "
    "into every NULL.",
    effect="One UPDATE of all those rows runs in the migration's transaction: it bloats the table, and holds row locks "
    "and everything else the migration has locked until it commits.",
    remedy="Fill the column in portions in an earlier migration, then set null=False without preserve_default's help.",
    rests_on="https://docs.djangoproject.com/en/stable/ref/migration-operations/#alterfield",
    unsafe="""
        migrations.AlterField("order", "note", models.TextField(default="")),
    """,
    safe=[
        filling("note", '""'),
        """
            migrations.AlterField("order", "note", models.TextField()),
        """,
    ],
    instead=filled_by_django,
)
def filled_in_place(context: RuleContext) -> Iterator[Finding]:
    for step, change in context.changes(Kind.UPDATE_ROWS):
        if not context.is_sql(step) and context.large(change.table):
            what = f'"{change.columns[0]}" of {context.described(change.table)} is filled by one UPDATE'
            yield Finding(what, step.operation, change.table)


@rule(
    "LG309",
    "one-default-for-a-unique-column",
    ERROR,
    condition="A unique column is added with a default to a table that is there already.",
    effect="Django asks for the default once, also where it is a function, and every row gets that one value: the "
    "migration fails with a duplicate (23505) as soon as the table has two rows.",
    remedy="Add the field with null=True and without a default, which Lockgate makes unique online; fill it in "
    "portions in the next migration, and set null=False in a third. Or give a db_default that is computed for each "
    "row, where the table is small.",
    rests_on="https://docs.djangoproject.com/en/stable/howto/writing-migrations/#migrations-that-add-unique-fields",
    unsafe="""
        migrations.AddField("order", "token", models.UUIDField(default=uuid.uuid4, unique=True)),
    """,
    safe=[
        """
            migrations.AddField("order", "token", models.UUIDField(null=True, unique=True)),
            migrations.AlterField("order", "token", models.UUIDField(default=uuid.uuid4, null=True, unique=True)),
        """,
        filling("token", "uuid.uuid4()", each=True),
        """
            migrations.AlterField("order", "token", models.UUIDField(unique=True)),
            migrations.AlterField("order", "token", models.UUIDField(default=uuid.uuid4, unique=True)),
        """,
    ],
    instead=unique_field,
)
def one_default(context: RuleContext) -> Iterator[Finding]:
    unique = {(other.table, other.columns) for _, other in context.changes(Kind.ADD_UNIQUE) if not other.using_index}
    for step, change in context.changes(Kind.ADD_COLUMN):
        if change.default == "constant" and (change.table, change.columns) in unique:
            what = f'every row of {context.described(change.table)} gets the same value of unique "{change.columns[0]}"'
            yield Finding(what, step.operation, change.table)
