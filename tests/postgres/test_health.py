"""``/livez`` and ``/readyz``: what a probe may conclude from them."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.support import databases
from tests.support.processes import until
from tests.support.sites import ADD_COLUMN, CREATE_COUNTER, Site

SERVER = """
import os, sys
os.environ["DJANGO_SETTINGS_MODULE"] = "site_settings"
import django
django.setup()
from wsgiref.simple_server import WSGIRequestHandler, make_server
from django.core.wsgi import get_wsgi_application
server = make_server("127.0.0.1", 0, get_wsgi_application(), handler_class=WSGIRequestHandler)
print(server.server_port, flush=True)
server.serve_forever()
"""

URLS = "from django.urls import include, path\nurlpatterns = [path('', include('lockgate.urls'))]\n"


@dataclass
class Service:
    port: int

    def get(self, path: str) -> tuple[int, dict[str, object]]:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=60) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as refused:
            with refused:
                return refused.code, json.load(refused)


@pytest.fixture
def service(site: Site) -> Iterator[Service]:
    """The site behind a real HTTP server in a process of its own; its database is empty."""
    site.migration("0001_initial", CREATE_COUNTER)
    site.extra_settings = "ROOT_URLCONF = 'site_urls'\nSECRET_KEY = 'x'\nALLOWED_HOSTS = ['127.0.0.1']"
    site.write_settings()
    (site.path / "site_urls.py").write_text(URLS)
    with serving(site) as found_service:
        yield found_service


@contextlib.contextmanager
def serving(site: Site, **environment: str) -> Iterator[Service]:
    """A site, with a URLconf, behind a real HTTP server in a process of its own."""
    process = subprocess.Popen(
        [sys.executable, "-c", SERVER],
        cwd=site.path,
        env=site.environment(environment),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout
    try:
        yield Service(int(process.stdout.readline()))
    finally:
        process.kill()
        process.communicate()


def test_ready_only_once_this_releases_migrations_are_applied(site: Site, service: Service) -> None:
    status, body = service.get("/readyz")
    assert (status, body["ready"]) == (503, False)
    assert "shop.0001_initial" in body["pending"]  # type: ignore[operator]
    assert site.migrate().code == 0
    assert service.get("/readyz") == (200, {"ready": True, "database": "ok", "pending": [], "held": []})


def test_a_row_that_disappears_is_noticed_by_the_next_probe(site: Site, service: Service) -> None:
    site.migrate()
    assert service.get("/readyz")[0] == 200
    site.database.execute("DELETE FROM django_migrations WHERE app = 'shop'")
    assert service.get("/readyz") == (
        503,
        {"ready": False, "database": "ok", "pending": ["shop.0001_initial"], "held": []},
    )


def test_an_older_release_stays_ready_while_a_newer_one_has_migrated(site: Site, service: Service) -> None:
    site.migrate()
    service.get("/readyz")
    site.migration("0002_newer", ADD_COLUMN.format("extra"))
    site.migrate()
    assert service.get("/readyz")[0] == 200


def test_a_database_that_is_gone_is_503_and_then_ready_again(site: Site, service: Service) -> None:
    site.migrate()
    assert service.get("/readyz")[0] == 200
    with databases.admin() as admin:
        admin.execute(f'ALTER DATABASE "{site.database.name}" ALLOW_CONNECTIONS false')
        admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [site.database.name])
        status, body = service.get("/readyz")
        assert (status, body["ready"], body["database"]) == (503, False, "unavailable")
        assert service.get("/livez") == (200, {"live": True})
        admin.execute(f'ALTER DATABASE "{site.database.name}" ALLOW_CONNECTIONS true')
    until(lambda: service.get("/readyz")[0] == 200, "it is ready again")


def test_a_probe_costs_one_query_while_nothing_changes(site: Site, service: Service) -> None:
    site.migrate()
    service.get("/readyz")
    query = "SELECT coalesce(sum(xact_commit + xact_rollback), 0) FROM pg_stat_database WHERE datname = %s"
    sessions = "SELECT count(*) FROM pg_stat_activity WHERE datname = %s"
    with databases.admin() as admin:
        # A session's transactions are counted when it ends, which may be after its client has.
        until(lambda: admin.execute(sessions, [site.database.name]).fetchone() == (0,), "nobody is connected")
        before = admin.execute(query, [site.database.name]).fetchone()
        for _ in range(10):
            assert service.get("/readyz")[0] == 200
        time.sleep(1.2)  # the server reports its statistics once a second
        after = admin.execute(query, [site.database.name]).fetchone()
    assert before
    assert after
    # wsgiref closes the connection after each request: connecting costs the few transactions beside the query.
    assert after[0] - before[0] <= 10 * 5


DAMAGES = [
    (
        "ALTER TABLE lockgate_journalentry DROP COLUMN attempts",
        'column "attempts" of "lockgate_journalentry" is missing',
        "42703",
    ),
    ("DROP TABLE lockgate_journalentry CASCADE", 'table "lockgate_journalentry" is missing', "42P01"),
    (
        "ALTER TABLE lockgate_journalentry ALTER committed TYPE text",
        'column "committed" of "lockgate_journalentry" is text',
        "42",
    ),
    ("ALTER TABLE django_migrations DROP COLUMN app CASCADE", "is not as it was made", "42703"),
]


@pytest.mark.parametrize(("deed", "named", "sqlstate"), DAMAGES, ids=["column", "table", "type", "django_migrations"])
def test_own_tables_that_are_damaged_are_503_and_named(
    site: Site, service: Service, deed: str, named: str, sqlstate: str
) -> None:
    assert site.migrate().code == 0
    site.database.execute(deed)
    status, body = service.get("/readyz")
    assert (status, body["ready"], body["database"]) == (503, False, "damaged"), body
    assert named in str(body["why"])
    assert f"(SQLSTATE {sqlstate}" in str(body["why"])


def test_a_right_on_a_sequence_is_no_matter_to_who_only_reads(site: Site, service: Service) -> None:
    assert site.migrate().code == 0
    site.database.execute("REVOKE ALL ON ALL SEQUENCES IN SCHEMA public FROM PUBLIC, current_user")
    assert service.get("/readyz")[0] == 200


def test_who_waits_for_migrations_is_told_of_damage(site: Site) -> None:
    site.migration("0001_initial", CREATE_COUNTER)
    assert site.migrate().code == 0
    site.database.execute("ALTER TABLE lockgate_journalentry DROP COLUMN attempts")
    named = 'column "attempts" of "lockgate_journalentry" is missing (SQLSTATE 42703)'
    waited = site.run("lockgate", "wait")
    assert waited.code == 1
    assert "the tables of the ledger are not as its migrations have made them" in waited.err
    assert named in waited.err
    shown = site.run("showmigrations", "shop")
    assert shown.code == 0, "whoever looks is shown what there is"
    assert "[X] 0001_initial" in shown.out
    assert f"warning: what is half-done is unknown: {named}" in shown.err
    assert "manage.py lockgate repair" in shown.err
    document = json.loads(site.run("showmigrations", "--format", "json").out)
    assert (document["ready"], document["damage"]) == (False, named)
