"""What others wrote (rows, the server, other sessions) in messages, in the ledger, and on a terminal."""

from __future__ import annotations

import contextlib
import json
import re
import secrets
import time
from collections.abc import Iterator

import psycopg
import pytest

from lockgate.database.advisory_lock import KEY
from lockgate.facts import Holder
from tests.postgres.test_lock_retry import CREATE
from tests.support.databases import Database
from tests.support.sites import Site, finish

OBEYED = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e]")  # what no output may have
SECRET = "ada@example.org"  # a value of a row
MAIL = 'migrations.AddField("Counter", "mail", models.CharField(max_length=40, null=True, unique=True))'
TWICE = f"INSERT INTO shop_counter (value, mail) VALUES (1, '{SECRET}')"
INSERTED = f'migrations.RunSQL(["{TWICE}", "{TWICE}"])'
CODE = """
VALUE = "@".join(("ada", "example.org"))  # a traceback shows lines of code

def insert(apps, schema_editor):
    schema_editor.execute("INSERT INTO shop_counter (value, mail) VALUES (1, %s)", [VALUE])
    schema_editor.execute("INSERT INTO shop_counter (value, mail) VALUES (1, %s)", [VALUE])

def wrap(apps, schema_editor):
    try:
        insert(apps, schema_editor)
    except Exception as error:
        raise ValueError(f"cannot insert: {error!r} {error}") from None

def swallow(apps, schema_editor):
    schema_editor.execute("CREATE FUNCTION boom(text) RETURNS int LANGUAGE plpgsql AS $$ BEGIN RETURN $1::int; END $$")
    schema_editor.execute("SELECT boom(%s)", [VALUE])
"""
KINDS = {
    "key": (INSERTED, 'duplicate key value violates unique constraint "shop_counter_mail_key"'),
    "parameters": ("migrations.RunPython(insert)", 'in table "shop_counter"'),
    "wrapped": ("migrations.RunPython(wrap)", "cannot insert: IntegrityError("),
    "row": (f"migrations.RunSQL(\"INSERT INTO shop_counter (id, value, mail) VALUES (9, NULL, '{SECRET}')\")", "null"),
    "datum": (f"migrations.RunSQL(\"SELECT '{SECRET}'::int\")", "invalid text representation"),
    "context": ("migrations.RunPython(swallow)", "invalid text representation"),
    "token": (f"migrations.RunSQL(\"ALTER ROLE postgres '{SECRET}'\")", "syntax error at or near"),
    "excerpt": (f"migrations.RunSQL(\"SELECT '{SECRET}' FROM nowhere\")", 'relation "nowhere" does not exist'),
}


@pytest.fixture
def counter(site: Site) -> Site:
    site.migration("0001_initial", CREATE.format("Counter"), MAIL)
    assert site.migrate().code == 0
    return site


def kept(site: Site) -> str:
    """All that the ledger and the journal say."""
    runs = "SELECT string_agg(lockgate_run::text, ' ') FROM lockgate_run"
    steps = "SELECT coalesce(string_agg(lockgate_journalentry::text, ' '), '') FROM lockgate_journalentry"
    return str(site.database.value(runs)) + str(site.database.value(steps))


@pytest.mark.parametrize("atomic", ["True", "False"])
@pytest.mark.parametrize(("operation", "says"), KINDS.values(), ids=KINDS)
def test_an_error_is_told_without_values(counter: Site, operation: str, says: str, atomic: str) -> None:
    counter.migration("0002_data", operation, imports=CODE, atomic=atomic)
    result = counter.migrate()
    assert result.code == 1
    assert says in result.err
    assert SECRET not in result.text + kept(counter)


@pytest.mark.parametrize("arguments", [("--log-format", "json"), ("--traceback",)], ids=["json", "traceback"])
@pytest.mark.parametrize("operation", ["migrations.RunPython(wrap)", "migrations.RunPython(insert)"])
def test_no_other_way_tells_values(counter: Site, operation: str, arguments: tuple[str, ...]) -> None:
    counter.migration("0002_data", operation, imports=CODE)
    result = counter.migrate(*arguments)
    assert "duplicate key value violates unique constraint" in result.err
    assert SECRET not in result.text


