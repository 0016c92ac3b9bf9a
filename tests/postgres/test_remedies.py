"""What the catalog says of a refusal: the message names it, and NEXT, typed as it stands, gets on."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from psycopg import sql

from tests.support.databases import admin
from tests.support.sites import ADD_COLUMN, CREATE_COUNTER, Site

BIGGER = 'migrations.AlterField("counter", "value", models.BigIntegerField(default=0))'


@pytest.fixture
def shop(site: Site) -> Site:
    site.migration("0001_initial", CREATE_COUNTER)
    assert site.migrate().code == 0
    return site


def failed(site: Site, **environment: str | None) -> dict[str, Any]:
    result = site.migrate("--log-format", "json", **environment)
    assert result.code == 1, result.text
    (said,) = [json.loads(line) for line in result.err.splitlines() if '"event": "failed"' in line]
    return dict(said)


def typed(said: dict[str, Any], *beginnings: str) -> list[str]:
    """The statements of NEXT that begin so."""
    return [each for each in re.findall(r"[A-Z]{4,}[^;\n]*;", said["next"]) if each.startswith(beginnings)]


# 0A000, 2BP01


def test_views_on_a_column_that_changes_its_type_are_named_deepest_first(shop: Site) -> None:
    shop.database.execute(
        "CREATE VIEW one AS SELECT value FROM shop_counter",
        'CREATE VIEW "Two" AS SELECT value FROM one',
        "CREATE VIEW ids AS SELECT id FROM shop_counter",
    )
    shop.migration("0002_bigger", BIGGER)
    said = failed(shop)
    assert "SQLSTATE 0A000" in said["why"]
    assert 'what depends on it: view public."Two"; view public.one' in said["why"]
    assert "ids" not in said["why"], "it does not show that column"
    assert typed(said, "DROP") == ['DROP VIEW public."Two";', "DROP VIEW public.one;"]
    for definition in typed(said, "SELECT"):
        assert "value" in shop.database.value(definition)
    shop.database.execute(*typed(said, "DROP"))
    assert shop.migrate("--retry").code == 0


def test_what_keeps_a_column_or_a_table_from_being_dropped_is_named(shop: Site) -> None:
    shop.database.execute(
        "CREATE MATERIALIZED VIEW report AS SELECT value FROM shop_counter",
        "CREATE TABLE other (counter bigint CONSTRAINT other_counter REFERENCES shop_counter)",
    )
    shop.migration("0002_drop", 'migrations.RunSQL("DROP TABLE shop_counter")')
    said = failed(shop)
    assert "SQLSTATE 2BP01" in said["why"]
    assert "foreign key other_counter of table public.other" in said["why"]
    drops = typed(said, "DROP", "ALTER")
    assert drops == ["DROP MATERIALIZED VIEW public.report;", "ALTER TABLE public.other DROP CONSTRAINT other_counter;"]
    shop.database.execute(*drops)
    assert shop.migrate("--retry").code == 0


def test_what_depends_on_a_table_of_that_name_in_another_schema_is_nothing_to_drop(shop: Site) -> None:
    shop.database.execute(
        "CREATE SCHEMA audit",
        "CREATE TABLE audit.shop_counter (value int)",
        "CREATE VIEW audit.seen AS SELECT value FROM audit.shop_counter",
        "CREATE VIEW innocent AS SELECT value FROM shop_counter",
    )
    for change in ("ALTER COLUMN value TYPE bigint", "DROP COLUMN value"):
        shop.migration("0002_change", f'migrations.RunSQL("ALTER TABLE audit.shop_counter {change}")')
        said = failed(shop)
        assert "innocent" not in said["why"] + said["next"]


def test_another_dependent_is_described(shop: Site) -> None:
    shop.database.execute(
        "CREATE FUNCTION noop() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
        "CREATE TRIGGER seen AFTER UPDATE OF value ON shop_counter FOR EACH ROW EXECUTE FUNCTION noop()",
    )
    shop.migration("0002_bigger", BIGGER)
    assert "trigger seen on table shop_counter" in failed(shop)["why"]


# 42804


def test_a_default_that_cannot_take_the_new_type_is_named(shop: Site) -> None:
    shop.database.execute("ALTER TABLE shop_counter ADD COLUMN flag boolean NOT NULL DEFAULT false")
    change = "ALTER TABLE shop_counter ALTER COLUMN flag TYPE smallint USING flag::int"
    shop.migration("0002_type", f"migrations.RunSQL('{change}')")
    said = failed(shop)
    assert "SQLSTATE 42804" in said["why"]
    assert '"flag" of "public"."shop_counter" has the default false' in said["why"]
    shop.database.execute(*typed(said, "ALTER"))
    assert shop.migrate("--retry").code == 0


# 42P07


def test_what_bears_the_name_is_told(shop: Site) -> None:
    shop.database.execute("CREATE VIEW shop_more AS SELECT 1")
    shop.migration("0002_more", 'migrations.CreateModel("More", [("id", models.BigAutoField(primary_key=True))])')
    said = failed(shop)
    assert "SQLSTATE 42P07" in said["why"]
    assert '"public"."shop_more" is a view of role' in said["why"]
    assert "manage.py migrate shop 0002_more --fake" in said["next"]


def test_an_invalid_index_of_the_name_is_told_in_an_atomic_migration(shop: Site) -> None:
    shop.database.execute("INSERT INTO shop_counter (value) VALUES (1), (1)")
    with pytest.raises(Exception, match="could not create unique index"):
        shop.database.execute("CREATE UNIQUE INDEX CONCURRENTLY one_value ON shop_counter (value)")
    shop.migration("0002_index", 'migrations.RunSQL("CREATE INDEX one_value ON shop_counter (value)")')
    said = failed(shop)
    assert '"public"."one_value" is an index of "shop_counter", invalid' in said["why"]
    shop.database.execute(*typed(said, "DROP"))
    assert shop.migrate("--retry").code == 0


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        ("CREATE TABLE audit.log (id int)", '"audit"."log" is a table of role "{role}"'),
        ("CREATE INDEX one ON audit.log (id)", '"audit"."one" is an index of "log"'),
        ("CREATE TABLE a (id int, CONSTRAINT taken UNIQUE (id))", '"public"."taken" is an index of "shop_counter"'),
        ("CREATE TABLE a (id int); CREATE VIEW ids AS SELECT 1", "already exists (SQLSTATE 42P07)"),
    ],
)
def test_what_has_the_name_of_a_constraint_or_is_in_another_schema_is_told(
    shop: Site, statement: str, told: str
) -> None:
    shop.database.execute(
        "CREATE SCHEMA audit",
        "CREATE TABLE audit.log (id int)",
        "CREATE INDEX one ON audit.log (id)",
        "CREATE TABLE log (id int)",
        "CREATE INDEX taken ON shop_counter (value)",
        "CREATE VIEW ids AS SELECT 1",
    )
    shop.migration("0002_more", f'migrations.RunSQL("{statement}")')
    said = failed(shop)
    assert told.format(role=shop.database.value("SELECT current_user")) in said["why"]
    assert '"public"."log"' not in said["why"]
    assert "twice" not in said["why"]


def test_a_migration_that_makes_a_thing_twice_is_told_so(shop: Site) -> None:
    shop.migration("0002_twice", 'migrations.RunSQL("CREATE TABLE a (b int); CREATE TABLE a (b int)")')
    assert "the migration makes it twice" in failed(shop)["why"]


# 42501


@pytest.fixture
def role(shop: Site) -> Iterator[str]:
    """A role that may do with the shop's tables, and in their schema, no more than it is given here."""
    name = f"guest_{uuid.uuid4().hex[:12]}"
    with admin() as connection:
        connection.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD 'Zq7_not_a_name'").format(sql.Identifier(name)))
    grants = (
        f"GRANT USAGE, CREATE ON SCHEMA public TO {name}",
        f"GRANT ALL ON django_migrations TO {name}",
        f"GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO {name}",
    )
    shop.database.execute(*grants)
    tables = "SELECT relname FROM pg_class WHERE relname ~ '^(lockgate|django|auth)_' AND relkind = 'r'"
    shop.database.execute(*[f"ALTER TABLE {table} OWNER TO {name}" for (table,) in shop.database.rows(tables)])
    yield name
    shop.database.execute(f"DROP OWNED BY {name}")
    with admin() as connection:
        connection.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(name)))


