"""A database ahead of the code, and migrations edited after they were applied."""

from __future__ import annotations

import json

import pytest

from tests.support.sites import ADD_COLUMN, CREATE_COUNTER, SEED_COUNTER, Site


@pytest.fixture
def ahead(site: Site) -> Site:
    """An older image: the database has a migration that its files lack."""
    site.migration("0001_initial", CREATE_COUNTER)
    site.migration("0002_seed", SEED_COUNTER)
    newest = site.migration("0003_newer", ADD_COLUMN.format("extra"))
    assert site.migrate().code == 0
    newest.unlink()
    return site


def test_an_old_container_restarts_and_says_that_the_database_is_ahead(ahead: Site) -> None:
    result = ahead.migrate()
    assert result.code == 0, result.text
    assert "warning: the database is ahead of this release, which does not have shop.0003_newer" in result.err


def test_with_something_pending_the_two_histories_are_not_mixed(ahead: Site) -> None:
    ahead.migration("0003_ours", ADD_COLUMN.format("ours"))
    result = ahead.migrate()
    assert result.code == 1
    assert (
        "ahead of this release: it has shop.0003_newer, and shop.0003_ours of this release is not applied" in result.err
    )
    assert "manage.py migrate shop --prune" in result.err
    assert ("shop", "0003_ours") not in ahead.database.applied()


def test_mixing_can_be_allowed_and_an_old_container_refused(ahead: Site) -> None:
    assert ahead.migrate(LOCKGATE_ON_AHEAD="refuse").code == 1
    ahead.migration("0003_ours", ADD_COLUMN.format("ours"))
    assert ahead.migrate(LOCKGATE_ON_AHEAD="allow").code == 0


def test_whoever_prunes_or_names_a_target_is_not_refused(ahead: Site) -> None:
    ahead.migration("0003_ours", ADD_COLUMN.format("ours"))
    assert ahead.migrate("shop", "0003_ours").code == 0
    assert ahead.migrate("shop", "--prune").code == 0
    assert "ahead" not in ahead.migrate().text


def test_a_newer_releases_new_app_counts_as_ahead_and_a_removed_app_does_not(site: Site) -> None:
    site.migration("0001_initial", CREATE_COUNTER)
    assert site.migrate().code == 0
    site.database.execute(
        "INSERT INTO django_migrations (app, name, applied) VALUES ('removed', '0001_initial', now())"
    )
    assert site.migrate().err == ""
    site.database.execute(
        "INSERT INTO lockgate_run SELECT (r).* FROM (SELECT"
        ' jsonb_populate_record(run, \'{"id": 99, "release_digest": "x"}\') r FROM lockgate_run run) newer',
        "INSERT INTO lockgate_migrationrecord"
        " (run_id, app, name, action, started_at, seconds, attempts, file_digest, ast_digest)"
        " VALUES (99, 'brandnew', '0001_initial', 'apply', now(), 0, 1, '', '')",
        "INSERT INTO django_migrations (app, name, applied) VALUES ('brandnew', '0001_initial', now())",
    )
    result = site.migrate()
    assert "does not have brandnew.0001_initial" in result.err
    assert "removed.0001_initial" not in result.err


def test_showmigrations_marks_what_is_ahead(ahead: Site) -> None:
    listed = ahead.run("showmigrations", "shop")
    assert " [X] 0003_newer   ahead: this release does not have it" in listed.out
    document = json.loads(ahead.run("showmigrations", "--format", "json").out)
    states = {entry["name"]: entry["state"] for entry in document["migrations"] if entry["app"] == "shop"}
    assert states == {"0001_initial": "applied", "0002_seed": "applied", "0003_newer": "ahead"}


@pytest.fixture
def applied(site: Site) -> Site:
    site.migration("0001_initial", CREATE_COUNTER)
    site.migration("0002_seed", SEED_COUNTER)
    assert site.migrate().code == 0
    return site


def test_an_edited_migration_is_named_and_the_run_goes_on(applied: Site) -> None:
    applied.migration("0002_seed", SEED_COUNTER.replace("(0)", "(5)"))
    result = applied.migrate()
    assert result.code == 0, result.text
    assert "warning: edited after they were applied: shop.0002_seed" in result.err


def test_an_edited_migration_can_be_refused(applied: Site) -> None:
    applied.migration("0002_seed", SEED_COUNTER.replace("(0)", "(5)"))
    result = applied.migrate(LOCKGATE_ON_EDITED="refuse")
    assert result.code == 1
    assert "edited after they were applied: shop.0002_seed" in result.err


def test_comments_quotes_and_formatting_do_not_count(applied: Site) -> None:
    path = applied.path / "shop" / "migrations" / "0002_seed.py"
    text = path.read_text()
    path.write_text("# a comment\n" + text.replace('"', "'").replace("operations = [", "operations = [\n\n  # why\n"))
    assert path.read_text() != text
    result = applied.migrate()
    assert (result.code, result.err) == (0, "")


def test_a_migration_unapplied_and_applied_again_is_judged_by_the_last_time(applied: Site) -> None:
    applied.migrate("shop", "0001")
    applied.migration("0002_seed", SEED_COUNTER.replace("(0)", "(5)"))
    assert applied.migrate().code == 0
    assert applied.migrate().err == ""


def test_migrations_applied_before_lockgate_came_are_judged_from_then_on(site: Site) -> None:
    site.migration("0001_initial", CREATE_COUNTER)
    stock = Site(site.path, site.database, stock=True)
    assert stock.migrate().code == 0
    site.write_settings()
    assert site.migrate().err == ""
    site.migration("0001_initial", CREATE_COUNTER.replace("default=0", "default=1"))
    assert "edited after they were applied: shop.0001_initial" in site.migrate().err
