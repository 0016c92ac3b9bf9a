"""What may be run as the migrating role: the very bytes that the manifest was made with, and nobody else's."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support import databases
from tests.support.databases import Database
from tests.support.processes import until
from tests.support.quick import NAP, age, assert_ordinary, nap, vouch, with_snapshot
from tests.support.sites import CREATE_COUNTER, SEED_COUNTER, Result, Site, finish

SNAPSHOT, MANIFEST = "lockgate-snapshot.sql", "lockgate-manifest.json"
SLOW = f'migrations.RunSQL("CREATE MATERIALIZED VIEW slow AS SELECT 1 AS one FROM pg_sleep({NAP})", "")'
ORDINARY = {"LOCKGATE_WAIT_SECONDS": "60"}  # a variable that only a full start reads


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    site = Site(tmp_path_factory.mktemp("trust") / "site", databases.create())
    site.migration("0001_initial", CREATE_COUNTER, SEED_COUNTER, SLOW)
    age(site.path)
    for verb in ("snapshot", "manifest"):
        done = site.run("lockgate", verb)
        assert done.code == 0, done.text
    site.database.drop()
    return site.path


@pytest.fixture
def shop(built: Path, database: Database) -> Iterator[Site]:
    """A project with snapshot and manifest, of which starts without Django can load it."""
    site = Site(built, database)
    shutil.copytree(built, kept := built.with_name("kept"), dirs_exist_ok=True)
    yield site
    shutil.rmtree(built)
    kept.rename(built)


def hostile(path: Path) -> None:
    """Another snapshot, whole by its own checksum, in its place."""
    site = Site(path.parent.parent / "hostile", databases.create())
    site.migration("0001_initial", CREATE_COUNTER, 'migrations.RunSQL("CREATE TABLE evil ()")')
    site.migration("0002_slow", SLOW)
    built = site.run("lockgate", "snapshot")
    site.database.drop()
    assert built.code == 0, built.text
    (site.path / SNAPSHOT).replace(path)
    shutil.rmtree(site.path)


def world_writable(path: Path) -> None:
    path.chmod(0o666)


def link_to_a_writable_file(path: Path) -> None:
    path.rename(target := path.with_name("elsewhere.sql"))
    target.chmod(0o666)
    path.symlink_to(target)


def of_another_user(path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can give a file away")
    os.chown(path, 4711, -1)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (hostile, "it is not the one that the manifest was made with"),
        (world_writable, "others than its owner can write to it (mode 0666):  chmod go-w "),
        (link_to_a_writable_file, "others than its owner can write to it (mode 0666)"),
        (of_another_user, "it belongs to user 4711, who is neither root nor who migrates"),
    ],
)
def test_what_is_not_to_be_trusted_is_run_on_neither_path(shop: Site, change: Callable[[Path], None], why: str) -> None:
    change(shop.path / SNAPSHOT)
    result = shop.migrate(LOCKGATE_EXPLAIN_START="1")
    assert_ordinary(result, why)
    assert replayed(shop, result, why)


def replayed(site: Site, result: Result, why: str) -> bool:
    assert result.code == 0, result.text
    assert f"{SNAPSHOT} is not used, and migrations are replayed: {why}" in result.out
    assert site.database.value("SELECT to_regclass('evil') IS NULL")
    return "applied shop.0001_initial" in result.out


@pytest.mark.parametrize("environment", [{}, ORDINARY], ids=["without Django", "a run"])
def test_a_file_that_is_swapped_while_it_is_loaded_changes_nothing(shop: Site, environment: dict[str, str]) -> None:
    nap(shop.database, 3)
    process = shop.start("migrate", "--noinput", LOCKGATE_EXPLAIN_START="1", **environment)
    asleep = "SELECT count(*) FROM pg_stat_activity WHERE datname = %s AND wait_event = 'PgSleep'"
    until(lambda: bool(shop.database.value(asleep, [shop.database.name])), "the load has come to the view")
    (shop.path / SNAPSHOT).write_text("DROP SCHEMA public CASCADE;")
    result = finish(process)
    assert result.code == 0, result.text
    assert f"from {SNAPSHOT} in" in result.out
    assert ("only a full start reads LOCKGATE_WAIT_SECONDS" in result.err) == bool(environment)
    assert shop.database.value("SELECT count(*) FROM shop_counter") == 1


def test_without_a_manifest_it_is_not_used_and_that_is_said(shop: Site) -> None:
    (shop.path / MANIFEST).unlink()
    missing = f"({shop.path / MANIFEST}: there is none)"
    why = f"no manifest says which it is {missing}; after lockgate snapshot, run:  manage.py"
    assert replayed(shop, shop.migrate(), why)


def test_a_manifest_from_before_the_snapshot_does_not_say_which_it_is(shop: Site) -> None:
    (kept := shop.path / SNAPSHOT).rename(aside := shop.path / "aside.sql")
    vouch(shop)
    aside.rename(kept)
    assert replayed(shop, shop.migrate(), f"no manifest says which it is ({shop.path / MANIFEST} has not)")


def test_a_build_writes_what_only_its_owner_can_write_to(shop: Site) -> None:
    before = os.umask(0o002)
    try:
        with_snapshot(shop)
    finally:
        os.umask(before)
    assert (shop.path / SNAPSHOT).stat().st_mode & 0o777 == 0o644


def by_django_admin(site: Site, folder: Path, **environment: str) -> Result:
    """``django-admin migrate``, called in a folder."""
    ended = subprocess.run(
        [sys.executable, "-P", "-m", "django", "migrate", "--noinput"],
        cwd=folder,
        env=site.environment({"DJANGO_SETTINGS_MODULE": "site_settings", **environment}),
        capture_output=True,
        text=True,
        check=False,
    )
    return Result(ended.returncode, ended.stdout, ended.stderr)


def test_a_snapshot_in_the_folder_that_a_command_is_called_in_is_none_of_ours(shop: Site, tmp_path: Path) -> None:
    """With a manifest beside it that says that it is ours."""
    for name in (SNAPSHOT, MANIFEST):
        shutil.copy2(shop.path / name, tmp_path)
    result = by_django_admin(shop, tmp_path)
    assert result.code == 0, result.text
    assert SNAPSHOT not in result.text
    assert "applied shop.0001_initial" in result.out
    refused = subprocess.run(
        [sys.executable, "-P", "-m", "django", "lockgate", "snapshot"],
        cwd=tmp_path,
        env=shop.environment({"DJANGO_SETTINGS_MODULE": "site_settings"}),
        capture_output=True,
        text=True,
        check=False,
    )
    assert refused.returncode == 1
    assert "say where, with --output FILE" in refused.stderr


def test_a_relative_name_is_that_of_no_folder(shop: Site, tmp_path: Path) -> None:
    shutil.copy2(shop.path / SNAPSHOT, tmp_path)
    result = by_django_admin(shop, tmp_path, LOCKGATE_SNAPSHOT=SNAPSHOT)
    assert replayed(shop, result, 'LOCKGATE["SNAPSHOT"] is a relative path')


def test_another_command_line_loads_the_one_that_the_setting_names(shop: Site, tmp_path: Path) -> None:
    result = by_django_admin(shop, tmp_path, LOCKGATE_SNAPSHOT=str(shop.path / SNAPSHOT))
    assert result.code == 0, result.text
    assert f"from {SNAPSHOT} in" in result.out


def test_a_script_that_has_left_its_folder_means_its_own_snapshot(shop: Site, tmp_path: Path) -> None:
    """``python manage.py`` gives it a name that is relative to a folder which settings may leave."""
    shop.fresh = True  # where it stood is noted as an interpreter starts
    text = (shop.path / "manage.py").read_text()
    (tmp_path / "manage.py").touch()
    hostile(tmp_path / SNAPSHOT)
    (shop.path / "manage.py").write_text(f"import os\nos.chdir({str(tmp_path)!r})\n{text}")
    result = shop.migrate(**ORDINARY)
    assert result.code == 0, result.text
    assert f"from {SNAPSHOT} in" in result.out
    assert shop.database.value("SELECT to_regclass('evil') IS NULL")


def test_a_snapshot_that_the_environment_names_is_vouched_for_under_that_name(shop: Site, tmp_path: Path) -> None:
    (shop.path / SNAPSHOT).rename(moved := tmp_path / SNAPSHOT)
    (shop.path / MANIFEST).unlink()
    named = {"LOCKGATE_SNAPSHOT": str(moved), "LOCKGATE_EXPLAIN_START": "1"}
    new_result = shop.run("lockgate", "manifest", **named)
    assert "an empty database needs a full start: only a full start reads LOCKGATE_SNAPSHOT" in new_result.out
    result = shop.migrate(**named)
    assert_ordinary(result, "only a full start reads LOCKGATE_SNAPSHOT")
    assert f"from {SNAPSHOT} in" in result.out
