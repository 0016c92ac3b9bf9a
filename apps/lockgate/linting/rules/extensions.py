"""LG5xx: extensions that are created or dropped."""

from __future__ import annotations

from collections.abc import Iterator

from lockgate.linting.rules.rule import ERROR, WARNING, Finding, accepting, rule
from lockgate.linting.rules.rule_context import RuleContext
from lockgate.planning.steps import Kind


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
def extension_created(context: RuleContext) -> Iterator[Finding]:
    for step in context.steps:
        for change in step.changes:
            if change.kind is Kind.EXTENSION and change.name not in TRUSTED:
                yield Finding(
                    f'extension "{change.name}" is not trusted, so a superuser must create it', step.operation
                )
    for step, statement in context.sql:
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
def extension_dropped(context: RuleContext) -> Iterator[Finding]:
    for step, statement in context.sql:
        if statement.starts("DROP", "EXTENSION"):
            cascade = ", with every column and index that uses it" if statement.has("CASCADE") else ""
            yield Finding(f"an extension is dropped{cascade}", step.operation)
