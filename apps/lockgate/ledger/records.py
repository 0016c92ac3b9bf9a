"""Reads and writes the ledger. Every write belongs to the transaction of what it describes.

The ledger may be missing (before its first migration, or on a database that a router keeps it from): reading it then
finds nothing, and nothing is written.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import django
import psycopg
from django.db import DatabaseError
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import DurationField, ExpressionWrapper, F, Prefetch
from django.db.models.functions import Now
from django.utils import timezone

import lockgate
from lockgate.database import rights
from lockgate.database.advisory_lock import HALVES
from lockgate.database.sql import read
from lockgate.errors import ReadRefused
from lockgate.events import Action, RunInterrupted
from lockgate.facts import Fingerprint, Key
from lockgate.models import OWN, Checkpoint, Failure, MigrationRecord, Run

ERROR_LIMIT = 2000  # characters: enough for WHAT and WHY of any error we print


@dataclass(frozen=True)
class Entry:
    """One line for the ledger: a migration, what was done with it, and how long it took in seconds and attempts."""

    migration: Key
    action: Action
    started_at: datetime
    seconds: float
    fingerprint: Fingerprint
    attempts: int = 1


class RecentFailure(NamedTuple):
    """A failure of the newest run of a release. age: by the server's clock."""

    failure: Failure
    age: timedelta


def exists(connection: BaseDatabaseWrapper) -> bool:
    """Whether both tables of the ledger are visible on this connection."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_catalog.to_regclass(%s) IS NOT NULL AND pg_catalog.to_regclass(%s) IS NOT NULL",
            [Run._meta.db_table, MigrationRecord._meta.db_table],
        )
        return bool(cursor.fetchone()[0])


def lacking(connection: BaseDatabaseWrapper) -> list[str]:
    """The GRANTs without which this role cannot read what is applied, and the ledger; none for what is not there."""
    return rights.lacking(connection, tables())


def tables() -> list[str]:
    """The tables that say what was migrated: Django's, and Lockgate's own."""
    return [rights.HISTORY, *(model._meta.db_table for model in OWN)]


def refuse_hidden(connection: BaseDatabaseWrapper) -> None:
    """Raise ReadRefused where nothing is seen to be applied because the tables are in a schema without USAGE.

    The server says of such a table that it does not exist.
    """
    if grants := lacking(connection):
        raise ReadRefused(grants=grants, why="what is in a schema without USAGE, this role does not see")


def finished(alias: str, digest: str) -> bool:
    """Whether the newest run of this digest succeeded, post_migrate included."""
    newest = (
        Run.objects.using(alias).filter(release_digest=digest).order_by("-id").values_list("outcome", flat=True).first()
    )
    return newest == Run.Outcome.SUCCEEDED


def recent_failure(alias: str, digest: str) -> RecentFailure | None:
    """What the newest run of this digest failed at, where that would repeat; None for any other end of it."""
    newest = Run.objects.using(alias).filter(release_digest=digest).order_by("-id").values("id")[:1]
    age = ExpressionWrapper(Now() - F("failed_at"), output_field=DurationField())
    failure = Failure.objects.using(alias).filter(run_id=newest).select_related("run").annotate(age=age).first()
    return RecentFailure(failure, failure.age) if failure else None


def fingerprints(alias: str) -> dict[Key, Fingerprint]:
    """The fingerprint of each migration as it was when last applied (or met as applied already)."""
    newest = (
        MigrationRecord.objects.using(alias)
        .exclude(action__in=(MigrationRecord.Action.UNAPPLY, MigrationRecord.Action.UNFAKE))
        .order_by("app", "name", "-id")
        .distinct("app", "name")
        .values_list("app", "name", "file_digest", "ast_digest")
    )
    return {Key(app, name): Fingerprint(file_digest, ast_digest) for app, name, file_digest, ast_digest in newest}


def close_interrupted(alias: str) -> list[RunInterrupted]:
    """Close the runs that died without doing so. Only for the holder of the lock: nobody else can be running."""
    dead = list(Run.objects.using(alias).filter(outcome=Run.Outcome.RUNNING).order_by("id"))
    for run in dead:
        run.outcome, run.ended_at = Run.Outcome.INTERRUPTED, timezone.now()
        run.error = run.error or "the runner ended without closing its run"
        run.save(using=alias, update_fields=("outcome", "ended_at", "error"))
    return [RunInterrupted(run.pk, run.host, run.started_at) for run in dead]


def open_run(alias: str, **facts: Any) -> Run:
    """The row of a run that begins now. facts: release, digest, host, backend_pid, command, lock_wait_seconds."""
    return Run.objects.using(alias).create(
        process_id=os.getpid(),
        lockgate_version=lockgate.__version__,
        django_version=django.get_version(),
        **facts,
    )


def record(alias: str, run: Run, entry: Entry) -> None:
    """Write one migration's row, in the transaction that is open."""
    MigrationRecord.objects.using(alias).create(run_id=run.pk, **_columns(entry))


