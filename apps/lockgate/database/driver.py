"""psycopg, from the version on that this rests on; an older one fails in the middle of the work, on what it lacks."""

from __future__ import annotations

import re

import psycopg

from lockgate.errors import ConfigurationError

OLDEST = (3, 2)  # RawCursor, cancel_safe; as in pyproject.toml


def require() -> None:
    """Raise ConfigurationError unless psycopg is new enough, as far as its version can be read."""
    match = re.match(r"(\d+)\.(\d+)", psycopg.__version__)
    if match and tuple(map(int, match.groups())) < OLDEST:
        oldest = ".".join(map(str, OLDEST))
        raise ConfigurationError(
            f"psycopg {psycopg.__version__} is older than what Lockgate works with",
            why=f"it wants {oldest} or newer, as its package says",
            next_step=f'pip install "psycopg[binary]>={oldest}"',
        )
