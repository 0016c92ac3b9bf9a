"""Others may create objects in a schema of the search path: nothing of theirs is called by what Lockgate sends."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

import lockgate
from lockgate.database.sql import read
from tests.support import databases, guests
from tests.support.databases import Database
from tests.support.sites import Site

SOURCES = Path(lockgate.__file__).parent
PINNED = "SET LOCAL search_path = pg_catalog;"  # nothing else is found then
FILES = {path.stem: path.read_text() for path in (SOURCES / "database/sql").glob("*.sql")}
RESOLVED = sorted(name for name, text in FILES.items() if PINNED not in text)
# As psycopg and libpq send them: a text is of no type until PostgreSQL decides, and a number is a number.
NUMBERS = {
    "age": 0.5,
    "pid": 1,
    "oid": 16500,
    "high": 1,
    "low": 1,
    "key": 1 << 40,
    "run": 1,
    "step": 1,
    "seconds": 0.5,
    "attempts": 1,
}
TIMES = {"applied": "2026-01-01", "ended_at": "2026-01-01", "started_at": "2026-01-01", "since": "2026-01-01"}
VALUES = {
    **NUMBERS,
    **TIMES,
    "columns": ["a"],
    "names": ["a"],
    "tables": "{1}",
    "places": ["a"],
    "wanted": ["a"],
    "yielding": ["a"],
    "measure": True,
}
PROCESS = ("snapshot_loaded", "5")  # the only parameter of libpq's that is a number; "{}" is a text, a list and JSON
COMMENT = re.compile(r"--.*")
SQL = re.compile(r"\s*(SELECT|WITH|INSERT|UPDATE|DELETE) ")
CALL = re.compile(r"(?<![\w.])([a-z_0-9]+)\(")
# Grammar, for which no name is looked up; and what is only told to people.
NO_FUNCTIONS = {"coalesce", "nullif", "extract", "greatest", "least", "cast", "pg_terminate_backend"}


@pytest.fixture(scope="module")
def connection(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[psycopg.Connection[Any]]:
    with databases.another() as database:
        assert Site(tmp_path_factory.mktemp("guests"), database).migrate().code == 0
        guests.prepare(database)
        with database.connect() as opened:
            yield opened


@pytest.mark.parametrize("name", RESOLVED)
@pytest.mark.parametrize("shadowed", [True, False], ids=["first_on_the_path", "after_pg_catalog"])
def test_no_statement_calls_what_a_guest_has_made(
    connection: psycopg.Connection[Any], name: str, shadowed: bool
) -> None:
    assert guests.captured(connection, _bound(connection, name), shadowed=shadowed) == set()


@pytest.mark.parametrize(
    ("statement", "shadowed", "found"),
    [
        ("SELECT FROM pg_catalog.pg_class WHERE oid >= 16384", False, "operator guest.>=(oid,integer)"),
        (
            "SELECT FROM lockgate_run WHERE release_digest = pg_catalog.now()::text",
            False,
            "operator guest.=(character varying,text)",
        ),
        (
            "SELECT FROM lockgate_run WHERE outcome IN ('failed')",
            False,
            "operator guest.=(character varying,character varying)",
        ),
        ("SELECT 'a'::text", True, "type guest.text"),
        ("SELECT FROM pg_locks", True, "table guest.pg_locks"),
    ],
)
def test_what_would_call_it_is_seen(
    connection: psycopg.Connection[Any], statement: str, shadowed: bool, found: str
) -> None:
    assert found in guests.captured(connection, statement, shadowed=shadowed)


def test_a_guest_of_a_writable_schema_becomes_nobody_else_at_a_start(database: Database, tmp_path: Path) -> None:
    """As on servers before PostgreSQL 15, where everybody may create in ``public``; the gate's role is a superuser."""
    guest = f"guest_{database.name}"
    signatures = ("concat_ws(text, text, text)", "concat_ws(text, bigint, text, text, bigint)", "concat(text, name)")
    database.execute(f"CREATE ROLE {guest}", "GRANT CREATE ON SCHEMA public TO PUBLIC")
    try:
        with database.connect() as connection:
            connection.execute(f"SET ROLE {guest}")
            for signature in signatures:
                connection.execute(f"""
                    CREATE FUNCTION public.{signature} RETURNS text LANGUAGE plpgsql AS
                    $$ BEGIN EXECUTE 'ALTER ROLE {guest} SUPERUSER'; RETURN ''; END $$
                """)
        site = Site(tmp_path, database)
        assert site.migrate().code == 0
        assert site.migrate().code == 0
        assert database.value("SELECT NOT rolsuper FROM pg_roles WHERE rolname = %s", [guest])
    finally:
        database.execute(f"DROP OWNED BY {guest} CASCADE", f"DROP ROLE {guest}")


def test_functions_are_called_by_their_full_names() -> None:
    unqualified = {
        f"{path.relative_to(SOURCES)}: {name}"
        for path, statement in _statements()
        for name in CALL.findall(re.sub(r"'[^']*'", "''", COMMENT.sub("", statement)))
        if name not in NO_FUNCTIONS
    }
    assert unqualified == set()


def _bound(connection: psycopg.Connection[Any], name: str) -> str:
    statement = COMMENT.sub("", read(name)).strip().removesuffix(";")
    wanted = {each: VALUES.get(each, "x") for each in re.findall(r"%\((\w+)\)s", statement)}
    if wanted:
        statement = psycopg.ClientCursor(connection).mogrify(statement, wanted)
    return re.sub(r"\$(\d)", lambda found: "'1'" if (name, found[1]) == PROCESS else "'{}'", statement)


def _statements() -> Iterator[tuple[Path, str]]:
    for name in RESOLVED:
        yield SOURCES / "database/sql" / name, FILES[name]
    for path in SOURCES.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and SQL.match(node.value):
                yield path, node.value
