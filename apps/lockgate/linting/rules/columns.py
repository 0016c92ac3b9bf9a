"""LG3xx: columns whose making or changing rewrites the table, or cannot succeed."""

from __future__ import annotations

from collections.abc import Iterator

from lockgate.linting.rules.case import Case
from lockgate.linting.rules.fields import computed_default, filled_by_django, unique_field
from lockgate.linting.rules.retyping import retyped_field
from lockgate.linting.rules.rule import ERROR, WARNING, Finding, filling, rule
from lockgate.planning import lock_levels
from lockgate.planning.steps import Kind, Work

_WIDENED = [
    """
        migrations.AddField("order", "total_wide", models.BigIntegerField(null=True)),
        migrations.RunSQL(
            "CREATE FUNCTION shop_order_widen() RETURNS trigger LANGUAGE plpgsql AS"
            " $$ BEGIN NEW.total_wide := NEW.total; RETURN NEW; END $$;"
            "CREATE TRIGGER widen BEFORE INSERT OR UPDATE ON shop_order"
            " FOR EACH ROW EXECUTE FUNCTION shop_order_widen()",
            "DROP TRIGGER widen ON shop_order; DROP FUNCTION shop_order_widen()",
        ),
    """,
    filling("total_wide", 'models.F("total")'),
    """
        migrations.AlterField("order", "total_wide", models.BigIntegerField()),
        migrations.AddIndex("order", models.Index(fields=["total_wide"], name="order_total_wide")),
    """,
    """
    class Migration(migrations.Migration):
        lockgate_accept = {
            "LG801": "total_wide has the values, and takes the name in the same transaction",
            "LG803": "it takes the name of a column that the serving release knows",
        }

        operations = [
            migrations.SeparateDatabaseAndState(
                database_operations=[
                    migrations.RunSQL(
                        "DROP TRIGGER widen ON shop_order; DROP FUNCTION shop_order_widen();"
                        "ALTER TABLE shop_order DROP COLUMN total;"
                        "ALTER TABLE shop_order RENAME COLUMN total_wide TO total;"
                        "ALTER INDEX order_total_wide RENAME TO order_total",
                        migrations.RunSQL.noop,
                    ),
                ],
                state_operations=[
                    migrations.RemoveIndex("order", "order_total_wide"),
                    migrations.RemoveField("order", "total_wide"),
                    migrations.AlterField("order", "total", models.BigIntegerField(default=0)),
                ],
            ),
        ]
    """,
]


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
def volatile_default(case: Case) -> Iterator[Finding]:
    for step, change in case.changes(Kind.ADD_COLUMN):
        if change.default == "volatile" and case.large(change.table):
            what = f'column "{change.columns[0]}" rewrites {case.described(change.table)} for its default'
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
def stored_generated(case: Case) -> Iterator[Finding]:
    for step, change in case.changes(Kind.ADD_COLUMN):
        if change.stored and case.large(change.table):
            what = f'generated column "{change.columns[0]}" rewrites {case.described(change.table)}'
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
def numbered(case: Case) -> Iterator[Finding]:
    for step, change in case.changes(Kind.ADD_COLUMN):
        if change.identity and case.large(change.table):
            what = f'numbered column "{change.columns[0]}" rewrites {case.described(change.table)}'
            yield Finding(what, step.operation, change.table)
    for step, change in case.changes(Kind.ADD_IDENTITY):
        if case.large(change.table) and lock_levels.work_of(change) is Work.REWRITE:
            what = f"an identity column rewrites {case.described(change.table)}"
            yield Finding(what, step.operation, change.table)


@rule(
    "LG304",
    "type-change-rewrites",
    ERROR,
    condition="The type of a column of a large table changes to one whose values are stored otherwise, or may not fit.",
    effect="Reads and writes wait under an ACCESS EXCLUSIVE lock while the table and all its indexes are written anew; "
    "disk for a second copy is needed.",
    remedy="Add a column of the new type that a trigger keeps up to date, fill old rows in portions, index it, and let "
    "it take the name of the old one, which is dropped in the same short transaction."
    " Each migration is a release of its own.",
    rests_on="https://www.postgresql.org/docs/current/sql-altertable.html#SQL-ALTERTABLE-NOTES",
    unsafe="""
        migrations.AlterField("order", "total", models.BigIntegerField(default=0)),
    """,
    safe=_WIDENED,
    squawk=("changing-column-type",),
    instead=retyped_field,
)
def type_rewrites(case: Case) -> Iterator[Finding]:
    for step, change in case.changes(Kind.ALTER_TYPE):
        if change.work is Work.REWRITE and case.large(change.table):
            was = f" from {change.old_type}" if change.old_type else ""
            what = f'"{change.columns[0]}"{was} to {change.type} rewrites {case.described(change.table)}'
            yield Finding(what, step.operation, change.table)


