"""The code that a rule offers, and the safe example of its page, run and reach the end that was wanted."""

from __future__ import annotations

import os
import re
import textwrap
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, NamedTuple

import pytest
from django.db import DatabaseError
from django.db.migrations import Migration
from psycopg.errors import LockNotAvailable

from lockgate.linting.rules import ALL, BY_ID, Rule, code_portions, fields, portions
from lockgate.linting.rules.example_models import MODELS
from lockgate.linting.rules.offer import Function, Offer, Situation
from lockgate.linting.rules.rule import source
from lockgate.project_state.lazy_state import LazyState
from lockgate.reporting import migration_code
from tests.support import databases, plans
from tests.support.examples import deployed, hazards_of, migration
from tests.support.plans import Scratch
from tests.support.schema import dump


@pytest.fixture(scope="module")
def server() -> Iterator[Scratch]:
    """A database on one version of PostgreSQL: the ends are compared with each other."""
    with plans.scratch(databases.chosen()) as new_scratch:
        yield new_scratch


@pytest.fixture
def scratch(server: Scratch, django_db_blocker: Any) -> Iterator[Scratch]:
    with django_db_blocker.unblock(), plans.as_default(server.connection):
        yield server


WHOLE = os.environ.get("LOCKGATE_SWEEP") == "whole"  # also where the ends differ on purpose: that they still do


class Case(NamedTuple):
    """A migration and the rule that finds something in it. ends: what differs in the end on purpose, in the schema."""

    id: str
    unsafe: str
    ends: str = ""


BOUNDS = "PostgreSQL leaves a CHECK of the bounds"
KEPT = "a name stays as it was"
TOKEN = """
    migrations.AddField("order", "token", models.UUIDField(null=True, db_default=postgres_functions.RandomUUID())),
"""
INDEX = """
    migrations.RunSQL("SELECT 1"),
    migrations.AddIndex("order", models.Index(fields=["number"], name="n")),
"""
DELETE = """
    migrations.AddField("order", "source", models.TextField(null=True)),
    migrations.RunSQL("DELETE FROM shop_order WHERE id = 0", "SELECT 1"),
"""
WITH_CODE = """
    migrations.RemoveField("order", "customer"),
    migrations.RunPython(print, migrations.RunPython.noop),
"""
PAYER = """
    migrations.AddField(
        "order", "payer", models.ForeignKey("shop.Customer", models.CASCADE, default=1, related_name="+")
    ),
"""
SQL = {
    "LG101": "CREATE INDEX shop_n ON shop_order (number) -- for searches",
    "LG102": "DROP INDEX order_total",
    "LG104": "REINDEX TABLE shop_order",
    "LG201": 'ALTER TABLE shop_customer ADD CONSTRAINT "both" UNIQUE (email, id)',
    "LG202": "ALTER TABLE shop_order ADD CONSTRAINT positive CHECK (total >= 0) /* none is */",
}
SET_NOT_NULL = """
    migrations.RunSQL("UPDATE shop_order SET note = '' WHERE note IS NULL", migrations.RunSQL.noop),
    migrations.RunSQL("ALTER TABLE shop_order ALTER COLUMN note SET NOT NULL", migrations.RunSQL.noop),
"""
SWAPPED = """
    atomic = False
    migrations.RunSQL("DROP INDEX CONCURRENTLY order_total", migrations.RunSQL.noop),
    migrations.RunSQL("CREATE INDEX CONCURRENTLY wide ON shop_order (total, number)", migrations.RunSQL.noop),
"""


def code(body: str) -> str:
    """A migration that runs a function."""
    return (
        f"def fill(apps, schema_editor):\n{textwrap.indent(body, '    ')}\n\n\n"
        "class Migration(migrations.Migration):\n    operations = [migrations.RunPython(fill)]\n"
    )


