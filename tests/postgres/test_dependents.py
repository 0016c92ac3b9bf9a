"""What becomes of what depends on a table: each claim compared with what PostgreSQL does."""

from __future__ import annotations

import json
import re
from typing import Any, NamedTuple

import psycopg
import pytest
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

from lockgate.database import catalog
from lockgate.facts.dependents import Dependent
from lockgate.facts.dependents import DependentKind as On
from lockgate.facts.tables import DatabaseFacts
from lockgate.planning import dependents
from lockgate.planning.dependents import Outcome, Verdict
from lockgate.planning.steps import Change, Kind, Work
from tests.support.databases import Database, version
from tests.support.sites import Site

WRITE = "INSERT INTO t (id) VALUES (7)"
MARK = "CREATE FUNCTION mark() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'"
IDENTITY = (
    "CREATE UNIQUE INDEX t_a ON t (a)",
    "ALTER TABLE t REPLICA IDENTITY USING INDEX t_a",
    "CREATE PUBLICATION p FOR TABLE t",
)
COLUMNS = "(id bigint, a int NOT NULL DEFAULT 1, b int DEFAULT 1, c text)"


class Case(NamedTuple):
    """kind: what depends. setup: makes it. there: asks whether it is. use: works while it does. since: PostgreSQL's."""

    kind: On
    setup: tuple[str, ...]
    there: str = "SELECT true"
    use: str = ""
    since: int = 14


def relation(name: str) -> str:
    return f"SELECT to_regclass('{name}') IS NOT NULL"


def row(catalog_name: str, condition: str) -> str:
    return f"SELECT EXISTS (SELECT FROM {catalog_name} WHERE {condition})"


def column(name: str) -> str:
    return row("pg_attribute", f"attname = '{name}' AND NOT attisdropped")


