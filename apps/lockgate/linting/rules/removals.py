"""LG8xx: what the release that still serves asks for, and this one takes away."""

from __future__ import annotations

from collections.abc import Iterator

from django.db.migrations.operations import RemoveConstraint

from lockgate.linting.rules.fields import deleted_model, removed_field, renamed_field, renamed_model
from lockgate.linting.rules.rule import ERROR, WARNING, Finding, accepting, rule
from lockgate.linting.rules.rule_context import RuleContext, column
from lockgate.planning.sql_statements import SqlStatement
from lockgate.planning.steps import Kind, Phase


@rule(
    "LG801",
    "column-dropped",
    ERROR,
    condition="A column is dropped.",
    effect="The release that still serves names all columns in its queries, so each of them on this table fails "
    "until it is replaced. The data is gone for good.",
    remedy="Remove the field in state only (SeparateDatabaseAndState), with a database default or NULL allowed for the "
    "inserts that no longer name it; drop the column in a later release.",
    rests_on="https://www.postgresql.org/docs/current/ddl-alter.html#DDL-ALTER-REMOVING-A-COLUMN",
    unsafe="""
        migrations.RemoveField("order", "note"),
    """,
    safe=[
        """
            migrations.SeparateDatabaseAndState(state_operations=[migrations.RemoveField("order", "note")]),
        """,
        accepting(
            "LG801",
            "no release that serves names the column",
            """
            migrations.SeparateDatabaseAndState(
                state_operations=[migrations.AddField("order", "note", models.TextField(null=True))]
            ),
            migrations.RemoveField("order", "note"),
        """,
        ),
    ],
    squawk=("ban-drop-column",),
    instead=removed_field,
)
def column_dropped(context: RuleContext) -> Iterator[Finding]:
    for step, change in context.changes(Kind.DROP_COLUMN):
        if step.phase is not Phase.CONTRACT:
            what = f'column "{column(change)}" of {context.described(change.table)} is dropped'
            yield Finding(what, step.operation, change.table)


@rule(
    "LG802",
    "table-dropped",
    ERROR,
    condition="A table is dropped.",
    effect="Every query of the release that still serves on this table fails, and deletes that cascade to it too. The "
    "data is gone for good.",
    remedy="Remove the model in state only (SeparateDatabaseAndState), and drop the table in a later release.",
    rests_on="https://www.postgresql.org/docs/current/sql-droptable.html",
    unsafe="""
        migrations.DeleteModel("Order"),
    """,
    safe=[
        """
            migrations.SeparateDatabaseAndState(state_operations=[migrations.DeleteModel("Order")]),
        """,
        accepting(
            "LG802",
            "no release that serves uses the table",
            """
            migrations.RunSQL("DROP TABLE shop_order", migrations.RunSQL.noop),
        """,
        ),
    ],
    squawk=("ban-drop-table",),
    instead=deleted_model,
)
def table_dropped(context: RuleContext) -> Iterator[Finding]:
    for step, change in context.changes(Kind.DROP_TABLE):
        if step.phase is not Phase.CONTRACT:
            yield Finding(f"table {context.described(change.table)} is dropped", step.operation, change.table)


@rule(
    "LG803",
    "column-renamed",
    ERROR,
    condition="A column is renamed.",
    effect="Every query of the release that still serves on this table fails, because it names the column as it was.",
    remedy="Rename the field and keep the column: db_column with the old name makes it a change of state alone.",
    rests_on="https://www.postgresql.org/docs/current/ddl-alter.html#DDL-ALTER-RENAMING-COLUMN",
    unsafe="""
        migrations.RenameField("order", "note", "remark"),
    """,
    safe="""
        migrations.AlterField("order", "note", models.TextField(null=True, db_column="note")),
        migrations.RenameField("order", "note", "remark"),
    """,
    other_end="The column keeps its name, and only the field gets the new one.",
    squawk=("renaming-column",),
    instead=renamed_field,
)
def column_renamed(context: RuleContext) -> Iterator[Finding]:
    for step, change in context.changes(Kind.RENAME_COLUMN):
        what = f'column "{change.old_name}" of {context.described(change.table)} is renamed to "{change.name}"'
        yield Finding(what, step.operation, change.table)


@rule(
    "LG804",
    "table-renamed",
    ERROR,
    condition="A table is renamed, or moved to another schema.",
    effect="Every query of the release that still serves on this table fails, because it names the table as it was.",
    remedy="Rename the model and keep the table: db_table with the old name makes it a change of state alone.",
    rests_on="https://www.postgresql.org/docs/current/ddl-alter.html#DDL-ALTER-RENAMING-TABLE",
    unsafe="""
        migrations.RenameModel("Order", "Purchase"),
    """,
    safe="""
        migrations.AlterModelTable("order", "shop_order"),
        migrations.RenameModel("Order", "Purchase"),
    """,
    other_end="The table keeps its name, and only the model gets the new one.",
    squawk=("renaming-table",),
    instead=renamed_model,
)
def table_renamed(context: RuleContext) -> Iterator[Finding]:
    for step, change in context.changes(Kind.RENAME_TABLE):
        if context.existed(change.name):
            yield Finding(f'table "{change.old_name}" is renamed to "{change.name}"', step.operation, change.name)
    for step, change in context.changes(Kind.SET_SCHEMA):
        what = f'table "{change.table}" is moved to the schema "{change.name}"'
        yield Finding(what, step.operation, change.table)


