"""docker/compose.yaml: from nothing to a healthy proxy, with replicas, long migrations and bad releases."""

from __future__ import annotations

import threading
import time
from collections import Counter

import pytest

from tests.container.conftest import Project
from tests.container.engine import Compose, Engine, compose_command, get

REPLICAS = 4
# A window of 2 s for the first success, as a fixed start period of 40 s is to a migration of minutes.
IMPATIENT = "services: {web: {healthcheck: {interval: 1s, timeout: 10s, retries: 2%s}}}"


class Traffic:
    """Requests through the proxy, one after the other, for as long as the block lasts."""

    def __init__(self, compose: Compose) -> None:
        self.statuses: Counter[int] = Counter()
        self._url = f"{compose.url}/readyz"
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._send)

    def _send(self) -> None:
        while not self._over.wait(0.02):
            self.statuses[get(self._url, timeout=20)[0]] += 1

    def __enter__(self) -> Traffic:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()


def test_from_nothing_to_a_healthy_proxy_in_front_of_four_replicas(
    compose: Project,
) -> None:
    project = compose()
    begun = time.monotonic()
    project("up", "--detach", "--no-build", "--scale", f"web={REPLICAS}")
    (proxy,) = project.containers("proxy")
    proxy.wait_for_health("healthy")
    took = time.monotonic() - begun
    print(f"compose: {REPLICAS} replicas and a healthy proxy after {took:.1f} s")

    replicas = project.containers("web")
    assert [replica.health for replica in replicas] == ["healthy"] * REPLICAS

    logs = [replica.logs() for replica in replicas]
    assert ["applied watchstats.0001_initial" in log for log in logs].count(True) == 1
    waited = "nothing left to migrate: another run has done it"
    assert [waited in log or "nothing to migrate" in log for log in logs].count(True) == REPLICAS - 1
    assert project.query("SELECT count(*) - count(DISTINCT (app, name)) FROM django_migrations") == "0"

    answers = [get(f"{project.url}/api/docs") for _ in range(10 * REPLICAS)]
    assert {status for status, _ in answers} == {200}
    assert all('"GET /api/docs' in replica.logs() for replica in replicas)


def test_the_proxy_knows_replicas_that_come_and_go(compose: Project) -> None:
    project = compose()
    project("up", "--detach", "--no-build")
    with Traffic(project) as traffic:
        project("up", "--detach", "--no-build", "--no-recreate", "--scale", "web=2", "web")
        for replica in project.containers("web"):
            replica.wait_for_health("healthy")
        oldest, newest = project.containers("web")
        time.sleep(2)
        oldest.kill("TERM")
        oldest.wait(60)
        time.sleep(1)
        assert newest.running
    assert set(traffic.statuses) == {200}, traffic.statuses


def test_a_release_with_a_failing_migration_does_not_disturb_the_one_that_serves(
    compose: Project, engine: Engine, image: str
) -> None:
    failing = engine.release(image, "failing", "[migrations.RunSQL(['CREATE TABLE half_done (id int)', 'SELECT 1/0'])]")
    project = compose()
    project("up", "--detach", "--no-build", "--scale", "web=2")
    old = project.containers("web")
    with Traffic(project) as traffic:
        time.sleep(1)
        project.attempt(
            "up",
            "--detach",
            "--no-build",
            "--no-deps",
            "--no-recreate",
            "--scale",
            "web=4",
            "web",
            LOCKGATE_IMAGE=failing,
        )
        new = [container for container in project.containers("web") if container.id not in {c.id for c in old}]
        assert len(new) == 2
        assert [container.wait(90) for container in new] == [1, 1]
        time.sleep(2)
    for container in new:
        assert container.health != "healthy"
        assert all(entry["ExitCode"] != 0 for entry in container.inspect()["State"]["Health"]["Log"])
        assert "gunicorn" not in container.logs()
    assert [container.health for container in old] == ["healthy", "healthy"]
    print(f"requests during the failed release: {dict(traffic.statuses)}")
    assert set(traffic.statuses) == {200}
    assert traffic.statuses[200] > 50
    assert project.query("SELECT count(*) FROM django_migrations WHERE name = '9999_failing'") == "0"
    assert project.query("SELECT to_regclass('half_done') IS NULL") == "t"


