"""What a rule looks at: one migration's steps, with what RunSQL and RunPython say read into them, and the facts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from django.db.migrations import Migration
from django.db.migrations.operations import RunPython, SeparateDatabaseAndState
from django.db.migrations.operations.base import Operation

from lockgate.facts.tables import DatabaseFacts, TableFacts
from lockgate.planning import python_reading, sql_statements, sql_steps, transaction_locks
from lockgate.planning.consequences import Consequence
from lockgate.planning.lock_modes import LockMode
from lockgate.planning.python_reading import Code
from lockgate.planning.sql_statements import SqlStatement
from lockgate.planning.steps import Change, Kind, Lock, MigrationPlan, Phase, Step
from lockgate.planning.transaction_locks import Transaction

if TYPE_CHECKING:
    from lockgate.linting.rules.rule import Rule

KILOBYTE = 1024


class HazardSettings(NamedTuple):
    """threshold: bytes from which on a table is large. size_budget: bytes from which on long work needs a decision.

    own: the project's own rules, to be asked beside ours.
    """

    threshold: int
    size_budget: int
    own: tuple[Rule, ...] = ()


@dataclass(frozen=True)
class RuleContext:
    """One migration as rules see it.

    was: today's names of tables that this plan renames. fixed: it is applied or built upon, and can be changed no more.
    validated: constraints that a later migration of the same release validates.
    consequences: what its steps do to what depends on their tables, where the database was asked.
    """

    migration: Migration
    plan: MigrationPlan
    facts: DatabaseFacts
    settings: HazardSettings
    new_tables: frozenset[str] = frozenset()
    was: dict[str, str] = field(default_factory=dict)
    fixed: bool = False
    validated: frozenset[str] = frozenset()
    consequences: tuple[Consequence, ...] = ()

    @cached_property
    def steps(self) -> tuple[Step, ...]:
        """The plan's steps, with locks on what is there before the release alone."""
        return tuple(
            step._replace(locks=tuple(lock for lock in step.locks if self.existed(lock.table)))
            if sql_steps.is_sql(step.changes)
            else step
            for step in self.plan.steps
        )

    @cached_property
    def transactions(self) -> tuple[Transaction, ...]:
        """What its own operations hold until they commit."""
        return transaction_locks.of(self.steps, atomic=self.migration.atomic)

    def held(self, step: Step) -> Iterator[tuple[str, LockMode]]:
        """Tables, by their names of then, that a step finds locked by its transaction in a way that others wait for;
        not those that the transaction makes or drops."""
        for transaction in self.transactions:
            for name, held in transaction_locks.on_entry((transaction,), step).items():
                if held.mode.blocks_writes and self.existed(name) and held.table not in transaction.dropped:
                    yield name, held.mode

    @cached_property
    def operations(self) -> tuple[tuple[int, Operation], ...]:
        """What acts on this database, with its place in the migration."""
        return tuple(
            (number, part)
            for number, operation in enumerate(self.migration.operations)
            for part in _parts(operation)
            if not any(part is other for other in self.plan.elsewhere)
        )

    @cached_property
    def sql(self) -> tuple[tuple[Step, SqlStatement], ...]:
        """Every statement that RunSQL brings."""
        return tuple(
            (step, part)
            for step in self.plan.steps
            for statement in step.statements
            if sql_steps.is_sql(statement.changes)
            for part in sql_statements.statements(statement.text)
        )

    @cached_property
    def code(self) -> tuple[tuple[int, Code], ...]:
        """Every function that RunPython runs forwards, where its source can be read, and its tables matter."""
        return tuple((number, code) for number, code in self.functions if self._matters(code))

    @cached_property
    def functions(self) -> tuple[tuple[int, Code], ...]:
        """Every function that RunPython runs forwards, where its source can be read."""
        return tuple(
            (number, replace(code, db_tables=self._db_tables(number)))
            for number, operation in self.operations
            if isinstance(operation, RunPython) and (code := python_reading.read(operation.code))
        )

    def _db_tables(self, number: int) -> dict[str, str]:
        changes = (change for step in self.plan.steps if step.operation == number for change in step.changes)
        return {name: table for change in changes for name, table in change.named}

    def _matters(self, code: Code) -> bool:
        tables = [self.was.get(name, name) for name in code.tables]
        return not code.names_all_tables or any(self.existed(name) and self.large(name) for name in tables)

    def changes(self, *kinds: Kind) -> Iterator[tuple[Step, Change]]:
        """Changes of these kinds to tables that are there before this plan."""
        for step in self.steps:
            for change in step.changes:
                if change.kind in kinds and self.existed(change.table):
                    yield step, change

    def switch(self, *kinds: Kind) -> Iterator[tuple[Step, Change]]:
        """The same, in the migration's own transaction (or on their own where it is not atomic)."""
        return (change for change in self.changes(*kinds) if change[0].phase is Phase.SWITCH)

    @staticmethod
    def is_sql(step: Step) -> bool:
        """Whether a step is a RunSQL."""
        return sql_steps.is_sql(step.changes)

    def is_generated(self, change: Change) -> bool:
        """Whether the database computes a new column by itself."""
        fields = (getattr(operation, "field", None) for _, operation in self.operations)
        generated = {field.name for field in fields if field is not None and getattr(field, "generated", False)}
        return change.stored or any(column in generated for column in change.columns)

    def lacks_a_value(self, change: Change) -> bool:
        """Whether a new column is NOT NULL and has nothing for the rows that are there."""
        return change.not_null and not change.default and not change.identity and not self.is_generated(change)

    @cached_property
    def empty(self) -> frozenset[str]:
        """Tables that have no row, or the migration fails (LG306): no work on them takes long. None where it has SQL
        or code, which may take many rows away before."""
        if self.sql or any(isinstance(operation, RunPython) for _, operation in self.operations):
            return frozenset()
        return frozenset(change.table for _, change in self.changes(Kind.ADD_COLUMN) if self.lacks_a_value(change))

    def existed(self, table: str) -> bool:
        return table not in self.new_tables

    def large(self, table: str) -> bool:
        """Whether a table is worth care; one whose name is unknown is."""
        is_large = not table or self.facts.is_large(self.was.get(table, table), self.settings.threshold)
        return is_large and table not in self.empty

    def may_be_large(self, table: str) -> bool:
        """Whether what is not known may touch a large table: this one, or where none can be named, any."""
        return self.existed(table) and self.large(table) if table else self.facts.any_large(self.settings.threshold)

    def fact(self, table: str) -> TableFacts | None:
        return self.facts.table(self.was.get(table, table)) if self.existed(table) else None

    def touched(self) -> Iterator[tuple[Step, Lock, TableFacts]]:
        """Locks on tables of which the catalog says something."""
        for step in self.steps:
            for lock in step.locks:
                if (table := self.fact(lock.table)) is not None:
                    yield step, lock, table

    def described(self, table: str) -> str:
        """A table for people: its name, and its size, or that this is unknown."""
        table_facts = self.fact(table)
        if not table:
            return "its table"
        if table_facts is not None and table_facts.size_known:
            return f'"{table}" ({size(table_facts.size)}, {table_facts.rows_in_words})'
        unknown = self.existed(table) and not self.facts.offline
        return f'"{table}" (its size is unknown, so it counts as large)' if unknown else f'"{table}"'

    def why_in_place(self, step: Step) -> str:
        """What keeps a step from its online way, to be appended to a message."""
        if step.kept_in_place:
            return f"; it stays in place because {step.kept_in_place}"
        if not self.migration.atomic:
            return "; it stays in place because the migration is not atomic"
        return ""


def column(change: Change) -> str:
    """The column that a change is about, for people."""
    return change.columns[0] if change.columns else "?"


def named(change: Change) -> str:
    """What it is called, with a space behind it, where it has a name."""
    return f'"{change.name}" ' if change.name else ""


def size(number: int) -> str:
    """Bytes for people."""
    amount = float(number)
    for unit in ("bytes", "kB", "MB", "GB"):
        if amount < KILOBYTE:
            return f"{amount:.0f} {unit}" if unit == "bytes" or amount >= 10 else f"{amount:.1f} {unit}"
        amount /= KILOBYTE
    return f"{amount:.1f} TB"


def _parts(operation: Operation) -> Iterator[Operation]:
    if isinstance(operation, SeparateDatabaseAndState):
        for part in operation.database_operations:
            yield from _parts(part)
    else:
        yield operation
