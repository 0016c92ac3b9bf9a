"""LG6xx: data that is changed all at once, or together with the schema."""

from __future__ import annotations

from collections.abc import Iterator

from lockgate.linting.rules.case import Case
from lockgate.linting.rules.code_portions import code_in_portions
from lockgate.linting.rules.offer import apart
from lockgate.linting.rules.portions import sql_in_portions
from lockgate.linting.rules.rule import ERROR, WARNING, Finding, rule
from lockgate.planning import python_calls, sql_changes
from lockgate.planning.python_reading import Code
from lockgate.planning.sql_statements import SqlStatement
from lockgate.planning.steps import Change, Kind, Step

_DATA = (("UPDATE",), ("DELETE",), ("INSERT",), ("MERGE",))
_PORTIONS = """
def fill(apps, schema_editor):
    orders = apps.get_model("shop", "Order").objects
    last = 0
    while keys := list(orders.filter(pk__gt=last, note=None).order_by("pk").values_list("pk", flat=True)[:1000]):
        orders.filter(pk__in=keys).update(note="")
        last = keys[-1]


class Migration(migrations.Migration):
    atomic = False

    operations = [migrations.RunPython(fill, migrations.RunPython.noop, elidable=True)]
"""


def _run(body: str) -> str:
    return (
        f"def fill(apps, schema_editor):\n{body}\n\n\nclass Migration(migrations.Migration):\n"
        "    operations = [migrations.RunPython(fill, migrations.RunPython.noop)]\n"
    )


@rule(
    "LG601",
    "every-row-changed",
    ERROR,
    condition="RunSQL has UPDATE or DELETE without WHERE on a large table.",
    effect="One statement locks and rewrites every row: writes to any of them wait until the transaction ends, the "
    "table doubles, replicas fall behind.",
    remedy="Change rows in portions by key, each committed by itself: RunPython in a migration with atomic = False.",
    rests_on="https://www.postgresql.org/docs/current/explicit-locking.html#LOCKING-ROWS",
    unsafe="""
        migrations.RunSQL("UPDATE shop_order SET note = ''", migrations.RunSQL.noop),
    """,
    safe=_PORTIONS,
    instead=sql_in_portions,
)
def every_row(case: Case) -> Iterator[Finding]:
    for step, statement, table in _changed_rows(case):
        if not statement.has("WHERE"):
            yield Finding(f"every row of {case.described(table)} is changed", step.operation, table)


def _changed_rows(case: Case) -> Iterator[tuple[Step, SqlStatement, str]]:
    """Statements of RunSQL that change rows of large tables."""
    for step, statement in case.sql:
        for change in sql_changes.of(statement.text):
            changes = change.kind is Kind.UPDATE_ROWS and case.existed(change.table) and case.large(change.table)
            if changes and not _is_by_key(step, change):
                yield step, statement, change.table


def _is_by_key(step: Step, read: Change) -> bool:
    """Whether rows are named by a key's values, so that there are as many as are written out."""
    return any(each.unique and each._replace(unique=False) == read for each in step.changes)


@rule(
    "LG602",
    "data-under-schema-locks",
    ERROR,
    condition="An atomic migration changes a large table's schema in its transaction, and changes data in it after "
    "that.",
    effect="The ACCESS EXCLUSIVE lock of the schema change is held while the rows are changed, so reads and writes "
    "wait for all of it.",
    remedy="Put data into a migration of its own, after the one that changes the schema.",
    rests_on="https://www.postgresql.org/docs/current/explicit-locking.html#LOCKING-TABLES",
    unsafe="""
        migrations.AddField("order", "source", models.CharField(max_length=20, null=True)),
        migrations.RunSQL("UPDATE shop_order SET source = 'web' WHERE source IS NULL", migrations.RunSQL.noop),
    """,
    safe=[
        """
            migrations.AddField("order", "source", models.CharField(max_length=20, null=True)),
        """,
        """
            migrations.RunSQL("UPDATE shop_order SET source = 'web' WHERE source IS NULL", migrations.RunSQL.noop),
        """,
    ],
    instead=apart("rows are changed when the schema's locks are gone"),
)
def data_under_locks(case: Case) -> Iterator[Finding]:
    changed = {number for number, code in case.code if code.changes_data()}
    changed |= {step.operation for step, each in case.sql if any(each.starts(*words) for words in _DATA)}
    for step in case.steps if case.migration.atomic else ():
        held = [table for table, mode in case.held(step) if mode.blocks_reads and case.large(table)]
        if held and step.operation in changed:
            what = f"data is changed while {case.described(held[0])} is locked exclusively"
            yield Finding(what, step.operation, held[0])


