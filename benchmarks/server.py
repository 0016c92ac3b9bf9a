"""The server that speed is measured on: PostgreSQL's defaults, over TCP with a password, as a service has it."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

from psycopg.conninfo import conninfo_to_dict

from tests.support import databases, servers
from tests.support.databases import Database

ROLE = "bench"  # may create databases, and no more


@contextlib.contextmanager
def running(fsync: str = "on") -> Iterator[None]:
    """A server of its own, whose databases ``databases.create`` makes meanwhile.

    fsync: a test's server has it off, which would flatter those who commit often. Autovacuum, which goes around all
    databases in its time, would never rest among so many.
    """
    with servers.running(fsync=fsync, autovacuum_naptime="1h") as cluster:
        cluster.execute(f"CREATE ROLE {ROLE} LOGIN CREATEDB PASSWORD '{ROLE}'")
        before = os.environ.get("TEST_DATABASE_URL")
        os.environ["TEST_DATABASE_URL"] = f"postgresql://{ROLE}:{ROLE}@127.0.0.1:{cluster.port}/postgres"
        try:
            yield
        finally:
            os.environ.pop("TEST_DATABASE_URL")
            if before is not None:
                os.environ["TEST_DATABASE_URL"] = before


def url(database: Database) -> str:
    """In the plain form that everybody's libraries read."""
    parts = conninfo_to_dict(databases.server())
    return f"postgresql://{parts['user']}:{parts['password']}@{parts['host']}:{parts['port']}/{database.name}"
