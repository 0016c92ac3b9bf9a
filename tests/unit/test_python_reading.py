"""What the source of a RunPython function is taken for; above all, what it is not taken for."""

from __future__ import annotations

import pytest

from tests.support.examples import hazards_of


def ids(body: str) -> list[str]:
    lines = "\n".join(f"    {line}" for line in body.splitlines())
    text = (
        f"def fill(apps, schema_editor):\n    Order = apps.get_model('shop', 'Order')\n{lines}\n\n\n"
        "class Migration(migrations.Migration):\n"
        "    operations = [migrations.RunPython(fill, migrations.RunPython.noop)]\n"
    )
    return [hazard.rule.id for hazard in hazards_of(text)]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("Order.objects.update(note='')", ["LG603"]),
        ("found = Order.objects.filter(note=None)\nfound.delete()", ["LG603"]),
        ("found = Order.objects.filter(note=None)\nfound.filter(total=1).delete()", ["LG603"]),
        ("found = Order.objects\nfound.filter(total=1).update(note='')", ["LG603"]),
        (
            "found = Order.objects.all()\nless = found.using('default')\nless.exclude(total=1).update(note='')",
            ["LG603"],
        ),
        ("found = Order.objects.all()\nfor each in found.filter(note=None):\n    print(each)", ["LG604"]),
        ("found = Order.objects.filter(pk__in=[1])\nfound.filter(total=1).delete()", []),
        ("found = Order.objects.filter(pk__in=[1])\nfound.update(note='')", []),
        ("found = Order.objects.all()[:10]\nfor each in found:\n    print(each)", []),
        ("found = Order.objects.all()\nfound.first().delete()", []),
        ("for each in Order.objects.filter(note=None):\n    print(each)", ["LG604"]),
        ("for each in Order.objects.iterator():\n    each.save()", ["LG605", "LG609"]),
        ("Order.objects.bulk_create([])", ["LG608"]),
        ("Order.objects.filter(pk=1).update(note='')", []),
        ("Order.objects.filter(id__in=[1, 2]).update(note='')", []),
        ("{}.update(a=1)", []),
        ("for each in range(Order.objects.count()):\n    print(each)", []),
        ("for each in Order.objects.all()[:10]:\n    print(each)", []),
        ("for each in ['a', 'b']:\n    print(each)", []),
        ("Order.objects.bulk_create([], batch_size=10)", []),
    ],
)
def test_what_is_seen(body: str, expected: list[str]) -> None:
    assert ids(body) == expected


def test_a_function_without_source_is_no_error() -> None:
    assert hazards_of("migrations.RunPython(print, migrations.RunPython.noop),") == []


def test_a_lambda_is_no_error() -> None:
    hazards_of("migrations.RunPython(lambda apps, editor: None, migrations.RunPython.noop),")
