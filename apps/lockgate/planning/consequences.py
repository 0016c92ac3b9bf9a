"""What the steps of plans do to what depends on their tables, one after another, by the names that facts have."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from lockgate.facts.dependents import Dependent
from lockgate.facts.dependents import DependentKind as On
from lockgate.facts.tables import DatabaseFacts
from lockgate.planning import sql_statements, sql_steps
from lockgate.planning.dependents import OF_TABLES, Fate, fate, needs_identity, of_table, uses
from lockgate.planning.steps import Change, Kind, Phase, Step

# SQL that says one of these of a name knows of it.
_DROPS = frozenset({"DROP", "ALTER", "REPLACE"})


class Consequence(NamedTuple):
    """What a step does to what depends on its table. certain: nothing before it can have dealt with the dependent."""

    step: Step
    change: Change
    dependent: Dependent
    fate: Fate
    certain: bool = True


class Watch:
    """Follows the changes of plans that go out together, in their order, by the names that facts have."""

    def __init__(self, facts: DatabaseFacts) -> None:
        self._left = of_table(facts)
        self._tables: dict[str, str] = {}
        self._columns: dict[tuple[str, str], str] = {}
        self._made: set[str] = set()
        self._blind = False  # what ran so far may have dropped anything

    def through(self, steps: Iterable[Step]) -> list[Consequence]:
        found: list[Consequence] = []
        for step in steps:
            for statement in step.statements if step.phase is not Phase.CONTRACT else ():
                text = sql_statements.statements(statement.text)
                if sql_steps.is_sql(statement.changes):
                    self._told({word for each in text if _DROPS & set(each.tokens) for word in each.identifiers()})
                cascade = any(each.has("CASCADE") for each in text)
                for change in statement.changes:
                    found += self._of(step, change, cascade=cascade)
                    self._remember(change)
        return found

    def _of(self, step: Step, change: Change, *, cascade: bool) -> Iterator[Consequence]:
        today = self._today(change)
        left = () if change.table in self._made else self._left.get(today.table, ())
        published = needs_identity(left)
        for each in left:
            if found := fate(today, each, cascade=cascade, published=published):
                yield Consequence(step, change, each, found, not self._blind)

    def _today(self, change: Change) -> Change:
        """The change with the names of before the plans."""
        table = self._tables.get(change.table, change.table)
        columns = tuple(self._columns.get((table, each), each) for each in change.columns)
        old = self._columns.get((table, change.old_name), change.old_name)
        return change._replace(table=table, columns=columns, old_name=old)

    def _remember(self, change: Change) -> None:
        today = self._today(change)
        if change.kind is Kind.CREATE_TABLE:
            self._made.add(change.table)
        elif change.kind is Kind.RENAME_TABLE:
            self._tables[change.name] = self._tables.pop(change.old_name, change.old_name)
            if change.old_name in self._made:
                self._made = self._made - {change.old_name} | {change.name}
        elif change.kind is Kind.RENAME_COLUMN:
            self._columns[today.table, change.name] = today.old_name
        elif change.kind is Kind.DROP_TABLE:
            self._drop(lambda each: today.table in (each.of, each.table))
        elif change.kind is Kind.DROP_COLUMN:
            self._drop(
                lambda each: (
                    (each.of, each.bare) in {(today.table, column) for column in today.columns}
                    or (each.table == today.table and uses(today, each) and each.kind is not On.TRIGGER_FUNCTION)
                )
            )
        elif change.kind in (Kind.DROP_CONSTRAINT, Kind.DROP_INDEX):
            self._drop(lambda each: (each.of, each.bare) == (today.table, change.name))
        elif change.unread:
            self._blind = True

    def _told(self, names: set[str]) -> None:
        """SQL that drops or alters what has these names knows of it."""
        self._drop(lambda each: each.bare in names and each.kind not in OF_TABLES | {On.REPLICA_IDENTITY})

    def _drop(self, gone: Callable[[Dependent], bool]) -> None:
        self._left = {table: [each for each in listed if not gone(each)] for table, listed in self._left.items()}
