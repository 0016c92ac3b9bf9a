"""``manage.py lockgate roles``: an owner who migrates, and a service that cannot, by the SQL that is printed."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest
from psycopg import errors, sql

from tests.postgres.test_health import URLS, serving
from tests.support import databases, roles
from tests.support.databases import Database
from tests.support.roles import PASSWORD, Roles
from tests.support.sites import ADD_COLUMN, CREATE_COUNTER, SEED_COUNTER, Site

CREATE_LABEL = CREATE_COUNTER.replace("Counter", "Label")
OWN = (
    "django_migrations",
    "lockgate_run",
    "lockgate_checkpoint",
    "lockgate_failure",
    "lockgate_migrationrecord",
    "lockgate_journalentry",
    "lockgate_effect",
)
WITHOUT_SEQUENCE = ("lockgate_checkpoint", "lockgate_failure", "lockgate_effect")


@pytest.fixture
def two(database: Database) -> Iterator[Roles]:
    with roles.named(database) as found_roles:
        yield found_roles


@pytest.fixture
def shop(site: Site) -> Site:
    site.migration("0001_counter", CREATE_COUNTER, SEED_COUNTER)
    site.extra_settings = "ROOT_URLCONF = 'site_urls'\nSECRET_KEY = 'x'\nALLOWED_HOSTS = ['127.0.0.1']"
    site.write_settings()
    (site.path / "site_urls.py").write_text(URLS)
    return site


def printed(site: Site, two: Roles, *arguments: str) -> str:
    result = site.run("lockgate", "roles", "--sql", "--owner", two.owner, "--service", two.service, *arguments)
    assert result.code == 0, result.text
    assert result.out.startswith("BEGIN;\nSET LOCAL search_path = pg_catalog;\n")
    return result.out


def run(text: str, database: Database) -> list[str]:
    """Run it, as one message, as psql does; returns the hints of what the server warned of."""
    told: list[str] = []

    def hear(notice: psycopg.errors.Diagnostic) -> None:
        if notice.severity_nonlocalized == "WARNING":
            told.append(f"{notice.message_hint}")

    with database.connect() as connection:
        connection.add_notice_handler(hear)
        connection.execute(text)
    return told


def let_in(two: Roles) -> None:
    two.database.execute(*(f"ALTER ROLE {role} PASSWORD '{PASSWORD}'" for role in (two.owner, two.service)))


def assert_least(two: Roles, *tables: str) -> None:
    """The service reads and writes rows of the project, reads what is recorded, and may do nothing else."""
    for table in tables:
        two.as_service(
            f"INSERT INTO {table} (value) VALUES (7)",
            f"UPDATE {table} SET value = 8 WHERE value = 7",
            f"DELETE FROM {table} WHERE value = 8",
        )
    refused = [
        *(f"DELETE FROM {table}" for table in OWN),
        *(f"SELECT nextval('{table}_id_seq')" for table in OWN if table not in WITHOUT_SEQUENCE),
        *(f"TRUNCATE {table}" for table in (*OWN, *tables)),
        *(f"ALTER TABLE {table} ADD extra integer" for table in (*OWN, *tables)),
        "CREATE TABLE mine (id integer)",
        "CREATE SCHEMA mine",
        f"SET ROLE {two.owner}",
    ]
    for table in OWN:
        two.as_service(f"SELECT count(*) FROM {table}")
    for statement in refused:
        with pytest.raises(errors.InsufficientPrivilege):
            two.as_service(statement)


def test_an_owner_migrates_and_a_service_serves_by_the_sql_that_is_printed(shop: Site, two: Roles) -> None:
    text = printed(shop, two)
    assert not run(text, shop.database)
    assert not run(text, shop.database)  # once more
    let_in(two)
    owner, service = two.url(two.owner), two.url(two.service)
    done = shop.migrate(DATABASE_URL=owner)
    assert (done.code, "could write" in done.text) == (0, False), done.text
    with serving(shop, DATABASE_URL=service) as served:
        assert served.get("/readyz")[0] == 200
        waited = shop.run("lockgate", "wait", DATABASE_URL=service)
        assert waited.code == 0, waited.text
        assert_least(two, "shop_counter")
        shop.migration("0002_label", CREATE_LABEL, ADD_COLUMN.format("more"))
        assert shop.migrate(DATABASE_URL=owner).code == 0
        assert served.get("/readyz")[0] == 200
    assert_least(two, "shop_counter", "shop_label")  # what came later, by default privileges
    assert not run(printed(shop, two), shop.database)  # beside tables that are there
    assert_least(two, "shop_counter", "shop_label")
    again = shop.migrate(DATABASE_URL=service)
    assert (again.code, again.out.splitlines()[-1]) == (0, "nothing to migrate")


def test_tables_that_another_role_has_made_are_handed_over_by_what_the_warning_says(shop: Site, two: Roles) -> None:
    former = f"former_{shop.database.name}"
    shop.database.execute(
        f"CREATE ROLE {former} LOGIN PASSWORD '{PASSWORD}'", f"GRANT CREATE ON SCHEMA public TO {former}"
    )
    try:
        assert shop.migrate(DATABASE_URL=shop.database.url_as(former, PASSWORD)).code == 0
        (hint,) = run(printed(shop, two), shop.database)
        shop.database.execute(hint[hint.index("REASSIGN") :].rstrip(";"))
        assert not run(printed(shop, two), shop.database)
        let_in(two)
        shop.migration("0002_more", ADD_COLUMN.format("more"))
        assert shop.migrate(DATABASE_URL=two.url(two.owner)).code == 0
        assert_least(two, "shop_counter")
    finally:
        shop.database.execute(f"DROP OWNED BY {former}", f"DROP ROLE {former}")


def test_rights_on_what_is_recorded_are_taken_back(shop: Site, two: Roles) -> None:
    run(printed(shop, two), shop.database)
    let_in(two)
    assert shop.migrate(DATABASE_URL=two.url(two.owner)).code == 0
    shop.database.execute(
        *(f"GRANT ALL ON {table} TO {two.service}, PUBLIC" for table in OWN),
        f"GRANT ALL ON SEQUENCE django_migrations_id_seq TO {two.service}, PUBLIC",
    )
    assert not run(printed(shop, two), shop.database)
    assert_least(two, "shop_counter")


def test_a_role_that_may_create_roles_and_owns_the_database_is_enough(shop: Site, two: Roles) -> None:
    """In PostgreSQL 16 and later it must be a member of the owner; before 15 public is another's, and that is said."""
    admin = f"admin_{shop.database.name}"
    with databases.admin() as superuser:
        version = databases.version(superuser)
    shop.database.execute(f"CREATE ROLE {admin} LOGIN CREATEROLE PASSWORD '{PASSWORD}'")
    shop.database.execute(f"ALTER DATABASE {shop.database.name} OWNER TO {admin}")
    try:
        with psycopg.connect(shop.database.url_as(admin, PASSWORD), autocommit=True) as connection:
            if version < 15:
                with pytest.raises(errors.RaiseException, match="may still make things"):
                    connection.execute(printed(shop, two))
                connection.execute("ROLLBACK")
                shop.database.execute(f"ALTER SCHEMA public OWNER TO {admin}")
            for _ in range(2):
                connection.execute(printed(shop, two))
            member = "SELECT pg_has_role(%s, 'USAGE')"
            assert connection.execute(member, [two.owner]).fetchone() == (False,)
        let_in(two)
        assert shop.migrate(DATABASE_URL=two.url(two.owner)).code == 0
        with psycopg.connect(shop.database.url_as(admin, PASSWORD), autocommit=True) as connection:
            connection.execute(printed(shop, two))  # beside tables that are there
        assert_least(two, "shop_counter")
    finally:
        shop.database.execute(
            *(["ALTER SCHEMA public OWNER TO postgres"] if version < 15 else []),
            f"ALTER DATABASE {shop.database.name} OWNER TO CURRENT_USER",
            *(f"DROP OWNED BY {role} CASCADE" for role in (two.service, two.owner)),
            f"DROP ROLE {two.service}, {two.owner}",
            f"DROP OWNED BY {admin}",
            f"DROP ROLE {admin}",
        )