CASES = (
    Case(On.VIEW, ("CREATE VIEW v AS SELECT b FROM t",), relation("v")),
    Case(On.VIEW, ("CREATE VIEW u AS SELECT b FROM t", "CREATE VIEW v AS SELECT * FROM u"), relation("v")),
    Case(On.VIEW, ("CREATE VIEW v AS SELECT c FROM t",), relation("v")),
    Case(On.MATERIALIZED_VIEW, ("CREATE MATERIALIZED VIEW v AS SELECT b FROM t",), relation("v")),
    Case(
        On.RULE,
        ("CREATE RULE r AS ON INSERT TO o DO ALSO UPDATE t SET a = 1 WHERE b = 1",),
        row("pg_rewrite", "rulename = 'r'"),
    ),
    Case(
        On.RULE,
        ("CREATE RULE r AS ON DELETE TO t WHERE OLD.b = 1 DO INSTEAD NOTHING",),
        row("pg_rewrite", "rulename = 'r'"),
    ),
    Case(
        On.GENERATED_COLUMN,
        ("ALTER TABLE t ADD COLUMN g int GENERATED ALWAYS AS (b * 2) STORED",),
        column("g"),
    ),
    Case(On.GENERATED_COLUMN, ("ALTER TABLE t ADD COLUMN g int GENERATED ALWAYS AS (b * 2)",), column("g"), since=18),
    Case(On.POLICY, ("CREATE POLICY p ON t USING (b > 0)",), row("pg_policy", "polname = 'p'")),
    Case(
        On.POLICY,
        ("CREATE POLICY p ON o USING (EXISTS (SELECT FROM t WHERE b = n))",),
        row("pg_policy", "polname = 'p'"),
    ),
    Case(
        On.FUNCTION,
        ("CREATE FUNCTION f() RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT max(b) FROM t; END",),
        row("pg_proc", "proname = 'f'"),
    ),
    Case(
        On.FUNCTION,
        ("CREATE FUNCTION f(t) RETURNS int LANGUAGE sql AS 'SELECT 1'",),
        row("pg_proc", "proname = 'f'"),
    ),
    Case(
        On.TRIGGER,
        (MARK, "CREATE TRIGGER g BEFORE UPDATE OF b ON t FOR EACH ROW EXECUTE FUNCTION mark()"),
        row("pg_trigger", "tgname = 'g'"),
    ),
    Case(
        On.TRIGGER,
        (MARK, "CREATE TRIGGER g BEFORE UPDATE ON t FOR EACH ROW WHEN (NEW.b > 1) EXECUTE FUNCTION mark()"),
        row("pg_trigger", "tgname = 'g'"),
    ),
    Case(
        On.TRIGGER_FUNCTION,
        (
            "CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.c := NEW.b; RETURN NEW; END'",
            "CREATE TRIGGER g BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION note()",
        ),
        row("pg_trigger", "tgname = 'g'"),
        use=WRITE,
    ),
    Case(On.PUBLICATION, ("CREATE PUBLICATION p FOR TABLE t",)),
    Case(On.PUBLICATION, ("CREATE PUBLICATION p FOR ALL TABLES",)),
    Case(On.PUBLICATION, ("CREATE PUBLICATION p FOR TABLES IN SCHEMA public",), since=15),
    Case(
        On.PUBLICATION_COLUMNS,
        ("CREATE PUBLICATION p FOR TABLE t (id, b)",),
        row("pg_publication_rel", "true"),
        since=15,
    ),
    Case(
        On.PUBLICATION_COLUMNS,
        ("CREATE PUBLICATION p FOR TABLE t WHERE (b > 1) WITH (publish = 'insert')",),
        row("pg_publication_rel", "true"),
        since=15,
    ),
    Case(On.REPLICA_IDENTITY, IDENTITY, use="UPDATE t SET c = 'x'"),
    Case(On.REPLICA_IDENTITY, ("CREATE PUBLICATION p FOR TABLE t",), use="UPDATE t SET c = 'x'"),
    Case(
        On.REPLICA_IDENTITY, ("CREATE PUBLICATION p FOR TABLE t WITH (publish = 'insert')",), use="UPDATE t SET c = 'x'"
    ),
    Case(On.FOREIGN_KEY, ("CREATE TABLE k (t bigint REFERENCES t)",), row("pg_constraint", "conname = 'k_t_fkey'")),
    Case(
        On.FOREIGN_KEY,
        ("ALTER TABLE t ADD CONSTRAINT t_b UNIQUE (b)", "CREATE TABLE k (t int REFERENCES t (b))"),
        row("pg_constraint", "conname = 'k_t_fkey'"),
    ),
    Case(On.STATISTICS, ("CREATE STATISTICS s ON a, b FROM t",), row("pg_statistic_ext", "stxname = 's'")),
    Case(On.CHILD_TABLE, ("CREATE TABLE child () INHERITS (t)",), relation("child")),
    Case(
        On.PARENT_TABLE,
        (
            "DROP TABLE t",
            "CREATE TABLE parent (b int)",
            "CREATE TABLE t (id bigint, a int NOT NULL, c text) INHERITS (parent)",
        ),
    ),
    Case(
        On.PARTITIONED_PARENT,
        (
            "ALTER TABLE t RENAME TO gone",
            "CREATE TABLE parent (LIKE gone) PARTITION BY LIST (a)",
            "DROP TABLE gone",
            "CREATE TABLE t PARTITION OF parent DEFAULT",
        ),
    ),
    Case(
        On.PARTITION_KEY,
        ("DROP TABLE t", f"CREATE TABLE t {COLUMNS} PARTITION BY LIST (b)"),
    ),
    Case(
        On.PARTITION_KEY,
        ("DROP TABLE t", f"CREATE TABLE t {COLUMNS} PARTITION BY LIST ((b * 2))"),
    ),
    Case(On.ROW_TYPE_COLUMN, ("CREATE TABLE k (whole t)",), column("whole")),
    Case(On.ROW_TYPE_COLUMN, ("CREATE TABLE k (whole t[])",), column("whole")),
    Case(
        On.DEFAULT,
        ("CREATE SEQUENCE s OWNED BY t.b", "ALTER TABLE o ALTER COLUMN n SET DEFAULT nextval('s')"),
        row("pg_attrdef", "adrelid = 'o'::regclass"),
    ),
    Case(
        On.FOREIGN_TABLE,
        (
            "DROP TABLE t",
            "CREATE FOREIGN DATA WRAPPER far",
            "CREATE SERVER far FOREIGN DATA WRAPPER far",
            f"CREATE FOREIGN TABLE t {COLUMNS} SERVER far",
        ),
    ),
    Case(On.VIEW_ITSELF, ("ALTER TABLE t RENAME TO base", "CREATE VIEW t AS SELECT * FROM base")),
)

