"""LG5xx: types that fill up or cannot be compared, enum values, domains and extensions."""

from __future__ import annotations

from collections.abc import Iterator

from django.db import models
from django.db.migrations.operations import CreateModel

from lockgate.linting.rules import sql_offers
from lockgate.linting.rules.case import Case
from lockgate.linting.rules.rule import ERROR, WARNING, Finding, accepting, rule
from lockgate.linting.rules.sql_offers import in_sql
from lockgate.planning import sql_statements
from lockgate.planning.sql_statements import SqlStatement
from lockgate.planning.steps import Kind, Step


@rule(
    "LG501",
    "json-instead-of-jsonb",
    WARNING,
    condition="RunSQL adds a column of type json.",
    effect="A json value has no equality, so DISTINCT, GROUP BY and UNION over the table fail, also in queries "
    "that work today.",
    remedy="Use jsonb, which Django's JSONField is.",
    rests_on="https://www.postgresql.org/docs/current/datatype-json.html",
    unsafe="""
        migrations.RunSQL("ALTER TABLE shop_order ADD COLUMN payload json", migrations.RunSQL.noop),
    """,
    safe="""
        migrations.AddField("order", "payload", models.JSONField(null=True)),
    """,
    other_end="The column is jsonb.",
)
def json_column(case: Case) -> Iterator[Finding]:
    for step, change in case.changes(Kind.ADD_COLUMN, Kind.ALTER_TYPE):
        if change.type == "json":
            what = f'column "{change.columns[0]}" of {case.described(change.table)} is json'
            yield Finding(what, step.operation, change.table)


# Of SQL's types for a key that numbers itself.
_BITS = {"integer": 32, "serial": 32, "serial4": 32, "smallint": 16, "smallserial": 16, "serial2": 16}


@rule(
    "LG502",
    "small-primary-key",
    WARNING,
    condition="A model, or a table in SQL, is made with a numbered key of 32 bits or fewer, by a migration that can "
    "still be changed: it is not applied, and no other of its app comes after it.",
    effect="After 2,147,483,647 rows, deleted ones and rolled-back inserts included, every INSERT fails; widening "
    "the key of a table that large rewrites it and all that refer to it.",
    remedy='Use BigAutoField, or DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField".',
    rests_on="https://www.postgresql.org/docs/current/datatype-numeric.html#DATATYPE-SERIAL",
    unsafe="""
        migrations.CreateModel("Parcel", [("id", models.AutoField(primary_key=True))]),
    """,
    safe="""
        migrations.CreateModel("Parcel", [("id", models.BigAutoField(primary_key=True))]),
    """,
    other_end="The key has 64 bits.",
    squawk=("prefer-bigint-over-int", "prefer-bigint-over-smallint"),
)
def small_key(case: Case) -> Iterator[Finding]:
    for number, operation in case.operations if not case.fixed else ():
        if isinstance(operation, CreateModel):
            for name, field in operation.fields:
                if isinstance(field, models.AutoField) and not isinstance(field, models.BigAutoField):
                    bits = 16 if isinstance(field, models.SmallAutoField) else 32
                    yield Finding(f'key "{name}" of {operation.name} has {bits} bits', number)
    for step in case.steps if not case.fixed else ():
        for change in step.changes:
            if change.kind is Kind.CREATE_TABLE and (bits := _BITS.get(change.type, 0)):
                yield Finding(f'key "{change.columns[0]}" of "{change.table}" has {bits} bits', step.operation)


@rule(
    "LG503",
    "primary-key-retyped",
    ERROR,
    condition="The type of a key changes that foreign keys of other tables refer to.",
    effect="Django changes every referring column in the same transaction: all those tables are rewritten, one after "
    "the other, each locked until the last is done.",
    remedy="Widen the key by way of a second column per table, filled in portions, and swap them when all are ready.",
    rests_on="https://www.postgresql.org/docs/current/sql-altertable.html#SQL-ALTERTABLE-NOTES",
    unsafe="""
        migrations.AlterField("customer", "id", models.UUIDField(primary_key=True)),
    """,
    safe="""
        migrations.AddField("customer", "uuid", models.UUIDField(null=True)),
    """,
    other_end="The key keeps its type; a second column is filled in portions, and takes its place when all are ready.",
)
def key_retyped(case: Case) -> Iterator[Finding]:
    by_operation: dict[int, set[str]] = {}
    for step, change in case.changes(Kind.ALTER_TYPE):
        if case.large(change.table) and not case.is_sql(step):
            by_operation.setdefault(step.operation, set()).add(change.table)
    for operation, tables in by_operation.items():
        if len(tables) > 1:
            names = ", ".join(f'"{name}"' for name in sorted(tables))
            yield Finding(f"{len(tables)} tables are changed in one transaction: {names}", operation)


