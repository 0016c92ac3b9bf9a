"""LG7xx: what RunPython does in the transaction of a schema change."""

from __future__ import annotations

from collections.abc import Iterator

from lockgate.linting.rules.rule import ERROR, Finding, rule
from lockgate.linting.rules.rule_context import RuleContext
from lockgate.planning import python_calls
from lockgate.planning.steps import Kind, Phase

# What PostgreSQL refuses of a table whose rows have deferred checks to come: CheckTableNotInUse().
_REFUSED = frozenset(Kind) - {
    *(
        Kind.CREATE_TABLE,
        Kind.COLUMN_OF_NEW,
        Kind.RENAME_TABLE,
        Kind.RENAME_COLUMN,
        Kind.RENAME_INDEX,
        Kind.DROP_INDEX,
        Kind.COMMENT,
    ),
    *(Kind.UPDATE_ROWS, Kind.RUN_SQL, Kind.RUN_PYTHON, Kind.EXTENSION, Kind.OTHER, Kind.UNKNOWN),
}
_INSERTS = ("create", "bulk_create", "get_or_create", "update_or_create")


@rule(
    "LG713",
    "network-call-under-locks",
    ERROR,
    condition="An atomic migration changes the schema of a table that is there already, and its RunPython then calls "
    "something over the network.",
    effect="The table stays locked while another machine is waited for, which no lock or statement timeout ends; and "
    "what that machine has done stays done when the migration is rolled back and tried again.",
    remedy="Take the call out of the migration, or put the RunPython into a migration of its own, before or after the "
    "one that changes the schema.",
    rests_on="https://docs.djangoproject.com/en/stable/topics/migrations/#transactions",
    unsafe="""
        def announce(apps, schema_editor):
            urllib.request.urlopen("https://example.com/hook")


        class Migration(migrations.Migration):
            operations = [
                migrations.AddField("order", "source", models.CharField(max_length=20, null=True)),
                migrations.RunPython(announce, migrations.RunPython.noop),
            ]
    """,
    safe=[
        """
        migrations.AddField("order", "source", models.CharField(max_length=20, null=True)),
        """,
        """
        def announce(apps, schema_editor):
            urllib.request.urlopen("https://example.com/hook")


        class Migration(migrations.Migration):
            operations = [migrations.RunPython(announce, migrations.RunPython.noop)]
        """,
    ],
)
def network_under_locks(context: RuleContext) -> Iterator[Finding]:
    calls = {number: list(python_calls.on_the_network(code)) for number, code in context.functions}
    held = ""
    for step in context.steps if context.migration.atomic else ():
        for call in dict.fromkeys(calls.get(step.operation, ())) if held and step.transactional else ():
            yield Finding(f"{call} is waited for while {context.described(held)} is locked", step.operation, held)
        if step.phase is Phase.SWITCH:
            held = held or next((lock.table for lock in step.locks if lock.mode.blocks_writes), "")


@rule(
    "LG714",
    "altered-with-checks-to-come",
    ERROR,
    condition="An atomic migration's RunPython makes rows in a table with a foreign key, and the migration then alters "
    "or drops the table, or builds an index on it in place.",
    effect="Django's foreign keys are checked when the transaction ends, and until then PostgreSQL refuses to change "
    "the table (55006, pending trigger events): the migration fails wherever the code makes a row.",
    remedy="Two migrations: the rows in one, the schema in the other.",
    rests_on="https://docs.djangoproject.com/en/stable/ref/migration-operations/#runpython",
    unsafe="""
        def fill(apps, schema_editor):
            apps.get_model("shop", "Order").objects.create(customer_id=1, number="1", placed="2031-01-01T00:00Z")


        class Migration(migrations.Migration):
            operations = [
                migrations.RunPython(fill, migrations.RunPython.noop),
                migrations.AddField("order", "source", models.CharField(max_length=20, null=True)),
            ]
    """,
    safe=[
        """
        def fill(apps, schema_editor):
            apps.get_model("shop", "Order").objects.create(customer_id=1, number="1", placed="2031-01-01T00:00Z")


        class Migration(migrations.Migration):
            operations = [migrations.RunPython(fill, migrations.RunPython.noop)]
        """,
        """
        migrations.AddField("order", "source", models.CharField(max_length=20, null=True)),
        """,
    ],
)
def checks_to_come(context: RuleContext) -> Iterator[Finding]:
    inserted = {number: set(python_calls.written(code, *_INSERTS)) for number, code in context.functions}
    waiting: set[str] = set()
    for step in context.steps if context.migration.atomic else ():
        if step.phase is not Phase.SWITCH:
            continue
        for change in step.changes:
            if change.kind is Kind.RUN_PYTHON:
                waiting |= inserted.get(step.operation, set()) & {*change.unchecked}
            elif change.table in waiting and change.kind in _REFUSED:
                waiting.discard(change.table)
                what = f'{change.kind} on "{change.table}" after rows were made whose foreign keys are still unchecked'
                yield Finding(what, step.operation, change.table)