def as_role(site: Site, role: str) -> str:
    return site.database.url_as(role, "Zq7_not_a_name")


def test_a_table_of_another_role_is_no_matter_of_a_grant_on_it(shop: Site, role: str) -> None:
    shop.migration("0002_more", ADD_COLUMN.format("more"))
    said = failed(shop, DATABASE_URL=as_role(shop, role))
    assert "SQLSTATE 42501" in said["why"]
    assert '"public"."shop_counter" belongs to role' in said["why"]
    assert "no GRANT on it is enough" in said["why"]
    (hand_over, join) = typed(said, "ALTER", "GRANT")
    assert join.startswith("GRANT ")
    shop.database.execute(hand_over)
    assert shop.migrate("--retry", DATABASE_URL=as_role(shop, role)).code == 0


def test_the_rights_on_a_table_of_that_name_in_another_schema_are_not_asked_for(shop: Site, role: str) -> None:
    shop.database.execute(
        "CREATE SCHEMA audit", f"GRANT USAGE ON SCHEMA audit TO {role}", "CREATE TABLE audit.shop_counter (value int)"
    )
    shop.migration("0002_more", 'migrations.RunSQL("ALTER TABLE audit.shop_counter ADD COLUMN more int")')
    said = failed(shop, DATABASE_URL=as_role(shop, role))
    assert typed(said, "ALTER") == [f'ALTER TABLE "audit"."shop_counter" OWNER TO "{role}";']


