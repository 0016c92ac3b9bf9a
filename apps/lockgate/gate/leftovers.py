"""What runs of this release have left half-done, so that it is not taken for a hazard by the run that will end it.

Recovery comes while the migrations run, after they are judged. So they are judged by the facts as it will have them: of
a migration that does not count yet, as before its steps began; of one that counts, as after they are finished. What
another release has left is not touched by this run, and stays in the facts; so does what somebody else has made.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import NamedTuple

from django.contrib.postgres.operations import AddIndexConcurrently, RemoveIndexConcurrently
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations import Migration

from lockgate.database import lookups
from lockgate.execution import concurrent_index, journaled_step
from lockgate.facts import Key
from lockgate.facts.tables import DatabaseFacts
from lockgate.ledger import journal
from lockgate.ledger.reading import Reading
from lockgate.models import JournalEntry
from lockgate.planning import selection
from lockgate.planning.operations import count
from lockgate.planning.steps import Kind

_ADDS, _REMOVES = AddIndexConcurrently.__name__, RemoveIndexConcurrently.__name__


class Leftovers(NamedTuple):
    """prepared: for migrations that do not count yet. to_finish: what is left to do of migrations that count."""

    prepared: Mapping[Key, list[JournalEntry]]
    to_finish: Mapping[Key, list[JournalEntry]]

    def cleared(self, facts: DatabaseFacts, connection: BaseDatabaseWrapper) -> DatabaseFacts:
        """The facts as they will be when this run has undone, used or finished it.

        Sends some SELECTs for each of its indexes and constraints, and for a broken-off build what ``lookups.defined``
        sends. Raises LockNotAvailable where somebody has its table to himself.
        """
        for rows, finished in ((self.prepared, False), (self.to_finish, True)):
            for row in (row for journal_entries in rows.values() for row in journal_entries):
                if row.table_name in facts.tables and _made_by(connection, row):
                    gone = _drops(row) == finished and not _proves(row)
                    facts = (facts.without if gone else facts.completed)({row.object_name}, {row.table_name})
        return facts

    def done(self, migrations: Collection[Migration]) -> set[tuple[Key, int]]:
        """The operations that are done of migrations that are not atomic: they will not run again."""
        done = set()
        for migration in migrations:
            key, first = selection.key_of(migration), 0
            rows = self.prepared.get(key, ())
            ordinals = {
                row.ordinal for row in rows if row.phase == journal.SWITCH and row.state == JournalEntry.State.DONE
            }
            for number, operation in enumerate(migration.operations):
                following = first + count(operation)
                if following > first and ordinals.issuperset(range(first, following)):
                    done.add((key, number))
                first = following
        return done


def of_release(
    connection: BaseDatabaseWrapper, disk: Mapping[Key, Migration], known: Reading | None = None
) -> Leftovers:
    """What the journal has open of the migrations of a release; nothing where there is no journal.

    known: what was read under the lock.
    """
    if not known.open if known else not journal.exists(connection):
        return Leftovers({}, {})
    ours = selection.known(disk.values())
    return Leftovers(
        {key: rows for key, rows in journal.prepared(connection.alias).items() if key in disk},
        {key: rows for key, rows in journal.to_finish(connection.alias).items() if key in ours},
    )


def _made_by(connection: BaseDatabaseWrapper, row: JournalEntry) -> bool:
    """Whether what is there under the name is what the step has made, or begun; by oid or definition."""
    if not row.attempts and row.object_oid is None:
        return False  # it was not begun, and was not told what is there
    index = lookups.index(connection, row.table_name, row.object_name)
    if index is not None and concurrent_index.is_ours(connection, row, index):
        return True
    constraint = lookups.constraint(connection, row.table_name, row.object_name)
    return constraint is not None and journaled_step.is_our_constraint(row, constraint)


def _drops(row: JournalEntry) -> bool:
    """Whether the step drops what it names; any other makes or validates it."""
    return row.kind in (Kind.DROP_INDEX, _ADDS if row.phase == journal.BACKWARDS else _REMOVES)


def _proves(row: JournalEntry) -> bool:
    """Whether the step validates what was there before, which is not taken back."""
    return row.kind == Kind.VALIDATE_CONSTRAINT and not row.undo