@rule(
    "LG504",
    "enum-value-used-too-early",
    WARNING,
    condition="RunSQL adds a value to an enum type in a migration's transaction, and something else there names it, or "
    "code comes after it, which may.",
    effect="The value cannot be used before the transaction commits, so whatever in the same migration writes it "
    "fails.",
    remedy="Give ALTER TYPE … ADD VALUE IF NOT EXISTS a migration of its own with atomic = False.",
    rests_on="https://www.postgresql.org/docs/current/sql-altertype.html",
    unsafe="""
        migrations.RunSQL("ALTER TYPE shop_state ADD VALUE 'returned'", migrations.RunSQL.noop),
        migrations.RunSQL("CREATE VIEW shop_back AS SELECT 'returned'::shop_state", migrations.RunSQL.noop),
    """,
    safe=[
        """
            atomic = False
            migrations.RunSQL("ALTER TYPE shop_state ADD VALUE IF NOT EXISTS 'returned'", migrations.RunSQL.noop),
        """,
        """
            migrations.RunSQL("CREATE VIEW shop_back AS SELECT 'returned'::shop_state", migrations.RunSQL.noop),
        """,
    ],
    other_end="The unsafe one does not run.",
)
def enum_value(case: Case) -> Iterator[Finding]:
    for step, statement in case.sql if case.migration.atomic else ():
        if statement.starts("ALTER", "TYPE") and statement.has("ADD", "VALUE"):
            value = next((part for part in statement.tokens if part.endswith("'")), "")
            if _may_be_used(case, value, statement, step):
                yield Finding("the new enum value cannot be used in this transaction", step.operation)


def _may_be_used(case: Case, value: str, adding: SqlStatement, adds: Step) -> bool:
    """Whether the migration names a value anywhere else, or has code after the statement that adds it."""
    for step in case.plan.steps:
        if step.operation > adds.operation and any(change.kind in _CODE for change in step.changes):
            return True
        texts = [part.text for each in step.sql for part in sql_statements.statements(each)]
        if any(value in text for text in texts if text != adding.text):
            return True
    return False


_CODE = (Kind.RUN_PYTHON, Kind.UNKNOWN)


@rule(
    "LG505",
    "enum-value-renamed",
    ERROR,
    condition="RunSQL renames an enum's value, or renames or drops a type.",
    effect="The release that still serves writes the old value or casts to the old name, and those queries fail.",
    remedy="Add the new value beside the old one, let one release read both, then change the rows in portions.",
    rests_on="https://www.postgresql.org/docs/current/sql-altertype.html",
    unsafe="""
        migrations.RunSQL("ALTER TYPE shop_state RENAME VALUE 'sent' TO 'shipped'", migrations.RunSQL.noop),
    """,
    safe="""
        atomic = False
        migrations.RunSQL("ALTER TYPE shop_state ADD VALUE IF NOT EXISTS 'shipped'", migrations.RunSQL.noop),
    """,
    other_end="The old value stays beside the new one.",
)
def enum_renamed(case: Case) -> Iterator[Finding]:
    for step, statement in case.sql:
        renames = statement.starts("ALTER", "TYPE") and statement.has("RENAME")
        if renames or statement.starts("DROP", "TYPE"):
            yield Finding("a type, or a value of it, that the serving release names goes away", step.operation)


@rule(
    "LG506",
    "extension-created",
    WARNING,
    condition="A migration creates an extension.",
    effect="Where the role may not (one that is not trusted needs a superuser), or the server lacks the package, the "
    "migration is held, and everything after it too.",
    remedy='Name it in LOCKGATE["EXTENSIONS"] and have it created by whoever administers the server; then accept this.',
    rests_on="https://www.postgresql.org/docs/current/sql-createextension.html",
    unsafe="""
        postgres_operations.CreateExtension("postgis"),
    """,
    safe="""
        postgres_operations.TrigramExtension(),
    """,
    other_end="Another extension: one that whoever may CREATE in the database may install.",
)
def extension_created(case: Case) -> Iterator[Finding]:
    for step in case.steps:
        for change in step.changes:
            if change.kind is Kind.EXTENSION and change.name not in TRUSTED:
                yield Finding(
                    f'extension "{change.name}" is not trusted, so a superuser must create it', step.operation
                )
    for step, statement in case.sql:
        named = {part.lower().strip('"') for part in statement.tokens}
        if statement.starts("CREATE", "EXTENSION") and not named & TRUSTED:
            yield Finding("an extension is created that is not known to be trusted", step.operation)


# Extensions that come with PostgreSQL and that whoever may CREATE in a database may install.
# Source: the control files in contrib/ with "trusted = true".
_TRUSTED = """
    btree_gin btree_gist citext cube dict_int fuzzystrmatch hstore intarray isn lo ltree pgcrypto pg_trgm plpgsql seg
    tablefunc tcn tsm_system_rows tsm_system_time unaccent uuid-ossp
"""
TRUSTED = frozenset(_TRUSTED.split())