@rule(
    "LG305",
    "collation-change",
    ERROR,
    condition="The collation of an indexed column of a large table changes.",
    effect="Every index on the column is built anew, and constraints are checked, while reads and writes wait under an "
    "ACCESS EXCLUSIVE lock.",
    remedy="Collate in the queries that need it, with an index of their own; or add a column as for a change of type.",
    rests_on="https://www.postgresql.org/docs/current/sql-altertable.html#SQL-ALTERTABLE-NOTES",
    unsafe="""
        migrations.AlterField("order", "number", models.CharField(max_length=20, db_collation="C")),
    """,
    safe="""
        migrations.AddIndex(
            "order", models.Index(functions.Collate("number", "C"), name="order_number_c")
        ),
    """,
    other_end="The column keeps its collation, and the queries that need another have an index for it.",
)
def collation_changed(case: Case) -> Iterator[Finding]:
    for step, change in case.changes(Kind.ALTER_TYPE):
        if change.collated and change.work in _OF_DEPENDENTS and case.large(change.table):
            what = f'"{change.columns[0]}" of {case.described(change.table)} gets another collation'
            yield Finding(what, step.operation, change.table)


_OF_DEPENDENTS = {Work.BUILD: "an index is built again", Work.SCAN: "a check constraint reads every row"}


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
def required_without_default(case: Case) -> Iterator[Finding]:
    written: set[str] = set()  # new tables that have rows by then
    for step, change in ((each, change) for each in case.steps for change in each.changes):
        written |= {change.table} if change.kind is Kind.INSERT_ROWS else set()
        there = change.kind is Kind.ADD_COLUMN and (case.existed(change.table) or change.table in written)
        if there and case.lacks_a_value(change):
            what = f'column "{change.columns[0]}" of {case.described(change.table)} is NOT NULL and has no default'
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
def filled_in_place(case: Case) -> Iterator[Finding]:
    for step, change in case.changes(Kind.UPDATE_ROWS):
        if not case.is_sql(step) and case.large(change.table):
            what = f'"{change.columns[0]}" of {case.described(change.table)} is filled by one UPDATE'
            yield Finding(what, step.operation, change.table)


@rule(
    "LG308",
    "type-change-with-dependents",
    ERROR,
    condition="The type of a column of a large table changes, or its db_comment, and a check constraint or an index "
    "with a condition or an expression uses the column; or the new type compares otherwise than the old one.",
    effect="The rows stay as they are, but such indexes are built anew and such constraints read every row, while "
    "reads and writes wait under an ACCESS EXCLUSIVE lock.",
    remedy="Change the type before the index or the constraint is there. Where it is there: take it away in one "
    "migration, change the type in the next, and add it in a third, which Lockgate does online.",
    rests_on="https://www.postgresql.org/docs/current/sql-altertable.html#SQL-ALTERTABLE-NOTES",
    unsafe="""
        migrations.AddIndex(
            "order", models.Index(fields=["placed"], condition=~models.Q(number=""), name="order_numbered")
        ),
        migrations.AlterField("order", "number", models.CharField(max_length=40)),
    """,
    safe="""
        migrations.AlterField("order", "number", models.CharField(max_length=40)),
        migrations.AddIndex(
            "order", models.Index(fields=["placed"], condition=~models.Q(number=""), name="order_numbered")
        ),
    """,
)
def dependents_made_again(case: Case) -> Iterator[Finding]:
    for step, change in case.changes(Kind.ALTER_TYPE):
        if not change.collated and change.work in _OF_DEPENDENTS and case.large(change.table):
            means = "keeps its type" if change.type == change.old_type else f"becomes {change.type}"
            what = f'"{change.columns[0]}" of {case.described(change.table)} {means}: {_OF_DEPENDENTS[change.work]}'
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
def one_default(case: Case) -> Iterator[Finding]:
    unique = {(each.table, each.columns) for _, each in case.changes(Kind.ADD_UNIQUE) if not each.using_index}
    for step, change in case.changes(Kind.ADD_COLUMN):
        if change.default == "constant" and (change.table, change.columns) in unique:
            what = f'every row of {case.described(change.table)} gets the same value of unique "{change.columns[0]}"'
            yield Finding(what, step.operation, change.table)