def test_before_and_after_the_transaction_it_is_told_as_well(shop: Site, role: str) -> None:
    """What runs online is another statement than the migration's."""
    shop.migration("0002_index", 'migrations.AddIndex("counter", models.Index(fields=["value"], name="by_value"))')
    said = failed(shop, DATABASE_URL=as_role(shop, role), LOCKGATE_LARGE_TABLE_BYTES="0")
    assert said["statement"].startswith("CREATE INDEX CONCURRENTLY")
    assert typed(said, "ALTER") == [f'ALTER TABLE "public"."shop_counter" OWNER TO "{role}";']


def test_a_step_after_the_commit_that_is_not_allowed_says_whose_the_table_is(shop: Site, role: str) -> None:
    """A migration that gives its table away, to a role whose rights this one does not inherit."""
    other = f"other_{uuid.uuid4().hex[:12]}"
    shop.database.execute(
        f"CREATE ROLE {other}",
        f"GRANT CREATE ON SCHEMA public TO {other}",
        f"ALTER ROLE {role} NOINHERIT",
        f"GRANT {other} TO {role}",
        f"ALTER TABLE shop_counter OWNER TO {role}",
    )
    field = 'migrations.AddField("counter", "to", models.ForeignKey("counter", models.CASCADE, null=True))'
    shop.migration("0002_to", field, f'migrations.RunSQL("ALTER TABLE shop_counter OWNER TO {other}")')
    said = failed(shop, DATABASE_URL=as_role(shop, role), LOCKGATE_LARGE_TABLE_BYTES="0")
    assert "is applied but not finished" in said["what"]
    assert f'"public"."shop_counter" belongs to role "{other}"' in said["why"]
    assert "lockgate repair" in said["next"]
    shop.database.execute(typed(said, "ALTER", "GRANT")[1])  # the second: it has the owner's rights from then on
    assert shop.migrate("--retry", DATABASE_URL=as_role(shop, role)).code == 0
    shop.database.execute(f"DROP OWNED BY {other}", f"DROP ROLE {other}")


@pytest.mark.parametrize(
    ("statement", "grant"),
    [
        ("UPDATE shop_counter SET value = 1", 'GRANT SELECT, UPDATE ON "public"."shop_counter" TO '),
        ("INSERT INTO shop_counter (value) SELECT 1", 'GRANT INSERT ON "public"."shop_counter" TO '),
        ("DELETE FROM shop_counter", 'GRANT DELETE ON "public"."shop_counter" TO '),
        ("DELETE FROM shop_counter WHERE id = 1", 'GRANT SELECT, DELETE ON "public"."shop_counter" TO '),
        ("TRUNCATE shop_counter", 'GRANT TRUNCATE ON "public"."shop_counter" TO '),
        ("SELECT * FROM shop_counter", 'GRANT SELECT ON "public"."shop_counter" TO '),
        (
            "CREATE TABLE mine (counter bigint REFERENCES shop_counter)",
            'GRANT REFERENCES ON "public"."shop_counter" TO ',
        ),
        ("CREATE SCHEMA mine", "GRANT CREATE ON DATABASE "),
        ("SELECT * FROM hidden.things", 'GRANT USAGE ON SCHEMA "hidden" TO '),
        ("CREATE TABLE hidden.mine (a int)", 'GRANT USAGE, CREATE ON SCHEMA "hidden" TO '),
    ],
)
def test_the_grant_that_is_missing_is_written_out_and_works(shop: Site, role: str, statement: str, grant: str) -> None:
    shop.database.execute("CREATE SCHEMA hidden", "CREATE TABLE hidden.things ()")
    shop.database.execute(f"GRANT SELECT ON hidden.things TO {role}")
    shop.migration("0002_sql", f"migrations.RunSQL('{statement}')")
    said = failed(shop, DATABASE_URL=as_role(shop, role))
    found = typed(said, "GRANT")
    assert [each for each in found if each.startswith(grant)] == found, said["next"]
    assert f'"{role}"' in said["why"]
    shop.database.execute(*found)
    result = shop.migrate("--retry", DATABASE_URL=as_role(shop, role))
    assert result.code == 0, result.text


def test_a_right_that_cannot_be_found_out_is_called_so(shop: Site, role: str) -> None:
    shop.migration("0002_sql", """migrations.RunSQL("SELECT pg_read_file('/etc/hostname')")""")
    said = failed(shop, DATABASE_URL=as_role(shop, role))
    assert f'the role is "{role}"; which right it lacks could not be determined' in said["why"]
