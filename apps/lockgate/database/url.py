"""DATABASE_URL to one entry of Django's DATABASES, with errors a person can act on.

Parsing is dj-database-url's; what is added here is that every way a URL can be wrong ends in one message that
names the fault and never repeats the URL, because it holds the password.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit

import dj_database_url

from lockgate.errors import ConfigurationError

SCHEMES = ("postgres", "postgresql")
EXAMPLE = "DATABASE_URL=postgresql://user:password@host:5432/database"
ENCODE = "percent-encode @ : / ? # % in user and password"
_NAMES_IT = "the database is named there, and nowhere else"
# libpq's query options that Django has keys of its own for. They are moved there, so that the password is known to be
# one wherever secrets are looked for, and the host is named where a run says what it connects to.
_KEYS = {"user": "USER", "password": "PASSWORD", "host": "HOST", "port": "PORT", "dbname": "NAME"}


def from_environment(variable: str = "DATABASE_URL", environ: Mapping[str, str] = os.environ) -> dict[str, Any]:
    """The database that an environment variable names, as an entry of ``DATABASES``.

    Raises ConfigurationError where the variable is unset, empty or not a PostgreSQL URL.
    """
    url = environ.get(variable)
    if url is None:
        raise ConfigurationError(f"{variable} is not set", **_advice(variable, _NAMES_IT))
    if not url.strip():
        raise ConfigurationError(f"{variable} is empty", **_advice(variable, _NAMES_IT))
    return parse(url.strip(), variable)


def parse(url: str, variable: str = "DATABASE_URL") -> dict[str, Any]:
    """One entry of ``DATABASES`` from a URL.

    ``postgres://`` and ``postgresql://``; percent-encoded user, password and socket directory; several
    hosts (``h1:5432,h2:5433``); libpq parameters
    (``sslmode``, ``connect_timeout``, ``host=/run/postgresql`` …) as query options.
    Source: https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING-URIS

    Raises ConfigurationError, without the URL in its text.
    """
    scheme, separator, _ = url.partition("://")
    known = " or ".join(f"{name}://" for name in SCHEMES)
    if not separator:
        raise ConfigurationError(f"{variable} is not a URL", **_advice(variable, f"it must start with {known}"))
    if scheme not in SCHEMES:
        raise ConfigurationError(
            f"{variable} names a database that is not PostgreSQL",
            **_advice(variable, f"it must start with {known}"),
        )
    if "%00" in url:
        why = "it has a %00, which no name, password or option can have in it"
        raise ConfigurationError(f"{variable} cannot be read", **_advice(variable, why))
    try:
        url, hosts = _of_several_hosts(url)
        parts = urlsplit(url)
        parts.port  # noqa: B018  reading the property is what checks the port
        database: dict[str, Any] = {**dj_database_url.parse(url, conn_max_age=0), **hosts}
    except ValueError:
        why = f"its port is not a number from 1 to 65535, or its host is malformed; {ENCODE}"
        raise ConfigurationError(f"{variable} cannot be read", **_advice(variable, why)) from None
    if "@" in parts.path or parts.fragment:
        # The rest of a password that looked like a port and a path: it must not be shown as the database's name.
        why = f"it has an @ or a # where its database is named; {ENCODE}"
        raise ConfigurationError(f"{variable} cannot be read", **_advice(variable, why))
    _move_options(database, parts)
    if not (database.get("NAME") or database.get("OPTIONS", {}).get("service")):
        raise ConfigurationError(f"{variable} names no database", **_advice(variable, "its path is empty"))
    return database


def _of_several_hosts(url: str) -> tuple[str, dict[str, str]]:
    """A URL of the first of its hosts alone, and the HOST and PORT of all, as libpq has them in lists.

    Raises ValueError where one of them is malformed.
    """
    scheme, _, rest = url.partition("://")
    authority = re.split("[/?#]", rest, maxsplit=1)[0]
    login, at, hosts = authority.rpartition("@")
    if "," not in hosts:
        return url, {}
    urls = [f"{scheme}://{host}/" for host in hosts.split(",")]
    if any(urlsplit(one).port == 0 for one in urls):
        raise ValueError("a port is from 1 to 65535")
    parsed = [dj_database_url.parse(one) for one in urls]
    ports = [str(one["PORT"] or "") for one in parsed]
    first = f"{scheme}://{login}{at}{hosts.partition(',')[0]}{rest[len(authority) :]}"
    return first, {"HOST": ",".join(one["HOST"] for one in parsed), "PORT": ",".join(ports) if any(ports) else ""}


def _move_options(database: dict[str, Any], parts: SplitResult) -> None:
    """Give what the query says of login, host and database to Django's own keys; as libpq has it, the query wins.

    Read from the query itself: a password of digits is not a number.
    """
    pairs = (pair.partition("=") for pair in parts.query.split("&"))
    decoded = {key: unquote(value) for key, _, value in pairs}  # as libpq has it, a + is a +
    options = database.get("OPTIONS", {})
    for option, key in _KEYS.items():
        if option in decoded:
            database[key] = decoded[option]
            del options[option]


def _advice(variable: str, why: str) -> dict[str, str]:
    return {
        "why": why,
        "state": "nothing was changed; no connection was tried",
        "next_step": f"set it, for example:  {EXAMPLE.replace('DATABASE_URL', variable)}",
    }