def test_what_is_left_out_is_said_and_shown_where_a_setting_allows_it(counter: Site) -> None:
    counter.migration("0002_data", INSERTED)
    assert "LOCKGATE_SHOW_VALUES=true" in counter.migrate().err
    assert f"DETAIL:  Key (mail)=({SECRET}) already exists." in counter.migrate(LOCKGATE_SHOW_VALUES="true").err
    assert SECRET in kept(counter)


def test_a_detail_that_names_objects_is_told(counter: Site) -> None:
    counter.database.execute("CREATE VIEW seen AS SELECT mail FROM shop_counter")
    counter.migration("0002_drop", 'migrations.RunSQL("ALTER TABLE shop_counter DROP COLUMN mail")')
    assert "DETAIL:  view seen depends on column mail of table shop_counter" in counter.migrate().err


ADD_COLUMN = 'migrations.AddField("Counter", "note", models.IntegerField(null=True))'
CLAIM = "lockgate 20260101T000000Z release9 example.org"
BUILD = 'AddIndexConcurrently("Counter", models.Index(fields=["value"], name="counter_value"))'
OF_OTHERS = f"SELECT count(*), '{SECRET}' FROM shop_counter"


@pytest.mark.parametrize(
    ("statement", "command"),
    [(OF_OTHERS, "SELECT"), (f"/* {SECRET} */ {OF_OTHERS}", ""), (f"WITH a AS ({OF_OTHERS}) TABLE a", "WITH")],
    ids=["plain", "comment", "with"],
)
@pytest.mark.parametrize("form", ["text", "json"])
def test_a_blockers_statement_is_not_told(counter: Site, statement: str, command: str, form: str) -> None:
    counter.migration("0002_note", ADD_COLUMN)
    with counter.database.connect() as blocker:
        role = blocker.info.user
        blocker.execute("BEGIN")
        blocker.execute(statement)
        result = counter.migrate(
            "--log-format", form, LOCKGATE_LOCK_ATTEMPTS_SECONDS="1.5", LOCKGATE_LOCK_REPORT_SECONDS="0.5"
        )
    assert result.code == 1
    assert "waits, out of the way of others, for pid" in result.out
    assert SECRET not in result.text.lower()
    assert f'role "{role}"' in result.err.replace('\\"', '"')
    assert (f"last {command}" in result.err) == bool(command)


def test_the_statement_of_whoever_a_build_waits_for_is_not_told(counter: Site) -> None:
    imports = "from django.contrib.postgres.operations import AddIndexConcurrently"
    counter.migration("0002_build", BUILD, atomic="False", imports=imports)
    with counter.database.connect() as other:
        role = other.info.user
        other.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        other.execute(OF_OTHERS)
        runner = counter.start("migrate", "--noinput", "--log-format", "json")
        said = next(line for line in runner.stdout or () if "step_progress" in line and '"pid"' in line)
        other.execute("ROLLBACK")
        assert finish(runner).code == 0
    assert SECRET not in said
    (blocker,) = json.loads(said)["blockers"]
    assert blocker["command"] == "SELECT"
    assert blocker["role"] == role


@pytest.mark.parametrize("arguments", [("migrate", "--plan"), ("migrate", "--plan", "--log-format", "json")])
def test_a_plan_tells_no_session_s_statement(counter: Site, arguments: tuple[str, ...]) -> None:
    counter.migration("0002_note", ADD_COLUMN)
    with counter.database.connect() as other:
        other.execute("BEGIN")
        other.execute(OF_OTHERS)
        time.sleep(5.5)  # policy.SESSION_OF_INTEREST
        result = counter.run(*arguments)
        assert str(other.info.backend_pid) in result.text
    assert SECRET not in result.text


def test_a_guest_with_the_lock_is_told_as_that_whatever_it_calls_itself(counter: Site) -> None:
    counter.migration("0002_note", ADD_COLUMN)
    with guest(counter.database) as (name, url), psycopg.connect(url, application_name=CLAIM) as session:
        session.execute("SELECT pg_advisory_lock(%s)", [KEY])
        result = counter.migrate(LOCKGATE_LOCK_WAIT_SECONDS="2")
        pid = session.info.backend_pid
    assert result.code == 1
    assert "release9" not in result.text
    assert f'held by pid {pid} (role "{name}", which may not write what is applied' in result.out
    assert "no session of Lockgate's" in result.err
    assert f"SELECT pg_terminate_backend({pid});" in result.err
    assert "REVOKE CONNECT ON DATABASE" in result.err