def test_with_a_failing_migration_from_the_start_the_proxy_is_not_started(
    compose: Project, engine: Engine, image: str
) -> None:
    project = compose()
    failing = engine.release(image, "failing", "[migrations.RunSQL('SELECT 1/0')]")
    result = project.attempt("up", "--detach", "--no-build", LOCKGATE_IMAGE=failing)
    (web,) = project.containers("web")
    assert web.wait(60) == 1
    assert web.health != "healthy"
    assert "gunicorn" not in web.logs()
    if compose_command() == ["docker", "compose"] or result.returncode:
        assert result.returncode != 0
        assert not [proxy for proxy in project.containers("proxy") if proxy.running]
    else:
        # docker-compose 1.29 asks only running containers for their health, so one that has exited by then counts as
        # healthy: the proxy is started, and has nobody to pass a request to.
        print("docker-compose 1.29 started the proxy although web had exited")


# The roles that `lockgate roles` prints: a service that owns nothing, and beside it who migrates.
TWO_ROLES = """
services:
  migrate:
    image: ${LOCKGATE_IMAGE}
    command: ["true"]
    read_only: true
    environment: {DATABASE_URL: "postgresql://shop_owner@db:5432/watchstats", PGPASSWORD: not-so-secret}
    tmpfs: [/tmp]
  web:
    environment:
      DATABASE_URL: postgresql://shop_service@db:5432/watchstats
      PGPASSWORD: not-so-secret
      LOCKGATE_SKIP_MIGRATE: "1"
"""


def test_an_owner_migrates_and_replicas_serve_as_a_role_that_owns_nothing(compose: Project) -> None:
    project = compose(TWO_ROLES)
    project("up", "--detach", "--no-build", "db")
    (database,) = project.containers("db")
    database.wait_for_health("healthy")
    named = ("--owner", "shop_owner", "--service", "shop_service")
    printed = ("python", "manage.py", "lockgate", "roles", "--sql", *named)
    listed = project("run", "--rm", "--no-deps", "-T", "--entrypoint", "", "migrate", *printed)
    project.query(listed[listed.index("BEGIN;") :])
    for role in ("shop_owner", "shop_service"):
        project.query(f"ALTER ROLE {role} PASSWORD 'not-so-secret'")
    project("up", "--detach", "--no-build", "--no-deps", "--scale", "web=2", "web")
    project("up", "--detach", "--no-build", "--no-deps", "migrate")
    (owner,) = project.containers("migrate")
    assert owner.wait(120) == 0, owner.logs()
    for replica in project.containers("web"):
        replica.wait_for_health("healthy")
        told = replica.execute("python", "manage.py", "lockgate", "wait")
        assert "every migration of this release is applied" in told
    project("up", "--detach", "--no-build", "--no-deps", "proxy")
    (proxy,) = project.containers("proxy")
    proxy.wait_for_health("healthy")
    assert get(f"{project.url}/readyz")[0] == 200
    assert get(f"{project.url}/api/docs")[0] == 200
    assert project.query("SELECT has_table_privilege('shop_service', 'lockgate_journalentry', 'INSERT')") == "f"


@pytest.fixture(scope="module")
def long(engine: Engine, image: str) -> str:
    return engine.release(image, "long", "[migrations.RunSQL('SELECT pg_sleep(12)')]")


@pytest.fixture(scope="module")
def longer(engine: Engine, image: str) -> str:
    """Nobody waits for its end."""
    return engine.release(image, "longer", "[migrations.RunSQL('SELECT pg_sleep(120)')]")


def test_dependents_wait_for_a_migration_however_long_it_takes(compose: Project, long: str) -> None:
    project = compose(IMPATIENT % "")
    project("up", "--detach", "--no-build", LOCKGATE_IMAGE=long)
    (proxy,) = project.containers("proxy")
    proxy.wait_for_health("healthy")


def test_with_the_usual_fixed_window_they_would_be_aborted(compose: Project, longer: str) -> None:
    project = compose(IMPATIENT % ", start_period: 2s")
    result = project.attempt("up", "--detach", "--no-build", LOCKGATE_IMAGE=longer)
    assert result.returncode != 0
    assert "unhealthy" in result.stdout
    assert not [proxy for proxy in project.containers("proxy") if proxy.running]


def test_the_database_for_development_is_there_for_this_machine_only(compose: Project) -> None:
    project = compose(file="compose.dev.yaml")
    project("up", "--detach")
    (database,) = project.containers("dev-db")
    database.wait_for_health("healthy")
    bindings = database.inspect()["NetworkSettings"]["Ports"]["5432/tcp"]
    assert [binding["HostIp"] for binding in bindings] == ["127.0.0.1"]
    login = ("env", "PGPASSWORD=development-only", "psql", "-h", "127.0.0.1", "-U", "lockgate")
    assert database.execute(*login, "-Atqc", "CREATE EXTENSION vector; SELECT 1") == "1"
