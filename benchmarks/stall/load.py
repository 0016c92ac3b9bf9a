"""The load, a process of its own: ``python -m benchmarks.stall.load``, so that nobody else's Python slows it down.

It is an open loop. Every query has a moment when it is due, whatever became of those before it, and its latency counts
from then: a stall is seen by every query that queues up behind it, as by users. A closed loop would send nothing while
it is stalled, and so count a stall once per connection.

stdin: one line of JSON, the fields of Demand; then nothing, until its end says stop. Queries that were due by then are
still sent and answered. stdout: ``ready``, then one line of JSON, the samples.
"""

from __future__ import annotations

import datetime
import gc
import itertools
import json
import random
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import psycopg

from benchmarks.stall import shop

APPLICATION = "stall load"
LOST = "lost"  # in place of an SQLSTATE: the connection broke


@dataclass(frozen=True)
class Demand:
    """What to send. rate: queries a second, over all connections. orders: rows of the large table."""

    conninfo: str
    orders: int
    rate: float = 200.0
    connections: int = 8
    seed: int = 1


class Sample(NamedTuple):
    """One query. due: on the monotonic clock, which all processes of a machine share. latency: seconds from then.

    state: the SQLSTATE it failed with, or LOST, or nothing.
    """

    due: float
    latency: float
    query: str
    state: str


Parameters = Callable[[random.Random, int, int], Sequence[Any]]


class Query(NamedTuple):
    """parameters: from chance, the query's number, and the number of orders."""

    name: str
    text: str
    parameters: Parameters


def _order(chance: random.Random, orders: int, reference: str) -> list[Any]:
    now = datetime.datetime.now(datetime.UTC)
    customer = chance.randint(1, shop.customers(orders))
    return [customer, chance.randint(1, 10), reference, "sent", chance.randint(0, 9), 7, "9.90", "by hand", now]


def _order_again(chance: random.Random, orders: int) -> list[Any]:
    """Every column anew, as ``save()`` does; but the reference stays, since it may be about to become unique."""
    key = chance.randint(1, orders)
    return [*_order(chance, orders, f"R{key}"), key]


def _customer(number: int) -> list[Any]:
    return [f"customer {number}", "c@example.org"]


SELECT_ORDER = Query(
    "select order", shop.select("shop_order", shop.ORDER), lambda chance, number, orders: [chance.randint(1, orders)]
)
INSERT_ORDER = Query(
    "insert order",
    shop.insert("shop_order", shop.ORDER),
    lambda chance, number, orders: _order(chance, orders, f"N{number}"),
)
UPDATE_ORDER = Query(
    "update order", shop.update("shop_order", shop.ORDER), lambda chance, number, orders: _order_again(chance, orders)
)
SELECT_CUSTOMER = Query(
    "select customer",
    shop.select("shop_customer", shop.CUSTOMER),
    lambda chance, number, orders: [chance.randint(1, shop.customers(orders))],
)
INSERT_CUSTOMER = Query(
    "insert customer", shop.insert("shop_customer", shop.CUSTOMER), lambda chance, number, orders: _customer(number)
)
UPDATE_CUSTOMER = Query(
    "update customer",
    shop.update("shop_customer", shop.CUSTOMER),
    lambda chance, number, orders: [*_customer(number), chance.randint(1, shop.customers(orders))],
)
# Sent in turn. Six in ten write, more than most services do: a lock that only writers wait for shows as well.
MIX = (
    *(SELECT_ORDER, INSERT_ORDER, UPDATE_ORDER, SELECT_CUSTOMER, SELECT_ORDER),
    *(INSERT_ORDER, UPDATE_ORDER, UPDATE_CUSTOMER, SELECT_ORDER, INSERT_CUSTOMER),
)


class Load:
    """Connections that share one row of due moments: whichever is free takes the next."""

    def __init__(self, demand: Demand) -> None:
        self._demand = demand
        self._numbers = itertools.count()
        self._stop_at = float("inf")
        self._samples: list[Sample] = []
        self._clients = [self._connect() for _ in range(demand.connections)]
        self._threads = [threading.Thread(target=self._send, args=(number,)) for number in range(demand.connections)]

    def start(self) -> None:
        self._started = time.monotonic()
        for thread in self._threads:
            thread.start()

    def stop(self) -> list[Sample]:
        """Send and wait for what is due by now."""
        self._stop_at = time.monotonic()
        for thread in self._threads:
            thread.join()
        return sorted(self._samples)

    def _connect(self) -> psycopg.Connection[Any]:
        """As Django connects: parameters are bound by the client, and nothing is prepared."""
        return psycopg.connect(
            self._demand.conninfo,
            autocommit=True,
            cursor_factory=psycopg.ClientCursor,
            prepare_threshold=None,
            application_name=APPLICATION,
        )

    def _send(self, client: int) -> None:
        chance = random.Random(self._demand.seed * 1000 + client)
        for number in self._numbers:
            due = self._started + number / self._demand.rate
            if due > self._stop_at:
                return
            time.sleep(max(0.0, due - time.monotonic()))
            query = MIX[number % len(MIX)]
            state = self._execute(client, query.text, query.parameters(chance, number, self._demand.orders))
            self._samples.append(Sample(due, time.monotonic() - due, query.name, state))

    def _execute(self, client: int, text: str, parameters: Sequence[Any]) -> str:
        try:
            cursor = self._clients[client].execute(text, parameters)
            if cursor.description:
                cursor.fetchall()
        except psycopg.Error as error:
            if self._clients[client].closed:
                self._reconnect(client)
            return error.sqlstate or LOST
        return ""

    def _reconnect(self, client: int) -> None:
        """Once for each query that fails: a server that stays away fails them all, and stops nothing."""
        try:
            self._clients[client] = self._connect()
        except psycopg.Error:
            time.sleep(0.01)


def main() -> None:
    load = Load(Demand(**json.loads(sys.stdin.readline())))
    gc.disable()
    load.start()
    print("ready", flush=True)
    sys.stdin.read()
    json.dump(load.stop(), sys.stdout)


if __name__ == "__main__":
    main()
