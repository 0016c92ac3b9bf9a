"""pg_dump's output, read statement by statement, and made fit for another server."""

from __future__ import annotations

import io

import pytest

from lockgate.snapshot import pg_dump_output

WHOLE = [
    "SELECT 1;",
    "SELECT 'a;b', 'it''s; so';",
    "SELECT E'it\\'s; \\\\', 1;",
    'SELECT "a;b", "x""y;";',
    "SELECT $$a;\n\nb$$, $tag$c; $$ d;\n$tag$;",
    "SELECT name$1 FROM a$b$c;",
    "SELECT 1 -- a; comment\n, 2;",
    "SELECT /* a; /* nested; */ still; */ 1;",
    "CREATE RULE r AS ON DELETE TO t DO ALSO (INSERT INTO a VALUES (1); INSERT INTO b VALUES (';'));",
    "CREATE FUNCTION public.f() RETURNS integer\n    LANGUAGE sql\n    BEGIN ATOMIC\n"
    " SELECT CASE WHEN true THEN 1 END;\n SELECT 2;\nEND;",
    "CREATE FUNCTION public.begin() RETURNS integer LANGUAGE sql AS 'SELECT 1;';",
    "INSERT INTO t VALUES\n\t(1, 'two\n\nlines; \\restrict\n-- Name: x'),\n\t(2, 'it''s');",
    "COMMENT ON TABLE t IS 'BEGIN; END;';",
    "CREATE PROCEDURE p()\n    BEGIN ATOMIC\n INSERT INTO t VALUES ('END; begin');\nEND;",
]


def statements(text: str) -> list[str]:
    return list(pg_dump_output.split(io.StringIO(text)))


@pytest.mark.parametrize("statement", WHOLE)
def test_a_statement_ends_where_it_ends(statement: str) -> None:
    assert statements(f"{statement}\n\n--\n-- Name: x; Type: y\n--\n\n{WHOLE[0]}\n") == [statement, WHOLE[0]]


def test_all_of_them_one_after_the_other() -> None:
    assert statements("\n".join(WHOLE)) == WHOLE


@pytest.mark.parametrize("read", [1, 20, 300])
def test_it_does_not_matter_where_reading_stops(monkeypatch: pytest.MonkeyPatch, read: int) -> None:
    """In the middle of a quote, a comment or a body, too."""
    monkeypatch.setattr(pg_dump_output, "READ", read)
    assert statements("\n\n-- x; '\n\n".join(["\\restrict a", *WHOLE])) == WHOLE


def test_comments_and_commands_of_psql_between_statements_are_left_out() -> None:
    text = "--\n-- PostgreSQL database dump\n--\n\n\\restrict abc\n\nSELECT 1;\n\n\n\\unrestrict abc\n"
    assert statements(text) == ["SELECT 1;"]


def cleaned(*given: str, role: str = "owner") -> tuple[list[str], list[str]]:
    found_cleaned = pg_dump_output.Cleaned(role)
    return list(found_cleaned.statements(io.StringIO("\n".join(given) + "\n"))), found_cleaned.unkept


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("SET statement_timeout = 0;", None),
        ("SET transaction_timeout = 0;", None),
        ("SET client_encoding = 'UTF8';", None),
        ("SET default_tablespace = '';", None),
        ("SET check_function_bodies = false;", "SET LOCAL check_function_bodies = false;"),
        ("SET default_table_access_method = heap;", "SET LOCAL default_table_access_method = heap;"),
        (
            "SELECT pg_catalog.set_config('search_path', '', false);",
            "SELECT pg_catalog.set_config('search_path', '', true);",
        ),
        ("COMMENT ON EXTENSION vector IS 'a type';", None),
        ("BEGIN;", None),
        ("COMMIT;", None),
        ("ALTER TABLE public.t OWNER TO owner;", None),
        ('ALTER TABLE public.t OWNER TO "owner";', None),
        ("ALTER TABLE public.t ADD CONSTRAINT c CHECK (a = ' OWNER TO x;');",) * 2,
        ("CREATE EXTENSION IF NOT EXISTS vector WITH SCHEMA public;",) * 2,
    ],
)
def test_what_would_stay_in_force_or_needs_an_owner_is_taken_out(given: str, kept: str | None) -> None:
    assert cleaned(given) == ([kept] if kept else [], [])


@pytest.mark.parametrize(
    "statement",
    [
        "GRANT SELECT ON TABLE public.t TO reader;",
        "REVOKE ALL ON TABLE public.t FROM owner;",
        "ALTER DEFAULT PRIVILEGES FOR ROLE owner IN SCHEMA public GRANT SELECT ON TABLES TO reader;",
        "ALTER FUNCTION public.f(a text) OWNER TO another;",
        "SET default_tablespace = fast;",
        "CREATE SUBSCRIPTION s CONNECTION 'password=secret' PUBLICATION p WITH (connect = false);",
        "CREATE USER MAPPING FOR owner SERVER other OPTIONS (password 'secret');",
    ],
)
def test_what_belongs_to_one_server_is_named(statement: str) -> None:
    assert cleaned(statement, WHOLE[0]) == ([WHOLE[0]], [statement])


def test_a_condition_on_a_list_of_texts_is_read_back_as_it_was() -> None:
    given = "CHECK (((kind)::text = ANY ((ARRAY['a'::character varying, 'it''s'::character varying])::text[])))"
    ((kept,), _) = cleaned(f"ALTER TABLE t ADD CONSTRAINT c {given};")
    assert "ANY (((ARRAY['a'::character varying, 'it''s'::character varying])::character varying[])::text[])" in kept


@pytest.mark.parametrize(
    "begin", ["INSERT INTO t SELECT $x$", "COMMENT ON TABLE t IS ($x$", "CREATE FUNCTION f() AS ($x$"]
)
def test_what_only_looks_like_one_in_data_is_left_alone(begin: str) -> None:
    statement = f"{begin} $x$(ARRAY['a'::character varying])::text[]$x$;"
    assert cleaned(statement) == ([statement], [])


def test_the_count_that_a_build_of_postgres_keeps_of_a_columns_changes_is_left_out() -> None:
    counted = "ALTER TABLE ONLY public.shop ALTER COLUMN id SET (pg_attver={});"
    kept = "ALTER TABLE ONLY public.shop ALTER COLUMN id SET (n_distinct=5);"
    first, second = (pg_dump_output.Cleaned("owner") for _ in range(2))
    assert list(first.statements([f"{counted.format(1)}\n", f"{kept}\n"])) == [kept]
    assert list(second.statements([f"{counted.format(7)}\n", f"{kept}\n"])) == [kept]
    assert first.unkept == []