def test_names_are_quoted_and_refused_where_they_cannot_be_names(shop: Site, two: Roles) -> None:
    odd = Roles(shop.database, f"Own'er\\\"{two.owner}", f'$$ "; {two.service}')
    schema = "sch'ema; $$"
    shop.database.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(schema)).as_string(None))
    try:
        for _ in range(2):
            assert not run(printed(shop, odd, "--schema", schema), shop.database)
        granted = "SELECT has_schema_privilege(%s, %s, 'USAGE') AND NOT has_schema_privilege(%s, %s, 'CREATE')"
        assert shop.database.value(granted, [odd.service, schema] * 2)
    finally:
        for role in (odd.service, odd.owner):
            name = sql.Identifier(role)
            shop.database.execute(
                sql.SQL("DROP OWNED BY {}").format(name).as_string(None),
                sql.SQL("DROP ROLE IF EXISTS {}").format(name).as_string(None),
            )
    for arguments in (("--owner", "same", "--service", "same"), ("--owner", "x" * 64, "--service", "y")):
        assert shop.run("lockgate", "roles", "--sql", *arguments).code == 1
    assert shop.run("lockgate", "roles", "--owner", "x", "--service", "y").code == 2


def test_a_service_that_can_become_the_owner_is_refused(shop: Site, two: Roles) -> None:
    shop.database.execute(f"CREATE ROLE {two.owner}", f"CREATE ROLE {two.service} IN ROLE {two.owner}")
    with pytest.raises(errors.RaiseException, match="can become the owner"):
        run(printed(shop, two), shop.database)


def test_no_server_is_asked_and_no_password_printed(shop: Site, two: Roles) -> None:
    url = "postgresql://someone:hunter2hunter2@127.0.0.1:1/shop"
    named = ("--owner", two.owner, "--service", two.service)
    result = shop.run("lockgate", "roles", "--sql", *named, DATABASE_URL=url)
    assert (result.code, 'ON DATABASE "shop"' in result.out) == (0, True), result.text
    assert "hunter2" not in result.text
    assert ", CREATE ON DATABASE" not in result.out
    shop.lockgate = {"EXTENSIONS": ["hstore"]}
    shop.write_settings()
    assert ", CREATE ON DATABASE" in printed(shop, two)
