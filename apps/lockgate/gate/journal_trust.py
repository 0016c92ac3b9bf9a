"""Whether the journal was written by runs alone: a step is SQL, which a run sends with its own rights."""

from __future__ import annotations

from django.db.backends.base.base import BaseDatabaseWrapper

from lockgate.database import rights
from lockgate.errors import JournalUntrusted
from lockgate.ledger import journal
from lockgate.ledger.reading import Reading

_LOOK = (
    "SELECT id, app, name, phase, state, sql, undo, definition FROM lockgate_journalentry "
    "WHERE NOT committed OR phase = 'finish'"
)


def refuse_written_by_others(connection: BaseDatabaseWrapper, known: Reading | None = None) -> None:
    """Raise JournalUntrusted where it has open steps, and others than its owner could have written them.

    To be asked before anything of a step is sent. Nothing is taken from anybody here: the next start would take what
    they have written for ours. known: what was read under the lock; else one query, where nobody has such a right.
    """
    if known is not None and known.under_lock is not None:
        if not known.open:
            return
        granted = list(known.under_lock.rights)
    else:
        granted = rights.of_others(connection)
    if not granted or not journal.exists(connection) or not journal.open_steps(connection.alias):
        return
    roles = ", ".join(dict.fromkeys(f'"{right.role}"' for right in granted))
    raise JournalUntrusted(
        why=f"{roles} could write its tables, and a step is SQL; who has written which is not known",
        next_step=f"look at what they say, and delete what no run of yours has written:  {_LOOK};\n"
        f"take the rights away, then run again:  {' '.join(f'{right.statement};' for right in granted)}",
    )
