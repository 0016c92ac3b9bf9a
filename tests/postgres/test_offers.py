"""The code that a rule offers, and the safe example of its page, run and reach the end that was wanted."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest
from django.db import DatabaseError
from django.db.migrations import Migration

from lockgate.execution.rendering.lazy_states import LazyState
from lockgate.planning.rules import ALL, BY_ID, Rule
from lockgate.planning.rules.offer import Offer, Situation
from lockgate.planning.rules.rule import source
from lockgate.planning.rules.shop import MODELS
from lockgate.reporting import migration_code
from tests.support import databases, plans
from tests.support.examples import deployed, hazards_of, migration
from tests.support.plans import Scratch
from tests.support.schema import dump


@pytest.fixture(scope="module")
def server() -> Iterator[Scratch]:
    """A database on one version of PostgreSQL: the ends are compared with each other."""
    with plans.scratch(databases.chosen()) as made:
        yield made


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
MORE = (
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
CASES = (
    *(Case(rule.id, rule.unsafe.source, KEPT if rule.id in ("LG803", "LG804") else "") for rule in ALL if rule.instead),
    *MORE,
)


def offered(case: Case) -> tuple[Migration, Offer]:
    made = migration(source(case.unsafe))
    [first, *_] = [each for each in hazards_of(made) if each.rule.id == case.id]
    assert first.operation is not None
    state = LazyState()
    for each in migration(MODELS).operations:
        each.state_forwards("shop", state)
    for each in made.operations[: first.operation]:
        each.state_forwards("shop", state)
    instead = BY_ID[case.id].instead
    assert instead
    offer = instead(Situation(made, first.operation, state))
    assert offer, f"nothing is offered for {case.unsafe}"
    return made, offer


def written(made: Migration, offer: Offer) -> list[Migration]:
    """The migrations as they are read back from the code that is shown."""
    found = []
    for code in migration_code.of(offer, made):
        if code.title.startswith("in "):
            imports, _, operations = code.source.partition("\n\n")
            text = f"{imports}\n\n{source(operations)}"
            rest = [each for number, each in enumerate(made.operations) if number != offer.number]
            first = migration(text, made.name)
            first.operations = [*first.operations, *rest]
            found.append(first)
        else:
            name = code.title.rpartition("/")[2].removesuffix(".py")
            found.append(migration(code.source, name))
    return found


# PostgreSQL 18 keeps the name that a NOT NULL was given with the column's name of then; Django knows none of these.
NAMED_NOT_NULL = re.compile(r" CONSTRAINT \w+_not_null(?= NOT NULL)")


def end_of(scratch: Scratch, given: list[Migration], rule: str = "") -> tuple[list[str], Any]:
    """The schema that these end in, line by line in any order of columns, and the fields of the models."""
    state = scratch.prepare(*migration(MODELS, "0001_initial").operations, app="shop")
    scratch.send(SETUP.get(rule, ""))
    scratch.send("UPDATE shop_order SET note = NULL WHERE id % 2 = 0")
    for each in given:
        each.atomic &= rule not in ("LG702", "LG714")  # they are about what an atomic one cannot do
        scratch.migrate(each, state)
    fields = {key: sorted(model.fields) for key, model in state.models.items()}
    lines = NAMED_NOT_NULL.sub("", dump(scratch.database)).splitlines()
    return sorted(line.strip().rstrip(",") for line in lines), fields


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_the_code_that_is_offered_runs_and_reaches_the_same_end(scratch: Scratch, case: Case) -> None:
    made, offer = offered(case)
    instead = written(made, offer)
    assert instead
    [first, *_] = [each for each in hazards_of(made) if each.rule.id == case.id]
    again = [each for each in deployed(instead) if (each.rule.id, each.table) == (case.id, first.table)]
    assert [each for each in again if not each.accepted] == []
    errors = {each.rule.id for each in hazards_of(made) if each.blocking}
    assert {each.rule.id for each in deployed(instead) if each.blocking} <= errors, "it brings none that was not there"
    given = "" if case.id in FAILS_ON_ROWS else case.id
    wanted, got = end_of(scratch, [made], case.id), end_of(scratch, instead, given)
    assert got[1] == wanted[1]
    assert (got[0] == wanted[0]) is not bool(case.ends)


# Unsafe because they fail on any two rows: they come to their end on an empty table, and the safe ones on a full one.
FAILS_ON_ROWS = ("LG306", "LG309")
# What the examples' SQL names and the shop's models do not make.
SETUP = {
    "LG205": "ALTER TABLE shop_order DROP CONSTRAINT shop_order_pkey",
    "LG209": "CREATE VIEW shop_totals AS SELECT 1",
    **dict.fromkeys(FAILS_ON_ROWS, "TRUNCATE shop_order"),
    "LG403": "CREATE TABLE old_totals (id int PRIMARY KEY);"
    "ALTER TABLE shop_order ADD CONSTRAINT old_totals_fk FOREIGN KEY (total) REFERENCES old_totals (id) NOT VALID",
    "LG408": "CREATE TABLE shop_event (year int) PARTITION BY RANGE (year); CREATE TABLE shop_event_2031 (year int)",
    "LG409": "CREATE MATERIALIZED VIEW shop_totals AS SELECT 1 AS id; CREATE UNIQUE INDEX ON shop_totals (id)",
    "LG504": "CREATE TYPE shop_state AS ENUM ('sent')",
    "LG507": "CREATE EXTENSION hstore; CREATE FUNCTION shop_old_total(hstore) RETURNS int LANGUAGE sql RETURN 1",
    "LG508": "CREATE DOMAIN shop_money AS int",
    "LG701": "CREATE TABLE shop_state (id int, open boolean)",
    "LG812": "CREATE VIEW shop_totals AS SELECT 1",
}


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
            end_of(scratch, [migration(each, f"{n:04}") for n, each in enumerate(example.sources, 2)], name)[0]
            for example, name in ((rule.unsafe, rule.id), (rule.safe, "" if rule.id in FAILS_ON_ROWS else rule.id))
        )
    except DatabaseError:
        assert rule.other_end, "the examples do not run"
        return
    assert (unsafe == safe) is not bool(rule.other_end)
