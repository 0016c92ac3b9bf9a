"""What rules say, and do not say, of migrations that are none of their examples: inputs that once misled them."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import pytest
from django.db import models
from django.db.migrations.operations import RunPython

from lockgate.facts.tables import ConstraintFacts, DatabaseFacts
from lockgate.linting.rules.example_models import MODELS, given, table
from lockgate.linting.rules.rule import OFFLINE, source
from lockgate.planning import python_calls, python_reading
from lockgate.planning.virtual_catalog import VirtualCatalog
from lockgate.project_state.lazy_state import LazyState
from tests.support.examples import hazards_of, migration


class Case(NamedTuple):
    """migrations: of one release, as operations. found, quiet: ids of rules."""

    what: str
    migrations: tuple[str, ...]
    found: str = ""
    quiet: str = ""
    facts: DatabaseFacts = OFFLINE


WIDEN = 'migrations.AlterField("order", "number", models.CharField(max_length=40)),'
PARTIAL = 'models.Index(fields=["placed"], condition=models.Q(total__gt=0), name="order_open")'


def code(body: str, *operations: str, before: str = "", atomic: bool = True) -> str:
    """A migration that runs a function, and operations before and after it."""
    lines = "\n".join(f"    {line}" for line in body.splitlines())
    listed = ", ".join(filter(None, (before, "migrations.RunPython(fill, migrations.RunPython.noop)", *operations)))
    return (
        f"def fill(apps, schema_editor):\n{lines}\n\n\n"
        f"class Migration(migrations.Migration):\n    atomic = {atomic}\n    operations = [{listed}]\n"
    )


ORDERS = 'Order = apps.get_model("shop", "Order")\n'
MADE = ORDERS + "Order.objects.create()"
BLANK = ORDERS + "Order.objects.update(note='')"
ADD_SOURCE = 'migrations.AddField("order", "source", models.CharField(max_length=20, null=True))'
ADD_PHONE = 'migrations.AddField("customer", "phone", models.CharField(max_length=20, null=True))'
HAS_NOTE = 'models.CheckConstraint(condition=models.Q(note__isnull=False), name="order_has_note")'
CHECKED = f'migrations.AddConstraint("order", {HAS_NOTE}),\n'
FILLED = 'migrations.RunSQL("UPDATE shop_order SET note = number WHERE note IS NULL", migrations.RunSQL.noop),\n'
REQUIRED = 'migrations.AlterField("order", "note", models.TextField()),\n'


def sql(text: str, *, atomic: bool = True) -> str:
    return ("" if atomic else "atomic = False\n") + f"migrations.RunSQL({text!r}, migrations.RunSQL.noop),"


UNPROVEN = "ALTER TABLE shop_order ADD CONSTRAINT has CHECK (note IS NOT NULL) NOT VALID"
PROVES = "ALTER TABLE shop_order VALIDATE CONSTRAINT has"
SETS = "ALTER TABLE shop_order ALTER note SET NOT NULL"
TWO = "CREATE INDEX CONCURRENTLY a ON shop_order (note); CREATE INDEX CONCURRENTLY b ON shop_order (number)"
PAYER = "ALTER TABLE shop_order ADD COLUMN payer_id bigint REFERENCES shop_customer (id)"
OWN_INDEX = """
class Unique(models.Index):
    def create_sql(self, model, schema_editor, using="", **kwargs):
        made = super().create_sql(model, schema_editor, using, **kwargs)
        made.template = made.template.replace("CREATE INDEX", "CREATE UNIQUE INDEX")
        return made


class Migration(migrations.Migration):
    operations = [migrations.AddIndex("order", Unique(fields=["number"], name="own"))]
"""
NAMED = 'ALTER TABLE shop_order ADD CONSTRAINT has_note CHECK ("note" IS NOT NULL AND total > 0) NOT VALID'
PROVE = "ALTER TABLE shop_order VALIDATE CONSTRAINT has_note"
REQUIRE = "ALTER TABLE shop_order ALTER COLUMN note SET NOT NULL"
REMAINS = "DROP INDEX CONCURRENTLY IF EXISTS a"
BUILT = "CREATE INDEX CONCURRENTLY a ON shop_order (note)"
MIXED = "ALTER TYPE shop_state ADD VALUE 'mixed'"
ADD_CODE = 'migrations.AddField("order", "code", models.IntegerField(default=1)),\n'
DOMAIN = 'migrations.AddField("customer", "domain", models.IntegerField(default=1)),\n'
UNIQUE = 'migrations.AlterUniqueTogether("customer", {{("{}", "{}")}}),\n'
NOT_UNIQUE = 'migrations.AlterField("customer", "email", models.CharField(max_length=200)),'
ONE_TO_ONE = """
    migrations.AddField("order", "twin", models.OneToOneField("shop.Customer", models.CASCADE, related_name="+")),
"""
EXTENSION = """
    atomic = False
    postgres_operations.TrigramExtension(),
    migrations.RunSQL("CREATE INDEX CONCURRENTLY n ON shop_order USING gin (number gin_trgm_ops)", "DROP INDEX n"),
