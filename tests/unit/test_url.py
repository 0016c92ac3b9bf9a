"""``DATABASE_URL``: what it may say, and that what is wrong with it is said without repeating it."""

from __future__ import annotations

from typing import Any

import pytest

from lockgate.database import url
from lockgate.errors import ConfigurationError
from tests.support.servers import PASSWORD, assert_no_secret

PARTS = ("USER", "PASSWORD", "HOST", "PORT", "NAME", "OPTIONS")


def parts(text: str) -> dict[str, Any]:
    """What a URL sets, without what it leaves empty."""
    parsed = url.parse(text)
    assert parsed["ENGINE"] == "django.db.backends.postgresql"
    return {key: parsed[key] for key in PARTS if parsed.get(key)}


@pytest.mark.parametrize("scheme", ["postgres", "postgresql"])
def test_both_schemes_mean_postgresql(scheme: str) -> None:
    assert parts(f"{scheme}://user:word@db.example:5433/shop") == {
        "USER": "user",
        "PASSWORD": "word",
        "HOST": "db.example",
        "PORT": 5433,
        "NAME": "shop",
    }


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("postgresql://db/shop", {"HOST": "db", "NAME": "shop"}, id="no-login"),
        pytest.param("postgresql://me@db/shop", {"USER": "me", "HOST": "db", "NAME": "shop"}, id="no-password"),
        pytest.param("postgresql:///shop", {"NAME": "shop"}, id="the-default-socket"),
        pytest.param("postgresql:///shop?host=/run/pg", {"HOST": "/run/pg", "NAME": "shop"}, id="a-socket"),
        pytest.param(
            "postgresql://me@/shop?host=/run/pg&port=5433",
            {"USER": "me", "HOST": "/run/pg", "PORT": "5433", "NAME": "shop"},
            id="a-socket-and-its-port",
        ),
        pytest.param("postgresql://%2Frun%2FPG/shop", {"HOST": "/run/PG", "NAME": "shop"}, id="an-encoded-socket"),
        pytest.param("postgresql://[::1]/shop", {"HOST": "::1", "NAME": "shop"}, id="ipv6"),
        pytest.param(
            "postgresql://me:word@[fe80::1]:5433/shop",
            {"USER": "me", "PASSWORD": "word", "HOST": "fe80::1", "PORT": 5433, "NAME": "shop"},
            id="ipv6-with-everything",
        ),
        pytest.param(
            "postgresql://me:word@H1:5433,h2,[::1]:5435/shop?target_session_attrs=read-write",
            {
                "USER": "me",
                "PASSWORD": "word",
                "HOST": "h1,h2,::1",
                "PORT": "5433,,5435",
                "NAME": "shop",
                "OPTIONS": {"target_session_attrs": "read-write"},
            },
            id="several-hosts-with-ports",
        ),
        pytest.param("postgresql://h1,h2/shop", {"HOST": "h1,h2", "NAME": "shop"}, id="several-hosts"),
        pytest.param(
            "postgresql://%2Frun%2Fa,%2Frun%2Fb/shop", {"HOST": "/run/a,/run/b", "NAME": "shop"}, id="several-sockets"
        ),
        pytest.param("postgresql://db/sh%20op", {"HOST": "db", "NAME": "sh op"}, id="an-encoded-database"),
        pytest.param("postgresql://db/?dbname=shop", {"HOST": "db", "NAME": "shop"}, id="database-in-the-query"),
        pytest.param(
            "postgresql://me%40corp:p%40%3A%2F%25%23%3F@db/shop",
            {"USER": "me@corp", "PASSWORD": "p@:/%#?", "HOST": "db", "NAME": "shop"},
            id="encoded-user-and-password",
        ),
        pytest.param(
            "postgresql://me:p@ss@db/shop",
            {"USER": "me", "PASSWORD": "p@ss", "HOST": "db", "NAME": "shop"},
            id="an-at-sign-that-should-have-been-encoded",
        ),
        pytest.param(
            "postgresql://db/shop?sslmode=verify-full&sslrootcert=/etc/ca.pem",
            {"HOST": "db", "NAME": "shop", "OPTIONS": {"sslmode": "verify-full", "sslrootcert": "/etc/ca.pem"}},
            id="tls",
        ),
        pytest.param(
            "postgresql://db/shop?connect_timeout=3&options=-c%20search_path%3Dapp",
            {"HOST": "db", "NAME": "shop", "OPTIONS": {"connect_timeout": 3, "options": "-c search_path=app"}},
            id="other-options",
        ),
        pytest.param("postgresql:///?service=shop", {"OPTIONS": {"service": "shop"}}, id="a-service"),
        pytest.param(
            "postgresql:///shop?user=me&password=00123&host=db",
            {"USER": "me", "PASSWORD": "00123", "HOST": "db", "NAME": "shop"},
            id="a-login-in-the-query-is-a-login",
        ),
    ],
)
def test_a_url_says(text: str, expected: dict[str, Any]) -> None:
    assert parts(text) == expected