def record_applied(connection: BaseDatabaseWrapper, run: Run, entry: Entry) -> tuple[bool, str | None]:
    """Write Django's row and ours of a migration, in the transaction that is open, with one statement.

    Returns what it tells besides: whether this session holds the advisory lock, and the mark of its transaction. Where
    either is not as it should be, the rows must be rolled back.
    """
    with connection.cursor() as cursor:
        cursor.execute(read("record_applied"), {**_applied(run, entry), **HALVES})
        held, mark = cursor.fetchone()
    return held, mark


def applied_as_text(connection: BaseDatabaseWrapper, run: Run, entry: Entry) -> str:
    """The statement that writes the same rows at the end of a transaction that ``begin_whole.sql`` began.

    It answers with the time between the two as ``lockgate_seconds``.
    """
    cursor = psycopg.ClientCursor(connection.connection)
    return cursor.mogrify(read("record_applied_whole"), _applied(run, entry))


def record_found(alias: str, run: Run, applied: Mapping[Key, Fingerprint], action: MigrationRecord.Action) -> None:
    """Write down the files of migrations that were not run by this run, and count as applied.

    action: BASELINE, applied without Lockgate, with their files as they are today; or SNAPSHOT.
    """
    now = timezone.now()
    MigrationRecord.objects.using(alias).bulk_create(
        [
            MigrationRecord(
                run_id=run.pk,
                app=key.app,
                name=key.name,
                action=action,
                started_at=now,
                seconds=0,
                file_digest=fingerprint.file_digest,
                ast_digest=fingerprint.ast_digest,
            )
            for key, fingerprint in applied.items()
        ]
    )


def close_run(alias: str, run: Run, outcome: Run.Outcome, error: str = "") -> None:
    run.outcome, run.ended_at, run.error = outcome, timezone.now(), error[:ERROR_LIMIT]
    run.save(using=alias, update_fields=("outcome", "ended_at", "error"))


def close_succeeded(connection: BaseDatabaseWrapper, run: Run, history_digest: str | None) -> None:
    """Close the row of a run that has succeeded; with its checkpoint, if any, in one statement.

    Raises DatabaseError where the row is not there any more.
    """
    run.outcome, run.ended_at = Run.Outcome.SUCCEEDED, timezone.now()
    with connection.cursor() as cursor:
        cursor.execute(read("close_run"), {"run": run.pk, "ended_at": run.ended_at, "history_digest": history_digest})
        if cursor.fetchone() is None:
            raise DatabaseError(f"{run._meta.label} {run.pk} is not there any more")


def record_failure(alias: str, run: Run, work_digest: str, operation: str, file_digests: Mapping[str, str]) -> None:
    """What a run that is about to be closed as failed would fail at again."""
    failure = Failure(run_id=run.pk, work_digest=work_digest, operation=operation[:ERROR_LIMIT])
    failure.file_digests = dict(file_digests)
    failure.save(using=alias)


def record_checkpoint(alias: str, run: Run, history_digest: str) -> None:
    """What the database is at now that the run is about to be closed as succeeded."""
    Checkpoint(run_id=run.pk, history_digest=history_digest).save(using=alias)


def history(alias: str, limit: int) -> Sequence[Run]:
    """The newest runs, newest first, with their migrations."""
    migrations = Prefetch("migrations", MigrationRecord.objects.using(alias))  # a router is not asked where
    return list(Run.objects.using(alias).prefetch_related(migrations)[:limit])


def unrecorded(alias: str, keys: Iterable[Key]) -> list[Key]:
    """Those of the given migrations that the ledger has no row of."""
    known = set(MigrationRecord.objects.using(alias).values_list("app", "name"))
    return [key for key in keys if key not in known]


def _applied(run: Run, entry: Entry) -> dict[str, Any]:
    return {"run": run.pk, "applied": timezone.now(), **_columns(entry)}


def _columns(entry: Entry) -> dict[str, Any]:
    return {
        "app": entry.migration.app,
        "name": entry.migration.name,
        "action": entry.action,
        "started_at": entry.started_at,
        "seconds": entry.seconds,
        "attempts": entry.attempts,
        "file_digest": entry.fingerprint.file_digest,
        "ast_digest": entry.fingerprint.ast_digest,
    }