def test_a_role_that_may_migrate_is_believed(counter: Site) -> None:
    counter.migration("0002_note", ADD_COLUMN)
    with guest(counter.database) as (name, url), psycopg.connect(url, application_name=CLAIM) as session:
        counter.database.execute(f'GRANT INSERT ON django_migrations TO "{name}"')
        session.execute("SELECT pg_advisory_lock(%s)", [KEY])
        result = counter.migrate(LOCKGATE_LOCK_WAIT_SECONDS="2")
        counter.database.execute(f'REVOKE INSERT ON django_migrations FROM "{name}"')
    assert "release release9 on example.org, since 2026-01-01 00:00:00 UTC" in result.err


def test_a_prepared_transaction_with_the_lock_is_told_as_that() -> None:
    holder = Holder(None, None, None, None, None, None, "", None, able=False)
    assert str(holder) == "a prepared transaction, which is none of Lockgate's"


@contextlib.contextmanager
def guest(database: Database) -> Iterator[tuple[str, str]]:
    """A role that may connect, and nothing else, and its URL."""
    name, password = f"guest_{secrets.token_hex(4)}", secrets.token_hex(8)
    database.execute(f"CREATE ROLE \"{name}\" LOGIN PASSWORD '{password}'")
    try:
        yield name, database.url_as(user=name, password=password)
    finally:
        database.execute(f'DROP ROLE "{name}"')


TITLE = "\x1b]0;owned\x07"
HOSTILE = f"{TITLE}\nerror: all is well\r\x9b2J\u202e\x00{'x' * 10_000_000}end"
RAISING = f"""
def fail(apps, schema_editor):
    raise ValueError({HOSTILE[:-10_000_003]!r} + "x" * 10_000_000 + "end")

def exit(apps, schema_editor):
    raise SystemExit({HOSTILE[:-10_000_003]!r} + "x" * 10_000_000 + "end")

def answer(apps, schema_editor):
    text = {HOSTILE[:-10_000_003]!r}.replace(chr(0), "") + "x" * 10_000_000 + "end"
    schema_editor.execute("DO $body$ BEGIN RAISE EXCEPTION USING MESSAGE = convert_from(decode('" +
        text.encode().hex() + "', 'hex'), 'UTF8'); END $body$")

def relation(apps, schema_editor):
    schema_editor.execute('SELECT * FROM "' + {TITLE!r} + '"')
"""


# What stands behind the foreign text, however long that is.
WHERE = {"fail": ", in fail", "exit": ", in exit", "answer": "(SQLSTATE P0001)", "relation": "(SQLSTATE 42P01)"}


@pytest.mark.parametrize("form", [("--log-format", "text"), ("--log-format", "json"), ("--traceback",)])
@pytest.mark.parametrize("code", WHERE)
def test_no_foreign_text_moves_a_terminal_or_fills_a_log(counter: Site, code: str, form: tuple[str, ...]) -> None:
    counter.migration("0002_hostile", f"migrations.RunPython({code})", imports=RAISING, atomic="False")
    result = counter.migrate(*form)
    assert result.code == 1
    assert "]0;owned" in result.err
    assert WHERE[code] in result.err or "--traceback" in form
    assert code == "relation" or re.search(r"… \(999\d{4} characters more\)", result.err)
    assert not OBEYED.search(result.text)
    assert len(result.text) < 60_000
    assert "error: all is well" not in [line.strip()[:18] for line in result.err.splitlines() if line[:1] != " "]
    ((state, error),) = counter.database.rows("SELECT state, error FROM lockgate_journalentry WHERE app = 'shop'")
    assert state == "failed"
    assert "]0;owned" in error
    listed = counter.run("showmigrations").text + counter.run("showmigrations", "--history").text
    assert "]0;owned" in listed
    assert not OBEYED.search(listed + counter.run("lockgate", "repair").text)


