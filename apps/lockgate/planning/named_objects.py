"""Constraints and indexes by name: as the catalog has them, and as a change makes or renames them."""

from __future__ import annotations

from typing import NamedTuple

from lockgate.facts.tables import ConstraintFacts, IndexFacts, TableFacts
from lockgate.planning import conditions
from lockgate.planning.steps import Change, Kind


class NamedObject(NamedTuple):
    """A constraint or index by name. kind: as in ``pg_constraint.contype``; i for an index without a constraint.

    uses: every column that it stands on, by key, inclusion, expression or condition; None where that is not known.
    computed: an index with an expression or a condition. listed: its columns as Django's introspection has them, with
    those of INCLUDE. special: an index that Django does not take for a plain one: another method, storage options.
    requires: columns that a check says are not NULL. validated: every row satisfies it.
    """

    name: str
    kind: str
    columns: tuple[str | None, ...]
    unique: bool = False
    references: str = ""
    method: str = "btree"
    uses: frozenset[str] | None = None
    computed: bool = False
    included: tuple[str, ...] = ()
    special: bool = False
    requires: frozenset[str] = frozenset()
    validated: bool = True

    @property
    def listed(self) -> tuple[str | None, ...]:
        return (*self.columns, *self.included)

    @property
    def plain(self) -> bool:
        """Whether Django takes an index for one of its own plain ones: by method, options, and the end of its name."""
        return self.method == "btree" and not self.special and not self.name.endswith("_btree")

    def __str__(self) -> str:
        """For people: what it is, its name, and the columns that it is of, by key, expression and condition."""
        what = "unique index" if self.kind == "i" and self.unique else _WORDS[self.kind]
        columns = dict.fromkeys(filter(None, (*self.columns, *sorted(self.uses or ()))))
        return f'{what} "{self.name}" ({", ".join(columns)})'

    @property
    def is_index(self) -> bool:
        return self.kind in "iupx"


_WORDS = {
    "c": "check",
    "f": "foreign key",
    "i": "index",
    "n": "NOT NULL",
    "p": "primary key",
    "u": "unique constraint",
    "x": "exclusion constraint",
}
KINDS = {
    Kind.ADD_UNIQUE: "u",
    Kind.ADD_PRIMARY_KEY: "p",
    Kind.ADD_CHECK: "c",
    Kind.ADD_FOREIGN_KEY: "f",
    Kind.ADD_EXCLUSION: "x",
    Kind.ADD_INDEX: "i",
}


def of_change(change: Change) -> NamedObject:
    """What a change makes."""
    uses = frozenset(change.uses) or None
    computed = change.partial or change.expression or (change.kind is Kind.ADD_INDEX and not change.columns)
    columns = (None,) if change.expression else change.columns
    kind = KINDS[change.kind]
    included, special = change.included if kind == "i" else (), change.special
    named_object = NamedObject(
        change.name, kind, columns, change.unique, change.references, uses=uses, computed=computed
    )
    requires, validated = frozenset(change.requires), not change.not_valid
    return named_object._replace(included=included, special=special, requires=requires, validated=validated)


def with_column_renamed(named_object: NamedObject, old: str, new: str) -> NamedObject:
    columns = tuple(new if name == old else name for name in named_object.columns)
    uses = named_object.uses and frozenset(new if name == old else name for name in named_object.uses)
    named_object = named_object._replace(
        requires=frozenset(new if name == old else name for name in named_object.requires)
    )
    return named_object._replace(
        columns=columns, uses=uses, included=tuple(new if n == old else n for n in named_object.included)
    )


def of_table(table: TableFacts) -> list[NamedObject]:
    constraints = [
        _constraint(constraint, table.indexes.get(constraint.name)) for constraint in table.constraints.values()
    ]
    covered = {constraint.name for constraint in constraints if constraint.is_index}
    return constraints + [_index(index) for index in table.indexes.values() if index.name not in covered]


def _constraint(constraint: ConstraintFacts, index: IndexFacts | None) -> NamedObject:
    uses = frozenset((*constraint.columns, *(index.uses if index else ())))
    computed = index is not None and index.computed
    references = constraint.references or ""
    named_object = NamedObject(
        constraint.name,
        constraint.kind,
        constraint.columns,
        constraint.kind in "up",
        references,
        uses=uses,
        computed=computed,
    )
    required = frozenset(column for column in constraint.columns if conditions.requires(column, constraint.definition))
    return named_object._replace(requires=required, validated=constraint.validated)


def _index(index: IndexFacts) -> NamedObject:
    uses, computed = frozenset(index.uses), index.computed
    named_object = NamedObject(
        index.name, "i", index.columns, index.unique, method=index.method, uses=uses, computed=computed
    )
    return named_object._replace(included=index.included, special=index.options)
