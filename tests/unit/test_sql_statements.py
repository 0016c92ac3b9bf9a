"""The reader of SQL: statements are told apart as PostgreSQL does, and plain ones become changes."""

from __future__ import annotations

import random

import pytest

from lockgate.planning import sql_changes, sql_parser, sql_statements
from lockgate.planning.steps import Change, Kind
from tests.support import sql_cases

FUNCTION = "CREATE OR REPLACE FUNCTION f() RETURNS int LANGUAGE sql BEGIN ATOMIC"


@pytest.mark.parametrize(
    ("text", "statements"),
    [
        ("SELECT 1; SELECT 2", ["SELECT 1", "SELECT 2"]),
        ("SELECT ';' ;;", ["SELECT ';'"]),
        ("SELECT 'it''s;' || E'a\\';b'", ["SELECT 'it''s;' || E'a\\';b'"]),
        ('DROP TABLE "a;b"', ['DROP TABLE "a;b"']),
        ("SELECT 1 -- a; b\n; SELECT 2", ["SELECT 1 -- a; b", "SELECT 2"]),
        ("/* a /* b; */ c; */ SELECT 1", ["/* a /* b; */ c; */ SELECT 1"]),
        ("DO $$ BEGIN; END $$; SELECT 1", ["DO $$ BEGIN; END $$", "SELECT 1"]),
        ("DO $x$ $$;$$ $x$", ["DO $x$ $$;$$ $x$"]),
        ("SELECT $1;", ["SELECT $1"]),
        ("DO $é$ ; $é$; SELECT 1", ["DO $é$ ; $é$", "SELECT 1"]),
        ("SELECT 1 +-- a; b\n2", ["SELECT 1 +-- a; b\n2"]),
        ("SELECT 1 +/* a; b */ 2", ["SELECT 1 +/* a; b */ 2"]),
        ("SELECT 1 -- a; b\r; SELECT 2", ["SELECT 1 -- a; b", "SELECT 2"]),
        (
            "CREATE RULE r AS ON INSERT TO t DO (DELETE FROM a; DELETE FROM b); SELECT 1",
            ["CREATE RULE r AS ON INSERT TO t DO (DELETE FROM a; DELETE FROM b)", "SELECT 1"],
        ),
        (f"{FUNCTION} SELECT 1; SELECT 2; END; SELECT 3", [f"{FUNCTION} SELECT 1; SELECT 2; END", "SELECT 3"]),
        (
            f"{FUNCTION} SELECT CASE 1 WHEN 1 THEN 2 END; END; COMMIT",
            [f"{FUNCTION} SELECT CASE 1 WHEN 1 THEN 2 END; END", "COMMIT"],
        ),
        (
            f"{FUNCTION} SELECT 1 AS end; SELECT a.end, a.case FROM a; END; COMMIT",
            [f"{FUNCTION} SELECT 1 AS end; SELECT a.end, a.case FROM a; END", "COMMIT"],
        ),
        (
            "CREATE PROCEDURE p() BEGIN ATOMIC SELECT 1; END; END",
            ["CREATE PROCEDURE p() BEGIN ATOMIC SELECT 1; END", "END"],
        ),
        ("BEGIN; SELECT CASE WHEN a THEN b END; END", ["BEGIN", "SELECT CASE WHEN a THEN b END", "END"]),
        ("", []),
        ("-- nothing", []),
        ("SELECT 'never closed; ", ["SELECT 'never closed; ".strip()]),
    ],
)
def test_statements_are_told_apart(text: str, statements: list[str]) -> None:
    parts = sql_statements.statements(text)
    if "never closed" in text:
        assert len(parts) >= 1  # whatever PostgreSQL would say of it, reading it ends
    else:
        assert [statement.text for statement in parts] == statements


@pytest.mark.parametrize(
    ("text", "ends"),
    [
        ("commit", True),
        ("COMMIT AND CHAIN", True),
        ("END TRANSACTION", True),
        ("ROLLBACK", True),
        ("ABORT WORK AND NO CHAIN", True),
        ("PREPARE TRANSACTION 'a'", True),
        ("ROLLBACK TO a", False),
        ("ROLLBACK WORK TO SAVEPOINT a", False),
        ("ROLLBACK TRANSACTION TO a", False),
        ("COMMIT PREPARED 'a'", False),
        ("ROLLBACK PREPARED 'a'", False),
        ("PREPARE a AS SELECT 1", False),
        ("SAVEPOINT a", False),
        ("RELEASE a", False),
        ("BEGIN", False),
    ],
)
def test_what_ends_its_transaction_is_told_from_what_does_not(text: str, ends: bool) -> None:
    [statement] = sql_statements.statements(text)
    assert sql_statements.ends_transaction(statement) is ends