@rule(
    "LG507",
    "extension-dropped",
    ERROR,
    condition="RunSQL drops an extension.",
    effect="The release that still serves loses its functions, operators and types; with CASCADE, columns of those "
    "types and indexes that use it go too, data included.",
    remedy="Keep the extension for a release, remove what uses it by name, and drop it last, without CASCADE.",
    rests_on="https://www.postgresql.org/docs/current/sql-dropextension.html",
    unsafe="""
        migrations.RunSQL("DROP EXTENSION hstore CASCADE", migrations.RunSQL.noop),
    """,
    safe=[
        """
            migrations.RunSQL("DROP FUNCTION shop_old_total(hstore)", migrations.RunSQL.noop),
        """,
        accepting(
            "LG507",
            "nothing has used it since release 41",
            """
            migrations.RunSQL("DROP EXTENSION hstore", migrations.RunSQL.noop),
        """,
        ),
    ],
)
def extension_dropped(case: Case) -> Iterator[Finding]:
    for step, statement in case.sql:
        if statement.starts("DROP", "EXTENSION"):
            cascade = ", with every column and index that uses it" if statement.has("CASCADE") else ""
            yield Finding(f"an extension is dropped{cascade}", step.operation)


@rule(
    "LG508",
    "domain-with-constraint",
    ERROR,
    condition="RunSQL adds a constraint to a domain, or NOT NULL, without NOT VALID.",
    effect="Every table with a column of the domain is locked and read, one after the other, in one transaction.",
    remedy="Add it NOT VALID, and validate it in the next migration; or use a check constraint per table.",
    rests_on="https://www.postgresql.org/docs/current/sql-alterdomain.html",
    unsafe="""
        migrations.RunSQL("ALTER DOMAIN shop_money ADD CONSTRAINT positive CHECK (VALUE >= 0)", migrations.RunSQL.noop),
    """,
    safe=[
        """
            migrations.RunSQL(
                "ALTER DOMAIN shop_money ADD CONSTRAINT positive CHECK (VALUE >= 0) NOT VALID", migrations.RunSQL.noop
            ),
        """,
        accepting(
            "LG508",
            "it reads rows, and blocks neither reads nor writes",
            """
            migrations.RunSQL("ALTER DOMAIN shop_money VALIDATE CONSTRAINT positive", migrations.RunSQL.noop),
        """,
        ),
    ],
    squawk=("ban-alter-domain-with-add-constraint",),
    instead=in_sql(sql_offers.validated_later),
)
def domain_constraint(case: Case) -> Iterator[Finding]:
    for step, statement in case.sql:
        adds = statement.has("ADD") or statement.has("SET", "NOT", "NULL") or statement.has("VALIDATE")
        if statement.starts("ALTER", "DOMAIN") and adds and not statement.has("NOT", "VALID"):
            yield Finding("every table that uses the domain is locked and read", step.operation)


_WIDTHS = {**_BITS, "int": 32, "int4": 32, "int2": 16, "bigint": 64, "bigserial": 64, "int8": 64, "serial8": 64}


@rule(
    "LG509",
    "foreign-key-of-fewer-bits",
    WARNING,
    condition="RunSQL makes a foreign key whose column is an integer of fewer bits than the key that it refers to, and "
    "both types are known: from models, the database, or SQL before it.",
    effect="Once the key has passed the largest number of the column's type, no row can refer to a new one: each "
    "INSERT that does fails (22003).",
    remedy="Give the column the type of the key; a ForeignKey of Django's does.",
    rests_on="https://www.postgresql.org/docs/current/datatype-numeric.html#DATATYPE-INT",
    unsafe="""
        migrations.RunSQL(
            "ALTER TABLE shop_order ADD COLUMN payer_id integer REFERENCES shop_customer (id)", migrations.RunSQL.noop
        ),
    """,
    safe="""
        migrations.AddField(
            "order", "payer", models.ForeignKey("shop.Customer", models.CASCADE, null=True, related_name="+")
        ),
    """,
    other_end="The column has the key's type, and an index.",
)
def narrow_foreign_key(case: Case) -> Iterator[Finding]:
    for step in case.steps:
        for change in step.changes:
            own, key = _WIDTHS.get(change.type, 0), _WIDTHS.get(change.old_type, 0)
            if change.kind in (Kind.ADD_FOREIGN_KEY, Kind.COLUMN_OF_NEW) and 0 < own < key:
                column = f'"{change.columns[0]}" of {case.described(change.table)}'
                yield Finding(f"{column} has {own} bits, and the key it refers to {key}", step.operation, change.table)
