"""Where the project says how to connect, for messages: a variable that holds the URL, or ``DATABASES`` itself."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from psycopg import pq

from lockgate.database import url
from lockgate.errors import ConfigurationError

_SAME = ("HOST", "PORT", "USER", "PASSWORD")


def of(alias: str, settings: Mapping[str, Any], *keys: str, environ: Mapping[str, str] = os.environ) -> str:
    """How to name these keys of an entry of ``DATABASES``, or all of it, to whoever is to correct them.

    With libpq's own variables where options are among them: it reads those, whatever the settings say beside.
    """
    variable = _variable(settings, environ)
    entry = f'DATABASES["{alias}"]'
    if variable:
        words = [key.lower() if key != "OPTIONS" else "options" for key in keys]
        named = f"{' and '.join(words)} in {variable}" if words else variable
    else:
        named = " and ".join(f'{entry}["{key}"]' for key in keys) or entry
    set_too = [name for name in _libpq_variables() if environ.get(name)] if "OPTIONS" in keys else []
    return f"{named}, and {', '.join(set_too)} in the environment" if set_too else named


def _variable(settings: Mapping[str, Any], environ: Mapping[str, str]) -> str:
    """The variable whose URL says just what the settings do; empty where none does."""
    for name, value in sorted(environ.items(), key=lambda item: item[0] != "DATABASE_URL"):
        if value.strip().startswith(tuple(f"{item}://" for item in url.SCHEMES)):
            try:
                said = url.parse(value.strip(), name)
            except ConfigurationError:
                continue
            if all(str(said.get(key) or "") == str(settings.get(key) or "") for key in _SAME):
                return name
    return ""


def _libpq_variables() -> list[str]:
    variables = (option.envvar.decode() for option in pq.Conninfo.get_defaults() if option.envvar)
    return sorted(variable for variable in variables if variable not in ("PGPASSWORD", "PGUSER", "PGDATABASE"))