@pytest.mark.parametrize(
    ("text", "kind", "table", "columns", "name"),
    [
        ('create index "I" on only public.T using gin (a, lower(b))', Kind.ADD_INDEX, "t", ("a", "b"), "I"),
        ("CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS i ON t (a) WHERE b", Kind.ADD_INDEX, "t", ("a",), "i"),
        ("DROP INDEX IF EXISTS s.i", Kind.DROP_INDEX, "", (), "i"),
        ("DROP TABLE IF EXISTS t", Kind.DROP_TABLE, "t", (), ""),
        ("ALTER TABLE t ADD COLUMN IF NOT EXISTS a int", Kind.ADD_COLUMN, "t", ("a",), ""),
        ("ALTER TABLE t ADD a int", Kind.ADD_COLUMN, "t", ("a",), ""),
        ("ALTER TABLE ONLY t DROP a", Kind.DROP_COLUMN, "t", ("a",), ""),
        ("ALTER TABLE t DROP CONSTRAINT IF EXISTS c", Kind.DROP_CONSTRAINT, "t", (), "c"),
        ("ALTER TABLE t ADD CONSTRAINT c CHECK (a > 0) NOT VALID", Kind.ADD_CHECK, "t", ("a",), "c"),
        ("ALTER TABLE t ADD CONSTRAINT c UNIQUE (a, b)", Kind.ADD_UNIQUE, "t", ("a", "b"), "c"),
        ("ALTER TABLE t VALIDATE CONSTRAINT c", Kind.VALIDATE_CONSTRAINT, "t", (), "c"),
        ("ALTER TABLE t ALTER a SET NOT NULL", Kind.SET_NOT_NULL, "t", ("a",), ""),
        ("ALTER TABLE t ALTER COLUMN a SET DATA TYPE bigint", Kind.ALTER_TYPE, "t", ("a",), ""),
        ("ALTER TABLE t RENAME a TO b", Kind.RENAME_COLUMN, "t", ("b",), "b"),
        ("ALTER TABLE t RENAME TO u", Kind.RENAME_TABLE, "t", (), "u"),
        ("UPDATE ONLY t SET a = 1", Kind.UPDATE_ROWS, "t", (), ""),
        ("DELETE FROM t", Kind.UPDATE_ROWS, "t", (), ""),
    ],
)
def test_a_plain_statement_becomes_a_change(
    text: str, kind: Kind, table: str, columns: tuple[str, ...], name: str
) -> None:
    [change] = changes(text)
    assert (change.kind, change.table, change.columns, change.name) == (kind, table, columns, name)


def test_several_actions_become_several_changes() -> None:
    found_changes = changes("ALTER TABLE t ADD a numeric(10, 2) NOT NULL DEFAULT 0, DROP b, ADD UNIQUE (c, d)")
    assert [change.kind for change in found_changes] == [Kind.ADD_COLUMN, Kind.DROP_COLUMN, Kind.ADD_UNIQUE]


def test_how_a_thing_is_done_is_seen() -> None:
    assert changes("CREATE INDEX CONCURRENTLY i ON t (a)")[0].concurrently
    assert changes("ALTER TABLE t ADD CHECK (a > 0) NOT VALID")[0].not_valid
    assert changes("ALTER TABLE t ADD CONSTRAINT c UNIQUE USING INDEX i")[0].using_index
    assert changes("ALTER TABLE t ADD a uuid DEFAULT gen_random_uuid()")[0].default == "volatile"
    assert changes("ALTER TABLE t ADD a timestamptz DEFAULT now()")[0].default == "constant"
    assert changes("ALTER TABLE t ADD a int GENERATED ALWAYS AS (b * 2) STORED")[0].stored
    assert changes("ALTER TABLE t ADD a bigserial")[0].identity
    assert changes("ALTER TABLE t ADD FOREIGN KEY (a) REFERENCES s.u (id)")[0].references == 's"."u'