ORDERS = "apps.get_model('shop', 'Order').objects"
UPDATE_AT_THE_END = """
    migrations.AddField("order", "source", models.TextField(null=True)),
    migrations.RunSQL("UPDATE shop_order SET source = 'web' WHERE id > 20"),
"""
# Rows in both portions and outside of them; constants with what Python and psycopg take for something else.
PORTIONS = (
    ("LG606", "UPDATE shop_order AS o SET note = 'a%s \"b\"', total = o.customer_id WHERE TRUE -- all of them"),
    ("LG601", "UPDATE shop_order SET note = lower(number), total = CASE WHEN id > 7 THEN 1 ELSE -1 END"),
    ("LG606", "UPDATE shop_order SET note = number WHERE note IS NULL AND id > 3"),
    (
        "LG606",
        "UPDATE \"shop_order\" SET note = 'where' WHERE (number LIKE '1%' OR id IN (3, 4)) AND note IS NOT NULL;",
    ),
    ("LG606", "UPDATE shop_order SET total = total + 1, note = '' WHERE note IS NULL"),
    ("LG606", "DELETE FROM shop_order WHERE note IS NULL OR id % 5 = 0"),
    ("LG601", "DELETE FROM shop_order"),
)
CODE = (
    ("LG603", "Order = apps.get_model('shop.Order')\nOrder.objects.update(note='it', total=models.F('customer'))"),
    ("LG603", ORDERS + ".exclude(models.Q(note='') | models.Q(total__lt=5)).update(note=functions.Upper('number'))"),
    ("LG603", ORDERS + ".filter(total__gt=2).filter(note=None).delete()"),
    ("LG604", "apps.get_model('shop', 'Customer').objects.filter(email__contains='1').delete()"),
    ("LG605", f"for each in {ORDERS}.filter(total__gt=2).iterator():\n    if not each.note:\n"
     "        each.note = f'{each.number} of {each.customer_id}'.upper()\n        each.total = 1\n"
     "        each.save(update_fields=['note', 'total'])"),
    ("LG609", f"for each in {ORDERS}.all():\n    each.note = 'x'\n    each.save()"),
)  # fmt: skip
MORE = (
    *(Case(rule, f"migrations.RunSQL({sql!r}, migrations.RunSQL.noop),") for rule, sql in PORTIONS),
    Case("LG606", UPDATE_AT_THE_END),
    *(Case(rule, code(text)) for rule, text in CODE),
    Case("LG205", "migrations.RunSQL('ALTER TABLE \"shop_order\" ADD CONSTRAINT a_key PRIMARY KEY (id, number)', ''),"),
    *(Case(rule, f"migrations.RunSQL({sql!r}, migrations.RunSQL.noop),") for rule, sql in SQL.items()),
    Case("LG206", SET_NOT_NULL),
    Case("LG108", SWAPPED),
    Case("LG203", PAYER),
    Case("LG304", 'migrations.AlterField("order", "note", models.BinaryField(null=True)),'),
    Case("LG101", INDEX),
    Case("LG102", 'atomic = False\nmigrations.RemoveIndex("order", "order_total"),'),
    Case("LG301", TOKEN),
    Case("LG307", 'migrations.AlterField("order", "note", models.TextField(default=str)),'),
    Case("LG602", DELETE),
    Case("LG801", 'migrations.RemoveField("order", "number"),'),
    Case("LG801", WITH_CODE),
    Case("LG802", 'migrations.DeleteModel("Order"),\nmigrations.DeleteModel("Customer"),'),
    Case("LG803", 'migrations.RenameField("order", "customer", "payer"),', KEPT),
)
OTHER_ENDS = {"LG407": BOUNDS, "LG803": KEPT, "LG804": KEPT}
CASES = (
    *(
        Case(rule.id, rule.unsafe.source, OTHER_ENDS.get(rule.id, ""))
        for rule in ALL
        if rule.instead and rule.id != "LG604"
    ),
    *MORE,
)