B = ("b",)
OPERATIONS = (
    (Change(Kind.DROP_COLUMN, "t", B), "ALTER TABLE t DROP COLUMN b CASCADE"),
    (Change(Kind.DROP_COLUMN, "t", B), "ALTER TABLE t DROP COLUMN b"),
    (Change(Kind.DROP_COLUMN, "t", ("a",)), "ALTER TABLE t DROP COLUMN a CASCADE"),
    (Change(Kind.DROP_TABLE, "t"), "DROP TABLE t CASCADE"),
    (Change(Kind.DROP_TABLE, "t"), "DROP TABLE t"),
    (Change(Kind.ALTER_TYPE, "t", B, work=Work.REWRITE), "ALTER TABLE t ALTER COLUMN b TYPE bigint USING b::bigint"),
    (Change(Kind.RENAME_COLUMN, "t", ("bb",), "bb", "b"), "ALTER TABLE t RENAME COLUMN b TO bb"),
    (Change(Kind.RENAME_TABLE, "t", (), "tt", "t"), "ALTER TABLE t RENAME TO tt"),
    (Change(Kind.ADD_COLUMN, "t", ("n",)), "ALTER TABLE t ADD COLUMN n int"),
    (
        Change(Kind.ADD_COLUMN, "t", ("n",), default="volatile"),
        "ALTER TABLE t ADD COLUMN n float DEFAULT random()",
    ),
    (Change(Kind.DROP_NOT_NULL, "t", ("a",)), "ALTER TABLE t ALTER COLUMN a DROP NOT NULL"),
    (Change(Kind.SET_NOT_NULL, "t", B), "ALTER TABLE t ALTER COLUMN b SET NOT NULL"),
    (Change(Kind.DROP_CONSTRAINT, "t", name="t_pkey"), "ALTER TABLE t DROP CONSTRAINT t_pkey"),
    (Change(Kind.DROP_CONSTRAINT, "t", name="t_pkey"), "ALTER TABLE t DROP CONSTRAINT t_pkey CASCADE"),
    (Change(Kind.DROP_INDEX, "t", name="t_a"), "DROP INDEX t_a"),
    (Change(Kind.ADD_INDEX, "t", B, "made"), "CREATE INDEX made ON t (b)"),
)
# Refusals that are not foretold.
UNCLAIMED = {
    (On.PARTITIONED_PARENT, Kind.DROP_NOT_NULL): "whether the parent says NOT NULL is not looked at",
    (On.PARENT_TABLE, Kind.DROP_NOT_NULL): "the same",
    (On.FOREIGN_TABLE, Kind.ALTER_TYPE): "it is refused with USING alone",
    (On.FOREIGN_TABLE, Kind.DROP_TABLE): "SQL that says DROP FOREIGN TABLE is not refused",
}
# What an operation has nothing to do on: another table than it means. PostgreSQL says so itself.
ABSENT = {"42704", "42P01", "42703"}