def test_connections_are_not_kept_between_requests_by_default() -> None:
    assert url.parse("postgresql://db/shop")["CONN_MAX_AGE"] == 0


@pytest.mark.parametrize(
    ("text", "what", "why"),
    [
        pytest.param(PASSWORD, "is not a URL", "postgres:// or postgresql://", id="not-a-url"),
        pytest.param(f"postgresql:{PASSWORD}", "is not a URL", "must start with", id="no-slashes"),
        pytest.param(f"mysql://me:{PASSWORD}@db/shop", "is not PostgreSQL", "must start with", id="mysql"),
        pytest.param(f"sqlite:///{PASSWORD}", "is not PostgreSQL", "must start with", id="sqlite"),
        pytest.param(f"{PASSWORD}://db/shop", "is not PostgreSQL", "must start with", id="a-secret-for-a-scheme"),
        pytest.param("postgresql://me:quagga@db:five/shop", "cannot be read", "its port", id="port-not-a-number"),
        pytest.param("postgresql://me:quagga@db:99999/shop", "cannot be read", "1 to 65535", id="port-too-high"),
        pytest.param("postgresql://me:quagga@db:-1/shop", "cannot be read", "its port", id="port-negative"),
        pytest.param("postgresql://me:quagga@h1:1,h2:five/shop", "cannot be read", "its port", id="port-of-a-second"),
        pytest.param("postgresql://me:quagga%00@db/shop", "cannot be read", "a %00", id="nul-in-the-password"),
        pytest.param("postgresql://me@db/shop?options=%00", "cannot be read", "a %00", id="nul-in-an-option"),
        pytest.param("postgresql://me:quagga@[::1/shop", "cannot be read", "host is malformed", id="bracket-open"),
        pytest.param("postgresql://me:quagga/axolotl@db/shop", "cannot be read", "percent-encode", id="slash"),
        pytest.param("postgresql://me:12/axolotl@db/shop", "cannot be read", "percent-encode", id="digits-and-slash"),
        pytest.param("postgresql://me:12#axolotl@db/shop", "cannot be read", "percent-encode", id="digits-and-hash"),
        pytest.param("postgresql://me:12?axolotl@db/shop", "names no database", "path is empty", id="question-mark"),
        pytest.param("postgresql://me:quagga@db", "names no database", "path is empty", id="no-database"),
        pytest.param("postgresql://me:quagga@db/", "names no database", "path is empty", id="an-empty-database"),
    ],
)
def test_what_is_wrong_is_said_without_the_url(text: str, what: str, why: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        url.parse(text)
    error = caught.value
    assert what in error.what
    assert why in error.why
    assert error.state == "nothing was changed; no connection was tried"
    assert url.EXAMPLE in error.next_step
    assert_no_secret(str(error), repr(error), repr(error.__cause__))
    assert error.__suppress_context__ or error.__context__ is None


@pytest.mark.parametrize(
    ("environ", "what"),
    [
        ({}, "MAIN_URL is not set"),
        ({"MAIN_URL": ""}, "MAIN_URL is empty"),
        ({"MAIN_URL": " \n"}, "MAIN_URL is empty"),
        ({"MAIN_URL": "db"}, "MAIN_URL is not a URL"),
    ],
)
def test_the_variable_is_named(environ: dict[str, str], what: str) -> None:
    with pytest.raises(ConfigurationError, match=f"^{what}") as caught:
        url.from_environment("MAIN_URL", environ)
    assert "MAIN_URL=postgresql://" in caught.value.next_step
    assert caught.value.why


def test_white_space_around_a_url_is_not_part_of_it() -> None:
    found = url.from_environment(environ={"DATABASE_URL": " postgresql://db/shop\n"})
    assert (found["HOST"], found["NAME"]) == ("db", "shop")
