"""Tables as the catalog shows them at one moment: what a plan is made from, so that planning never asks the server.

Sizes are bytes, rows are the planner's estimate, ages are seconds. Names are as in the catalog, unquoted.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import NamedTuple

from lockgate.facts.dependents import Dependent
from lockgate.facts.types import TypeFacts


class ColumnFacts(NamedTuple):
    """One column. type: as ``format_type`` writes it, with its modifier.

    sequence: the one that it owns or is the identity of. sequence_used: the part of the range of the column's type
    that it has used up, 0 to 1, for integer keys.
    """

    name: str
    type: str
    not_null: bool
    generated: bool = False
    identity: bool = False
    sequence: str | None = None
    sequence_used: float = 0.0


class IndexFacts(NamedTuple):
    """One index. columns: its key columns, a null name standing for an expression.

    uses: every column it stands on, by key, inclusion, expression or condition. included: those of INCLUDE, in order.
    options: whether it has storage options (WITH).
    """

    name: str
    columns: tuple[str | None, ...]
    unique: bool
    valid: bool
    primary: bool
    partial: bool
    method: str
    size: int
    uses: tuple[str, ...] = ()
    included: tuple[str, ...] = ()
    options: bool = False

    @property
    def computed(self) -> bool:
        """Whether it has an expression or a condition."""
        return self.partial or None in self.columns


class ConstraintFacts(NamedTuple):
    """One constraint. kind: as in ``pg_constraint.contype`` (c, f, n, p, u, x)."""

    name: str
    kind: str
    columns: tuple[str, ...]
    definition: str
    validated: bool
    references: str | None = None


class SessionFacts(NamedTuple):
    """A session that stands in the way, or may. modes: the lock modes it holds on the table."""

    pid: int
    application: str
    state: str
    transaction_seconds: float
    modes: tuple[str, ...] = ()


class TableFacts(NamedTuple):
    """One table, with what hangs on it. size: heap, indexes and toast. kind: ``pg_class.relkind``.

    rows: None where nobody has counted or estimated them yet. parents: the tables that it inherits from or is a
    partition of, and theirs: a query of one of them locks its children too.
    """

    name: str
    kind: str
    size: int
    rows: int | None
    columns: Mapping[str, ColumnFacts] = MappingProxyType({})
    indexes: Mapping[str, IndexFacts] = MappingProxyType({})
    constraints: Mapping[str, ConstraintFacts] = MappingProxyType({})
    sessions: tuple[SessionFacts, ...] = ()
    referenced_by: tuple[str, ...] = ()
    parents: tuple[str, ...] = ()

    @property
    def rows_in_words(self) -> str:
        return "rows not counted yet" if self.rows is None else f"about {self.rows:,} rows"

    @property
    def partitioned(self) -> bool:
        return self.kind == "p"

    @property
    def size_known(self) -> bool:
        """Whether the size is the rows'. A foreign table's are elsewhere, a view's are its tables'."""
        return self.kind not in ("f", "v")

    def without(self, names: Collection[str]) -> TableFacts:
        """The same, less its indexes and constraints of these names."""
        return self._replace(
            indexes={name: index for name, index in self.indexes.items() if name not in names},
            constraints={name: constraint for name, constraint in self.constraints.items() if name not in names},
        )

    def completed(self, names: Collection[str]) -> TableFacts:
        """The same, its indexes and constraints of these names being valid."""
        indexes = {name: self.indexes[name]._replace(valid=True) for name in self.indexes.keys() & names}
        checked = {name: self.constraints[name]._replace(validated=True) for name in self.constraints.keys() & names}
        return self._replace(indexes={**self.indexes, **indexes}, constraints={**self.constraints, **checked})


class DatabaseFacts(NamedTuple):
    """Everything that planning knows of the database.

    offline: nothing was asked; tables are assumed to be there, and to be large, as online is one that nobody has looked
    at. volatile_functions: names of
    functions whose result changes from call to call, as the catalog has it. collations: by name, whether deterministic;
    of those that are both, in two schemas, nothing is known. old_snapshots: transactions that a
    concurrent index build would have to wait for. dependents: of the tables that a plan changes, once it is made.
    types: those that are not PostgreSQL's own, by name, and by name with schema.
    largest: the bytes of the largest table that there is, asked where a plan may touch any; None where it was not.
    """

    version: int
    offline: bool = False
    tables: Mapping[str, TableFacts] = MappingProxyType({})
    volatile_functions: frozenset[str] = frozenset()
    collations: Mapping[str, bool] = MappingProxyType({})
    old_snapshots: tuple[SessionFacts, ...] = ()
    dependents: tuple[Dependent, ...] = ()
    largest: int | None = None
    types: Mapping[str, TypeFacts] = MappingProxyType({})

    def table(self, name: str) -> TableFacts | None:
        return self.tables.get(name)

    def without(self, names: Collection[str], tables: Collection[str] | None = None) -> DatabaseFacts:
        """The same, less the indexes and constraints of these names. tables: of which; None is of all."""
        chosen = self.tables.keys() if tables is None else self.tables.keys() & tables
        return self._replace(tables={**self.tables, **{name: self.tables[name].without(names) for name in chosen}})

    def completed(self, names: Collection[str], tables: Collection[str]) -> DatabaseFacts:
        """The same, the indexes and constraints of these names, of these tables, being valid."""
        chosen = self.tables.keys() & tables
        return self._replace(tables={**self.tables, **{name: self.tables[name].completed(names) for name in chosen}})

    def is_large(self, name: str, threshold: int) -> bool:
        """Whether a table is worth care. One of unknown size is; whether a plan makes it first, the caller knows."""
        table = self.tables.get(name)
        if self.offline or table is None or not table.size_known:
            return True
        return table.partitioned or table.size >= threshold

    def any_large(self, threshold: int) -> bool:
        """Whether there is a table that is worth care, or may be, where nobody has looked."""
        return self.largest is None or self.largest >= threshold
