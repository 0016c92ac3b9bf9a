"""The neighbour: a transaction that only reads the large table, and then takes its time."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from typing import Any

import psycopg

from tests.support.databases import Database

SECONDS = 5.0


@contextlib.contextmanager
def analytics(database: Database, seconds: float = SECONDS) -> Iterator[None]:
    """A transaction that has counted the orders, and so holds ACCESS SHARE on them, for so many seconds more.

    Once nobody measures any longer it is cancelled.
    """
    with database.connect(autocommit=False) as connection:
        connection.execute("SELECT count(*) FROM shop_order")
        sleeper = threading.Thread(target=_sleep, args=(connection, seconds))
        sleeper.start()
        try:
            yield
        finally:
            while sleeper.is_alive() and not connection.closed:
                connection.cancel_safe()  # again: a server that has not read the statement yet takes it for nothing
                sleeper.join(0.1)
            sleeper.join()


def _sleep(connection: psycopg.Connection[Any], seconds: float) -> None:
    with contextlib.suppress(psycopg.OperationalError):  # cancelled, or its backend ended by the time limit
        connection.execute("SELECT pg_sleep(%s)", [seconds])
        connection.commit()