def claims(found_dependents: tuple[Dependent, ...], change: Change, statement: str) -> dict[Dependent, Verdict]:
    cascade, published = "CASCADE" in statement, dependents.needs_identity(found_dependents)
    fates = {
        dependent: dependents.verdict(change, dependent, cascade=cascade, published=published)
        for dependent in found_dependents
    }
    return {dependent: fate for dependent, fate in fates.items() if fate is not None}


def failure(opened: psycopg.Connection[Any], statement: str) -> str:
    """The SQLSTATE that a statement fails with; none where it succeeds."""
    try:
        with opened.transaction():
            opened.execute(statement)
    except psycopg.Error as error:
        return error.sqlstate or "?"
    return ""


def judged(
    opened: psycopg.Connection[Any], case: Case, found_dependents: tuple[Dependent, ...], change: Change, sql: str
) -> str:
    """What is wrong with the claims about one operation; nothing where they are right."""
    claimed = claims(found_dependents, change, sql)
    refusals = {fate.sqlstate for fate in claimed.values() if fate.outcome is Outcome.REFUSED}
    failed = failure(opened, sql)
    if failed in ABSENT:
        return ""
    if failed or refusals:
        return "" if failed in refusals else f"claimed {refusals or 'nothing'}, was refused with {failed or 'nothing'}"
    mine = {fate.outcome for dependent, fate in claimed.items() if dependent.kind is case.kind}
    gone = not opened.execute(case.there).fetchone()[0]  # type: ignore[index]
    if gone != bool(mine & {Outcome.GOES, Outcome.FORGOTTEN}) and case.there != "SELECT true":
        own = change.kind is Kind.DROP_TABLE and any(
            dependent.own for dependent in found_dependents if dependent.kind is case.kind
        )
        return "" if own else f"claimed {mine or 'nothing'}, gone: {gone}"
    broken = failure(opened, case.use) if case.use and change.kind not in (Kind.DROP_TABLE, Kind.RENAME_TABLE) else ""
    codes = {
        fate.sqlstate
        for dependent, fate in claimed.items()
        if dependent.kind is case.kind and fate.outcome is Outcome.BREAKS
    }
    if (
        case.use
        and change.kind not in (Kind.DROP_TABLE, Kind.RENAME_TABLE)
        and (broken or codes)
        and broken not in codes
    ):
        return f"claimed to break: {codes or 'nothing'}, use fails with {broken or 'nothing'}"
    return ""


def test_each_claim_is_what_postgresql_does(database: Database, connection: BaseDatabaseWrapper) -> None:
    opened, wrong, unseen, tried = connection.connection, [], [], 0
    connection.set_autocommit(False)
    opened.execute("CREATE TABLE t (id bigint PRIMARY KEY, a int NOT NULL DEFAULT 1, b int DEFAULT 1, c text)")
    opened.execute("CREATE TABLE o (n int)")
    opened.execute("INSERT INTO t VALUES (1, 1, 1, 'x')")
    for case in CASES:
        if version(opened) < case.since:
            continue
        with opened.transaction(force_rollback=True):
            for statement in case.setup:
                opened.execute(statement)
            found_dependents = catalog.surveyed(connection, DatabaseFacts(0), ["t"]).dependents
            if case.kind not in {dependent.kind for dependent in found_dependents}:
                unseen.append((case.setup, found_dependents))
        for change, sql in OPERATIONS:
            if (case.kind, change.kind) in UNCLAIMED:
                continue
            with opened.transaction(force_rollback=True):
                for statement in case.setup:  # anew: what a function has cached is of what it was called on
                    opened.execute(statement)
                tried += 1
                if said := judged(opened, case, found_dependents, change, sql):
                    wrong.append(f"{case.kind}: {case.setup[-1]} | {sql}: {said}")
    assert unseen == []
    assert wrong == [], "\n".join(wrong)
    assert tried > 500


PUBLISHED = """
    SELECT tablename::text, (SELECT array_agg(format('%s %s', attname, atttypid::regtype) ORDER BY attnum)
                             FROM pg_attribute WHERE attrelid = format('%I.%I', schemaname, tablename)::regclass
                             AND attname = ANY (attnames))
    FROM pg_publication_tables WHERE pubname = 'p'
"""


