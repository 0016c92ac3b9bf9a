"""Finishes or undoes what a run that died or failed has left, under the lock, before anything new begins.

It goes by the journal and the catalog together, never by names alone, and can itself be killed at any instant: each of
its steps is journaled like any other.

Only rows of migrations that this release has are its business. Those of others belong to a release that may be at work
on them, before or after this one; which of the two cannot be told from here, so they stay as they are, and are named.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from django.db.migrations import Migration

from lockgate.errors import NotFinished
from lockgate.events import Recovering
from lockgate.execution import atomic, finish_phase
from lockgate.execution.context import RunContext
from lockgate.facts import Key
from lockgate.ledger import fingerprints, journal
from lockgate.models import JournalEntry
from lockgate.planning import selection


def recover(
    context: RunContext, disk: Mapping[Key, Migration], applied: Collection[Key], unapplying: Collection[Key]
) -> None:
    """disk: this release's migrations. unapplying: those that this run will take back: what is left of them to be
    finished is tried, and left if it fails.

    What another release has left is not touched.

    Raises NotFinished, LocksNotAcquired, or the server's error.
    """
    ours = selection.known(disk.values())
    for key, rows in journal.prepared(context.connection.alias).items():
        if key in disk:
            _prepared(context, key, rows, disk[key], recorded=key in applied)
        else:
            context.listen(Recovering(key, "leave", _done(rows), len(rows)))
    for key, rows in journal.half_finished(context.connection.alias).items():
        if key not in ours:
            context.listen(Recovering(key, "leave", _done(rows), len(rows)))
            continue
        context.listen(Recovering(key, "finish", _done(rows), len(rows)))
        try:
            finish_phase.run(context, key, rows)
        except NotFinished:
            if key not in unapplying:
                raise
            context.progress.remaining = ""


def _prepared(context: RunContext, key: Key, rows: list[JournalEntry], migration: Migration, *, recorded: bool) -> None:
    done = _done(rows)
    if recorded and any(row.phase == journal.BACKWARDS for row in rows):
        return  # it was being taken back: applied again, or taken back further, where the states are known
    if recorded:
        context.listen(Recovering(key, "abandon", done, len(rows)))
        context.journal.abandon(key)
    elif fingerprints.of(migration).ast_digest != rows[0].ast_digest:
        if all(row.phase == journal.EXPAND for row in rows):
            context.listen(Recovering(key, "undo", done, len(rows)))
            atomic.undo(context, key, rows)
    elif rows[0].phase == journal.EXPAND:
        context.listen(Recovering(key, "carry on", done, len(rows)))


def _done(rows: list[JournalEntry]) -> int:
    return sum(row.state == JournalEntry.State.DONE for row in rows)
