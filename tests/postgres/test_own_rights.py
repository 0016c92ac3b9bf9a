"""Nobody but their owner may write Lockgate's own tables: what is in the journal runs with the owner's rights."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import psycopg
import pytest

from tests.support import roles
from tests.support.databases import Database
from tests.support.quick import age
from tests.support.roles import Roles
from tests.support.sites import ADD_COLUMN, CREATE_COUNTER, Site

TABLES = (
    "lockgate_run",
    "lockgate_checkpoint",
    "lockgate_failure",
    "lockgate_migrationrecord",
    "lockgate_journalentry",
    "lockgate_effect",
)
# The statement of a kept default's end: what `migrate --contract` would run as the owner.
FORGED = """
INSERT INTO lockgate_journalentry (run_id, app, name, ordinal, phase, title, kind, sql, committed)
SELECT id, 'shop', '0001_counter', 0, 'finish', '', '', 'ALTER ROLE {0} SUPERUSER', true
FROM lockgate_run LIMIT 1
"""
WRITING = [
    "INSERT INTO lockgate_checkpoint (run_id, history_digest) VALUES (1, '')",
    "UPDATE lockgate_journalentry SET sql = ''",
    "DELETE FROM lockgate_migrationrecord",
    "TRUNCATE lockgate_journalentry",
    "SELECT nextval('lockgate_run_id_seq')",
    "CREATE TRIGGER t BEFORE INSERT ON lockgate_run FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()",
]


@pytest.fixture
def two(database: Database) -> Iterator[Roles]:
    with roles.two(database) as found_roles:
        database.execute(
            f"GRANT CREATE, USAGE ON SCHEMA public TO {found_roles.owner}",
            *(
                f"ALTER DEFAULT PRIVILEGES GRANT ALL ON {each} TO {found_roles.service}, PUBLIC"
                for each in ("TABLES", "SEQUENCES")
            ),
        )
        yield found_roles


def refused(two: Roles, statement: str) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        two.as_service(statement)


def assert_closed(two: Roles) -> None:
    """The service reads all of the ledger, and writes none of it."""
    for table in TABLES:
        two.as_service(f"SELECT count(*) FROM {table}")
    two.as_service("SELECT count(*) FROM django_migrations")
    refused(two, "DELETE FROM django_migrations")
    for statement in (FORGED.format(two.service), *WRITING):
        refused(two, statement)


def test_default_privileges_do_not_let_a_service_write_the_ledger(site: Site, two: Roles) -> None:
    site.migration("0001_counter", CREATE_COUNTER)
    result = site.migrate()
    assert result.code == 0, result.text
    assert "could write" not in result.text  # nobody ever could
    assert_closed(two)
    two.as_service("INSERT INTO shop_counter (value) VALUES (1)")  # what the project has given is the project's


def test_the_rights_are_taken_where_the_tables_are_made_by_name(site: Site, two: Roles) -> None:
    assert site.migrate("lockgate").code == 0
    assert_closed(two)


def test_who_may_write_a_history_that_is_there_already_may_still(site: Site, two: Roles) -> None:
    """Another project's migrator, perhaps: what is in django_migrations is not all Lockgate's."""
    assert Site(site.path, site.database, stock=True).migrate().code == 0
    site.write_settings()
    assert site.migrate().code == 0
    two.as_service("UPDATE django_migrations SET applied = applied")
    refused(two, FORGED.format(two.service))


def test_rights_that_were_given_are_taken_back_by_the_next_run_with_work_and_told(site: Site, two: Roles) -> None:
    site.migration("0001_counter", CREATE_COUNTER)
    assert site.migrate().code == 0
    site.database.execute(
        *(f"GRANT ALL ON {table} TO {two.service} WITH GRANT OPTION" for table in TABLES),
        f"GRANT ALL ON SEQUENCE lockgate_run_id_seq TO {two.service}",
        "GRANT UPDATE (sql) ON lockgate_journalentry TO PUBLIC",
    )
    two.as_service(f"GRANT INSERT ON lockgate_journalentry TO {two.owner}")
    site.migration("0002_more", ADD_COLUMN.format("more"))
    result = site.migrate("--log-format", "json")
    assert result.code == 0, result.text
    (told,) = [line for line in map(json.loads, result.err.splitlines()) if line["event"] == "rights_found"]
    assert told["level"] == "warning"
    assert set(told["roles"]) == {"PUBLIC", two.owner, two.service}
    assert set(TABLES) < set(told["tables"])
    assert told["remedy"] == ""
    assert_closed(two)
    assert not site.database.value("SELECT has_table_privilege(%s, 'lockgate_journalentry', 'INSERT')", [two.owner])
    site.migration("0003_more", ADD_COLUMN.format("again"))
    assert "could write" not in site.migrate().text


def test_what_others_could_have_written_into_the_journal_is_not_run(site: Site, two: Roles) -> None:
    """At no start, however often it is tried, until a person has taken the right away."""
    site.migration("0001_counter", CREATE_COUNTER)
    assert site.migrate().code == 0
    site.database.execute(f"GRANT SELECT, INSERT ON ALL TABLES IN SCHEMA public TO {two.service}")
    site.database.execute(f"GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO {two.service}")
    two.as_service(FORGED.format(two.service))
    for command in ("migrate", "lockgate repair", "migrate"):
        result = site.run(*command.split())
        assert result.code == 1, result.text
        assert f'"{two.service}" could write' in result.err
        assert not site.database.value("SELECT rolsuper FROM pg_roles WHERE rolname = %s", [two.service])
    looked, *taken = re.findall(r"^ +(?:next +)?.*?:  ((?:SELECT|REVOKE) .*);$", result.err, re.MULTILINE)
    assert "ALTER ROLE" in str(site.database.rows(looked))
    site.database.execute("DELETE FROM lockgate_journalentry", *"; ".join(taken).split("; "))
    assert site.migrate().code == 0
    assert_closed(two)


def test_tables_of_another_role_are_told_with_what_takes_them_over(site: Site, two: Roles) -> None:
    """A service that migrated for itself until now: its ledger is not safe to be run by another."""
    site.migration("0001_counter", CREATE_COUNTER)
    site.database.execute(f"GRANT CREATE ON SCHEMA public TO {two.service}")
    assert site.migrate(DATABASE_URL=two.url(two.service)).code == 0
    site.migration("0002_more", ADD_COLUMN.format("more"))
    result = site.migrate()
    assert result.code == 0, result.text
    found = result.err.partition(f'"{two.service}" could write ')[2]
    assert "ALTER TABLE public.lockgate_journalentry OWNER TO " in found
    site.database.execute(*found.partition("take it back:  ")[2].splitlines()[0].rstrip(";").split("; "))
    site.migration("0003_more", ADD_COLUMN.format("again"))
    assert "could write" not in site.migrate().text


@pytest.mark.parametrize("quick", [False, True], ids=["by Django", "without Django"])
def test_a_snapshot_opens_the_ledger_to_nobody(site: Site, two: Roles, quick: bool) -> None:
    site.migration("0001_counter", CREATE_COUNTER)
    age(site.path)
    for verb in ("snapshot", "manifest"):
        built = site.run("lockgate", verb)
        assert built.code == 0, built.text
    result = site.migrate() if quick else site.migrate("--verbosity", "1")  # which is not for a quick start to heed
    assert result.code == 0, result.text
    assert "loaded" in result.out, result.text
    assert ("server ready" in result.out) is not quick
    assert_closed(two)