@pytest.mark.parametrize("listed", ["", "(id, a)", "(id, b)", "(id, a, b, c)"])
def test_subscribers_lag_where_what_is_published_changes(
    database: Database, connection: BaseDatabaseWrapper, listed: str
) -> None:
    """A publication with a list of columns carries no other: of those nothing needs to be done, or can be."""
    opened = connection.connection
    if version(opened) < 15:
        pytest.skip("PostgreSQL 14 has no lists of columns, and does not tell the published ones")
    connection.set_autocommit(False)
    opened.execute(f"CREATE TABLE t {COLUMNS}")
    opened.execute(f"CREATE PUBLICATION p FOR TABLE t {listed}")
    found_dependents = catalog.surveyed(connection, DatabaseFacts(0), ["t"]).dependents
    kinds = (Kind.ADD_COLUMN, Kind.ALTER_TYPE, Kind.RENAME_COLUMN, Kind.RENAME_TABLE)
    for change, sql in [each for each in OPERATIONS if each[0].kind in kinds]:
        fates = claims(found_dependents, change, sql)
        with opened.transaction(force_rollback=True):
            before = opened.execute(PUBLISHED).fetchall()
            refused = failure(opened, sql)
            changes = before != opened.execute(PUBLISHED).fetchall()
        if not refused:
            assert any(fate.outcome is Outcome.LAGS for fate in fates.values()) is changes, (sql, fates)


ORDER = """migrations.CreateModel("Order", [("id", models.BigAutoField(primary_key=True)),
    ("note", models.TextField(null=True)), ("total", models.IntegerField(default=0))])"""
WIDEN = 'migrations.AlterField("Order", "total", models.BigIntegerField(default=0))'
INDEX = 'migrations.AddIndex("Order", models.Index(fields=["note"], name="order_note"))'
# What Django drops with CASCADE: tables, and before 6.0 columns.
DROPS = [
    'migrations.DeleteModel("Order")',
    *(['migrations.RemoveField("Order", "total")'] if "CASCADE" in BaseDatabaseSchemaEditor.sql_delete_column else []),
]
DROP = 'migrations.RunSQL("DROP VIEW totals", migrations.RunSQL.noop)'
MAKE = 'migrations.RunSQL("CREATE VIEW totals AS SELECT sum(total) FROM shop_order", migrations.RunSQL.noop)'
RENAME = 'migrations.AlterModelTable("Order", "shop_sale")', 'migrations.RenameField("Order", "total", "amount")'
WIDEN_RENAMED = 'migrations.AlterField("Order", "amount", models.BigIntegerField(default=0))'


@pytest.fixture
def shop(site: Site) -> Site:
    """A table with a view on it that no model knows of; large, so that indexes are built online."""
    site.lockgate = {"LARGE_TABLE_BYTES": 0}
    site.write_settings()
    site.migration("0001_initial", ORDER)
    assert site.migrate().code == 0
    site.database.execute("CREATE VIEW totals AS SELECT sum(total) FROM shop_order")
    return site


def hazards(site: Site) -> dict[str, str]:
    result = site.run("lockgate", "lint", "--unapplied", "--format", "json")
    return {hazard["id"]: hazard["what"] for hazard in json.loads(result.out)["hazards"]}


@pytest.mark.parametrize("drop", DROPS)
def test_what_goes_with_a_table_or_column_is_named_before_it_goes(shop: Site, drop: str) -> None:
    shop.migration("0002_less", drop)
    assert "takes along view public.totals" in hazards(shop)["LG910"]
    assert "LG910" in shop.migrate(LOCKGATE_ON_HAZARD="refuse").err
    assert shop.database.value("SELECT to_regclass('totals') IS NOT NULL")
    assert "view public.totals" in shop.migrate("--plan").out
    assert shop.migrate().code == 0
    assert shop.database.value("SELECT to_regclass('totals') IS NULL")