@pytest.mark.parametrize("text", ["SELECT 1", "ALTER TABLE t", "ALTER TABLE t ADD", "CREATE INDEX", "DROP", "UPDATE"])
def test_what_is_not_known_or_breaks_off_is_left_alone(text: str) -> None:
    changes(text)


@pytest.mark.parametrize(
    "text",
    [
        "CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS i ON ONLY s.t USING gin (a, lower(b)) WHERE c",
        "ALTER TABLE IF EXISTS ONLY t ADD CONSTRAINT c FOREIGN KEY (a) REFERENCES u (b) NOT VALID, RENAME a TO b",
        "ALTER TABLE t ALTER COLUMN a SET DATA TYPE numeric(10, 2) USING a::numeric, DROP COLUMN IF EXISTS b CASCADE",
        "DO $x$ BEGIN; 'a' \"b\" /* c */ -- d\n $x$; SELECT E'\\''",
    ],
)
def test_text_that_breaks_off_anywhere_is_read_without_an_error(text: str) -> None:
    for length in range(len(text)):
        for statement in sql_statements.statements(text[:length]):
            sql_changes.of(statement.text)


def changes(text: str) -> tuple[Change, ...]:
    [statement] = sql_statements.statements(text)
    return sql_changes.of(statement.text)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("CREATE ROLE x PASSWORD 'secret'", "CREATE ROLE x PASSWORD '…'"),
        ("SELECT E'se\\'cret', U&'secret', 'se''cret'", "SELECT '…', '…', '…'"),
        ("DO $$ secret $$; DO $a$ secret $$ secret $a$", "DO '…'; DO '…'"),
        ('UPDATE "it\'s" SET a = %s --secret\n, b = $1 /* /* */ secret */', 'UPDATE "it\'s" SET a = %s , b = $1'),
        ("SELECT 'secret\n secret", "SELECT '…'"),
        ("SELECT E'secret", "SELECT E'…'"),
        ("DO $$ secret", "DO '…'"),
    ],
)
def test_literals_are_left_out(text: str, shown: str) -> None:
    assert sql_statements.without_literals(text) == shown


# What may stand between any two words, and says something else to who does not know what it is.
BETWEEN = (
    " /* ; ' $$ */ ",
    ' -- ; " $a$ /*\n',
    "\n\t",
    " /* /* ; */ */ ",
    " || ';--' ",
    ' AS "a;b" ',
    " || $q$;'$q$ ",
    " || E'\\';' ",
)
WHOLE = (
    f"{FUNCTION} SELECT CASE WHEN true THEN 1 END ; SELECT 2 AS end ; END",
    "CREATE RULE r AS ON DELETE TO t DO ALSO ( DELETE FROM a ; DELETE FROM b )",
    "DO $x$ BEGIN PERFORM ';' ; END $x$",
    "SELECT U&'d\\0061t;' , 'it''s ; ' , b'1' , 1e5 , a . end FROM t",
    'UPDATE "a;b" SET "c""d;" = $1 WHERE e = ANY ( ARRAY [ 1 , 2 ] )',
)


def test_it_tells_statements_apart_as_the_parser_does() -> None:
    """On texts drawn by lot, the same each time, of which PostgreSQL's parser takes many."""
    drawn = random.Random(11)
    said = [line.strip() for group in sql_cases.GROUPS.values() for line in group.splitlines() if line.strip()]
    compared = 0
    for _ in range(1500):
        parts = []
        for statement in drawn.choices([*said, *WHOLE], k=drawn.randint(1, 4)):
            words = statement.split(" ")
            for _ in range(drawn.randint(0, 2)):
                words.insert(drawn.randint(0, len(words)), drawn.choice(BETWEEN))
            parts.append(" ".join(words))
        text = drawn.choice((";", " ; ", ";;\n", "; -- ;\n")).join(parts)
        parsed = sql_parser.parse(text)
        if parsed is not None:
            compared += 1
            found = [part.text for part in sql_statements._split(text)]
            assert found == [one_parsed.text for one_parsed in parsed if one_parsed.text], text
    assert compared > 400, "the parser took too few of them"
