"""LG4xx: schemas and databases that go, or get another name."""

from __future__ import annotations

from collections.abc import Iterator

from lockgate.linting.rules.rule import ERROR, Finding, accepting, rule
from lockgate.linting.rules.rule_context import RuleContext
from lockgate.planning.steps import Kind


@rule(
    "LG404",
    "schema-or-database-dropped",
    ERROR,
    condition="RunSQL drops a schema, a database or a role's objects.",
    effect="Everything in it is gone, for every release and every application that uses it.",
    remedy="Take it out of migrations, and do it by hand with a backup that was tested.",
    rests_on="https://www.postgresql.org/docs/current/sql-dropschema.html",
    unsafe="""
        migrations.RunSQL("DROP SCHEMA archive CASCADE", migrations.RunSQL.noop),
    """,
    safe="""
        migrations.RunSQL("CREATE SCHEMA archive", migrations.RunSQL.noop),
    """,
    other_end="The schema that is there stays.",
    squawk=("ban-drop-database",),
)
def schema_dropped(context: RuleContext) -> Iterator[Finding]:
    for step, statement in context.sql:
        for words in (("DROP", "SCHEMA"), ("DROP", "DATABASE"), ("DROP", "OWNED")):
            if statement.starts(*words):
                yield Finding(f"{' '.join(words)} removes everything in it", step.operation)


@rule(
    "LG412",
    "schema-renamed",
    ERROR,
    condition="RunSQL renames a schema.",
    effect="Every query of the release that still serves fails on the tables in it, whether it names the schema or "
    "finds it by search_path, from the moment of the commit.",
    remedy="Leave its name; or rename it while nothing serves, with the search_path of every role and the code that "
    "names it, and accept this hazard.",
    rests_on="https://www.postgresql.org/docs/current/sql-alterschema.html",
    unsafe="""
        migrations.RunSQL("ALTER SCHEMA shop RENAME TO store", "ALTER SCHEMA store RENAME TO shop"),
    """,
    safe=accepting(
        "LG412",
        "nothing serves while this release is rolled out",
        """
        migrations.RunSQL("ALTER SCHEMA shop RENAME TO store", "ALTER SCHEMA store RENAME TO shop"),
    """,
    ),
)
def schema_renamed(context: RuleContext) -> Iterator[Finding]:
    for step in context.steps:
        for change in step.changes:
            if change.kind is Kind.RENAME_SCHEMA:
                yield Finding(f'schema "{change.old_name}" is called "{change.name}" from now on', step.operation)