"""
TRIGGER = "CREATE TRIGGER t AFTER INSERT OR UPDATE ON shop_order FOR EACH ROW EXECUTE FUNCTION f()"
EXTENDED = """
    atomic = False
    migrations.RunSQL("CREATE INDEX CONCURRENTLY n ON shop_order (number)", "DROP INDEX n"),
    postgres_operations.TrigramExtension(),
"""
CASES = [
    Case("work on a table that must be empty", (ONE_TO_ONE,), found="LG306", quiet="LG201 LG203 LG711"),
    Case(
        "work on a table that code may empty first",
        (code(ORDERS + "Order.objects.all().delete()", ONE_TO_ONE.strip().rstrip(",")),),
        found="LG306 LG201",
    ),
    Case(
        "a reference to content types",
        (sql("ALTER TABLE shop_order ADD COLUMN kind_id int REFERENCES django_content_type (id)"),),
        quiet="LG814",
    ),
    Case("a trigger that is made anew", (sql(f"DROP TRIGGER t ON shop_order; {TRIGGER}"),), quiet="LG812"),
    Case("a trigger of another table's", (sql(f"DROP TRIGGER t ON shop_customer; {TRIGGER}"),), found="LG812"),
    Case("a trigger that is dropped after all", (sql(f"{TRIGGER}; DROP TRIGGER t ON shop_order"),), found="LG812"),
    Case(
        "a trigger that is away for a while",
        (sql(f"DROP TRIGGER t ON shop_order; {TRIGGER}", atomic=False),),
        found="LG812",
    ),
    Case("what cannot be repeated, before an extension", (EXTENDED,), found="LG703"),
    Case("an extension, which is made where it is not there, and an index", (EXTENSION,), quiet="LG703"),
    Case("an index class of another package's with SQL of its own", (OWN_INDEX,), found="LG101"),
    Case("SQL's serial key", (sql("CREATE TABLE a (id serial PRIMARY KEY)"),), found="LG502"),
    Case(
        "SQL's small identity",
        (sql("CREATE TABLE a (id smallint GENERATED ALWAYS AS IDENTITY, PRIMARY KEY (id))"),),
        found="LG502",
    ),
    Case("SQL's large key", (sql("CREATE TABLE a (id bigserial PRIMARY KEY, n serial)"),), quiet="LG502"),
    Case("SQL's key that is given", (sql("CREATE TABLE a (id int PRIMARY KEY)"),), quiet="LG502"),
    Case(
        "SQL's key of 16 bits to one of 64, by name",
        (sql("ALTER TABLE shop_order ADD COLUMN a smallint REFERENCES shop_customer (id)"),),
        found="LG509",
    ),
    Case(
        "SQL's constraint on a column that is there",
        (sql("ALTER TABLE shop_order ADD FOREIGN KEY (total) REFERENCES shop_customer"),),
        found="LG509",
    ),
    Case(
        "SQL's key of 64 bits",
        (sql("ALTER TABLE shop_order ADD COLUMN a int8 REFERENCES shop_customer"),),
        quiet="LG509",
    ),
    Case(
        "SQL's key to a table that no model has",
        (sql("ALTER TABLE shop_order ADD COLUMN a integer REFERENCES elsewhere"),),
        quiet="LG509",
    ),
    *(
        Case(f"SQL's key of 32 bits: {text}", (sql(text),), found="LG509")
        for text in (
            "CREATE TABLE a (payer int REFERENCES shop_customer)",
            "CREATE TABLE a (payer int, FOREIGN KEY (payer) REFERENCES shop_customer (id))",
            "ALTER TABLE shop_order ADD COLUMN payer int, ADD FOREIGN KEY (payer) REFERENCES shop_customer",
            "ALTER TABLE shop_order ADD COLUMN a int;"
            "ALTER TABLE shop_order ADD FOREIGN KEY (a) REFERENCES shop_customer",
            "CREATE TABLE a (id bigserial PRIMARY KEY, parent int REFERENCES a)",
            "CREATE TABLE a (parent int REFERENCES a (id), id bigint, PRIMARY KEY (id))",
            "CREATE TABLE a (id int8 PRIMARY KEY); CREATE TABLE b (of int4 REFERENCES a)",
            "ALTER TABLE shop_order ADD a int; ALTER TABLE shop_order RENAME a TO b;"
            "ALTER TABLE shop_order ADD FOREIGN KEY (b) REFERENCES shop_customer",
        )
    ),
    *(
        Case(f"SQL's key of as many bits, or unknown: {text}", (sql(text),), quiet="LG509 LG709")
        for text in (
            "CREATE TABLE a (payer bigint REFERENCES shop_customer)",
            "CREATE TABLE a (id serial PRIMARY KEY, parent int REFERENCES a)",
            "CREATE TABLE a (id bigserial PRIMARY KEY, n int UNIQUE, other int REFERENCES a (n))",
            "ALTER TABLE shop_order ALTER total TYPE bigint, ADD FOREIGN KEY (total) REFERENCES shop_customer",
            "CREATE TABLE a (id bigint PRIMARY KEY); DROP TABLE a; CREATE TABLE b (of int REFERENCES a)",
        )
    ),
    # What real histories have shown (docs/evidence/real-histories.md)
    Case(
        "unique in more columns than before", (DOMAIN + UNIQUE.format("email", "domain") + NOT_UNIQUE,), quiet="LG807"
    ),
    Case(
        "unique where another is dropped",
        ('migrations.AlterUniqueTogether("order", {("number", "total")}),\n' + NOT_UNIQUE,),
        found="LG807",
    ),
    Case(
        "a foreign key made again under another name",
        ('migrations.AlterField("customer", "id", models.IntegerField(primary_key=True)),',),
        quiet="LG807",
    ),
    # What other linters' tests have shown (tests/conformance/comparison)
    Case("a value of an enum alone", (sql(MIXED),), quiet="LG504"),
    Case("a value of an enum, and code", (sql(MIXED) + "\nmigrations.RunPython(print, print),",), found="LG504"),
    Case("a wider type by hand", (sql("ALTER TABLE shop_order ALTER number TYPE varchar(90)"),), quiet="LG304"),
    Case(
        "a wider type with USING",
        (sql("ALTER TABLE shop_order ALTER number TYPE text USING number::text"),),
        quiet="LG304",
    ),
    Case(
        "another value with USING",
        (sql("ALTER TABLE shop_order ALTER number TYPE text USING lower(number)"),),
        found="LG304",
    ),
    Case("a narrower type by hand", (sql("ALTER TABLE shop_order ALTER number TYPE varchar(3)"),), found="LG304 LG806"),
    Case("NOT NULL proven by hand", (sql(NAMED), sql(PROVE), sql(REQUIRE)), quiet="LG206"),
    Case("NOT NULL not proven by hand", (sql(NAMED), sql(REQUIRE)), found="LG206"),
    Case(
        "NOT NULL of a check that is gone",
        (sql(NAMED), sql(PROVE), sql("ALTER TABLE shop_order DROP CONSTRAINT has_note"), sql(REQUIRE)),
        found="LG206",
    ),
    Case(
        "NOT NULL of a check that is made perhaps",
        (sql(f"DO $$ BEGIN {NAMED}; {PROVE}; END $$"), sql(REQUIRE)),
        found="LG206",
    ),
    Case(
        "a check by hand hangs on the column",
        (sql(NAMED.replace("total", "length(number)")), sql(PROVE), WIDEN),
        found="LG308",
    ),
    Case("rows by their keys", (sql("UPDATE shop_order SET note = '' WHERE id IN (1, 2)"),), quiet="LG606 LG601"),
    Case("rows by ARRAY", (sql("DELETE FROM shop_order WHERE id = ANY(ARRAY[1, 2])"),), quiet="LG606 LG601"),
    Case("rows by an array", (sql("UPDATE shop_order SET note = '' WHERE id = ANY('{1,2}')"),), quiet="LG606 LG601"),
    Case("rows by a column that is no key", (sql("DELETE FROM shop_order WHERE total = 1"),), found="LG606"),
    Case("rows by a key that is computed", (sql("DELETE FROM shop_order WHERE id = (SELECT 1)"),), found="LG606"),
    Case("rows by a key or not", (sql("DELETE FROM shop_order WHERE id = 1 OR total = 1"),), found="LG606"),
    Case("a short wait", (sql("SET LOCAL lock_timeout = '2s'"),), quiet="LG705"),
    Case("a long wait", (sql("SET LOCAL lock_timeout = '3s'"),), found="LG705"),
    Case("a short wait for the whole session", (sql("SET lock_timeout = '2s'"),), found="LG705"),
    Case("waiting for ever", (sql("SET LOCAL lock_timeout = 0"),), found="LG705"),
    Case("a view emptied", (sql("REFRESH MATERIALIZED VIEW shop_totals WITH NO DATA"),), found="LG409"),
    Case("a table moved", (sql("ALTER TABLE shop_order SET SCHEMA attic"),), found="LG804"),
    Case("a table that refers, by hand", (sql("CREATE TABLE t (o bigint REFERENCES shop_order)"),), found="LG814"),
    Case(
        "a table whose rows go too",
        (sql("CREATE TABLE t (o bigint REFERENCES shop_order ON DELETE CASCADE)"),),
        quiet="LG814",
    ),
    Case(
        "a required column of a new table with rows",
        (sql("CREATE TABLE t (i int); INSERT INTO t VALUES (1);ALTER TABLE t ADD c int NOT NULL"),),
        found="LG306",
    ),
    Case(
        "a required column of a new table",
        (sql("CREATE TABLE t (i int); ALTER TABLE t ADD c int NOT NULL"),),
        quiet="LG306",
    ),
    Case("a default set again", (ADD_CODE + sql("ALTER TABLE shop_order ALTER code SET DEFAULT 1"),), quiet="LG805"),
    Case(
        "a default set again to NULL",
        (ADD_CODE + sql("ALTER TABLE shop_order ALTER code SET DEFAULT NULL"),),
        found="LG805",
    ),
    Case("remains are dropped first", (f"{sql(REMAINS, atomic=False)}\n{sql(BUILT)}",), quiet="LG703 LG704"),
    Case(
        "other remains are dropped",
        (f"{sql(REMAINS, atomic=False)}\n{sql(BUILT.replace('a ON', 'b ON'))}",),
        found="LG703 LG704",
    ),
    Case("a column of a type that may be a domain", (sql("ALTER TABLE shop_order ADD a positive"),), found="LG709"),
    Case(
        "a column of a type that the same release makes",
        (sql("CREATE TYPE mood AS ENUM ('good'); ALTER TABLE shop_order ADD a mood"),),
        quiet="LG709",
    ),
    Case("two built concurrently in one text", (sql(TWO, atomic=False),), found="LG702"),
    Case("one built concurrently", (sql(TWO.partition(";")[0], atomic=False),), quiet="LG702"),
    Case("VACUUM beside another statement", (sql("VACUUM shop_order; SELECT 1", atomic=False),), found="LG702"),
    Case("NULL as the default", (sql("ALTER TABLE shop_order ADD a int NOT NULL DEFAULT NULL"),), found="LG306"),
    Case("a cast NULL", (sql("ALTER TABLE shop_order ADD a int NOT NULL DEFAULT NULL::int"),), found="LG306"),
    Case("NULL where it may be", (sql("ALTER TABLE shop_order ADD a int DEFAULT NULL"),), quiet="LG306"),
    Case("a constraint dropped in SQL", (sql("ALTER TABLE shop_order DROP CONSTRAINT to_customer"),), found="LG812"),
    Case(
        "a constraint dropped and made again in SQL",
        (sql("ALTER TABLE shop_order DROP CONSTRAINT c, ADD CONSTRAINT c CHECK (total >= 0) NOT VALID"),),
        quiet="LG812",
    ),
    Case("a reference in SQL", (sql(PAYER),), found="LG814 LG107", quiet="LG203"),
    Case("a reference in SQL that cascades", (sql(PAYER + " ON DELETE CASCADE"),), quiet="LG814"),
    Case(
        "widened beside a partial index of other columns",
        (f'migrations.AddIndex("order", {PARTIAL}),', WIDEN),
        quiet="LG305 LG308",
    ),
    Case(
        "widened beside a conditional unique constraint of other columns",
        (
            """
            migrations.AddConstraint("order", models.UniqueConstraint(
                fields=["placed"], condition=models.Q(total__gt=models.F("customer")), name="order_once")),
            """,
            WIDEN,
        ),
        quiet="LG305 LG308",
    ),
    Case(
        "widened beside a check of other columns",
        (
            """
            migrations.AddConstraint(
                "order", models.CheckConstraint(condition=models.Q(total__gte=0), name="order_total_positive")),
            """,
            WIDEN,
        ),
        quiet="LG305 LG308",
    ),
    Case(
        "a comment on a column beside a partial index of others",
        (
            f'migrations.AddIndex("order", {PARTIAL}),',
            'migrations.AlterField("order", "number", models.CharField(max_length=20, db_comment="as printed")),',
        ),
        quiet="LG305 LG308",
    ),
    Case(
        "widened in the condition of an index",
        (
            """
            migrations.AddIndex("order", models.Index(
                fields=["placed"], condition=~models.Q(number=""), name="order_numbered")),
            """,
            WIDEN,
        ),
        found="LG308",
        quiet="LG305",
    ),
    Case(
        "widened beside a condition that brings its own SQL",
        (
            """
            migrations.AddIndex("order", models.Index(
                fields=["placed"],
                condition=models.Q(models.expressions.RawSQL("number > ''", (), models.BooleanField()), total__gt=0),
                name="order_numbered")),
            """,
            WIDEN,
        ),
        found="LG308",
    ),
    Case(
        "a comment on a column that a check uses",
        (
            """
            migrations.AddConstraint(
                "order", models.CheckConstraint(condition=~models.Q(number=""), name="order_has_number")),
            """,
            'migrations.AlterField("order", "number", models.CharField(max_length=20, db_comment="as printed")),',
        ),
        found="LG308",
        quiet="LG305",
    ),
    Case(
        "another collation",
        (
            """
            migrations.AlterField("order", "number", models.CharField(max_length=20, db_collation="C")),
            """,
        ),
        found="LG305",
        quiet="LG308",
    ),
    Case("NOT NULL after a check of an earlier migration", (CHECKED, FILLED + REQUIRED), quiet="LG206"),
    Case(
        "NOT NULL after a check that was added NOT VALID and validated",
        (
            f'postgres_operations.AddConstraintNotValid("order", {HAS_NOTE}),',
            'postgres_operations.ValidateConstraint("order", "order_has_note"),',
            FILLED + REQUIRED,
        ),
        quiet="LG206",
    ),
    Case(
        "NOT NULL after a check that is not validated",
        (f'postgres_operations.AddConstraintNotValid("order", {HAS_NOTE}),', FILLED + REQUIRED),
        found="LG206",
    ),
    Case(
        "a check that the next migration of the release validates",
        (
            f'postgres_operations.AddConstraintNotValid("order", {HAS_NOTE}),',
            'postgres_operations.ValidateConstraint("order", "order_has_note"),',
        ),
        quiet="LG207",
    ),
    Case(
        "a foreign key that the next migration of the release validates in SQL",
        (
            """
            migrations.RunSQL("ALTER TABLE shop_order ADD CONSTRAINT payer FOREIGN KEY (total) "
                "REFERENCES shop_customer (id) NOT VALID", migrations.RunSQL.noop),
            """,
            'migrations.RunSQL("ALTER TABLE shop_order VALIDATE CONSTRAINT payer", migrations.RunSQL.noop),',
        ),
        quiet="LG207",
    ),
    Case("NOT NULL after a check of the same migration", (FILLED + CHECKED + REQUIRED,), quiet="LG206"),
    Case(
        "NOT NULL after a check that was removed again",
        (CHECKED, 'migrations.RemoveConstraint("order", "order_has_note"),', FILLED + REQUIRED),
        found="LG206",
    ),
    Case(
        "NOT NULL after a check that only one of two parts says",
        (CHECKED.replace("note__isnull=False", "models.Q(note__isnull=False) | models.Q(total=0)"), FILLED + REQUIRED),
        found="LG206",
    ),
    Case(
        "a reference from a new table",
        (
            """
            migrations.CreateModel("Parcel", [
                ("id", models.BigAutoField(primary_key=True)),
                ("order", models.ForeignKey("shop.Order", models.CASCADE)),
            ]),
            """,
        ),
        found="LG814",
    ),
    Case(
        "a reference to a new table",
        (
            """
            migrations.CreateModel("Payer", [("id", models.BigAutoField(primary_key=True))]),
            migrations.AddField("order", "payer", models.ForeignKey("shop.Payer", models.CASCADE, null=True)),
            """,
        ),
        quiet="LG814",
    ),
    Case(
        "references from the table between many and many",
        ('migrations.AddField("order", "payers", models.ManyToManyField("shop.Customer", related_name="+")),',),
        found="LG814",
    ),
    Case(
        "a reference of a table to itself",
        ('migrations.AddField("order", "after", models.ForeignKey("shop.Order", models.SET_NULL, null=True)),',),
        found="LG814",
    ),
    *(
        Case(
            f"a reference by which the server itself sees to the rows that refer: {name}",
            (f'migrations.AddField("order", "after", models.ForeignKey("shop.Order", models.{name}, null=True)),',),
            quiet="LG814",
        )
        for name in ("DB_CASCADE", "DB_SET_NULL")
        if hasattr(models, name)  # from Django 6.1 on
    ),
    Case(
        "a constraint for a reference that was there",
        (
            """
            migrations.AlterField("order", "customer",
                models.ForeignKey("shop.Customer", models.CASCADE, db_constraint=False)),
            """,
            'migrations.AlterField("order", "customer", models.ForeignKey("shop.Customer", models.CASCADE)),',
        ),
        quiet="LG814",
    ),
    *(
        Case(f"the network under locks: {call}", (code(f"{call}", before=ADD_SOURCE),), found="LG713")
        for call in (
            "urllib.request.urlopen('https://example.com')",
            "import requests\nrequests.post('https://example.com')",
            "import http.client as web\nweb.HTTPSConnection('example.com')",
            "from django.core.mail import send_mail\nsend_mail('a', 'b', 'c', ['d'])",
            "from django.core import mail\nmail.send_mail('a', 'b', 'c', ['d'])",
            "import socket\nsocket.create_connection(('example.com', 80)).close()",
        )
    ),
    *(
        Case(f"no network: {call}", (code(f"{call}", before=ADD_SOURCE),), quiet="LG713")
        for call in (
            "import urllib.parse\nurllib.parse.quote('a')",
            "requests = {}\nrequests.get('a')",
            "import http\nhttp.HTTPStatus(200)",
        )
    ),
    Case(
        "the network before anything is locked",
        (code("urllib.request.urlopen('https://example.com')", ADD_SOURCE),),
        quiet="LG713",
    ),
    Case(
        "the network without a transaction",
        (code("urllib.request.urlopen('https://example.com')", before=ADD_SOURCE, atomic=False),),
        quiet="LG713",
    ),
    Case(
        "rows made before their table is altered, by way of a name",
        (code(ORDERS + "Order.objects.get_or_create(number='1')", ADD_SOURCE),),
        found="LG714",
    ),
    Case(
        "rows made before an index of their table",
        (
            code(
                ORDERS + "Order.objects.using('default').bulk_create([], batch_size=9)",
                'migrations.AddIndex("order", models.Index(fields=["note"], name="order_note"))',
            ),
        ),
        found="LG714",
    ),
    Case(
        "rows changed before their table is altered",
        (code(ORDERS + "Order.objects.update(note='')", ADD_SOURCE),),
        quiet="LG714",
    ),
    Case(
        "rows made before another table is altered",
        (code(ORDERS + "Order.objects.create()", ADD_PHONE),),
        quiet="LG714",
    ),
    Case(
        "rows made after their table is altered",
        (code(ORDERS + "Order.objects.create()", before=ADD_SOURCE),),
        quiet="LG714",
    ),
    Case(
        "rows made before their table is renamed",
        (code(MADE, 'migrations.AlterModelTable("order", "orders")'),),
        quiet="LG714",
    ),
    Case(
        "rows made in a table without references",
        (code("apps.get_model('shop', 'Customer').objects.create(email='')", ADD_PHONE),),
        quiet="LG714",
    ),
    Case(
        "rows made in another transaction",
        (code(MADE, ADD_SOURCE, atomic=False),),
        quiet="LG714",
    ),
    *(
        Case(f"NOT NULL by SQL: {what}", tuple(map(sql, given)), **{("quiet" if proven else "found"): "LG206"})
        for what, given, proven in (
            ("a check proves it", (UNPROVEN, PROVES, SETS), True),
            ("the check is not validated", (UNPROVEN, SETS), False),
            (
                "the check is dropped before",
                (UNPROVEN, PROVES, "ALTER TABLE shop_order DROP CONSTRAINT has", SETS),
                False,
            ),
            ("the column is another", (UNPROVEN, PROVES, "ALTER TABLE shop_order RENAME note TO old", SETS), False),
            ("the check says less", (UNPROVEN.replace(")", " OR total > 0)"), PROVES, SETS), False),
        )
    ),
    # Rules whose safe example accepts the hazard: what is none of theirs.
    Case("a schema gets an owner", (sql("ALTER SCHEMA shop OWNER TO CURRENT_USER"),), quiet="LG412"),
    Case("a constraint goes", (sql("ALTER TABLE shop_order DROP CONSTRAINT positive"),), quiet="LG807"),
    Case("a default comes", (sql("ALTER TABLE shop_order ALTER total SET DEFAULT 1"),), quiet="LG808"),
    Case("an index goes that is not unique", ('migrations.RemoveIndex("order", "order_total"),',), quiet="LG809"),
    Case("NOT NULL comes", (REQUIRED,), quiet="LG811"),
    Case("a privilege is given", (sql("GRANT SELECT ON shop_order TO CURRENT_USER"),), quiet="LG813"),
    Case(
        "work on a table of which the catalog says nothing",
        (sql("ALTER TABLE archive.shop_order ALTER total TYPE bigint"),),
        found="LG901 LG909",
        facts=given(table("shop_order")),
    ),
    Case(
        "work on a table that is small enough",
        (sql("ALTER TABLE shop_order ALTER total TYPE bigint"),),
        quiet="LG901 LG909",
        facts=given(table("shop_order")),
    ),
    Case(
        "a moment on a table of unknown size", (sql("ALTER TABLE shop_order ADD a int"),), quiet="LG901", facts=given()
    ),
    Case("work on any table, where nobody was asked", (WIDEN,), quiet="LG901 LG909"),
    Case(
        "rows deleted that others refer to, which Django loads and deletes a hundred at a time",
        (code("apps.get_model('shop', 'Customer').objects.filter(email='').delete()"),),
        found="LG604",
        quiet="LG603",
    ),
    Case(
        "rows deleted by way of a name",
        (code("Customer = apps.get_model('shop', 'Customer')\nCustomer.objects.all().delete()"),),
        found="LG604",
        quiet="LG603",
    ),
    Case(
        "every row changed by SQL with a parameter in code",
        (code("schema_editor.connection.cursor().execute('UPDATE shop_order SET note = %s', ['x'])"),),
        found="LG601",
    ),
    Case(
        "rows changed by a condition by SQL with a parameter in code",
        (code("schema_editor.execute('UPDATE shop_order SET note = %s WHERE note IS NULL', ['x'])"),),
        found="LG606",
    ),
    Case(
        "one row changed by SQL with parameters in code",
        (code("schema_editor.execute('UPDATE shop_order SET note = %s WHERE id=%s', ['x', 3])"),),
        quiet="LG601 LG606",
    ),
    Case(
        "every row changed by RunSQL with a parameter",
        ("migrations.RunSQL([('UPDATE shop_order SET note = %s', ['x'])], migrations.RunSQL.noop),",),
        found="LG601",
    ),
    Case(
        "rows deleted by way of a name for some of them",
        (code("found = apps.get_model('shop', 'Customer').objects.all()\nfound.filter(email='').delete()"),),
        found="LG604",
        quiet="LG603",
    ),
    Case(
        "rows deleted to which nobody refers",
        (code(ORDERS + "Order.objects.filter(note=None).delete()"),),
        found="LG603",
        quiet="LG604",
    ),
    Case(
        "rows of both deleted",
        (code(ORDERS + "Order.objects.all().delete()\napps.get_model('shop', 'Customer').objects.all().delete()"),),
        found="LG603",
    ),
    Case(
        "rows changed to which others refer",
        (code("apps.get_model('shop', 'Customer').objects.update(email='')"),),
        found="LG603",
    ),
    Case(
        "portions that commit together",
        (
            code(
                ORDERS + "while keys := list(Order.objects.filter(note=None).values_list('pk', flat=True)[:99]):\n"
                "    Order.objects.filter(pk__in=keys).update(note='')"
            ),
        ),
        found="LG609",
        quiet="LG603",
    ),
    Case(
        "a few rows by name",
        (code(ORDERS + "for number in ('1', '2'):\n    Order.objects.filter(number=number).update(note='')"),),
        quiet="LG609",
    ),
    Case(
        "text without a limit", ('migrations.AlterField("order", "note", models.CharField(null=True)),',), quiet="LG806"
    ),
    Case(
        "text with a limit",
        ('migrations.AlterField("order", "note", models.CharField(max_length=99, null=True)),',),
        found="LG806",
    ),
    Case("one operation that locks two tables", ('migrations.RemoveField("order", "customer"),',), quiet="LG706"),
    Case(
        "two operations, of which one locks both tables",
        (
            """
            migrations.RemoveField("order", "customer"),
            migrations.AddField("order", "source", models.CharField(max_length=20, null=True)),
            """,
        ),
        quiet="LG706",
    ),
    Case(
        "a default for all rows of a unique column",
        ('migrations.AddField("order", "token", models.CharField(default="new", max_length=9, unique=True)),',),
        found="LG309",
    ),
    Case(
        "a default that the server computes for each row",
        (
            """
            migrations.AddField("order", "token", models.UUIDField(
                db_default=postgres_functions.RandomUUID(), unique=True)),
            """,
        ),
        quiet="LG309",
    ),
    Case(
        "a unique column of a table that is new",
        (
            """
            migrations.CreateModel("Parcel", [("id", models.BigAutoField(primary_key=True))]),
            migrations.AddField("parcel", "token", models.UUIDField(default=uuid.uuid4, unique=True)),
            """,
        ),
        quiet="LG309",
    ),
]

CONCURRENTLY = "atomic = False\n"
TOTAL_NUMBER = 'models.Index(fields=["total", "number"], name="{}")'
DROP_TOTAL = 'postgres_operations.RemoveIndexConcurrently("order", "order_total"),\n'
BUILD_TOTAL = f'postgres_operations.AddIndexConcurrently("order", {TOTAL_NUMBER.format("order_total_number")}),\n'
DROP_SQL = sql("DROP INDEX CONCURRENTLY order_total", atomic=False)
BUILD_SQL = "CREATE INDEX CONCURRENTLY {} ON shop_order ({})"
NUMBERS = 'migrations.AddConstraint("order", models.UniqueConstraint(fields=["number"], name="{}")),\n'
CASES += [
    Case("the same in SQL", (DROP_SQL + "\n" + sql(BUILD_SQL.format("wide", "total, number")),), found="LG108"),
    Case("under the same name, by another column", (DROP_SQL + sql(BUILD_SQL.format("order_total", "note")),), "LG108"),
    Case("one of another column", (DROP_SQL + sql(BUILD_SQL.format("noted", "note")),), quiet="LG108"),
    Case("the new one first", (CONCURRENTLY + BUILD_TOTAL + DROP_TOTAL,), quiet="LG108"),
    Case(
        "another one has the column",
        (
            CONCURRENTLY
            + BUILD_TOTAL
            + DROP_TOTAL
            + sql(BUILD_SQL.format("third", "total, note")).rpartition("False\n")[2],
        ),
        quiet="LG108",
    ),
    Case(
        "both in one transaction",
        (sql("DROP INDEX order_total") + sql("CREATE INDEX wide ON shop_order (total, number)"),),
        quiet="LG108",
    ),
    Case(
        "built by the plan before it is dropped",
        (
            'migrations.RemoveIndex("order", "order_total"),\n'
            f'migrations.AddIndex("order", {TOTAL_NUMBER.format("wide")}),',
        ),
        quiet="LG108",
    ),
    Case(
        "of one name, which the plan builds after the transaction that drops it",
        (
            'migrations.RemoveIndex("order", "order_total"),\n'
            f'migrations.AddIndex("order", {TOTAL_NUMBER.format("order_total")}),',
        ),
        found="LG108",
    ),
    Case(
        "a unique constraint, and no other that is unique",
        (
            f'migrations.AddIndex("order", models.Index(fields=["number"], name="plain")),\n{NUMBERS.format("first")}',
            CONCURRENTLY + 'migrations.RemoveConstraint("order", "first"),\n' + NUMBERS.format("second"),
        ),
        found="LG108",
    ),
    Case(
        "a unique constraint beside another",
        (
            NUMBERS.format("first") + NUMBERS.format("third"),
            CONCURRENTLY + 'migrations.RemoveConstraint("order", "first"),\n' + NUMBERS.format("second"),
        ),
        quiet="LG108",
    ),
]

ONCE = 'migrations.AddConstraint("order", models.UniqueConstraint(fields=["customer", "number"], name="once")),\n'
BOTH = 'migrations.AddIndex("order", models.Index(fields=["total", "note"], name="pair")),\n'
OPEN = 'migrations.AddIndex("order", models.Index(fields=["note"], condition=models.Q(total=0), name="open")),\n'
EVEN = 'models.CheckConstraint(condition=models.Q(total__gt=models.F("placed")), name="even")'
LESS = 'migrations.RemoveField("order", "{}"),\n'
CASES += [
    Case("a column of a unique constraint over two", (ONCE, LESS.format("number")), found="LG210"),
    Case("a column of an index over two", (BOTH, LESS.format("note")), found="LG210"),
    Case("a column of an index's condition", (OPEN, LESS.format("total")), found="LG210"),
    Case("a column of a check of two", (f'migrations.AddConstraint("order", {EVEN}),', LESS.format("placed")), "LG210"),
    Case("the same in SQL", (ONCE, sql("ALTER TABLE shop_order DROP COLUMN number")), found="LG210"),
    Case("a column that has an index to itself", (LESS.format("total"),), quiet="LG210"),
    Case("another column", (BOTH, LESS.format("number")), quiet="LG210"),
    Case(
        "a column whose constraint and index go first",
        (
            ONCE + BOTH,
            'migrations.RemoveConstraint("order", "once"),\n' + LESS.format("number"),
            sql("DROP INDEX pair") + LESS.format("note"),
        ),
        quiet="LG210",
    ),
]


@pytest.mark.parametrize(
    ("definition", "validated", "proven"),
    [
        ("CHECK ((note IS NOT NULL))", True, True),
        ("CHECK ((NOT (note IS NULL)))", True, True),
        ("CHECK ((note IS NOT NULL))", False, False),
        ("CHECK (((note IS NOT NULL) OR (total > 0)))", True, False),
        ("CHECK ((note <> ''::text))", True, False),
    ],
)
def test_a_check_in_the_database_proves_what_it_says(definition: str, *, validated: bool, proven: bool) -> None:
    check = ConstraintFacts("has_note", "c", ("note",), definition, validated)
    catalog = VirtualCatalog(given(table("shop_order", constraints={"has_note": check})))
    assert bool(catalog.proofs("shop_order", "note")) is proven
    assert not catalog.proofs("shop_order", "total")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.what)
def test_what_is_found(case: Case) -> None:
    found = {hazard.rule.id for hazard in hazards_of(*case.migrations, facts=case.facts)}
    assert set(case.found.split()) <= found
    assert not found & set(case.quiet.split())


ASKS = """
from lockgate.errors import LockgateError


