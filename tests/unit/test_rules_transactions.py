"""LG711 and its kin judge what a transaction holds: on every table, the same one too, and for writes alone."""

from __future__ import annotations

import pytest

from lockgate.facts.tables import DatabaseFacts
from lockgate.linting.rules.example_models import given, table
from lockgate.linting.rules.rule import OFFLINE, source
from tests.support.examples import hazards_of

ADD_FIELD = 'migrations.AddField("order", "source", models.CharField(max_length=20, null=True)),'
VALIDATE = 'postgres_operations.ValidateConstraint("order", "order_total_positive"),'
WIDEN = 'migrations.AlterField("customer", "email", models.IntegerField()),'


def found(*operations: str, identity: str = "LG711", facts: DatabaseFacts = OFFLINE, attributes: str = "") -> list[str]:
    text = source(attributes + "\n".join(operations))
    return [hazard.what for hazard in hazards_of(text, facts=facts) if hazard.rule.id == identity]


def test_the_same_table_counts_where_the_work_alone_would_block_less() -> None:
    in_place = "class Migration(migrations.Migration):\n    online = False\n    operations = [{}]\n"
    (what,) = (e.what for e in hazards_of(in_place.format(ADD_FIELD + VALIDATE)) if e.rule.id == "LG711")
    assert what == 'scan of "shop_order" while "shop_order" is locked'
    assert not [e for e in hazards_of(in_place.format(VALIDATE + ADD_FIELD)) if e.rule.id == "LG711"]


def test_work_that_blocks_as_much_by_itself_is_said_by_its_own_rule() -> None:
    rewrite = 'migrations.AlterField("order", "total", models.CharField(max_length=20)),'
    assert found(ADD_FIELD, rewrite) == []
    assert found(WIDEN, rewrite) == ['rewrite of "shop_order" while "shop_customer" is locked']


def test_foreign_keys_keep_writes_waiting_on_all_their_tables() -> None:
    column = 'migrations.AddField("order", "{}", models.ForeignKey("shop.customer", models.CASCADE, null=True)),'
    rewrite = 'migrations.AlterField("customer", "email", models.IntegerField()),'
    fill = 'migrations.AlterField("order", "note", models.TextField(default="")),'
    assert found(column.format("payer"), fill) == ['scan of "shop_order" while writes to "shop_customer" wait']
    assert found(fill, column.format("payer")) == []
    assert found(column.format("payer"), rewrite) == ['rewrite of "shop_customer" while "shop_order" is locked']


def test_what_django_defers_to_the_end_is_not_held_over_what_comes_before() -> None:
    made = (
        'migrations.CreateModel("Note", [("id", models.BigAutoField(primary_key=True)),'
        ' ("customer", models.ForeignKey("shop.customer", models.CASCADE))]),'
    )
    assert found(made, 'migrations.AlterField("order", "total", models.CharField(max_length=20)),') == []


@pytest.mark.parametrize("operations", [(ADD_FIELD, 'migrations.DeleteModel("order"),', WIDEN)])
def test_a_table_that_the_same_migration_drops_does_not_count(operations: tuple[str, ...]) -> None:
    assert found(*operations) == []


def test_nor_does_one_that_it_makes() -> None:
    made = 'migrations.CreateModel("Note", [("id", models.BigAutoField(primary_key=True))]),'
    assert found(made, 'migrations.AddField("note", "text", models.TextField(null=True)),', WIDEN) == []


def test_a_small_table_waits_for_a_large_one_and_not_the_reverse() -> None:
    facts = given(table("shop_customer", size=8192), table("shop_order"))
    rewrite = 'migrations.AlterField("order", "total", models.CharField(max_length=20)),'
    add = 'migrations.AddField("customer", "phone", models.CharField(max_length=20, null=True)),'
    assert len(found(add, rewrite, facts=facts)) == 1
    assert found(ADD_FIELD, WIDEN, facts=facts) == []


def test_several_foreign_keys_lock_several_tables_where_something_takes_long_under_them() -> None:
    made = (
        'migrations.CreateModel("{0}", [("id", models.BigAutoField(primary_key=True)),'
        ' ("of", models.ForeignKey("shop.{1}", models.CASCADE))]),'
    )
    keys = made.format("Note", "customer"), made.format("Mark", "order")
    code = "migrations.RunPython(print, migrations.RunPython.noop),"
    assert found(*keys, identity="LG706") == [], "for a moment writes wait, and reads do not"
    assert len(found(*keys, code, identity="LG706")) == 1
    assert found(keys[0], code, identity="LG706") == []


def test_a_table_that_is_dropped_is_not_locked_together_with_others() -> None:
    assert len(found(ADD_FIELD, WIDEN, identity="LG706")) == 1
    dropped = 'migrations.RemoveField("order", "customer"), migrations.DeleteModel("customer"),'
    assert found(dropped, ADD_FIELD, identity="LG706") == []
