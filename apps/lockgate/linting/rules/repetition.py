"""LG7xx: what cannot be done again, taken back, or foreseen."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import dropwhile

from django.contrib.postgres.operations import CreateExtension
from django.db.migrations.operations import RunPython, RunSQL

from lockgate.linting.rules.rule import ERROR, WARNING, Finding, rule
from lockgate.linting.rules.rule_context import RuleContext
from lockgate.planning import lock_levels, sql_changes, sql_steps
from lockgate.planning.sql_statements import SqlStatement
from lockgate.planning.steps import Kind, Work


@rule(
    "LG703",
    "half-a-migration",
    WARNING,
    condition="A migration with atomic = False has several operations that change the database. Extensions that it "
    "begins with do not count: they are made where they are not there.",
    effect="Where one of them fails, those before it stay, and the migration counts as not applied: a run of Lockgate "
    "carries on after them, but nothing takes them back, stock Django fails at what is there already, and the file "
    "must not be edited any more.",
    remedy="One operation for each migration with atomic = False. For AddIndex and the like, drop atomic = False: "
    "Lockgate runs them concurrently from an atomic migration.",
    rests_on="https://docs.djangoproject.com/en/stable/howto/writing-migrations/#non-atomic-migrations",
    unsafe="""
        atomic = False
        migrations.AddField("order", "source", models.CharField(max_length=20, null=True)),
        postgres_operations.AddIndexConcurrently("order", models.Index(fields=["source"], name="order_source")),
    """,
    safe=[
        """
            migrations.AddField("order", "source", models.CharField(max_length=20, null=True)),
        """,
        """
            atomic = False
            postgres_operations.AddIndexConcurrently("order", models.Index(fields=["source"], name="order_source")),
        """,
    ],
)
def half_a_migration(context: RuleContext) -> Iterator[Finding]:
    operations = list(dropwhile(lambda numbered: isinstance(numbered[1], CreateExtension), context.operations))
    acting = {number for number, operation in operations if operation.reduces_to_sql or _is_code(operation)}
    again = all(_can_be_repeated(context, operation) for number, operation in operations if number in acting)
    if not context.migration.atomic and len(acting) > 1 and not again:
        yield Finding(f"{len(acting)} operations in a migration that is not atomic")


def _is_code(operation: object) -> bool:
    return isinstance(operation, RunPython | RunSQL)


def _dropped_where_there(context: RuleContext) -> set[str]:
    """What SQL drops where it is there, so that a rerun drops what one that was killed has left."""
    return {
        change.name
        for _, statement in context.sql
        if statement.has("IF", "EXISTS")
        for change in sql_changes.of(statement.text)
        if change.kind in (Kind.DROP_INDEX, Kind.DROP_CONSTRAINT)
    }


def _can_be_repeated(context: RuleContext, operation: object) -> bool:
    """Whether SQL does the same when it is run again: it validates, or makes what it has dropped where it was there."""
    if not isinstance(operation, RunSQL):
        return False
    dropped = _dropped_where_there(context)
    changes = [change for _, text in sql_steps.texts(operation.sql) for change in sql_changes.of(text)]
    return all(
        change.kind in (Kind.VALIDATE_CONSTRAINT, Kind.ANALYZE) or (change.kind in _MADE and change.name in dropped)
        for change in changes
    )


_MADE = (Kind.ADD_INDEX, Kind.ADD_CHECK, Kind.ADD_FOREIGN_KEY, Kind.DROP_INDEX, Kind.DROP_CONSTRAINT)


@rule(
    "LG704",
    "concurrently-cannot-be-repeated",
    WARNING,
    condition="RunSQL builds or drops an index concurrently in a migration that is not atomic.",
    effect="Killed or failed half-way it leaves an invalid index: a rerun fails, because the index exists, or keeps it "
    "for ever where IF NOT EXISTS is given.",
    remedy="Use AddIndex in an atomic migration, or AddIndexConcurrently: Lockgate builds either concurrently, keeps a "
    "journal of it, and builds again what was left invalid.",
    rests_on="https://www.postgresql.org/docs/current/sql-createindex.html#SQL-CREATEINDEX-CONCURRENTLY",
    unsafe="""
        atomic = False
        migrations.RunSQL("CREATE INDEX CONCURRENTLY order_number ON shop_order (number)", migrations.RunSQL.noop),
    """,
    safe="""
        migrations.AddIndex("order", models.Index(fields=["number"], name="order_number")),
    """,
)
def cannot_be_repeated(context: RuleContext) -> Iterator[Finding]:
    if context.migration.atomic:
        return
    dropped = _dropped_where_there(context)
    for step, change in context.changes(Kind.ADD_INDEX, Kind.DROP_INDEX):
        if change.concurrently and context.is_sql(step) and change.name not in dropped:
            yield Finding(f'index "{change.name}" is left invalid if this is interrupted', step.operation, change.table)


@rule(
    "LG707",
    "code-without-reverse",
    WARNING,
    condition="RunPython has no reverse_code.",
    effect="The migration cannot be unapplied, nor any before it: a release that goes wrong cannot be taken back.",
    remedy="Give reverse_code; where nothing needs to be undone, migrations.RunPython.noop says so.",
    rests_on="https://docs.djangoproject.com/en/stable/ref/migration-operations/#runpython",
    unsafe="""
        migrations.RunPython(print),
    """,
    safe="""
        migrations.RunPython(print, migrations.RunPython.noop),
    """,
)
def code_without_reverse(context: RuleContext) -> Iterator[Finding]:
    for number, operation in context.operations:
        if isinstance(operation, RunPython) and not operation.reversible:
            yield Finding("RunPython cannot be reversed", number)


@rule(
    "LG708",
    "sql-without-reverse",
    WARNING,
    condition="RunSQL has no reverse_sql.",
    effect="The migration cannot be unapplied, nor any before it: a release that goes wrong cannot be taken back.",
    remedy="Give reverse_sql; where nothing needs to be undone, migrations.RunSQL.noop says so.",
    rests_on="https://docs.djangoproject.com/en/stable/ref/migration-operations/#runsql",
    unsafe="""
        migrations.RunSQL("CREATE VIEW shop_open AS SELECT 1"),
    """,
    safe="""
        migrations.RunSQL("CREATE VIEW shop_open AS SELECT 1", "DROP VIEW shop_open"),
    """,
)
def sql_without_reverse(context: RuleContext) -> Iterator[Finding]:
    for number, operation in context.operations:
        if isinstance(operation, RunSQL) and not operation.reversible:
            yield Finding("RunSQL cannot be reversed", number)


@rule(
    "LG709",
    "operation-unknown",
    ERROR,
    condition="An operation or SQL cannot be told before it runs (it asks the server, brings its own code, calls a "
    "function, executes a text that is made up, or adds a column of a type that is not known; or the migration "
    "overrides apply() or unapply()), and its table is large; or it may be any table, and one of the database is "
    "large, or no database was asked.",
    effect="Which locks it takes, on which tables and for how long, is not known before it runs: it may stop a table "
    "for minutes.",
    remedy="Read what it does, and say it in operations or in SQL that can be read (with PostgreSQL's parser: pip "
    "install django-lockgate[sql]). Add a field whose default asks the server with null=True and without the default, "
    "and fill it in a later migration. Where it is safe, accept this hazard by saying what it does.",
    rests_on="https://docs.djangoproject.com/en/stable/ref/migration-operations/#writing-your-own",
    unsafe="""
        class Ask(migrations.operations.base.Operation):
            def state_forwards(self, app_label, state):
                pass

            def database_forwards(self, app_label, schema_editor, from_state, to_state):
                schema_editor.connection.cursor().execute("SELECT 1")


        class Migration(migrations.Migration):
            operations = [Ask()]
    """,
    safe="""
        migrations.AddField("order", "source", models.CharField(max_length=20, null=True)),
    """,
    other_end="An operation whose statements can be read.",
)
def unknown(context: RuleContext) -> Iterator[Finding]:
    for step in context.steps:
        for change in step.changes:
            if change.kind is Kind.UNKNOWN and not change.read and context.may_be_large(change.table):
                yield Finding(f"{step.title}: {change.name}", step.operation, change.table)
    for step, change in context.changes(Kind.ADD_COLUMN):
        if lock_levels.work_of(change) is Work.UNKNOWN and context.large(change.table):
            what = f'a new column is of type "{change.type}", which may be a domain that each row is proven for'
            yield Finding(what, step.operation, change.table)


@rule(
    "LG712",
    "change-adds-up-when-repeated",
    WARNING,
    condition="A migration with atomic = False has RunPython or RunSQL that adds rows, or computes a value from "
    "itself.",
    effect="A run that is killed in it does not know how far it came, so the next one runs it again from the start: "
    "what it adds or counts up is then there twice.",
    remedy="Let it find only rows that still need it, and insert with ON CONFLICT DO NOTHING "
    "(ignore_conflicts=True), so that running it again changes nothing.",
    rests_on="https://docs.djangoproject.com/en/stable/howto/writing-migrations/#non-atomic-migrations",
    unsafe="""
        atomic = False
        migrations.RunSQL("UPDATE shop_order SET total = total + 1 WHERE id < 1000", migrations.RunSQL.noop),
    """,
    safe="""
        atomic = False
        migrations.RunSQL("UPDATE shop_order SET note = '' WHERE note IS NULL", migrations.RunSQL.noop),
    """,
)
def adds_up(context: RuleContext) -> Iterator[Finding]:
    if context.migration.atomic:
        return
    for step, statement in context.sql:
        inserts = statement.starts("INSERT") and not statement.has("ON", "CONFLICT")
        if inserts or (statement.starts("UPDATE") and _from_itself(statement)):
            yield Finding(f"{statement.tokens[0]} outside a transaction may run twice", step.operation)
    for number, code in context.code:
        if code.adds_up():
            yield Finding("RunPython outside a transaction may add the same twice", number)


def _from_itself(statement: SqlStatement) -> bool:
    """Whether an UPDATE sets a column from its own value."""
    tokens = statement.tokens
    begin = tokens.index("SET") if "SET" in tokens else len(tokens)
    end = tokens.index("WHERE") if "WHERE" in tokens else len(tokens)
    for at in range(begin, end):
        if tokens[at] == "=":
            comma = next((n for n in range(at, end) if tokens[n] == ","), end)
            if tokens[at - 1] in tokens[at + 1 : comma]:
                return True
    return False
