"""A release that fails, fails once: what failed by nature stands, for a while, for every runner of the same work.

The work is all that is known to decide over its end: the files of what is pending, what is applied and half-done, the
versions, the policy, the role, whether initial tables are adopted. What is not known to be the same is done again; so
is what another release failed at, and all that was a matter of locks, connections, disk, memory or a kill. That rows
have been mended nobody can see from here: that is what ``migrate --retry`` is for, and the bound
(``Policy.failure_stands``).
"""

from __future__ import annotations

import contextlib
import hashlib
import traceback
from collections.abc import Iterator
from pathlib import Path

import django
import psycopg
from django.db.migrations.recorder import MigrationRecorder
from django.db.utils import Error as DatabaseError

import lockgate
from lockgate import redaction
from lockgate.errors import FailedBefore, HookFailed, LockgateError, NotFinished, TransactionEnded
from lockgate.execution import failures
from lockgate.execution.progress import Progress
from lockgate.facts import Key
from lockgate.gate.context import GateContext, Request
from lockgate.gate.preflight import Preflight
from lockgate.ledger import fingerprints, journal, records
from lockgate.ledger.reading import Reading
from lockgate.models import Failure, Run

# Classes of SQLSTATE that say something about data or statements:
# https://www.postgresql.org/docs/current/errcodes-appendix.html
_BY_NATURE = ("22", "23", "42")
_BY_CHANCE = (OSError, MemoryError, EOFError, TimeoutError)


def refuse(gate: GateContext, request: Request, damaged: Preflight, known: Reading | None = None) -> None:
    """Raise FailedBefore where the newest run of this release failed at this very work, by nature, and lately.

    Only an ordinary run is refused, that nobody asked to try again. known: what was read under the lock. Sends three
    SELECTs where a run of this release may have failed; a ledger that cannot be read refuses nothing.
    """
    bound = gate.limits.failure_stands
    if not request.ordinary or request.retry or not bound or damaged.ledger_pending:
        return
    runs = known.under_lock.runs if known and known.under_lock else damaged.runs
    if runs is not None and runs.digest == damaged.digest and runs.newest != Run.Outcome.FAILED:
        return  # what a run failed at is written down once it is closed as failed
    with contextlib.suppress(DatabaseError):
        met = records.recent_failure(gate.connection.alias, damaged.digest)
        if met and met.age < bound and _same_files(met.failure) and met.failure.work_digest == work(gate, damaged):
            raise _refused(request, met, bound.total_seconds() - met.age.total_seconds())


def retrying(request: Request) -> str:
    """The command that does this request's work in any case."""
    return f"manage.py migrate{' --fake-initial' if request.fake_initial else ''} --retry"


def record(gate: GateContext, preflight: Preflight, run: Run, error: BaseException, progress: Progress) -> None:
    """Write down what an ordinary run failed at, where it would fail there again. Outside a transaction."""
    of_a_migration = progress.current is not None or isinstance(error, NotFinished)
    if not (run.release_digest and of_a_migration and gate.limits.failure_stands and repeats(error)):
        return
    if (met := work(gate, preflight)) is not None:
        operation = redaction.sifted(progress.operation or str(error).partition("\n")[0])
        records.record_failure(gate.connection.alias, run, met, operation, _files(error))
        progress.stands = True


def repeats(error: BaseException) -> bool:
    """Whether an error is of a kind that comes again as long as nothing changes: of the data, a statement or code.

    Whatever it came from counts, and one cause that may pass is enough to say no; so is one that is not known.
    """
    if isinstance(error, TransactionEnded):
        return True  # whatever it met after that: to do it again would commit a part of it again
    if any(isinstance(link, HookFailed) for link in _chain(error)):
        return False  # it is not tried again
    causes = [link for link in _chain(error) if not isinstance(link, LockgateError)]
    return bool(causes) and all(map(_is_by_nature, causes))


def work(gate: GateContext, preflight: Preflight) -> str | None:
    """sha256 over what decides how a run of this release ends, as far as it can be seen; None where a file cannot be.

    Reads the rows of applied migrations and of open steps as they are now.
    """
    connection = gate.connection
    applied = {Key(*key) for key in MigrationRecorder(connection).applied_migrations()}
    files = {key: fingerprints.source(preflight.disk[key]) for key in sorted(preflight.disk.keys() - applied)}
    if None in files.values():
        return None
    left = journal.open_steps(connection.alias) if journal.exists(connection) else []
    steps = [
        (journal_entry.pk, journal_entry.state, journal_entry.attempts)
        for journal_entry in left
        if Key(journal_entry.app, journal_entry.name) in preflight.disk
    ]
    versions = (lockgate.__version__, django.get_version(), psycopg.__version__, gate.server.version)
    parts = (versions, gate.server.user, gate.limits, preflight.fake_initial, sorted(applied), files, steps)
    return hashlib.sha256("\n".join(map(repr, parts)).encode()).hexdigest()


def _is_by_nature(error: BaseException) -> bool:
    if isinstance(error, DatabaseError | psycopg.Error):
        return (failures.sqlstate_of(error) or "").startswith(_BY_NATURE)
    return not isinstance(error, _BY_CHANCE)


def _chain(error: BaseException) -> Iterator[BaseException]:
    """An error with all that it came from, or that was under way when it was raised."""
    seen: list[BaseException] = []
    waiting: list[BaseException | None] = [error]
    while waiting:
        link = waiting.pop()
        if link is not None and all(link is not other for other in seen):
            seen.append(link)
            waiting += [link.__cause__, link.__context__]  # also what "from None" hides
            waiting += link.exceptions if isinstance(link, BaseExceptionGroup) else ()
    return iter(seen)


def _files(error: BaseException) -> dict[str, str]:
    """The digests of the project's own files that an error came through: a helper may be mended, not the migration."""
    paths = {
        frame.filename
        for link in _chain(error)
        for frame in traceback.extract_tb(link.__traceback__)
        if not failures.is_of_a_library(frame.filename)
    }
    return {path: digest for path in sorted(paths) if (digest := _digest(path))}


def _same_files(failure: Failure) -> bool:
    return all(_digest(path) == digest for path, digest in failure.file_digests.items())


def _digest(path: str) -> str:
    try:
        return hashlib.sha256(Path(path).read_bytes()).hexdigest()
    except OSError:
        return ""


def _refused(request: Request, known: records.RecentFailure, remaining: float) -> FailedBefore:
    run = known.failure.run
    age = known.age.total_seconds()
    refused = FailedBefore(
        f"this release failed {age:.0f} s ago, in run {run.pk}, and nothing is known to have changed since",
        why=f"{run.error}\nthat run was on {run.host} (pid {run.process_id}), from "
        f"{run.started_at:%Y-%m-%d %H:%M:%S} UTC on; an error of this kind comes again",
        state="nothing was changed, and nothing tried",
        next_step="correct the migration: a changed file is run at once\n"
        f"or, where rows or rights were mended and no file:  {retrying(request)}\n"
        f"unasked it is tried again in {remaining:.0f} s (LOCKGATE_FAILURE_STANDS_SECONDS)",
    )
    refused.operation = known.failure.operation
    return refused
