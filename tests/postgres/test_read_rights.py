"""A server that refuses is not a server that is away: which right is missing is said, and for whom."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from tests.postgres.test_health import URLS, serving
from tests.support import roles
from tests.support.databases import Database
from tests.support.roles import Roles
from tests.support.sites import CREATE_COUNTER, Site

READ = "GRANT SELECT ON ALL TABLES IN SCHEMA public TO {0}"
OWN = (
    "lockgate_checkpoint",
    "lockgate_effect",
    "lockgate_failure",
    "lockgate_journalentry",
    "lockgate_migrationrecord",
    "lockgate_run",
)
# What the service may, and what it is told to ask for.
CASES = {
    "nothing in the schema": (
        (),
        [f"GRANT SELECT ON TABLE public.{table} TO {{0}}" for table in ("django_migrations", *OWN)],
    ),
    "not Lockgate's tables": (
        ("GRANT SELECT ON django_migrations TO {0}",),
        [f"GRANT SELECT ON TABLE public.{table} TO {{0}}" for table in OWN],
    ),
    "not the schema": (
        (READ, "REVOKE USAGE ON SCHEMA public FROM PUBLIC"),
        ["GRANT USAGE ON SCHEMA public TO {0}"],
    ),
    "not a schema with a name to quote": (
        (
            'CREATE SCHEMA "The ""Shop"""',
            *(f'ALTER TABLE {table} SET SCHEMA "The ""Shop"""' for table in ("django_migrations", *OWN)),
            READ.replace("public", '"The ""Shop"""'),
            """ALTER ROLE {0} SET search_path = 'The "Shop"', public""",
        ),
        ['GRANT USAGE ON SCHEMA "The ""Shop""" TO {0}'],
    ),
}


@pytest.fixture
def two(database: Database) -> Iterator[Roles]:
    with roles.two(database) as found_roles:
        yield found_roles


@pytest.fixture
def migrated(site: Site) -> Site:
    site.migration("0001_counter", CREATE_COUNTER)
    site.extra_settings = "ROOT_URLCONF = 'site_urls'\nSECRET_KEY = 'x'\nALLOWED_HOSTS = ['127.0.0.1']"
    site.write_settings()
    (site.path / "site_urls.py").write_text(URLS)
    assert site.migrate().code == 0
    return site


@pytest.fixture(params=CASES)
def lacking(request: pytest.FixtureRequest, migrated: Site, two: Roles) -> list[str]:
    """The GRANTs that the service lacks."""
    given, wanted = CASES[request.param]
    migrated.database.execute(*(each.format(two.service) for each in given))
    return [each.format(two.service) for each in wanted]


def test_what_a_service_lacks_is_told_by_all_who_ask_and_is_all_it_lacks(
    migrated: Site, two: Roles, lacking: list[str]
) -> None:
    url = two.url(two.service)
    with serving(migrated, DATABASE_URL=url) as service:
        status, body = service.get("/readyz")
        assert (status, body["ready"], body["database"]) == (503, False, "refused")
        assert sorted(body["grant"]) == sorted(lacking)  # type: ignore[call-overload]
        started = time.monotonic()
        result = migrated.run("lockgate", "wait", DATABASE_URL=url)
        assert time.monotonic() - started < 60  # not its 20 minutes
        listed = migrated.run("showmigrations", DATABASE_URL=url)
        for one_result in (result, listed):
            assert (one_result.code, "[ ]" in one_result.out) == (1, False), one_result.text
            assert all(f"{grant};" in one_result.err for grant in lacking), one_result.err
        migrated.database.execute(*lacking)
        assert service.get("/readyz")[0] == 200
    assert migrated.run("lockgate", "wait", DATABASE_URL=url).code == 0
    assert migrated.run("migrate", DATABASE_URL=url).out.splitlines()[-1] == "nothing to migrate"


def test_a_deadline_before_the_grace_says_so_too(migrated: Site, two: Roles) -> None:
    result = migrated.run("lockgate", "wait", "--timeout-seconds", "1", DATABASE_URL=two.url(two.service))
    assert (result.code, f"django_migrations TO {two.service};" in result.err) == (1, True), result.text


def test_a_grant_that_comes_in_time_is_waited_for(migrated: Site, two: Roles) -> None:
    waiter = migrated.start("lockgate", "wait", DATABASE_URL=two.url(two.service))
    time.sleep(3)
    assert waiter.poll() is None
    migrated.database.execute(READ.format(two.service))
    out, err = waiter.communicate(timeout=60)
    assert waiter.returncode == 0, out + err


def test_tables_of_somebody_else_behind_ones_own_schema_are_no_matter(migrated: Site, two: Roles) -> None:
    """What a role of a schema of its own would make there is not what public hides from it."""
    migrated.database.execute(
        "REVOKE USAGE ON SCHEMA public FROM PUBLIC",
        f"GRANT CREATE ON DATABASE {migrated.database.name} TO {two.owner}",
        f"CREATE SCHEMA {two.owner} AUTHORIZATION {two.owner}",
    )
    listed = migrated.run("showmigrations", "shop", DATABASE_URL=two.url(two.owner))
    assert (listed.code, "[ ] 0001_counter" in listed.out) == (0, True), listed.text
    assert migrated.migrate(DATABASE_URL=two.url(two.owner)).code == 0
    assert migrated.database.value(f"SELECT count(*) FROM {two.owner}.django_migrations") > 0


def test_a_migrate_that_sees_nothing_does_not_begin_anew(migrated: Site, two: Roles) -> None:
    migrated.database.execute("REVOKE USAGE ON SCHEMA public FROM PUBLIC", READ.format(two.service))
    result = migrated.migrate(DATABASE_URL=two.url(two.service))
    assert result.code == 1
    assert f"GRANT USAGE ON SCHEMA public TO {two.service};" in result.err