@rule(
    "LG603",
    "unbatched-update",
    ERROR,
    condition="A RunPython function calls update() on a whole queryset of a large table, or delete() where no other "
    "rows refer to its own.",
    effect="All those rows are locked and written in one go: writes to any of them wait until the transaction ends, "
    "the table bloats, replicas fall behind.",
    remedy="Go through the keys in portions, and let each be committed by itself (atomic = False).",
    rests_on="https://docs.djangoproject.com/en/stable/ref/models/querysets/#update",
    unsafe=_run('    apps.get_model("shop", "Order").objects.filter(note=None).update(note="")'),
    safe=_PORTIONS,
    instead=code_in_portions,
)
def unbatched_update(case: Case) -> Iterator[Finding]:
    for number, code in case.code:
        collects = _collects(case, number, code)
        for call in dict.fromkeys(code.unbatched("update", "_raw_delete", *([] if collects else ["delete"]))):
            yield Finding(f"{call} of a whole queryset at once{_of(code.tables)}", number, pattern=_in_portions(code))


def _collects(case: Case, number: int, code: Code) -> bool:
    """Whether others refer to the rows of all that it deletes from: Django then deletes a hundred at a time."""
    changes = (each for step in case.plan.steps if step.operation == number for each in step.changes)
    collected = {table for each in changes for table in each.collected}
    deleted = set(python_calls.written(code, "delete"))
    return bool(deleted) and deleted <= collected


@rule(
    "LG604",
    "every-row-in-memory",
    WARNING,
    condition="A RunPython function loops over a queryset of a large table without iterator() or a slice, or deletes a "
    "whole one to whose rows others refer.",
    effect="Django loads every row before it does anything with the first, and where it deletes also all that refer to "
    "them; the migration is killed for its memory, or takes the machine along.",
    remedy="Loop over .iterator(chunk_size=…), or over portions by key; delete by portions too, each committed by "
    "itself.",
    rests_on="https://docs.djangoproject.com/en/stable/ref/models/querysets/#iterator",
    unsafe=_run('    for order in apps.get_model("shop", "Order").objects.all():\n        print(order.number)'),
    safe=_run(
        '    for order in apps.get_model("shop", "Order").objects.all().iterator(chunk_size=1000):\n'
        "        print(order.number)"
    ),
    instead=code_in_portions,
)
def every_row_in_memory(case: Case) -> Iterator[Finding]:
    for number, code in case.code:
        for call in dict.fromkeys(code.loops_over_everything()):
            yield Finding(f"a loop over {call} loads every row{_of(code.tables)}", number)
        for call in dict.fromkeys(code.unbatched("delete")) if _collects(case, number, code) else ():
            yield Finding(f"{call} loads every row, and all that refer to them{_of(code.tables)}", number)


@rule(
    "LG605",
    "row-by-row",
    WARNING,
    condition="A RunPython function saves, makes or deletes rows one by one in a loop.",
    effect="A statement per row takes hours on a large table, in a transaction that holds every row it has touched.",
    remedy="Write portions with bulk_update(batch_size=…), bulk_create(batch_size=…) or an update() by key.",
    rests_on="https://docs.djangoproject.com/en/stable/topics/db/optimization/#use-bulk-methods",
    unsafe=_run(
        '    for order in apps.get_model("shop", "Order").objects.iterator(chunk_size=1000):\n'
        '        order.note = order.note or ""\n        order.save()'
    ),
    safe=_PORTIONS,
    instead=code_in_portions,
)
def row_by_row(case: Case) -> Iterator[Finding]:
    for number, code in case.code:
        for call in dict.fromkeys(code.in_loops("save", "get_or_create", "update_or_create")):
            yield Finding(f"{call} for one row after the other{_of(code.tables)}", number, pattern=_in_portions(code))


@rule(
    "LG606",
    "large-change-in-one-transaction",
    WARNING,
    condition="RunSQL changes rows of a large table by a condition, in the migration's transaction.",
    effect="Every row it finds stays locked until the migration commits; how many that are, nobody can say beforehand.",
    remedy="Change rows in portions by key, each committed by itself; or accept this hazard with the number of rows.",
    rests_on="https://www.postgresql.org/docs/current/explicit-locking.html#LOCKING-ROWS",
    unsafe="""
        migrations.RunSQL("UPDATE shop_order SET note = '' WHERE note IS NULL", migrations.RunSQL.noop),
    """,
    safe=_PORTIONS,
    instead=sql_in_portions,
)
def large_change(case: Case) -> Iterator[Finding]:
    for step, statement, table in _changed_rows(case):
        if statement.has("WHERE"):
            yield Finding(f"rows of {case.described(table)} are changed in one statement", step.operation, table)


