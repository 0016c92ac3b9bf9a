"""A history of ``shop`` with one of everything that migrations make, and rows that are hard to write down."""

from __future__ import annotations

from tests.support.sites import Site

OBJECTS = r"""
CREATE SCHEMA warehouse;
CREATE TYPE warehouse.mood AS ENUM ('fair', 'it''s; fine');
CREATE DOMAIN warehouse.percent AS integer CHECK (VALUE BETWEEN 0 AND 100);
CREATE TYPE warehouse.pair AS (one integer, other text);
CREATE SEQUENCE warehouse.numbers START 7 INCREMENT 3;
SELECT nextval('warehouse.numbers');
CREATE TABLE warehouse.stock (
    id bigint GENERATED ALWAYS AS IDENTITY,
    kind varchar(20) NOT NULL DEFAULT 'a;b' CHECK (kind IN ('a;b', 'it''s', 'c')),
    mood warehouse.mood DEFAULT 'fair',
    share warehouse.percent,
    pairing warehouse.pair,
    amount integer, doubled integer GENERATED ALWAYS AS (amount * 2) STORED,
    payload jsonb, bytes bytea, tags text[], note text,
    PRIMARY KEY (id), UNIQUE (kind, amount)
);
COMMENT ON TABLE warehouse.stock IS 'what -- is; there /* and */ where';
COMMENT ON COLUMN warehouse.stock.kind IS E'two\nlines';
CREATE INDEX stock_kind ON warehouse.stock (lower(kind)) WHERE kind IN ('a;b', 'c');
CREATE STATISTICS warehouse.stock_statistics ON kind, amount FROM warehouse.stock;
CREATE TABLE warehouse.event (at date NOT NULL, what text) PARTITION BY RANGE (at);
CREATE TABLE warehouse.event_2025 PARTITION OF warehouse.event FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
CREATE TABLE warehouse.event_rest PARTITION OF warehouse.event DEFAULT;
CREATE INDEX ON warehouse.event (at);
INSERT INTO warehouse.event VALUES ('2025-05-05', 'in it'), ('2031-01-01', 'beside it');
CREATE FUNCTION warehouse.noticed() RETURNS trigger LANGUAGE plpgsql AS $body$
BEGIN
    -- a comment; with a semicolon

    NEW.note := coalesce(NEW.note, $inner$it's; so$inner$);
    RETURN NEW;
END;
$body$;
CREATE TRIGGER notice BEFORE INSERT ON warehouse.stock FOR EACH ROW EXECUTE FUNCTION warehouse.noticed();
CREATE FUNCTION warehouse.sum_of(a integer, b integer) RETURNS integer LANGUAGE sql
BEGIN ATOMIC
    SELECT CASE WHEN a IS NULL THEN b ELSE a + b END;
    SELECT a + b;
END;
CREATE PROCEDURE warehouse.nothing() LANGUAGE sql AS 'SELECT 1; SELECT ''two''';
CREATE VIEW warehouse.cheap AS SELECT kind, E'\\;' AS slash FROM warehouse.stock WHERE kind IN ('c', 'it''s');
CREATE MATERIALIZED VIEW warehouse.counted AS SELECT kind, count(*) FROM warehouse.stock GROUP BY kind;
SELECT lo_from_bytea(70001, 'a large; object');
CREATE TABLE warehouse.log (what text);
CREATE RULE kept AS ON DELETE TO warehouse.stock DO ALSO
    (INSERT INTO warehouse.log VALUES ('a;b'); INSERT INTO warehouse.log VALUES ('c'));
ALTER TABLE warehouse.log ENABLE ROW LEVEL SECURITY;
CREATE POLICY all_of_it ON warehouse.log USING (true);
"""
ROWS = """
def fill(apps, editor):
    with editor.connection.cursor() as cursor:
        notes = [None, "it's", "a;\\n\\\\restrict x\\n\\n-- Name: x\\n", "back\\\\slash", '$body$ "x"']
        for number, note in enumerate(notes):
            cursor.execute(
                "INSERT INTO warehouse.stock (kind, amount, payload, bytes, tags, note, pairing)"
                " VALUES (%s, %s, %s, %s, %s, %s, (1, 'x;y'))",
                ["it's", number, '{"a": ";"}', b"\\x00\\xff'", ["a,b", 'c"d'], note],
            )
        cursor.execute("REFRESH MATERIALIZED VIEW warehouse.counted")
    Counter, Tag = apps.get_model("shop", "Counter"), apps.get_model("shop", "Tag")
    for value in range(3):
        Counter.objects.create(value=value).tags.add(Tag.objects.create(name=f"tag {value}"))
    Counter.objects.filter(value=2).delete()
"""


def write(site: Site) -> None:
    """Three migrations: models with a many-to-many, everything in SQL, and rows."""
    site.migration(
        "0001_initial",
        'migrations.CreateModel("Tag", [("id", models.BigAutoField(primary_key=True)), ("name", models.TextField())])',
        """
        migrations.CreateModel(
            "Counter",
            [
                ("id", models.BigAutoField(primary_key=True)),
                ("value", models.IntegerField(default=0, db_default=5)),
                ("made", models.DateTimeField(auto_now_add=True)),
                ("tags", models.ManyToManyField("shop.Tag")),
            ],
            options={"constraints": [models.CheckConstraint(condition=models.Q(value__lt=9), name="small")]},
        )
        """,
    )
    site.migration("0002_everything", f"migrations.RunSQL({OBJECTS!r}, migrations.RunSQL.noop)")
    site.migration("0003_rows", "migrations.RunPython(fill, migrations.RunPython.noop)", imports=ROWS)
