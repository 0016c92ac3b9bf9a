"""Migrations and runs as lines of text. Lines for what Django knows are Django's, to the letter."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from lockgate import foreign
from lockgate.models import Run
from lockgate.status.migrations import MigrationStatus, Status, StepStatus


def by_app(status: Status, app_names: Sequence[str] | None, *, with_time: bool) -> Iterator[tuple[str, list[str]]]:
    """App label and its lines; all apps that have migrations, or the named ones."""
    labels = app_names or sorted(status.apps | {migration.key.app for migration in status.migrations})
    for label in labels:
        lines = [_line(migration, with_time=with_time) for migration in status.migrations if migration.key.app == label]
        yield foreign.line(label), lines


def _line(migration: MigrationStatus, *, with_time: bool) -> str:
    plain = _plain(migration, with_time=with_time)
    if migration.between:
        plain = plain.replace("[X]", "[~]", 1).replace("[ ]", "[~]", 1) + f"   {_progress(migration.between)}"
    waits = "; ".join(step.title for step in migration.contract)
    return foreign.line(f"{plain}   contract, when the release before is gone: {waits}" if waits else plain)


def _progress(steps: Sequence[StepStatus]) -> str:
    """``finish 1 of 2 done: build index …``: how far a phase is, and what is next."""
    done = sum(step.done for step in steps)
    phase = "operations" if steps[0].phase == "switch" else steps[0].phase
    following = next((step for step in steps if not step.done), None)
    if following is None:
        return f"{phase} {done} of {len(steps)} done"
    failed = f" (failed: {' '.join(following.error.split())})" if following.state == "failed" else ""
    return f"{phase} {done} of {len(steps)} done: {following.title}{failed}"


def _plain(item: MigrationStatus, *, with_time: bool) -> str:
    title = item.key.name + (f" ({item.squashed} squashed migrations)" if item.squashed else "")
    applied_at = f" (applied at {item.applied_at:%Y-%m-%d %H:%M:%S})" if with_time and item.applied_at else ""
    if item.state == "unrecorded":
        return f" [-] {title} Run 'manage.py migrate' to finish recording."
    if item.state == "applied":
        return f" [X] {title}{applied_at}"
    if item.state == "ahead":
        return f" [X] {title}{applied_at}   ahead: this release does not have it"
    if item.state == "begun":
        return f" [ ] {title}   begun by another release: this one does not have it"
    return f" [ ] {title}" + (f"   held: {item.reason}" if item.state == "held" else "")


def history(runs: Sequence[Run]) -> Iterator[str]:
    """Each run, and under it what it did."""
    return map(foreign.line, _history(runs))


def _history(runs: Sequence[Run]) -> Iterator[str]:
    if not runs:
        yield "(no runs)"
    for run in runs:
        took = f"{(run.ended_at - run.started_at).total_seconds():.2f} s" if run.ended_at else "not ended"
        waited = f", waited {run.lock_wait_seconds:.1f} s for the lock" if run.lock_wait_seconds >= 1 else ""
        yield (
            f"run {run.pk}  {run.started_at:%Y-%m-%d %H:%M:%S}  {run.outcome}  {took}  "
            f"release {run.release or 'unknown'}  on {run.host} (pid {run.process_id}){waited}"
        )
        if run.error:
            yield f"      error: {' '.join(run.error.split())}"
        for record in sorted(run.migrations.all(), key=lambda row: row.pk):
            if record.action != record.Action.BASELINE:
                attempts = f", {record.attempts} attempts" if record.attempts > 1 else ""
                yield f"      {record.action:<8} {record.app}.{record.name}  {record.seconds:.3f} s{attempts}"
