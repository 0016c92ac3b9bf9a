"""Extensions: five outcomes told apart, each with a remedy that works; and migrations that are held for one.

``plpgsql`` is trusted and can be dropped; ``vector`` is not trusted; and one that no server has.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.processes import lock_is_free
from tests.support.servers import Cluster, PrivateDatabase, assert_no_secret, assert_refused
from tests.support.sites import ADD_COLUMN, CREATE_COUNTER, Result, Site

TRUSTED, UNTRUSTED, ABSENT = "plpgsql", "vector", "lockgate_absent"
REQUIRES_UNTRUSTED = f'["{UNTRUSTED}"]'
ADD_VECTOR = "migrations.RunSQL(\"ALTER TABLE shop_counter ADD COLUMN near vector(3) DEFAULT '[1,2,3]'\")"


@pytest.fixture
def database(cluster: Cluster) -> Iterator[PrivateDatabase]:
    """Without any extension, not even the one that every database has."""
    private_database = cluster.database()
    private_database.execute(f"DROP EXTENSION {TRUSTED}")
    flags = dict(private_database.rows("SELECT name, trusted FROM pg_available_extension_versions"))
    if UNTRUSTED not in flags:
        private_database.drop()
        pytest.skip("NOT TESTED: extensions, because this server has no pgvector")
    assert (flags[TRUSTED], flags[UNTRUSTED], ABSENT in flags) == (True, False, False)
    yield private_database
    private_database.drop()


@pytest.fixture
def shop(site: Site) -> Site:
    site.migration("0001_initial", CREATE_COUNTER)
    return site


@pytest.fixture
def held(shop: Site) -> Site:
    """The second migration needs an extension, the third depends on it, and another app needs nothing."""
    shop.migration("0002_vector", ADD_VECTOR, requires_extensions=REQUIRES_UNTRUSTED)
    shop.migration("0003_after", ADD_COLUMN.format("extra"))
    return shop


def wanting(site: Site, *names: str) -> Site:
    site.lockgate = {"EXTENSIONS": list(names)}
    site.write_settings()
    return site


def superuser(site: Site, statement: str) -> None:
    site.database.execute(statement)


def outsider(cluster: Cluster, site: Site) -> str:
    """The URL of a role that may create tables, but not extensions."""
    role = cluster.role()
    site.database.execute(f'GRANT USAGE, CREATE ON SCHEMA public TO "{role}"')
    return site.database.url_as(user=role)


def outcomes(result: Result) -> dict[str, dict[str, Any]]:
    """What a run with ``--log-format json`` said of each extension."""
    lines = [json.loads(line) for line in result.text.splitlines()]
    return {line["name"]: line for line in lines if line["event"] == "extension"}


def present(site: Site) -> list[str]:
    return sorted(name for (name,) in site.database.rows("SELECT extname FROM pg_extension"))


def shops(site: Site) -> list[str]:
    return [name for app, name in site.database.applied() if app == "shop"]


def assert_ran(result: Result) -> None:
    assert result.code == 0, result.text
    assert "error: " not in result.text
    assert_no_secret(result.text)


def remedy(result: Result, name: str) -> str:
    """The SQL that a run advises for an extension."""
    (line,) = {line for line in result.err.splitlines() if f'extension "{name}" is not available' in line}
    match = re.search(r"(GRANT CREATE ON|CREATE EXTENSION) .*;$", line)
    assert match, line
    return match.group()


# --- the five outcomes


def test_five_outcomes_are_told_apart_and_none_ends_the_run(cluster: Cluster, shop: Site) -> None:
    superuser(shop, f"CREATE EXTENSION {UNTRUSTED}")
    result = wanting(shop, UNTRUSTED, TRUSTED, ABSENT).migrate("--log-format", "json")
    assert_ran(result)
    assert {name: line["state"] for name, line in outcomes(result).items()} == {
        TRUSTED: "created",
        ABSENT: "not-installed",
    }, "of one that is present nothing is said"
    superuser(shop, f"DROP EXTENSION {UNTRUSTED}")
    superuser(shop, f"DROP EXTENSION {TRUSTED}")
    shop.migration("0002_more", ADD_COLUMN.format("extra"))
    url = outsider(cluster, shop)
    superuser(shop, f'REASSIGN OWNED BY owner TO "{url.partition("://")[2].partition(":")[0]}"')
    superuser(shop, f'ALTER DATABASE "{shop.database.name}" OWNER TO postgres')
    refused = shop.migrate("--log-format", "json", DATABASE_URL=url)
    assert_ran(refused)
    assert {name: line["state"] for name, line in outcomes(refused).items()} == {
        UNTRUSTED: "needs-superuser",
        TRUSTED: "needs-grant",
        ABSENT: "not-installed",
    }
    assert {line["level"] for line in outcomes(refused).values()} == {"warning"}
    assert shops(shop) == ["0001_initial", "0002_more"]


def test_a_trusted_one_is_created_by_who_may(shop: Site) -> None:
    result = wanting(shop, TRUSTED).migrate()
    assert_ran(result)
    assert f'extension "{TRUSTED}" created' in result.out
    assert result.err == ""
    assert present(shop) == [TRUSTED]


def test_a_present_one_needs_no_rights_and_no_words(cluster: Cluster, shop: Site) -> None:
    superuser(shop, f"CREATE EXTENSION {UNTRUSTED}")
    result = wanting(shop, UNTRUSTED).migrate(DATABASE_URL=outsider(cluster, shop))
    assert_ran(result)
    assert "extension" not in result.text


def test_a_trusted_one_without_the_right_names_the_grant_and_the_grant_works(cluster: Cluster, shop: Site) -> None:
    url = outsider(cluster, shop)
    first = wanting(shop, TRUSTED).migrate(DATABASE_URL=url)
    assert_ran(first)
    said = (
        f'extension "{TRUSTED}" is not available: the role lacks CREATE on the database; as the owner of the database:'
    )
    assert said in first.err
    assert present(shop) == []
    advised = remedy(first, TRUSTED)
    assert advised.startswith(f'GRANT CREATE ON DATABASE "{shop.database.name}" TO "role_')
    superuser(shop, advised)
    second = shop.migrate(DATABASE_URL=url)
    assert_ran(second)
    assert f'extension "{TRUSTED}" created' in second.out
    assert present(shop) == [TRUSTED]


def test_an_untrusted_one_names_the_superuser_and_the_statement_works(shop: Site) -> None:
    first = wanting(shop, UNTRUSTED).migrate()
    assert_ran(first)
    said = f'is not available: only a superuser may create it; as a superuser, in database "{shop.database.name}":'
    assert said in first.err
    advised = remedy(first, UNTRUSTED)
    assert advised == f"CREATE EXTENSION {UNTRUSTED};"
    superuser(shop, advised)
    second = shop.migrate()
    assert_ran(second)
    assert second.err == ""


def test_one_that_is_not_on_the_server_names_a_package(shop: Site) -> None:
    result = wanting(shop, ABSENT).migrate()
    assert_ran(result)
    assert f'extension "{ABSENT}" is not available: its package is not installed on the server' in result.err
    major = int(shop.database.value("SHOW server_version_num")) // 10000
    assert f"postgresql-{major}-lockgate-absent" in result.err


def test_names_that_need_quoting_are_quoted(cluster: Cluster, shop: Site) -> None:
    role, extension = 'Odd "role"', 'odd"; name'
    superuser(shop, f'ALTER ROLE "{cluster.role()}" RENAME TO {quoted(role)}')
    superuser(shop, f"GRANT CREATE ON SCHEMA public TO {quoted(role)}")
    result = wanting(shop, TRUSTED, extension).migrate(DATABASE_URL=shop.database.url_as(user=role))
    assert_ran(result)
    assert f'extension "{extension}" is not available: its package is not installed' in result.err
    superuser(shop, remedy(result, TRUSTED))
    superuser(shop, f'REVOKE ALL ON DATABASE "{shop.database.name}" FROM {quoted(role)}')
    assert lock_is_free(shop.database)


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def test_a_superuser_creates_all_that_is_installed(cluster: Cluster, shop: Site) -> None:
    role = cluster.role("SUPERUSER")
    result = wanting(shop, TRUSTED, UNTRUSTED, ABSENT).migrate(DATABASE_URL=shop.database.url_as(user=role))
    assert_ran(result)
    assert present(shop) == [TRUSTED, UNTRUSTED]


def test_each_unavailable_extension_is_named_once(held: Site) -> None:
    result = wanting(held, UNTRUSTED, ABSENT).migrate()
    assert_ran(result)
    for name in (UNTRUSTED, ABSENT):
        assert result.err.count(f'extension "{name}" is not available') == 1, result.err


def test_an_unavailable_extension_alone_is_nothing_to_migrate(shop: Site) -> None:
    wanting(shop, UNTRUSTED).migrate()
    result = shop.migrate()
    assert_ran(result)
    assert result.out.splitlines()[-1] == "nothing to migrate"
    assert f'extension "{UNTRUSTED}" is not available' in result.err


def test_an_extension_that_has_become_creatable_is_work_though_no_migration_is(cluster: Cluster, shop: Site) -> None:
    url = outsider(cluster, shop)
    assert_ran(wanting(shop, TRUSTED).migrate(DATABASE_URL=url))
    assert "nothing to migrate" in shop.migrate(DATABASE_URL=url).out
    superuser(shop, f'GRANT CREATE ON DATABASE "{shop.database.name}" TO PUBLIC')
    assert f'extension "{TRUSTED}" created' in shop.migrate(DATABASE_URL=url).out


# --- held migrations


def test_a_migration_without_its_extension_is_held_with_all_that_depends_on_it(held: Site) -> None:
    result = held.migrate()
    assert_ran(result)
    assert 'shop.0002_vector is held: needs extension "vector" (needs-superuser); it is skipped' in result.err
    assert "shop.0003_after is held: depends on shop.0002_vector, which is held" in result.err
    assert f"CREATE EXTENSION {UNTRUSTED};" in result.err
    assert shops(held) == ["0001_initial"]
    assert ("auth", "0001_initial") in held.database.applied()
    assert re.fullmatch(r"done: \d+ migrations, 2 held, in [\d.]+ s", result.out.splitlines()[-1])
    assert lock_is_free(held.database)


def test_a_held_migration_is_tried_again_and_applied_once_it_can_be(held: Site) -> None:
    held.migrate()
    again = held.migrate()
    assert_ran(again)
    assert again.out.splitlines()[-1] == "nothing to migrate; 2 held"
    assert "shop.0002_vector is held" in again.err
    assert shops(held) == ["0001_initial"]
    superuser(held, f"CREATE EXTENSION {UNTRUSTED}")
    freed = held.migrate()
    assert_ran(freed)
    assert "held" not in freed.err
    assert "applied shop.0002_vector" in freed.out
    assert shops(held) == ["0001_initial", "0002_vector", "0003_after"]


def test_a_required_extension_that_may_be_created_is_created_where_it_is_wanted(cluster: Cluster, held: Site) -> None:
    role = cluster.role("SUPERUSER")
    result = wanting(held, UNTRUSTED).migrate(DATABASE_URL=held.database.url_as(user=role))
    assert_ran(result)
    assert shops(held) == ["0001_initial", "0002_vector", "0003_after"]


def test_a_migration_of_another_app_that_depends_on_a_held_one_is_held_too(held: Site) -> None:
    folder = held.path / "annexe" / "migrations"
    folder.mkdir(parents=True)
    for path in (folder.parent / "__init__.py", folder / "__init__.py", folder.parent / "models.py"):
        path.touch()
    (folder / "0001_initial.py").write_text(
        "from django.db import migrations\nclass Migration(migrations.Migration):\n"
        "    dependencies = [('shop', '0002_vector')]\n    operations = []\n"
    )
    held.apps = (*held.apps, "annexe")
    held.write_settings()
    result = held.migrate()
    assert_ran(result)
    assert "annexe.0001_initial is held: depends on shop.0002_vector, which is held" in result.err
    assert ("annexe", "0001_initial") not in held.database.applied()


def test_showmigrations_names_what_is_held(held: Site) -> None:
    held.migrate()
    shown = held.run("showmigrations", "shop")
    assert shown.code == 0, shown.text
    assert shown.out.splitlines() == [
        "shop",
        " [X] 0001_initial",
        ' [ ] 0002_vector   held: needs extension "vector" (needs-superuser)',
        " [ ] 0003_after   held: depends on shop.0002_vector, which is held",
    ]
    assert_no_secret(shown.text)


def test_showmigrations_as_json_names_what_is_held_and_the_remedy(held: Site) -> None:
    held.migrate()
    shown = held.run("showmigrations", "shop", "--format", "json")
    document = json.loads(shown.out)
    assert document["ready"] is True, "a held migration keeps no release from serving"
    assert [(migration["name"], migration["state"], migration["reason"]) for migration in document["migrations"]] == [
        ("0001_initial", "applied", None),
        ("0002_vector", "held", 'needs extension "vector" (needs-superuser)'),
        ("0003_after", "held", "depends on shop.0002_vector, which is held"),
    ]
    (extension,) = document["extensions"]
    assert (extension["name"], extension["state"]) == (UNTRUSTED, "needs-superuser")
    assert f"CREATE EXTENSION {UNTRUSTED};" in extension["remedy"]
    assert_no_secret(shown.text)


@pytest.mark.parametrize(("target", "named"), [("0002", "shop.0002_vector"), ("0003", "shop.0002_vector")])
def test_naming_a_held_target_is_refused(held: Site, target: str, named: str) -> None:
    result = held.migrate("shop", target)
    assert result.code == 1
    message = result.err[result.err.index("error: ") :]
    assert_refused(
        Result(result.code, result.out, message),
        f"{named} is held",
        why='needs extension "vector" (needs-superuser)',
        next_step="make the extension available",
    )
    assert "0002_vector" not in shops(held)
    assert lock_is_free(held.database)


def test_naming_a_target_that_is_not_held_is_fine(held: Site) -> None:
    assert_ran(held.migrate("shop", "0001"))
    assert shops(held) == ["0001_initial"]