@pytest.fixture(autouse=True)
def few_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Portions of fewer rows than the tables have."""
    for each in (fields, portions, code_portions):
        monkeypatch.setattr(each, "PORTION", 30)


def offered(case: Case) -> tuple[Migration, Offer]:
    new_migration = migration(source(case.unsafe))
    [first, *_] = [hazard for hazard in hazards_of(new_migration) if hazard.rule.id == case.id]
    assert first.operation is not None
    state = LazyState()
    for operation in migration(MODELS).operations:
        operation.state_forwards("shop", state)
    for operation in new_migration.operations[: first.operation]:
        operation.state_forwards("shop", state)
    instead = BY_ID[case.id].instead
    assert instead
    offer = instead(Situation(new_migration, first.operation, state))
    assert offer, f"nothing is offered for {case.unsafe}"
    return new_migration, offer


def written(new_migration: Migration, offer: Offer) -> list[Migration]:
    """The migrations as they are read back from the code that is shown."""
    migrations = []
    for code in migration_code.of(offer, new_migration):
        if code.title.startswith("in "):
            imports, _, operations = code.source.partition("\n\n")
            text = f"{imports}\n\n{source(operations)}"
            rest = [operation for number, operation in enumerate(new_migration.operations) if number != offer.number]
            first = migration(text, new_migration.name)
            first.operations = [*first.operations, *rest]
            migrations.append(first)
        else:
            name = code.title.rpartition("/")[2].removesuffix(".py")
            migrations.append(migration(code.source, name))
    return migrations


# PostgreSQL 18 keeps the name that a NOT NULL was given with the column's name of then; Django knows none of these.
NAMED_NOT_NULL = re.compile(r" CONSTRAINT \w+_not_null(?= NOT NULL)")


def end_of(scratch: Scratch, migrations: list[Migration], rule: str = "") -> tuple[list[str], Any, Any]:
    """The schema that these end in, line by line in any order of columns, the fields of the models, and the rows."""
    state = scratch.prepare(*migration(MODELS, "0001_initial").operations, app="shop")
    scratch.send(SETUP.get(rule, ""))
    scratch.send("UPDATE shop_order SET note = NULL WHERE id % 2 = 0")
    for one_migration in migrations:
        one_migration.atomic &= rule not in ("LG702", "LG714")  # they are about what an atomic one cannot do
        scratch.migrate(one_migration, state)
    named = {key: sorted(model.fields) for key, model in state.models.items()}
    lines = NAMED_NOT_NULL.sub("", dump(scratch.database)).splitlines()
    return sorted(line.strip().rstrip(",") for line in lines), named, rows(scratch)


def rows(scratch: Scratch) -> list[Any]:
    """Those of the shop's orders."""
    [[found]] = scratch.query("SELECT to_regclass('shop_order') IS NOT NULL")
    return scratch.query("SELECT to_jsonb(o)::text FROM shop_order AS o ORDER BY 1") if found else []


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_the_code_that_is_offered_runs_and_reaches_the_same_end(scratch: Scratch, case: Case) -> None:
    new_migration, offer = offered(case)
    instead = written(new_migration, offer)
    assert instead
    [first, *_] = [hazard for hazard in hazards_of(new_migration) if hazard.rule.id == case.id]
    again = [hazard for hazard in deployed(instead) if (hazard.rule.id, hazard.table) == (case.id, first.table)]
    assert [hazard for hazard in again if not hazard.accepted] == []
    errors = {hazard.rule.id for hazard in hazards_of(new_migration) if hazard.blocking}
    assert {hazard.rule.id for hazard in deployed(instead) if hazard.blocking} <= errors, (
        "it brings none that was not there"
    )
    given = "" if case.id in FAILS_ON_ROWS else case.id
    wanted, got = end_of(scratch, [new_migration], case.id), end_of(scratch, instead, given)
    assert got[1] == wanted[1]
    assert case.ends or (got[2] == wanted[2]) is not (case.id in OTHER_ROWS)
    assert (got[0] == wanted[0]) is not bool(case.ends)


OTHER_ROWS = ("LG301", "LG309")  # values of chance; no rows in the one, for what follows
# Unsafe because they fail on any two rows: they come to their end on an empty table, and the safe ones on a full one.
FAILS_ON_ROWS = ("LG306", "LG309")
# What the examples' SQL names and the shop's models do not make.
SETUP = {
    "LG205": "ALTER TABLE shop_order DROP CONSTRAINT shop_order_pkey",
    "LG209": "CREATE VIEW shop_totals AS SELECT 1",
    **dict.fromkeys(FAILS_ON_ROWS, "TRUNCATE shop_order"),
    "LG403": "CREATE TABLE old_totals (id int PRIMARY KEY);"
    "ALTER TABLE shop_order ADD CONSTRAINT old_totals_fk FOREIGN KEY (total) REFERENCES old_totals (id) NOT VALID",
    "LG407": "CREATE TABLE shop_event (year int) PARTITION BY RANGE (year);"
    "CREATE TABLE shop_event_2001 PARTITION OF shop_event FOR VALUES FROM (2001) TO (2002)",
    "LG408": "CREATE TABLE shop_event (year int) PARTITION BY RANGE (year); CREATE TABLE shop_event_2031 (year int)",
    "LG409": "CREATE MATERIALIZED VIEW shop_totals AS SELECT 1 AS id; CREATE UNIQUE INDEX ON shop_totals (id)",
    "LG504": "CREATE TYPE shop_state AS ENUM ('sent')",
    "LG507": "CREATE EXTENSION hstore; CREATE FUNCTION shop_old_total(hstore) RETURNS int LANGUAGE sql RETURN 1",
    "LG508": "CREATE DOMAIN shop_money AS int",
    "LG701": "CREATE TABLE shop_state (id int, open boolean)",
    "LG812": "CREATE VIEW shop_totals AS SELECT 1",
}


