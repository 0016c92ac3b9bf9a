"""Where there can be no ledger, nothing is migrated: that is said before the lock, and by the plan."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support import roles
from tests.support.databases import Database
from tests.support.roles import Roles
from tests.support.sites import ADD_COLUMN, CREATE_COUNTER, Site

LOCKS = "migration lock acquired"
SAID = "this role may not make the tables of the ledger"


@pytest.fixture
def two(database: Database) -> Iterator[Roles]:
    with roles.two(database) as found_roles:
        yield found_roles


@pytest.fixture
def owned(site: Site, two: Roles) -> Site:
    """Migrated by stock Django as an owner, who may make nothing more."""
    site.migration("0001_counter", CREATE_COUNTER)
    site.database.execute(f"GRANT CREATE ON SCHEMA public TO {two.owner}")
    assert Site(site.path, site.database, stock=True).migrate(DATABASE_URL=two.url(two.owner)).code == 0
    site.write_settings()
    site.database.execute(f"REVOKE CREATE ON SCHEMA public FROM {two.owner}, PUBLIC")
    return site


@pytest.mark.parametrize("pending", [False, True], ids=["the ledger's alone", "one of the project's"])
def test_a_role_that_may_not_create_is_told_the_grant_without_a_lock(owned: Site, two: Roles, pending: bool) -> None:
    if pending:
        owned.migration("0002_more", ADD_COLUMN.format("more"))
    url = two.url(two.owner)
    result = owned.migrate(DATABASE_URL=url)
    assert (result.code, SAID in result.err, LOCKS in result.out) == (1, True, False), result.text
    planned = owned.migrate("--plan", DATABASE_URL=url)
    assert (planned.code, f"no run by this role would carry this out: {SAID}" in planned.err) == (0, True), planned.text
    owned.database.execute(result.err.partition("then run again:  ")[2].splitlines()[0])
    done = owned.migrate(DATABASE_URL=url)
    assert done.code == 0, done.text
    assert owned.migrate(DATABASE_URL=url).out.splitlines()[-1] == "nothing to migrate"


def test_a_ledger_that_is_gone_is_not_made_again_by_who_may_not(owned: Site, two: Roles) -> None:
    url = two.url(two.owner)
    owned.database.execute(f"GRANT CREATE ON SCHEMA public TO {two.owner}")
    assert owned.migrate(DATABASE_URL=url).code == 0
    owned.database.execute("DROP TABLE lockgate_journalentry", f"REVOKE CREATE ON SCHEMA public FROM {two.owner}")
    result = owned.migrate(DATABASE_URL=url)
    assert (result.code, SAID in result.err, LOCKS in result.out) == (1, True, False), result.text


def test_a_role_without_a_schema_is_told(owned: Site, two: Roles) -> None:
    owned.database.execute(f"ALTER ROLE {two.owner} SET search_path = nowhere")
    result = owned.migrate(DATABASE_URL=two.url(two.owner))
    assert (result.code, "no schema of its search path" in result.err, LOCKS in result.out) == (1, True, False)


def test_a_plan_for_a_database_that_is_read_only_says_that_no_run_carries_it_out(owned: Site, two: Roles) -> None:
    owned.database.execute(f"ALTER ROLE {two.owner} SET default_transaction_read_only = on")
    planned = owned.migrate("--plan", DATABASE_URL=two.url(two.owner))
    assert (planned.code, "would carry this out: the database is read-only" in planned.err) == (0, True), planned.text
    document = owned.migrate("--plan", "--format", "json", DATABASE_URL=two.url(two.owner))
    assert document.out.startswith("{")
    assert "the database is read-only" in document.err
    result = owned.migrate(DATABASE_URL=two.url(two.owner))
    assert (result.code, LOCKS in result.out) == (1, False)