@rule(
    "LG607",
    "model-of-today",
    ERROR,
    condition="A RunPython function uses a model that is imported, instead of apps.get_model().",
    effect="The imported model is that of the newest code: the migration fails, or writes wrong rows, as soon as a "
    "later migration has changed the model, and on every new database.",
    remedy='Take the model from the migration: apps.get_model("shop", "Order").',
    rests_on="https://docs.djangoproject.com/en/stable/topics/migrations/#historical-models",
    unsafe="""
        from django.contrib.contenttypes.models import ContentType


        def fill(apps, schema_editor):
            ContentType.objects.filter(pk=1).update(model="order")


        class Migration(migrations.Migration):
            operations = [migrations.RunPython(fill, migrations.RunPython.noop)]
    """,
    safe="""
        def fill(apps, schema_editor):
            apps.get_model("shop", "Order").objects.filter(pk=1).update(note="")


        class Migration(migrations.Migration):
            operations = [migrations.RunPython(fill, migrations.RunPython.noop)]
    """,
)
def model_of_today(case: Case) -> Iterator[Finding]:
    for number, code in case.code:
        for name in dict.fromkeys(code.imported_models()):
            yield Finding(f"it uses the imported model {name}", number)


@rule(
    "LG608",
    "bulk-without-batch-size",
    WARNING,
    condition="A RunPython function calls bulk_create() or bulk_update() without batch_size.",
    effect="One statement carries every row: its text, its parameters and its locks grow with the table.",
    remedy="Give batch_size, and pass rows from .iterator().",
    rests_on="https://docs.djangoproject.com/en/stable/ref/models/querysets/#bulk-create",
    unsafe=_run(
        '    orders = list(apps.get_model("shop", "Order").objects.filter(note=None).iterator())\n'
        '    apps.get_model("shop", "Order").objects.bulk_update(orders, ["note"])'
    ),
    safe=_run(
        '    orders = list(apps.get_model("shop", "Order").objects.filter(note=None)[:1000])\n'
        '    apps.get_model("shop", "Order").objects.bulk_update(orders, ["note"], batch_size=500)'
    ),
)
def without_batch_size(case: Case) -> Iterator[Finding]:
    for number, code in case.code:
        for call in dict.fromkeys(code.without_batch_size()):
            yield Finding(f"{call} without batch_size{_of(code.tables)}", number)


@rule(
    "LG609",
    "loop-in-one-transaction",
    ERROR,
    condition="An atomic migration's RunPython changes rows of a large table in a loop over rows or portions.",
    effect="Nothing of it commits before the migration does: every row that was touched stays locked until the last "
    "one is done, and VACUUM waits as long, as after one UPDATE of the whole table, only that it takes longer.",
    remedy="Put it into a migration of its own with atomic = False, so that each portion is committed by itself, and "
    "let it find only rows that still need it.",
    rests_on="https://docs.djangoproject.com/en/stable/howto/writing-migrations/#non-atomic-migrations",
    unsafe=_PORTIONS.replace("    atomic = False\n\n", ""),
    safe=_PORTIONS,
    instead=code_in_portions,
)
def loop_in_one_transaction(case: Case) -> Iterator[Finding]:
    for number, code in case.code if case.migration.atomic else ():
        for call in dict.fromkeys(code.in_loops_over_rows("update", "delete", "save", "bulk_update")):
            yield Finding(
                f"{call} in a loop, all in one transaction{_of(code.tables)}", number, pattern=_in_portions(code)
            )


def _in_portions(code: Code) -> str:
    """How to go through the rows of the one model that a function names."""
    if len(code.labels) != 1:
        return ""
    app, _, model = code.labels[0].partition(".")
    return (
        f'Of {app}.{model}, that is: rows = apps.get_model("{app}", "{model}").objects; '
        'keys = list(rows.order_by("pk").values_list("pk", flat=True)[:1000]); while there are keys, write those of '
        "rows.filter(pk__in=keys), and read on from rows.filter(pk__gt=keys[-1])."
    )


def _of(tables: tuple[str, ...]) -> str:
    return f" (it names {', '.join(dict.fromkeys(tables))})" if tables else ""