def test_what_a_column_shares_with_others_is_named_and_goes_with_it(shop: Site) -> None:
    """Checks, indexes and unique constraints that no model knows of; those of the column alone are not worth a word."""
    shop.database.execute(
        "ALTER TABLE shop_order ADD CONSTRAINT once UNIQUE (id, total), ADD CONSTRAINT few CHECK (total < 9)",
        "ALTER TABLE shop_order ADD CONSTRAINT noted CHECK (total = 0 OR note IS NOT NULL)",
        "CREATE INDEX open ON shop_order (note) WHERE total > 0",
        "CREATE INDEX carried ON shop_order (note) INCLUDE (total)",
        "CREATE INDEX computed ON shop_order ((note || total))",
        "CREATE INDEX totals_index ON shop_order (total)",
    )
    gone = {"once", "noted", "open", "carried", "computed"}
    shop.migration("0002_less", 'migrations.RemoveField("Order", "total")')
    said = hazards(shop)["LG210"]
    assert set(re.findall(r'"(\w+)" \(', said)) - {"shop_order"} == gone
    assert 'unique constraint "once" (id, total), enforced no more' in said
    assert 'check "noted" (total, note), enforced no more' in said or 'check "noted" (note, total), enf' in said
    assert 'unique constraint "once"' in shop.migrate("--plan").out
    assert shop.migrate().code == 0
    names = "SELECT count(*) FROM (SELECT conname AS n FROM pg_constraint UNION SELECT relname FROM pg_class) AS x"
    assert shop.database.value(f"{names} WHERE n = ANY (%s)", [[*gone, "few", "totals_index"]]) == 0


def test_what_is_certain_to_be_refused_is_known_before_an_index_is_built_for_it(shop: Site) -> None:
    shop.migration("0002_wide", WIDEN)
    assert "so nothing of it was prepared" not in shop.migrate().err  # there was nothing: the server itself refuses
    shop.migration("0002_wide", INDEX, WIDEN)
    assert 'alter type "total" of "shop_order"' in hazards(shop)["LG911"]
    before = shop.database.value("SELECT max(oid) FROM pg_class")
    failed = shop.migrate()
    assert failed.code == 1
    assert "PostgreSQL would refuse shop.0002_wide, so nothing of it was prepared" in failed.err
    assert 'alter type on "shop_order": view public.totals (SQLSTATE 0A000)' in failed.err
    assert "DROP VIEW public.totals;" in failed.err
    assert not shop.database.value("SELECT count(*) FROM lockgate_journalentry")
    assert shop.database.value("SELECT count(*) FROM pg_class WHERE oid > %s AND relkind = 'i'", [before]) == 0
    shop.database.execute("DROP VIEW totals")  # nothing stands against the same files then
    assert shop.migrate().code == 0


def test_sql_that_deals_with_it_first_is_no_hazard(shop: Site) -> None:
    shop.migration("0002_wide", INDEX, DROP, WIDEN, MAKE)
    assert not {"LG910", "LG911"} & hazards(shop).keys()
    assert shop.migrate().code == 0


def test_sql_and_renamed_tables_are_followed_by_their_changes(shop: Site) -> None:
    shop.database.execute("CREATE TABLE audit (n int)", "CREATE VIEW audited AS SELECT n FROM audit")
    shop.migration("0002_sql", 'migrations.RunSQL("ALTER TABLE audit DROP COLUMN n", migrations.RunSQL.noop)')
    shop.migration("0003_renamed", *RENAME, WIDEN_RENAMED)
    result = shop.run("lockgate", "lint", "--unapplied", "--format", "json")
    said = [hazard["what"] for hazard in json.loads(result.out)["hazards"] if hazard["id"] == "LG911"]
    assert len(said) == 2, said
    assert "is refused for view public.audited" in said[0]
    assert "is refused for view public.totals" in said[1]
