"""``/readyz`` and ``lockgate wait`` ask the question of a start where a manifest fits, and look where none does."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.postgres.test_health import SERVER, URLS, Service
from tests.support import databases, servers
from tests.support.processes import until
from tests.support.quick import Quick, age, quick
from tests.support.sites import ADD_COLUMN
from tests.support.sweep_wire import Wire, on_the_wire

READY = {"ready": True, "database": "ok", "pending": [], "held": []}
# Settings of the service: more than those that migrate, the same apps.
SERVICE = """
from site_settings import *
ROOT_URLCONF = "site_urls"
SECRET_KEY = "x"
ALLOWED_HOSTS = ["127.0.0.1"]
DATABASES["default"]["CONN_MAX_AGE"] = 60
"""


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Quick]:
    with quick(tmp_path_factory.mktemp("quick")) as new_quick:
        (new_quick.path / "service_settings.py").write_text(SERVICE)
        (new_quick.path / "site_urls.py").write_text(URLS)
        yield new_quick


@pytest.fixture
def shop(shared: Quick) -> Iterator[Quick]:
    with shared.borrowed() as found_quick:
        (found_quick.path / "service_settings.py").write_text(SERVICE)
        (found_quick.path / "site_urls.py").write_text(URLS)
        yield found_quick


@pytest.fixture
def line(shop: Quick) -> Iterator[Wire]:
    """Between the service and its server: it knows the statements."""
    with on_the_wire() as wire:
        yield wire


def serve(shop: Quick, line: Wire) -> subprocess.Popen[str]:
    url = line.url(shop.database.name)
    return subprocess.Popen(
        [sys.executable, "-c", SERVER.replace("site_settings", "service_settings")],
        cwd=shop.path,
        env=shop.site.environment({"DATABASE_URL": url}),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )


@pytest.fixture
def service(shop: Quick, line: Wire) -> Iterator[Service]:
    process = serve(shop, line)
    assert process.stdout is not None
    yield Service(int(process.stdout.readline()))
    process.kill()
    process.communicate()


def asked(line: Wire, text: str) -> int:
    return sum(text in statement for statement in line.watch.statements)


def test_a_probe_is_one_comparison_under_other_settings_too(service: Service, shop: Quick, line: Wire) -> None:
    for _ in range(3):
        assert service.get("/readyz") == (200, READY)
    assert (asked(line, "lockgate_checkpoint"), asked(line, "SELECT app, name FROM django_migrations")) == (3, 0)
    states = "SELECT DISTINCT state FROM pg_stat_activity WHERE datname = %s AND pid = ANY(%s)"
    kept = until(lambda: servers.sessions(shop.database), "the service keeps its session")
    assert shop.database.rows(states, [shop.database.name, kept]) == [("idle",)]


def test_what_is_missing_is_looked_for_as_ever(service: Service, shop: Quick) -> None:
    assert service.get("/readyz") == (200, READY)
    shop.database.execute("DELETE FROM django_migrations WHERE name = '0002_seed'")
    code, body = service.get("/readyz")
    assert (code, body["pending"]) == (503, ["shop.0002_seed"])


@pytest.mark.parametrize("how", ["gone", "damaged", "stale", "of other extensions"])
def test_a_manifest_that_does_not_fit_is_not_asked_by(shop: Quick, line: Wire, how: str) -> None:
    if how == "gone":
        shop.manifest.unlink()
    elif how == "damaged":
        shop.manifest.write_text(shop.manifest.read_text().replace('"contents', '"content'))
    elif how == "stale":
        shop.site.migration("0003_more", ADD_COLUMN.format("more"))
    else:
        (shop.path / "service_settings.py").write_text(SERVICE + 'LOCKGATE = {"EXTENSIONS": ["no_such_extension"]}\n')
    process = serve(shop, line)
    try:
        assert process.stdout is not None
        code, body = Service(int(process.stdout.readline())).get("/readyz")
        assert (code, body["pending"]) == ((503, ["shop.0003_more"]) if how == "stale" else (200, []))
        assert asked(line, "lockgate_checkpoint") == 0
    finally:
        process.kill()
        process.communicate()


def test_a_database_that_goes_away_is_unavailable(service: Service, shop: Quick) -> None:
    assert service.get("/readyz") == (200, READY)
    shop.database.drop()
    code, body = service.get("/readyz")
    assert (code, body["database"]) == (503, "unavailable")
    shop.site.database = databases.create(template=shop.template.name)


def test_a_waiting_worker_asks_the_same(shop: Quick, line: Wire, tmp_path: Path) -> None:
    shop.site.migration("0003_more", ADD_COLUMN.format("more"))
    age(shop.path)
    assert shop.site.run("lockgate", "manifest").code == 0
    url = line.url(shop.database.name)
    waiting = shop.site.start("lockgate", "wait", "--timeout-seconds", "60", DATABASE_URL=url)
    until(lambda: asked(line, "lockgate_checkpoint") > 1, "it asks again")
    assert shop.start().code == 0
    assert waiting.wait(30) == 0
    waiting.communicate()
