"""Migrations and runs as JSON documents, and whether a release is ready. Their schema is in ``docs/commands.md``.

Stable: fields are added, never renamed or removed, without a new ``version``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lockgate.models import MigrationRecord, Run
from lockgate.status.migrations import MigrationStatus, Status

VERSION = 1


def migrations(status: Status, alias: str, app_names: Sequence[str] | None) -> dict[str, Any]:
    """``showmigrations --format json``."""
    shown = [migration for migration in status.migrations if not app_names or migration.key.app in app_names]
    return {
        "version": VERSION,
        "database": alias,
        "ready": status.ready,
        "damage": status.damage.why if status.damage else None,
        "migrations": [_migration(migration) for migration in shown],
        "extensions": [
            {"name": extension.name, "state": extension.state, "remedy": extension.remedy or None}
            for extension in status.extensions
        ],
    }


def history(runs: Sequence[Run], alias: str) -> dict[str, Any]:
    """``showmigrations --history --format json``."""
    return {"version": VERSION, "database": alias, "runs": [_run(run) for run in runs]}


def readiness(status: Status) -> dict[str, Any]:
    """The body of ``/readyz`` while the database answers."""
    return {
        "ready": status.ready,
        "database": "ok",
        "pending": [str(migration.key) for migration in status.of("pending", "unrecorded")],
        "held": [str(migration.key) for migration in status.of("held")],
    }


def _migration(migration: MigrationStatus) -> dict[str, Any]:
    return {
        "app": migration.key.app,
        "name": migration.key.name,
        "state": migration.state,
        "applied_at": migration.applied_at.isoformat() if migration.applied_at else None,
        "replaces": migration.squashed,
        "reason": migration.reason or None,
        "steps": [
            {
                "phase": step.phase,
                "title": step.title,
                "state": step.state,
                "attempts": step.attempts,
                "error": step.error or None,
            }
            for step in migration.steps
        ],
    }


def _run(run: Run) -> dict[str, Any]:
    return {
        "id": run.pk,
        "release": run.release,
        "release_digest": run.release_digest,
        "host": run.host,
        "process_id": run.process_id,
        "backend_pid": run.backend_pid,
        "command": run.command,
        "started_at": run.started_at.isoformat(),
        "ended_at": run.ended_at.isoformat() if run.ended_at else None,
        "lock_wait_seconds": run.lock_wait_seconds,
        "outcome": run.outcome,
        "error": run.error or None,
        "migrations": [_record(migration) for migration in sorted(run.migrations.all(), key=lambda record: record.pk)],
    }


def _record(record: MigrationRecord) -> dict[str, Any]:
    return {
        "app": record.app,
        "name": record.name,
        "action": record.action,
        "started_at": record.started_at.isoformat(),
        "seconds": record.seconds,
        "attempts": record.attempts,
    }