DATA = ("LG601", "LG603", "LG604", "LG605", "LG606", "LG609")
IN_PORTIONS = [case._replace(unsafe=case.unsafe.replace(":1000]", ":30]")) for case in CASES if case.id in DATA]


class Stopped(Exception):
    """What a run was stopped by."""


@pytest.mark.parametrize("case", IN_PORTIONS, ids=lambda case: case.id)
def test_portions_that_were_stopped_in_the_midst_come_to_the_same_end_when_they_run_again(
    scratch: Scratch, case: Case
) -> None:
    new_migration, offer = offered(case)
    *before, last = written(new_migration, offer)
    assert not last.atomic
    _, _, wanted = end_of(scratch, [new_migration], case.id)
    end_of(scratch, before, case.id)
    sent: list[str] = []

    def third_fails(execute: Any, sql: str, *arguments: Any) -> Any:
        sent.extend([sql] if sql.strip().startswith(("UPDATE", "DELETE")) else [])
        if len(sent) == 3:
            raise Stopped
        return execute(sql, *arguments)

    state = LazyState()
    for one_migration in (migration(MODELS, "0001_initial"), *before):
        one_migration.mutate_state(state, preserve=False)
    with pytest.raises(Stopped), scratch.connection.execute_wrapper(third_fails):
        scratch.migrate(last, state.clone())
    assert rows(scratch) != wanted, "something is left to do"
    scratch.migrate(last, state.clone())
    assert rows(scratch) == wanted


def test_what_somebody_writes_while_a_portion_is_filled_is_kept(scratch: Scratch) -> None:
    fillings = [written(*offered(Case(rule, BY_ID[rule].unsafe.source)))[0] for rule in ("LG307", "LG605")]
    for filling in (*fillings, migration(BY_ID["LG603"].safe.source)):
        state = scratch.prepare(*migration(MODELS, "0001_initial").operations, app="shop")
        scratch.send("UPDATE shop_order SET note = NULL WHERE id % 2 = 0")
        somebody = SomebodyElse(scratch)
        with scratch.connection.execute_wrapper(somebody):
            scratch.migrate(filling, state)
        assert somebody.came, "before the first row was written"
        kept = scratch.query("SELECT note FROM shop_order WHERE id = 2") == [("theirs",)]
        assert kept is somebody.wrote
        assert scratch.query("SELECT count(*) FROM shop_order WHERE note IS NULL") == [(0,)]


class SomebodyElse:
    """Writes to a row that the first UPDATE is about, before it is sent. wrote: whether the row was not locked."""

    def __init__(self, scratch: Scratch) -> None:
        self.scratch, self.came, self.wrote = scratch, False, False

    def __call__(self, execute: Any, sql: str, *arguments: Any) -> Any:
        if sql.startswith("UPDATE") and not self.came:
            self.came = True
            with self.scratch.database.connect() as connection:
                connection.execute("SET lock_timeout = '100ms'")
                with suppress(LockNotAvailable):
                    connection.execute("UPDATE shop_order SET note = 'theirs' WHERE id = 2")
                    self.wrote = True
        return execute(sql, *arguments)


