"""The instants of a run that leave the same behind.

What outlives a killed runner is what the server has committed. Between two commits there are many statements, and a
kill at any of them leaves the same database to whoever comes next: the first and the last such instant stand for all.
What is committed is told by the server, in its own words: the text of a snapshot changes whenever a transaction that
has an id, as all that write have, comes to its end.
Source: https://www.postgresql.org/docs/current/functions-info.html#FUNCTIONS-INFO-SNAPSHOT

Invariant: what is not known to leave the same counts as another.
"""

from __future__ import annotations

import enum
import itertools
import os
import re
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg

from tests.support.sweep_wire import Moment

# Held: what another session may have to wait for, which is not the locks of those that only read or write rows.
TOLD = """
    SELECT pg_current_snapshot()::text,
           coalesce(string_agg(concat_ws(' ', locktype, classid, objid, relation, mode), ', '
                               ORDER BY locktype, classid, objid, relation, mode), '')
    FROM pg_locks WHERE granted AND pid <> pg_backend_pid() AND (locktype = 'advisory'
    OR locktype = 'relation' AND mode NOT IN ('AccessShareLock', 'RowShareLock', 'RowExclusiveLock'))
"""
_BY_CHANCE = re.compile(r"'(?:[^']|'')*'|\d+")


class Extent(enum.StrEnum):
    """How much of a sweep is done."""

    SAMPLE = "sample"
    STATES = "states"  # the first and the last instant of those that leave the same
    WHOLE = "whole"


EXTENT = Extent(os.environ.get("LOCKGATE_SWEEP") or Extent.SAMPLE)


@dataclass(frozen=True)
class Point:
    """An instant of a run: its statement ``at`` (from 0), before, during or after."""

    at: int
    moment: Moment

    def __str__(self) -> str:
        return f"{self.moment} statement {self.at}"


def looking(connection: psycopg.Connection[Any]) -> Callable[[], tuple[str, ...]]:
    """For ``Watch.look``: what is committed on a server at this moment, and what its sessions hold."""

    def look() -> tuple[str, ...]:
        told = connection.execute(TOLD).fetchone()
        assert told
        return tuple(told)

    return look


def classes(seen: Sequence[tuple[str, ...]], *, held: bool = False) -> list[list[Point]]:
    """The points of a run, those together that leave the same, in the order of the run.

    seen: what ``Watch`` has seen before each statement, and in the end. held: what is held must be the same too. During
    a statement that changes it, it is the one or the other: a point of no class. Only where several transactions end
    within one statement, as in what is CONCURRENTLY, may something between them be left: a class of its own.
    """
    told = [(committed, holds if held else "", busy) for committed, holds, busy in seen]
    points: dict[Hashable, list[Point]] = {}
    for at, (before, after) in enumerate(itertools.pairwise(told)):
        points.setdefault(before, []).append(Point(at, Moment.BEFORE))
        if before == after:
            points[before].append(Point(at, Moment.DURING))
        elif before[2] or after[2] or _ended(before[0], after[0]) > 1:
            points[at] = [Point(at, Moment.DURING)]
        points.setdefault(after, []).append(Point(at, Moment.AFTER))
    return list(points.values())


def _ended(before: str, after: str) -> int:
    """How many transactions have come to their end between two snapshots, subtransactions among them."""
    began, ran = (len(each.split(":")[2].split(",")) if each.split(":")[2] else 0 for each in (before, after))
    return int(after.split(":")[1]) - int(before.split(":")[1]) - ran + began


def ends(pointses: Iterable[Sequence[Point]]) -> list[Point]:
    """The first and the last of each."""
    return [fromkey for points in pointses if points for fromkey in dict.fromkeys((points[0], points[-1]))]


def shapes(statements: Sequence[str]) -> list[tuple[str, str]]:
    """Each statement with the one before it, without what differs from run to run: where in its code a runner is."""
    bare = [_BY_CHANCE.sub("?", statement) for statement in statements]
    return list(zip(["", *bare], bare, strict=False))