def test_what_the_ledger_has_of_others_moves_no_terminal(counter: Site) -> None:
    raw = f"E'{TITLE}\\n all is well'".replace("\x1b", "\\x1b").replace("\x07", "\\x07")
    counter.database.execute(
        f"INSERT INTO django_migrations (app, name, applied) VALUES ('shop', {raw}, now())",
        f"UPDATE lockgate_run SET error = {raw}, host = {raw}, release = {raw}",
    )
    counter.migration("0002_note", ADD_COLUMN)
    for arguments in (["showmigrations"], ["showmigrations", "--history"], ["migrate", "--plan"], ["migrate"]):
        result = counter.run(*arguments)
        assert "]0;owned" in result.text or "--plan" in arguments
        assert not OBEYED.search(result.text)
        assert not any(line.startswith(" all is well") for line in result.text.splitlines())


def test_names_of_roles_and_tables_move_no_terminal(counter: Site) -> None:
    counter.migration("0002_note", ADD_COLUMN)
    with counter.database.connect() as blocker:
        blocker.execute(f"SET application_name = '{TITLE}'")
        blocker.execute("BEGIN")
        blocker.execute("SELECT count(*) FROM shop_counter")
        result = counter.migrate(LOCKGATE_LOCK_ATTEMPTS_SECONDS="1")
    assert "owned" in result.err
    assert not OBEYED.search(result.text)


def test_a_name_of_a_file_moves_no_terminal_in_lines_of_djangos(counter: Site) -> None:
    counter.migration(f"0002_{TITLE}", "migrations.RunSQL('SELECT 1')")
    for command in (("showmigrations", "--plan"), ("migrate", "--plan"), ("migrate", "--check", "--plan")):
        result = counter.run(*command)
        assert "]0;owned" in result.out, result.text
        assert not OBEYED.search(result.text)


MODEL = f"""
from django.db import models

class Counter(models.Model):
    id = models.BigAutoField(primary_key=True)
    value = models.IntegerField(default=0)
    mail = models.CharField(max_length=40, null=True, unique=True)
    note = models.CharField(max_length=40, db_default={TITLE!r})

    class Meta:
        indexes = [models.Index(fields=["value"], name={f"a{TITLE}"!r})]
"""
UPDATE = f"UPDATE shop_counter SET note = '{TITLE}'"
# What is to be run of what is shown, and so as it is.
EXACT = [("sqlmigrate", "shop", "0003"), ("lockgate", "roles", "--sql", "--owner", TITLE, "--service", "service")]
SHOWS_NAMES = [
    ("makemigrations", "--check", "--dry-run"),
    ("makemigrations", "--name", "hostile", "--dry-run", "-v", "3"),
    ("makemigrations", "--name", "hostile"),
    (
        "lockgate",
        "lint",
    ),
    *(("lockgate", "lint", "--format", each) for each in ("json", "github", "sarif")),
    ("migrate", "--plan"),
    ("migrate", "--plan", "--format", "json"),
    ("migrate", "shop", "0002", "--log-format", "json"),
    ("migrate", "-v", "2"),
    ("showmigrations",),
    ("showmigrations", "--plan", "-v", "2"),
    ("showmigrations", "--format", "json"),
    ("showmigrations", "--history"),
    ("lockgate", "manifest", "--output", f"{TITLE}.json"),
    ("lockgate", "manifest", "--output", f"{TITLE}.json", "--check"),
    ("lockgate", "wait", "--timeout-seconds", "1", "--log-format", "json"),
    ("lockgate", "repair"),
]
NAMELESS = [("migrate", "shop", "0002", "--log-format", "json"), ("showmigrations", "--history"), *SHOWS_NAMES[-2:]]


def test_names_and_sql_of_the_project_move_no_terminal_whatever_shows_them(counter: Site) -> None:
    (counter.path / "shop" / "models.py").write_text(MODEL)
    for command in SHOWS_NAMES:
        result = counter.run(*command)
        assert "owned" in result.text or command in NAMELESS, result.text
        assert not OBEYED.search(result.text), command
        if command == ("makemigrations", "--name", "hostile"):
            counter.migration(f"0003_{TITLE}", f"migrations.RunSQL({UPDATE!r})")
    for command in EXACT:
        result = counter.run(*command)
        assert TITLE in result.out, result.text
