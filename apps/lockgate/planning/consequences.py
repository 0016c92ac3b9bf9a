"""What the steps of plans do to what depends on their tables, one after another, by the names that facts have."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from lockgate.facts.dependents import Dependent
from lockgate.facts.dependents import DependentKind as On
from lockgate.facts.tables import DatabaseFacts
from lockgate.planning import sql_statements, sql_steps
from lockgate.planning.dependents import OF_TABLES, Verdict, needs_identity, of_table, uses, verdict
from lockgate.planning.steps import Change, Kind, Phase, Step

# SQL that says one of these of a name knows of it.
_DROPS = frozenset({"DROP", "ALTER", "REPLACE"})


class Consequence(NamedTuple):
    """What a step does to what depends on its table. certain: nothing before it can have dealt with the dependent."""

    step: Step
    change: Change
    dependent: Dependent
    verdict: Verdict
    certain: bool = True


class DependentTracker:
    """Follows the changes of plans that go out together, in their order, by the names that facts have."""

    def __init__(self, facts: DatabaseFacts) -> None:
        self._dependents = of_table(facts)
        self._tables: dict[str, str] = {}
        self._columns: dict[tuple[str, str], str] = {}
        self._created: set[str] = set()
        self._blind = False  # what ran so far may have dropped anything

    def through(self, steps: Iterable[Step]) -> list[Consequence]:
        consequences: list[Consequence] = []
        for step in steps:
            for statement in step.statements if step.phase is not Phase.CONTRACT else ():
                text = sql_statements.statements(statement.text)
                if sql_steps.is_sql(statement.changes):
                    self._note_sql({word for part in text if _DROPS & set(part.tokens) for word in part.identifiers()})
                cascade = any(part.has("CASCADE") for part in text)
                for change in statement.changes:
                    consequences += self._of(step, change, cascade=cascade)
                    self._remember(change)
        return consequences

    def _of(self, step: Step, change: Change, *, cascade: bool) -> Iterator[Consequence]:
        today = self._today(change)
        left = () if change.table in self._created else self._dependents.get(today.table, ())
        published = needs_identity(left)
        for dependent in left:
            if outcome := verdict(today, dependent, cascade=cascade, published=published):
                yield Consequence(step, change, dependent, outcome, not self._blind)

    def _today(self, change: Change) -> Change:
        """The change with the names of before the plans."""
        table = self._tables.get(change.table, change.table)
        columns = tuple(self._columns.get((table, column), column) for column in change.columns)
        old = self._columns.get((table, change.old_name), change.old_name)
        return change._replace(table=table, columns=columns, old_name=old)

    def _remember(self, change: Change) -> None:
        today = self._today(change)
        if change.kind is Kind.CREATE_TABLE:
            self._created.add(change.table)
        elif change.kind is Kind.RENAME_TABLE:
            self._tables[change.name] = self._tables.pop(change.old_name, change.old_name)
            if change.old_name in self._created:
                self._created = self._created - {change.old_name} | {change.name}
        elif change.kind is Kind.RENAME_COLUMN:
            self._columns[today.table, change.name] = today.old_name
        elif change.kind is Kind.DROP_TABLE:
            self._drop(lambda dependent: today.table in (dependent.of, dependent.table))
        elif change.kind is Kind.DROP_COLUMN:
            self._drop(
                lambda dependent: (
                    (dependent.of, dependent.bare) in {(today.table, column) for column in today.columns}
                    or (
                        dependent.table == today.table
                        and uses(today, dependent)
                        and dependent.kind is not On.TRIGGER_FUNCTION
                    )
                )
            )
        elif change.kind in (Kind.DROP_CONSTRAINT, Kind.DROP_INDEX):
            self._drop(lambda dependent: (dependent.of, dependent.bare) == (today.table, change.name))
        elif change.unread:
            self._blind = True

    def _note_sql(self, names: set[str]) -> None:
        """SQL that drops or alters what has these names knows of it."""
        self._drop(
            lambda dependent: dependent.bare in names and dependent.kind not in OF_TABLES | {On.REPLICA_IDENTITY}
        )

    def _drop(self, gone: Callable[[Dependent], bool]) -> None:
        self._dependents = {
            table: [dependent for dependent in listed if not gone(dependent)]
            for table, listed in self._dependents.items()
        }