UNREAD = {
    "what adds up": f"{ORDERS}.update(total=models.F('total') + 1)",
    "what adds up in a loop": f"for each in {ORDERS}.all():\n    each.total = each.total + 1\n    each.save()",
    "what is taken from another field that is written": f"{ORDERS}.update(total=1, note=functions.Upper('total'))",
    "the moment": f"{ORDERS}.update(placed=functions.Now())",
    "a value that is computed": f"{ORDERS}.update(note=str(uuid.uuid4()))",
    "a model whose name is made up": "apps.get_model('shop', 'Or' + 'der').objects.update(note='')",
    "the key": f"{ORDERS}.update(id=models.F('total'))",
    "a key of others": "apps.get_model('shop', 'Customer').objects.update(email='')",
    "what others are asked": f"{ORDERS}.filter(customer__email='').update(note='')",
    "a slice": f"{ORDERS}.all()[:10].update(note='')",
    "what is saved in part": f"for each in {ORDERS}.all():\n    each.note = ''\n    each.save(update_fields=['total'])",
    "rows of others": f"for each in {ORDERS}.all():\n    each.note = each.customer.email\n    each.save()",
    "more than a save": f"for each in {ORDERS}.all():\n    each.note = ''\n    print(each)\n    each.save()",
    "two changes": f"{ORDERS}.update(note='')\n{ORDERS}.update(total=1)",
    "a helper": "help_me(apps)",
    "a name that is taken": f"for rows in {ORDERS}.all():\n    rows.note = ''\n    rows.save()",
    "a text that its column may cut off": f"for each in {ORDERS}.all():\n    each.number = each.note\n    each.save()",
    "portions that write more than their rows": "rows = " + ORDERS + ".all()\nwhile keys := list(rows.filter(note=None)"
    ".values_list('pk', flat=True)[:9]):\n    rows.filter(note=None).update(note='')",
    "portions that end early": "rows = " + ORDERS + ".all()\nwhile keys := list(rows.filter(note=None)"
    ".values_list('pk', flat=True)[:9]):\n    rows.filter(pk__in=keys).update(note='')\n    break",
    "portions that add up": "rows = " + ORDERS + ".all()\nwhile keys := list(rows.filter(note=None)"
    ".values_list('pk', flat=True)[:9]):\n    rows.filter(pk__in=keys).update(note='', total=models.F('total') + 1)",
}


@pytest.mark.parametrize("body", UNREAD.values(), ids=UNREAD.keys())
def test_no_code_is_offered_for_code_that_does_not_say_it_literally(body: str) -> None:
    state = LazyState()
    migration(MODELS).mutate_state(state, preserve=False)
    assert code_portions.code_in_portions(Situation(migration(code(body)), 0, state)) is None
    known = code(f"{ORDERS}.update(note='')")
    assert code_portions.code_in_portions(Situation(migration(known), 0, state))


RELATED = """
from django.contrib.sites.managers import CurrentSiteManager


class Migration(migrations.Migration):
    operations = [
        migrations.CreateModel("Label", [
            ("id", models.BigAutoField(primary_key=True)),
            ("total", models.IntegerField(null=True)),
        ], options={"base_manager_name": "objects"}, managers=[("objects", CurrentSiteManager())]),
        migrations.CreateModel("Shelf", [
            ("id", models.BigAutoField(primary_key=True)),
            ("first", models.ForeignKey("shop.Book", models.SET_NULL, null=True)),
        ]),
        migrations.CreateModel("Book", [
            ("id", models.BigAutoField(primary_key=True)),
            ("shelf", models.ForeignKey("shop.Shelf", models.CASCADE)),
        ]),
        migrations.CreateModel("Author", [("id", models.BigAutoField(primary_key=True))]),
        migrations.CreateModel("Poem", [
            ("id", models.BigAutoField(primary_key=True)),
            ("author", models.ForeignKey("shop.Author", models.CASCADE)),
        ]),
        migrations.CreateModel("Review", [
            ("id", models.BigAutoField(primary_key=True)),
            ("author", models.ForeignKey("shop.Author", models.CASCADE)),
            ("poem", models.ForeignKey("shop.Poem", models.RESTRICT)),
        ]),
    ]
"""
OF_RELATED = {
    "rows that a manager leaves out": code("apps.get_model('shop', 'Label').objects.update(total=1)"),
    "the same, in SQL": source('migrations.RunSQL("UPDATE shop_label SET total = 1"),'),
    "rows that go along and refer to others": code("apps.get_model('shop', 'Shelf').objects.all().delete()"),
    "rows that only go together": code("apps.get_model('shop', 'Author').objects.all().delete()"),
}


