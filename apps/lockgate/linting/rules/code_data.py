"""LG6xx: RunPython that changes rows all at once, one by one, or with the models of today."""

from __future__ import annotations

from collections.abc import Iterator

from lockgate.linting.rules.code_portions import code_in_portions
from lockgate.linting.rules.example_models import IN_PORTIONS
from lockgate.linting.rules.rule import ERROR, WARNING, Finding, rule
from lockgate.linting.rules.rule_context import RuleContext
from lockgate.planning import python_calls
from lockgate.planning.python_reading import Code


def _run(body: str) -> str:
    return (
        f"def fill(apps, schema_editor):\n{body}\n\n\nclass Migration(migrations.Migration):\n"
        "    operations = [migrations.RunPython(fill, migrations.RunPython.noop)]\n"
    )


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
    safe=IN_PORTIONS,
    instead=code_in_portions,
)
def unbatched_update(context: RuleContext) -> Iterator[Finding]:
    for number, code in context.code:
        collects = _collects(context, number, code)
        for call in dict.fromkeys(code.unbatched("update", "_raw_delete", *([] if collects else ["delete"]))):
            yield Finding(f"{call} of a whole queryset at once{_of(code.tables)}", number, pattern=_in_portions(code))


def _collects(context: RuleContext, number: int, code: Code) -> bool:
    """Whether others refer to the rows of all that it deletes from: Django then deletes a hundred at a time."""
    changes = (change for step in context.plan.steps if step.operation == number for change in step.changes)
    collected = {table for change in changes for table in change.collected}
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
def every_row_in_memory(context: RuleContext) -> Iterator[Finding]:
    for number, code in context.code:
        for call in dict.fromkeys(code.loops_over_everything()):
            yield Finding(f"a loop over {call} loads every row{_of(code.tables)}", number)
        for call in dict.fromkeys(code.unbatched("delete")) if _collects(context, number, code) else ():
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
    safe=IN_PORTIONS,
    instead=code_in_portions,
)
def row_by_row(context: RuleContext) -> Iterator[Finding]:
    for number, code in context.code:
        for call in dict.fromkeys(code.in_loops("save", "get_or_create", "update_or_create")):
            yield Finding(f"{call} for one row after the other{_of(code.tables)}", number, pattern=_in_portions(code))


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
def model_of_today(context: RuleContext) -> Iterator[Finding]:
    for number, code in context.code:
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
def without_batch_size(context: RuleContext) -> Iterator[Finding]:
    for number, code in context.code:
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
    unsafe=IN_PORTIONS.replace("    atomic = False\n\n", ""),
    safe=IN_PORTIONS,
    instead=code_in_portions,
)
def loop_in_one_transaction(context: RuleContext) -> Iterator[Finding]:
    for number, code in context.code if context.migration.atomic else ():
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
