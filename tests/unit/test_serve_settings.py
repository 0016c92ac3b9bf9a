"""The service's configuration is validated whole, before anything is served, and no secret is ever repeated."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
VALID = {
    "SECRET_KEY": "a-signing-key-of-sufficient-length-0123456789-abcdefghij",
    "ALLOWED_HOSTS": "stats.example.org, nas.local",
    "INGEST_TOKEN": "a-token-that-is-long-enough",
    "DATABASE_URL": "postgresql://watchstats:p%40ss-w0rd@db.example.org:5433/watchstats?sslmode=require",
}


def python(code: str, environ: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Run code in a new interpreter with nothing but these variables."""
    path = f"{ROOT}:{ROOT / 'apps'}"
    base = {"PYTHONPATH": path, "PATH": os.environ["PATH"], "PYTHONWARNINGS": "error"}
    return subprocess.run(
        [sys.executable, "-c", code],
        env=base | environ,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def load(**environ: str) -> subprocess.CompletedProcess[str]:
    """Load the serving settings as Django does; prints those that are asked for as JSON."""
    return python("import project.settings.serve", environ)


def setting(name: str, **environ: str) -> object:
    code = f"import json; from project.settings import serve; print(json.dumps(serve.{name}, default=str))"
    loaded = python(code, VALID | environ)
    assert loaded.returncode == 0, loaded.stderr
    return json.loads(loaded.stdout)


def test_all_that_is_missing_is_named_in_one_message() -> None:
    failed = load()
    assert failed.returncode == 1
    assert "4 environment variables are missing or wrong" in failed.stderr
    for name in VALID:
        assert f"  {name:<13}  is not set" in failed.stderr


def test_missing_and_wrong_are_named_together() -> None:
    failed = load(
        SECRET_KEY="short-secret",
        INGEST_TOKEN="short-token",
        DATABASE_URL="mysql://root:hunter2@db/watchstats",
        LOG_LEVEL="loud",
        CONN_MAX_AGE="soon",
        HTTPS_ONLY="perhaps",
    )
    for name in (
        "SECRET_KEY",
        "ALLOWED_HOSTS",
        "INGEST_TOKEN",
        "DATABASE_URL",
        "LOG_LEVEL",
        "CONN_MAX_AGE",
        "HTTPS_ONLY",
    ):
        assert f"\n  {name} " in failed.stderr
    assert "7 environment variables are missing or wrong" in failed.stderr


def test_no_value_is_repeated() -> None:
    values = {
        "SECRET_KEY": "short-secret",
        "INGEST_TOKEN": "short-token",
        "DATABASE_URL": "mysql://root:hunter2@db.example.org/watchstats",
        "LOG_LEVEL": "loudest",
        "CONN_MAX_AGE": "sometime",
    }
    failed = load(**values)
    printed = failed.stdout + failed.stderr
    assert failed.returncode == 1
    assert not [value for value in [*values.values(), "hunter2", "db.example.org"] if value in printed]


@pytest.mark.parametrize("name", VALID)
def test_an_empty_variable_counts_as_not_set(name: str) -> None:
    failed = load(**VALID | {name: ""})
    assert "1 environment variable is missing or wrong" in failed.stderr
    assert f"  {name}  is not set" in failed.stderr


@pytest.mark.parametrize(
    ("name", "value", "fault"),
    [
        ("SECRET_KEY", "short", "is too short: at least 50 characters"),
        ("INGEST_TOKEN", "short", "is too short: at least 24 characters"),
        ("ALLOWED_HOSTS", " , ", "has nothing between its commas"),
        ("DATABASE_URL", "nonsense", "is not a URL"),
        ("DATABASE_URL", "postgresql://u:p@h:port/n", "cannot be read; its port is not a number"),
        ("LOG_LEVEL", "loud", "must be one of 'DEBUG', 'INFO', 'WARNING', 'ERROR' or 'CRITICAL'"),
        ("CONN_MAX_AGE", "soon", "must be a whole number"),
        ("CONN_MAX_AGE", "-1", "must be at least 0"),
        ("HTTPS_ONLY", "perhaps", "must be true or false"),
    ],
)
def test_a_fault_is_said_in_plain_words(name: str, value: str, fault: str) -> None:
    assert f"  {name}  {fault}" in load(**VALID | {name: value}).stderr


def test_a_valid_environment_loads_and_repeats_no_secret() -> None:
    loaded = python("import project.settings.serve as s; print(s.environment, vars(s.environment))", VALID)
    assert loaded.returncode == 0, loaded.stderr
    assert not [name for name in ("SECRET_KEY", "INGEST_TOKEN") if VALID[name] in loaded.stdout]


def test_hosts_are_those_given_and_this_machine_for_the_health_probe() -> None:
    assert setting("ALLOWED_HOSTS") == ["stats.example.org", "nas.local", "127.0.0.1", "localhost", "[::1]"]


def test_database_keeps_connections_and_does_not_wait_long_for_one() -> None:
    databases = setting("DATABASES")
    assert isinstance(databases, dict)
    database = databases["default"]
    assert database["PASSWORD"] == "p@ss-w0rd"
    assert (database["CONN_MAX_AGE"], database["CONN_HEALTH_CHECKS"]) == (60, True)
    assert database["OPTIONS"].pop("sslmode") == "require"
    assert database["OPTIONS"].pop("connect_timeout") == 5
    lost = database["OPTIONS"]  # of a network: 10 s where something was sent, 11 s where nothing was
    assert lost.pop("tcp_user_timeout") == 10_000
    assert lost.pop("keepalives_idle") + lost.pop("keepalives_interval") * lost.pop("keepalives_count") == 11
    assert not lost


@pytest.mark.parametrize(
    ("environ", "secure"),
    [
        ({}, True),
        ({"ALLOWED_HOSTS": "*"}, True),
        ({"ALLOWED_HOSTS": "127.0.0.1,localhost"}, False),
        ({"ALLOWED_HOSTS": "127.0.0.1,localhost", "HTTPS_ONLY": "true"}, True),
        ({"HTTPS_ONLY": "false"}, False),
    ],
)
def test_cookies_are_secure_unless_the_service_is_for_its_own_machine(environ: dict[str, str], secure: bool) -> None:
    assert setting("SESSION_COOKIE_SECURE", **environ) is secure


def test_the_migrating_settings_need_none_of_it() -> None:
    code = "import django; django.setup(); import sys; print([m for m in sys.modules if m.startswith('ninja')])"
    environ = {"DATABASE_URL": VALID["DATABASE_URL"], "DJANGO_SETTINGS_MODULE": "project.settings.migrate"}
    loaded = python(code, environ)
    assert (loaded.stdout.strip(), loaded.returncode) == ("[]", 0), loaded.stderr


LOGGED = """
import logging, logging.config, structlog
from project.logging import configuration, configure_structlog
gunicorn = logging.getLogger("gunicorn.error")
gunicorn.addHandler(logging.StreamHandler())
gunicorn.propagate = False
logging.config.dictConfig(configuration("INFO")); configure_structlog()
structlog.get_logger("watchstats").info("stored", count=3)
structlog.get_logger("watchstats").debug("unseen")
gunicorn.info("Listening at: %s", "127.0.0.1")
try:
    password = "hunter2"; 1 / 0
except ZeroDivisionError:
    logging.getLogger("django.request").exception("failed", extra={"status_code": 500, "request": object()})
"""


def test_every_log_line_is_json_on_stdout() -> None:
    logged = python(LOGGED, {})
    assert (logged.stderr, logged.returncode) == ("", 0)
    own, gunicorn, django = map(json.loads, logged.stdout.splitlines())
    assert own.items() >= {"event": "stored", "count": 3, "level": "info", "logger": "watchstats"}.items()
    assert (gunicorn["event"], gunicorn["logger"]) == ("Listening at: 127.0.0.1", "gunicorn.error")
    assert (django["status_code"], "ZeroDivisionError" in django["exception"]) == (500, True)
    assert "timestamp" in own


def test_a_logged_traceback_has_no_local_variables() -> None:
    assert '"hunter2"' not in python(LOGGED, {}).stdout.replace('password = \\"hunter2\\"', "")


def test_an_unknown_level_is_left_to_the_settings_to_refuse() -> None:
    code = LOGGED.replace('configuration("INFO")', 'configuration("LOUD")')
    assert python(code, {}).stdout.count("\n") == 3
