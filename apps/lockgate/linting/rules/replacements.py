"""LG1xx: indexes that take the place of others."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

from django.db.migrations.operations import RunSQL
from django.db.migrations.operations.base import Operation

from lockgate.linting.rules.offer import Offer, Situation, is_djangos_schema_or_sql, taken_out
from lockgate.linting.rules.rule import WARNING, Finding, rule
from lockgate.linting.rules.rule_context import RuleContext
from lockgate.planning import sql_changes, sql_steps
from lockgate.planning.steps import Change, Kind, Phase, Step

_DROPS = frozenset({Kind.DROP_INDEX, Kind.DROP_CONSTRAINT})
_BUILDS = frozenset({Kind.ADD_INDEX, Kind.ADD_UNIQUE, Kind.ADD_PRIMARY_KEY})


def new_one_first(situation: Situation) -> Offer | None:
    """What drops the old one, in a migration after its own, where it does nothing else and the new name is another."""
    operations, operation = situation.migration.operations, situation.operation
    others = {name for other in operations if other is not operation for name in _names(other)}
    mine = _names(operation)
    if len(operations) == 1 or len(mine) != 1 or mine & others:
        return None
    offer = taken_out(situation, situation.number, "queries have one of both at any time", passes=_passes)
    return offer and replace(
        offer, later=tuple(replace(written, atomic=bool(situation.migration.atomic)) for written in offer.later)
    )


def _passes(operation: Operation) -> bool:
    """Whether the old index can still be there when an operation runs that came after its drop."""
    if not isinstance(operation, RunSQL):
        return is_djangos_schema_or_sql(operation)
    return all(change.kind in _BUILDS for _, text in sql_steps.texts(operation.sql) for change in sql_changes.of(text))


def _names(operation: Operation) -> set[str]:
    """The indexes and constraints that an operation is about."""
    if isinstance(operation, RunSQL):
        return {change.name for _, text in sql_steps.texts(operation.sql) for change in sql_changes.of(text)}
    parts = (operation, getattr(operation, "index", None), getattr(operation, "constraint", None))
    return {str(name) for part in parts if (name := getattr(part, "name", ""))}


@rule(
    "LG108",
    "dropped-before-its-replacement",
    WARNING,
    condition="An index, or a unique constraint, of a large table is dropped, and the one that takes its place is "
    "built later, not in the same transaction: it has the same name, or begins with the same column, and no other "
    "index begins with the columns of the old one.",
    effect="Until the new one is built, which takes longer the larger the table is, queries that used the old one read "
    "the whole table, and duplicates that a unique one kept out are let in; then the new one cannot be built.",
    remedy="Build the new one first, under another name, and drop the old one after it. AddIndex before RemoveIndex in "
    "one atomic migration is enough: Lockgate builds before the migration's transaction, and drops after it.",
    rests_on="https://www.postgresql.org/docs/current/sql-createindex.html#SQL-CREATEINDEX-CONCURRENTLY",
    unsafe="""
        atomic = False
        postgres_operations.RemoveIndexConcurrently("order", "order_total"),
        postgres_operations.AddIndexConcurrently(
            "order", models.Index(fields=["total", "number"], name="order_total_number")
        ),
    """,
    safe="""
        migrations.AddIndex("order", models.Index(fields=["total", "number"], name="order_total_number")),
        migrations.RemoveIndex("order", "order_total"),
    """,
    instead=new_one_first,
)
def dropped_first(context: RuleContext) -> Iterator[Finding]:
    done = list(_in_order(context))
    for at, (old_in, step, old) in enumerate(done):
        if old.kind in _DROPS and _matters(context, old) and not _covered(old, done[:at]):
            new = next((new for new_in, _, new in done[at:] if new_in != old_in and _takes_its_place(new, old)), None)
            if new:
                yield Finding(_what(context, old, new), step.operation, old.table)


class _Done(NamedTuple):
    """transaction: what tells the one that it is done in from others."""

    transaction: tuple[object, ...]
    step: Step
    change: Change


def _in_order(context: RuleContext) -> Iterator[_Done]:
    """Drops and builds as they are carried out."""
    for place, step in enumerate(context.steps):
        for number, statement in enumerate(step.statements if step.phase is not Phase.CONTRACT else ()):
            together = step.phase is Phase.SWITCH and context.migration.atomic
            by_itself = context.is_sql(step) or not step.transactional
            transaction = () if together else (place, number) if by_itself else (place,)
            for change in statement.changes:
                if change.kind in _DROPS | _BUILDS:
                    yield _Done(transaction, step, change)


def _matters(context: RuleContext, old: Change) -> bool:
    """A constraint that is not unique is no index; of one whose table is not known, nothing can be said."""
    index = old.kind is Kind.DROP_INDEX or old.unique
    return bool(index and old.table and context.existed(old.table) and context.large(old.table))


def _covered(old: Change, before: list[_Done]) -> bool:
    """Whether another index serves the same queries when it is dropped."""
    left = set(old.covered)
    for _, _, change in before:
        if change.kind in _DROPS:
            left.discard(change.name)
        elif change.table == old.table and change.columns[: len(old.columns)] == old.columns and not change.partial:
            left |= {change.name} if change.unique or not old.unique else set()
    return bool(left) and bool(old.columns)


def _takes_its_place(new: Change, old: Change) -> bool:
    if new.kind not in _BUILDS or new.table != old.table or new.using_index:
        return False
    return new.name == old.name or bool(old.columns and new.columns[:1] == old.columns[:1] and not new.expression)


def _what(context: RuleContext, old: Change, new: Change) -> str:
    kind = "index" if old.kind is Kind.DROP_INDEX else "unique constraint"
    which = "one of the same name" if new.name == old.name else f'"{new.name}"'
    described = context.described(old.table)
    return f'{kind} "{old.name}" of {described} is dropped before {which}, which takes its place, is built'
