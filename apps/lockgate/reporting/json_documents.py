"""Migrations and runs as JSON documents, and whether a release is ready. Their schema is in ``docs/commands.md``.

Stable: fields are added, never renamed or removed, without a new ``version``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lockgate.models import MigrationRecord, Run
from lockgate.status.migrations import MigrationStatus, Status

VERSION = 1


def migrations(found: Status, alias: str, app_names: Sequence[str] | None) -> dict[str, Any]:
    """``showmigrations --format json``."""
    shown = [each for each in found.migrations if not app_names or each.key.app in app_names]
    return {
        "version": VERSION,
        "database": alias,
        "ready": found.ready,
        "damage": found.damage.why if found.damage else None,
        "migrations": [_migration(each) for each in shown],
        "extensions": [
            {"name": each.name, "state": each.state, "remedy": each.remedy or None} for each in found.extensions
        ],
    }


def history(runs: Sequence[Run], alias: str) -> dict[str, Any]:
    """``showmigrations --history --format json``."""
    return {"version": VERSION, "database": alias, "runs": [_run(each) for each in runs]}


def readiness(found: Status) -> dict[str, Any]:
    """The body of ``/readyz`` while the database answers."""
    return {
        "ready": found.ready,
        "database": "ok",
        "pending": [str(each.key) for each in found.of("pending", "unrecorded")],
        "held": [str(each.key) for each in found.of("held")],
    }


def _migration(each: MigrationStatus) -> dict[str, Any]:
    return {
        "app": each.key.app,
        "name": each.key.name,
        "state": each.state,
        "applied_at": each.applied_at.isoformat() if each.applied_at else None,
        "replaces": each.squashed,
        "reason": each.reason or None,
        "steps": [
            {
                "phase": step.phase,
                "title": step.title,
                "state": step.state,
                "attempts": step.attempts,
                "error": step.error or None,
            }
            for step in each.steps
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
        "migrations": [_record(each) for each in sorted(run.migrations.all(), key=lambda each: each.pk)],
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