@pytest.mark.parametrize("text", OF_RELATED.values(), ids=OF_RELATED.keys())
def test_no_portions_are_offered_where_other_rows_or_a_manager_decide(text: str) -> None:
    state = LazyState()
    migration(RELATED).mutate_state(state, preserve=False)
    offer = portions.sql_in_portions if "RunSQL" in text else code_portions.code_in_portions
    assert offer(Situation(migration(text), 0, state)) is None
    known = code("apps.get_model('shop', 'Review').objects.all().delete()")
    assert code_portions.code_in_portions(Situation(migration(known), 0, state))


def test_rows_that_a_manager_leaves_out_are_filled_too() -> None:
    state = LazyState()
    migration(RELATED).mutate_state(state, preserve=False)
    new_migration = migration(source('migrations.AlterField("label", "total", models.IntegerField(default=1)),'))
    offer = fields.filled_by_django(Situation(new_migration, 0, state))
    assert offer
    [filled] = offer.instead
    assert isinstance(filled, Function)
    assert "._base_manager." in filled.source


OFFERED_NOTHING = {
    "a value that another portion would get otherwise": "UPDATE shop_order SET placed = now()",
    "the same, in words of SQL": "UPDATE shop_order SET placed = CURRENT_TIMESTAMP",
    "the same, in a constant": "UPDATE shop_order SET placed = 'today'::date",
    "what adds up": "UPDATE shop_order SET total = total + 1 WHERE note IS NOT NULL",
    "what adds up, where it may be NULL again": "UPDATE shop_order SET total = total + 1, note = nullif(number, '1') "
    "WHERE note IS NULL",
    "what is drawn again": "UPDATE shop_order SET total = random() * 10",
    "rows that are drawn again": "UPDATE shop_order SET note = '' WHERE random() < 0.5",
    "what asks about others": "UPDATE shop_order SET total = (SELECT count(*) FROM shop_order) WHERE id > 3",
    "what is joined": "UPDATE shop_order SET note = email FROM shop_customer WHERE customer_id = shop_customer.id",
    "what a function does": "UPDATE shop_order SET note = shop_note(id)",
    "the key itself": "UPDATE shop_order SET id = id + 1000",
    "a key of others": "UPDATE shop_customer SET email = lower(email)",
    "a default": "UPDATE shop_order SET total = DEFAULT",
    "a table of no model": "UPDATE shop_event SET total = 1",
    "a table of another schema": "UPDATE archive.shop_order SET note = ''",
    "two statements": "UPDATE shop_order SET note = ''; UPDATE shop_order SET total = 1",
}


@pytest.mark.parametrize("sql", OFFERED_NOTHING.values(), ids=OFFERED_NOTHING.keys())
def test_no_portions_are_offered_where_nobody_can_say_that_they_end_the_same(sql: str) -> None:
    new_migration = migration(source(f"migrations.RunSQL({sql!r}, migrations.RunSQL.noop),"))
    state = LazyState()
    migration(MODELS).mutate_state(state, preserve=False)
    assert portions.sql_in_portions(Situation(new_migration, 0, state)) is None
    one = "migrations.RunSQL(\"UPDATE shop_order SET note = ''\", migrations.RunSQL.noop),"
    assert portions.sql_in_portions(Situation(migration(source(one)), 0, state))


def operations(text: str) -> str:
    return text.partition("    operations = ")[2]


@pytest.mark.parametrize("rule", ALL, ids=lambda rule: rule.id)
def test_the_safe_example_ends_as_the_unsafe_one_or_the_page_says_what_differs(
    scratch: Scratch, rule: Rule, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("urllib.request.urlopen", lambda url: None)  # an example asks the network
    if rule.safe.later == () and operations(rule.safe.source) == operations(rule.unsafe.source):
        assert not rule.other_end
        return
    if rule.other_end and not WHOLE:
        return
    if rule.id == "LG507" and not scratch.query("SELECT FROM pg_available_extensions WHERE name = 'hstore'"):
        pytest.skip("this server has no hstore")
    try:
        unsafe, safe = (
            end_of(
                scratch, [migration(one_source, f"{n:04}") for n, one_source in enumerate(example.sources, 2)], name
            )[0]
            for example, name in ((rule.unsafe, rule.id), (rule.safe, "" if rule.id in FAILS_ON_ROWS else rule.id))
        )
    except DatabaseError:
        assert rule.other_end, "the examples do not run"
        return
    assert (unsafe == safe) is not bool(rule.other_end)