@rule(
    "LG812",
    "object-dropped-or-renamed",
    WARNING,
    condition="RunSQL drops, renames or moves a view, function, sequence, trigger, policy or constraint by hand, but "
    "for a trigger or policy that the same atomic migration makes anew; or RemoveConstraint drops one that is not "
    "unique.",
    effect="Where the release that still serves names it (a view in its queries, a function in a default), those "
    "queries fail; what a trigger or policy did is done no more, and what a constraint kept out is let in.",
    remedy="Make the new one beside it, and drop the old one when no release that serves uses it; then accept "
    "this hazard.",
    rests_on="https://www.postgresql.org/docs/current/ddl-depend.html",
    unsafe="""
        migrations.RunSQL("ALTER VIEW shop_totals RENAME TO shop_sums", migrations.RunSQL.noop),
    """,
    safe=[
        """
            migrations.RunSQL("CREATE VIEW shop_sums AS SELECT 1", "DROP VIEW shop_sums"),
        """,
        accepting(
            "LG812",
            "no release that serves uses it",
            """
            migrations.RunSQL("DROP VIEW shop_totals", migrations.RunSQL.noop),
        """,
        ),
    ],
)
def object_gone(context: RuleContext) -> Iterator[Finding]:
    for place, (step, statement) in enumerate(context.sql):
        kind = _object(statement)
        dropped = _on_a_table("DROP", statement) if context.migration.atomic else ()
        if dropped and any(_on_a_table("CREATE", later) == dropped for _, later in context.sql[place + 1 :]):
            continue  # as CREATE OR REPLACE
        gone = statement.starts("DROP") or statement.has("RENAME", "TO") or statement.has("SET", "SCHEMA")
        if kind and gone:
            yield Finding(f"a {kind.lower()} that may be in use goes away", step.operation)
    added = {change.name for step in context.steps for change in step.changes if change.kind in _CONSTRAINTS}
    removing = {number for number, operation in context.operations if isinstance(operation, RemoveConstraint)}
    for step, change in context.changes(Kind.DROP_CONSTRAINT):
        by_itself = context.is_sql(step) or (step.operation in removing and not change.unique)
        if by_itself and change.name not in added:
            what = f'constraint "{change.name}" of {context.described(change.table)} is dropped'
            yield Finding(what, step.operation, change.table)


_CONSTRAINTS = (Kind.ADD_CHECK, Kind.ADD_FOREIGN_KEY, Kind.ADD_UNIQUE, Kind.ADD_EXCLUSION, Kind.ADD_PRIMARY_KEY)


_OBJECTS = ("VIEW", "FUNCTION", "PROCEDURE", "SEQUENCE", "TRIGGER", "POLICY", "DOMAIN", "AGGREGATE", "OPERATOR")


def _object(statement: SqlStatement) -> str:
    """What kind of object a DROP or ALTER is about, of those that are not tables, columns, indexes or types."""
    words = [word for word in statement.tokens[:3] if word != "MATERIALIZED"]
    return words[1] if words[0] in ("DROP", "ALTER") and len(words) > 1 and words[1] in _OBJECTS else ""


def _on_a_table(verb: str, statement: SqlStatement) -> tuple[str, ...]:
    """Kind, name and table of a trigger or policy that is made or dropped; queries name neither."""
    words = [token for token in statement.tokens if token not in ("OR", "REPLACE", "CONSTRAINT", "IF", "EXISTS")]
    if words[:1] != [verb] or words[1:2] not in (["TRIGGER"], ["POLICY"]) or "ON" not in words:
        return ()
    table = words[words.index("ON") + 1 :]
    return (*words[1:3], *(table[:3] if table[1:2] == ["."] else table[:1]))


@rule(
    "LG813",
    "privilege-revoked",
    WARNING,
    condition="RunSQL revokes a privilege, or gives a table to another owner.",
    effect="The release that still serves fails at whatever it did with that privilege, from the moment of the commit.",
    remedy="Revoke when no release that serves uses it any more; then accept this hazard by naming that release.",
    rests_on="https://www.postgresql.org/docs/current/sql-revoke.html",
    unsafe="""
        migrations.RunSQL("REVOKE INSERT ON shop_order FROM shop", migrations.RunSQL.noop),
    """,
    safe=accepting(
        "LG813",
        "no release since 41 inserts",
        """
        migrations.RunSQL("REVOKE INSERT ON shop_order FROM shop", migrations.RunSQL.noop),
    """,
    ),
)
def privilege_revoked(context: RuleContext) -> Iterator[Finding]:
    for step, statement in context.sql:
        if statement.starts("REVOKE") or (statement.starts("ALTER") and statement.has("OWNER", "TO")):
            yield Finding("a privilege that may be in use goes away", step.operation)
