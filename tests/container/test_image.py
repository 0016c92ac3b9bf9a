"""The image: what is in it, what is not, and that it runs with as few rights as it claims."""

from __future__ import annotations

import pytest

from tests.container.conftest import Run
from tests.container.engine import Database, attempt, docker


def inside(image: str, script: str) -> str:
    """What a shell script prints in the image, without the entrypoint."""
    return docker("run", "--rm", "--network", "none", "--entrypoint", "sh", image, "-c", script)


def test_runs_as_a_fixed_user_that_is_not_root(image: str) -> None:
    assert docker("image", "inspect", "--format", "{{.Config.User}}", image) == "10001:10001"
    assert inside(image, "id -u; id -g") == "10001\n10001"


@pytest.mark.parametrize("tool", ["gcc", "cc", "g++", "make", "ld", "git", "curl"])
def test_holds_no_tools_that_build_or_fetch(image: str, tool: str) -> None:
    assert inside(image, f"command -v {tool} || echo none") == "none"


def test_holds_no_pip_cache_and_the_environment_no_pip(image: str) -> None:
    assert inside(image, "ls -d /root/.cache /tmp/base.txt ~/.cache 2>/dev/null || echo none") == "none"
    assert inside(image, "python -c 'import pip' 2>&1 | tail -n 1").startswith("ModuleNotFoundError")


def test_holds_the_service_and_nothing_else_of_the_repository(image: str) -> None:
    code = {"apps", "docker", "entrypoint.sh", "manage.py", "project"}
    assert set(inside(image, "ls -A /app").split()) == {*code, "LICENSE", "requirements", "lockgate-manifest.json"}
    assert inside(image, "ls -A /app/docker").split() == ["gunicorn.conf.py", "health_probe.py"]


def test_its_user_can_change_nothing_in_it(image: str) -> None:
    writable = "find / -xdev -writable -not -type l -not -path '/proc/*' -not -path '/dev/*' -not -path '/sys/*'"
    found = inside(image, f"{writable} 2>/dev/null || true").split()
    assert set(found) <= {"/tmp", "/var/tmp", "/run/lock", "/dev"}


def test_all_code_is_compiled(image: str) -> None:
    compiled = (
        "import importlib.util, pathlib, sys;"
        "places = ('/app/apps', '/app/project', sys.prefix + '/lib');"
        "sources = [p for place in places for p in pathlib.Path(place).rglob('*.py')];"
        "assert len(sources) > 1000;"
        "print([str(p) for p in sources if not pathlib.Path(importlib.util.cache_from_source(str(p))).exists()])"
    )
    assert inside(image, f'python -c "{compiled}"') == "[]"


def test_carries_the_name_of_its_release(image: str) -> None:
    assert inside(image, "echo $LOCKGATE_RELEASE")
    labels = docker("image", "inspect", "--format", "{{json .Config.Labels}}", image)
    assert '"org.opencontainers.image.revision"' in labels


def test_holds_no_secrets(image: str) -> None:
    environment = docker("image", "inspect", "--format", "{{json .Config.Env}}", image)
    assert not [name for name in ("DATABASE_URL", "SECRET_KEY", "INGEST_TOKEN", "PASSWORD") if name in environment]


def test_a_command_runs_after_the_migrations_on_a_read_only_root(database: Database, image: str, run: Run) -> None:
    name = database.new_database()
    ended = run(image, database.url(name), "python", "-c", "print('the command ran')")
    assert ended.wait(120) == 0, ended.logs()
    assert "the command ran" in ended.logs()
    assert database.query("SELECT count(*) > 20 FROM django_migrations", name) == "t"


def test_a_start_with_nothing_to_do_is_answered_from_the_manifest(
    database: Database, up_to_date: str, image: str, run: Run
) -> None:
    """It was made in another stage: the copy of it, and of every file that it rests on, must still be what it says."""
    ended = run(image, database.url(up_to_date), "true", LOCKGATE_EXPLAIN_START="1")
    assert ended.wait(60) == 0
    assert "manifest and database agree" in ended.logs(), ended.logs()


def test_the_command_sees_the_serving_settings(database: Database, up_to_date: str, image: str, run: Run) -> None:
    ended = run(
        image,
        database.url(up_to_date),
        "python",
        "manage.py",
        "shell",
        "-c",
        "from django.conf import settings; print(settings.SETTINGS_MODULE)",
    )
    assert ended.wait(120) == 0, ended.logs()
    assert "project.settings.serve" in ended.logs()


def test_migrating_needs_nothing_but_the_database(plain: tuple[str, ...], database: Database, image: str) -> None:
    name = database.new_database()
    result = attempt("docker", "run", *plain, "--env", f"DATABASE_URL={database.url(name)}", image, "true")
    assert result.returncode == 0, result.stdout


def test_migrations_can_be_skipped(database: Database, image: str, run: Run) -> None:
    name = database.new_database()
    ended = run(image, database.url(name), "echo", "the command ran", LOCKGATE_SKIP_MIGRATE="1")
    assert ended.wait(60) == 0
    assert ended.logs().strip() == "the command ran"
    assert database.query("SELECT to_regclass('django_migrations') IS NULL", name) == "t"


def test_a_missing_setting_of_the_service_is_not_the_migrations_error(
    plain: tuple[str, ...], database: Database, image: str
) -> None:
    name = database.new_database()
    result = attempt("docker", "run", *plain, "--env", f"DATABASE_URL={database.url(name)}", image)
    assert result.returncode == 1
    assert result.stdout.count("SECRET_KEY") == 1
    assert "Traceback" not in result.stdout
    assert database.query("SELECT count(*) > 20 FROM django_migrations", name) == "t"
