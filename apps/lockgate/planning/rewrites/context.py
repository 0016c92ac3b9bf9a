"""What a rewrite is given, and what it gives back."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from lockgate.planning import identifiers
from lockgate.planning.known_rows import KnownRows
from lockgate.planning.steps import Change, Phase, Statement
from lockgate.planning.virtual_catalog import VirtualCatalog

# Among what a migration has made: an extension, whose types, operators and functions anything may use.
EVERYTHING = ("", "")


class Online(NamedTuple):
    """One step outside the migration's transaction. undo: what brings back what was before it."""

    phase: Phase
    title: str
    statement: Statement
    reason: str
    undo: tuple[str, ...] = ()
    transactional: bool = True


class Rewritten(NamedTuple):
    """A statement's online way. switch: what takes its place in the migration's transaction."""

    name: str
    online: tuple[Online, ...]
    switch: tuple[Statement, ...] = ()


class NotRewritten(NamedTuple):
    """Why a statement stays in place although there is an online way for its kind."""

    reason: str


class RewriteContext(NamedTuple):
    """What surrounds a statement in its migration.

    before: the catalog as it is when the migration starts. quote: quotes a name. version: of the server.
    created: columns and tables that this migration has made, changed or renamed by now, and dropped: names of
    constraints and indexes that it has dropped; what needs them must wait for the switch. data: the RunPython or
    RunSQL that ran earlier in this migration, if any. previous: the changes of the statement right before it in the
    same operation. rows: what is known of the rows by now. added: names of constraints that its transaction has added.
    """

    before: VirtualCatalog
    threshold: int
    quote: Callable[[str], str]
    version: int
    created: frozenset[tuple[str, str]]
    dropped: frozenset[str]
    data: str
    previous: tuple[Change, ...]
    rows: KnownRows
    added: frozenset[str]

    def is_large(self, table: str) -> bool:
        """Whether the table is there already, and large enough to care."""
        return self.before.is_large(table, self.threshold)

    def depends_on_switch(self, change: Change) -> bool:
        """Whether what a change needs exists only once the migration's transaction has committed."""
        return EVERYTHING in self.created or self.is_of_what_was_made(change)

    def is_of_what_was_made(self, change: Change) -> bool:
        """Whether a change is of columns, tables or names that this migration has made, changed or dropped by now."""
        if (change.table, "") in self.created or (change.references and (change.references, "") in self.created):
            return True
        if change.name in self.dropped:  # Django drops and makes again what an altered field had
            return True
        if not change.uses:  # whatever this migration made of the table may be in the expression
            return any(table == change.table for table, _ in self.created)
        return any((change.table, column) in self.created for column in change.uses)

    def prevented(self) -> NotRewritten | None:
        """Data changed earlier in the migration may be what the change relies on, so the order must stay."""
        return (
            NotRewritten(f"{self.data} runs before it in the same migration, and it may depend on that")
            if self.data
            else None
        )

    def violable(self, change: Change) -> NotRewritten | None:
        """A constraint that would be put off until the migration counts, and could then fail, stays in place."""
        if self.rows.satisfy(change):
            return None
        return NotRewritten("rows may violate it, which must fail before anything is committed")

    def out_of_reach(self, table: str) -> NotRewritten | None:
        """What is built apart from the migration must be found again after a kill, by the name of its table."""
        if not self.before.knows(table):
            return NotRewritten(f'nothing is known of "{table}"')
        if identifiers.names_schema(table):
            return NotRewritten(
                f'"{table}" names a schema, and what is built online is looked for by a table\'s bare name'
            )
        return None

    def partitioned(self, table: str) -> bool:
        table_facts = self.before.fact(table)
        return table_facts is not None and table_facts.partitioned


Rewrite = Callable[[Statement, Change, RewriteContext], Rewritten | NotRewritten | None]
