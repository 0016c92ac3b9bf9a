"""What a run finds when all of its work is done: read in one message, with the question whether it was done under the
lock; and written down as one row of the ledger, with which the run's own is closed.

Only the holder of the lock writes the ledger, so what it has of the files of migrations is what was read under the
lock, and what this run has recorded since. Django's rows are read again: stock Django writes those without asking
anybody.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from lockgate.database import advisory_lock, session
from lockgate.database.one_message import Question, ask
from lockgate.facts import Fingerprint, Key
from lockgate.gate.context import GateContext
from lockgate.gate.preflight import Preflight
from lockgate.ledger import checkpoint, fingerprints, release


class Ending(NamedTuple):
    """lock: as ``advisory_lock.confirm`` asks for it. history_digest: of Django's rows, and what they say.

    applied: by those rows, read after it. known: what the ledger has of files, as soon as it has those that are
    ``unrecorded``. invalid: whether there are invalid indexes.
    """

    lock: tuple[bool, str | None]
    history_digest: str
    applied: frozenset[Key]
    known: Mapping[Key, Fingerprint]
    unrecorded: Mapping[Key, Fingerprint]
    invalid: bool


def read(gate: GateContext, survey: Preflight, recorded: Mapping[Key, Fingerprint]) -> Ending:
    """One message, on a session that is in no transaction. recorded: by this run. Only where ``survey.reading`` is.

    Raises psycopg.Error, where the ledger's tables are gone for example.
    """
    before = survey.reading
    assert before is not None  # noqa: S101  see above
    known = {**before.known, **recorded}
    applied = {Key(*key) for key in before.applied} | recorded.keys()
    unrecorded = {
        key: fingerprints.of(survey.disk[key]) for key in sorted((applied & survey.disk.keys()) - known.keys())
    }
    known |= unrecorded
    meanings = release.ast_digest({key: known[key].ast_digest for key in survey.disk if key in known})
    query = checkpoint.CheckpointQuery(gate.limits.release, survey.contents, meanings, ())
    # The digest comes first: rows that change after it are seen in those that are read, or differ from it ever after.
    [lock], [current], history, invalid = ask(
        session.raw(gate.connection),
        Question("lock_is_ours", advisory_lock.HALVES),
        Question("current", checkpoint.values(query)),
        Question("history"),
        Question("invalid_indexes"),
    )
    now = frozenset(Key(row["app"], row["name"]) for row in history)
    gone = unrecorded.keys() - now
    return Ending(
        (lock["exists"], lock["current_setting"]),
        current["history_digest"],
        now,
        {key: fingerprint for key, fingerprint in known.items() if key not in gone},
        {key: fingerprint for key, fingerprint in unrecorded.items() if key not in gone},
        bool(invalid),
    )
