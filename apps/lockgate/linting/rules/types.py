"""LG5xx: types that fill up or cannot be compared, and domains."""

from __future__ import annotations

from collections.abc import Iterator

from django.db import models
from django.db.migrations.operations import CreateModel

from lockgate.linting.rules import sql_offers
from lockgate.linting.rules.rule import ERROR, WARNING, Finding, accepting, rule
from lockgate.linting.rules.rule_context import RuleContext
from lockgate.linting.rules.sql_offers import in_sql
from lockgate.planning.steps import Kind


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
def json_column(context: RuleContext) -> Iterator[Finding]:
    for step, change in context.changes(Kind.ADD_COLUMN, Kind.ALTER_TYPE):
        if change.type == "json":
            what = f'column "{change.columns[0]}" of {context.described(change.table)} is json'
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
def small_key(context: RuleContext) -> Iterator[Finding]:
    for number, operation in context.operations if not context.fixed else ():
        if isinstance(operation, CreateModel):
            for name, field in operation.fields:
                if isinstance(field, models.AutoField) and not isinstance(field, models.BigAutoField):
                    bits = 16 if isinstance(field, models.SmallAutoField) else 32
                    yield Finding(f'key "{name}" of {operation.name} has {bits} bits', number)
    for step in context.steps if not context.fixed else ():
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
def key_retyped(context: RuleContext) -> Iterator[Finding]:
    by_operation: dict[int, set[str]] = {}
    for step, change in context.changes(Kind.ALTER_TYPE):
        if context.large(change.table) and not context.is_sql(step):
            by_operation.setdefault(step.operation, set()).add(change.table)
    for operation, tables in by_operation.items():
        if len(tables) > 1:
            names = ", ".join(f'"{name}"' for name in sorted(tables))
            yield Finding(f"{len(tables)} tables are changed in one transaction: {names}", operation)


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
def domain_constraint(context: RuleContext) -> Iterator[Finding]:
    for step, statement in context.sql:
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
def narrow_foreign_key(context: RuleContext) -> Iterator[Finding]:
    for step in context.steps:
        for change in step.changes:
            own, key = _WIDTHS.get(change.type, 0), _WIDTHS.get(change.old_type, 0)
            if change.kind in (Kind.ADD_FOREIGN_KEY, Kind.COLUMN_OF_NEW) and 0 < own < key:
                column = f'"{change.columns[0]}" of {context.described(change.table)}'
                yield Finding(f"{column} has {own} bits, and the key it refers to {key}", step.operation, change.table)
