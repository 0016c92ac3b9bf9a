"""A libpq that is not psycopg's: the one of the servers that tests start."""

from __future__ import annotations

from project import embedded

ANOTHER = str(embedded.programs().parent / "lib" / "libpq.so.5")