def first():
    raise LockgateError("an operation asks the server, and planning is offline")  # as without a connection


class Migration(migrations.Migration):
    operations = [migrations.AddField("order", "source", models.TextField(default=first))]
"""


def test_a_default_that_may_be_who_asks_the_server_is_named() -> None:
    [hazard] = [one_hazard for one_hazard in hazards_of(ASKS) if one_hazard.rule.id == "LG709"]
    assert hazard.what == (
        "Add field source to order: an operation asks the server, and planning is offline "
        "(its default is the function first of shop.migrations)"
    )


LEDGER = """
def fill(apps, schema_editor):
    Book = apps.get_model("shop", "Book")
    Book.objects.create(order_id=1)
    for book in Book.objects.all():
        book.save()


class Migration(migrations.Migration):
    operations = [
        migrations.RunPython(fill, migrations.RunPython.noop),
        migrations.AddField("book", "note", models.TextField(null=True)),
    ]
"""
BOOK = """
migrations.CreateModel(
    "Book",
    [("id", models.BigAutoField(primary_key=True)), ("order", models.ForeignKey("shop.Order", models.CASCADE))],
    options={"db_table": "books"},
),
"""


def test_code_is_about_the_tables_that_its_models_say() -> None:
    state = LazyState()
    for text in (MODELS, source(BOOK)):
        for one_operation in migration(text).operations:
            one_operation.state_forwards("shop", state)
    [operation, _] = migration(LEDGER).operations
    assert isinstance(operation, RunPython)
    code = python_reading.read(operation.code)
    assert code
    named = dict(python_calls.db_tables(code, state))
    assert named == {"shop_book": "books"}
    assert replace(code, db_tables=named).tables == ("books",)


def test_rows_of_a_table_that_the_release_makes_are_not_many() -> None:
    found = {hazard.rule.id for hazard in hazards_of(BOOK, LEDGER)}
    assert "LG714" in found
    assert not found & {"LG604", "LG605", "LG609"}
