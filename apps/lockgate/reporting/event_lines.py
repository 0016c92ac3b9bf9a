"""Every event as one line for people, and whether it is a warning."""

from __future__ import annotations

from collections.abc import Sequence
from functools import singledispatch
from typing import Any

from lockgate import events, foreign, policy
from lockgate.reporting import sentences


def is_warning(event: events.Event) -> bool:
    if isinstance(event, events.ExtensionOutcome):
        return not event.available
    if isinstance(event, events.HazardFound):
        return not event.accepted
    if isinstance(event, events.HazardsFound):
        return bool(event.errors or event.warnings)
    return isinstance(
        event,
        events.Held
        | events.Ahead
        | events.Edited
        | events.HazardsUnknown
        | events.IndexInvalid
        | events.RunInterrupted
        | events.RightsFound
        | events.LedgerMended
        | events.Recovering
        | events.StepRepeated
        | events.WaitsInFront
        | events.WorkDiffers
        | events.InPlace,
    )


@singledispatch
def text(event: object) -> str:
    """An event as one line for people; empty for what only machines want to know."""
    return ""


@text.register
def _(event: events.Started) -> str:
    release = f", release {event.release}" if event.release else ""
    return f"lockgate {event.lockgate}{release}, on {event.host}: database {event.database}"


@text.register
def _(event: events.WaitingForServer) -> str:
    return f"waiting for the server: {event.why} ({event.waited_seconds:.1f} of {event.deadline_seconds:g} s)"


@text.register
def _(event: events.ServerReady) -> str:
    waited = f" after {event.waited_seconds:.1f} s" if event.waited_seconds >= 1 else ""
    server = event.server
    return f'server ready{waited}: PostgreSQL {server.version}, database "{server.database}", role "{server.user}"'


@text.register
def _(event: events.WaitingForLock) -> str:
    limits = f"({event.waited_seconds:.0f} of {event.deadline_seconds:g} s)"
    holder = f"held by {event.holder}" if event.holder else "held by nobody now"
    return f"waiting for the migration lock {limits}: {holder}"


@text.register
def _(event: events.LockAcquired) -> str:
    return f"migration lock acquired after {event.waited_seconds:.1f} s"


@text.register
def _(event: events.ExtensionOutcome) -> str:
    if event.state == "present":
        return ""
    if event.state == "created":
        return f'extension "{event.name}" created'
    why = {
        "needs-grant": "the role lacks CREATE on the database",
        "needs-superuser": "only a superuser may create it",
        "not-installed": "its package is not installed on the server",
        "failed": "creating it failed",
    }[event.state]
    return f'extension "{event.name}" is not available: {why}; {event.remedy}'


@text.register
def _(event: events.Held) -> str:
    return f"{event.migration} is held: {event.reason}; it is skipped, and tried again by the next run"


@text.register
def _(event: events.RunInterrupted) -> str:
    return (
        f"run {event.run} ({event.host}, {event.started_at:%Y-%m-%d %H:%M:%S}) died without closing; marked interrupted"
    )


@text.register
def _(event: events.RightsFound) -> str:
    roles, tables = (", ".join(f'"{each}"' for each in names) for names in (event.roles, event.tables))
    end = (
        f"take it back:  {event.remedy}" if event.remedy else "taken back; manage.py lockgate repair lists what is open"
    )
    return f"{roles} could write {tables}, which hold SQL that a run executes as its own role: {end}"


@text.register
def _(event: events.LedgerMended) -> str:
    return f"Lockgate's own tables are made again, without what they held: {', '.join(event.what)}"


@text.register
def _(event: events.Ahead) -> str:
    names = ", ".join(map(str, event.migrations))
    pending = f"{event.pending} of this release are applied all the same" if event.pending else "nothing is pending"
    return f"the database is ahead of this release, which does not have {names}; {pending}"


@text.register
def _(event: events.Edited) -> str:
    names = ", ".join(map(str, event.migrations))
    return f"edited after they were applied: {names}; the database has what the old files said"


@text.register
def _(event: events.HazardFound) -> str:
    if event.accepted:
        return ""
    weight = "severe hazard" if event.severity == "error" else "hazard"  # on a line that is a warning, no error
    return f"{weight} {event.id} in {event.migration}: {event.what}. {event.effect}"


@text.register
def _(event: events.HazardsFound) -> str:
    if not event.errors and not event.warnings:
        return ""
    counts = f"{event.errors} severe, {event.warnings} to be looked at, {event.accepted} accepted"
    return f"hazards of what follows: {counts}; manage.py lockgate lint --explain ID says what to do about one"


def counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


@text.register
def _(event: events.HazardsUnknown) -> str:
    return f"hazards of what follows are unknown: {event.why}"


_DOING = {"apply": "applying", "unapply": "unapplying", "fake": "faking", "unfake": "unfaking"}
_DONE = {"apply": "applied", "unapply": "unapplied", "fake": "faked", "unfake": "unfaked"}


@text.register
def _(event: events.MigrationStarted) -> str:
    return f"{_DOING[event.action]} {event.migration} ({event.number} of {event.total})"


@text.register
def _(event: events.MigrationEnded) -> str:
    return f"{_DONE[event.action]} {event.migration} in {event.seconds:.3f} s"


@text.register
def _(event: events.SnapshotLoaded) -> str:
    return f"loaded {counted(event.migrations, 'migration')} from {event.file} in {event.seconds:.2f} s"


@text.register
def _(event: events.SnapshotUnused) -> str:
    return f"{event.file} is not used, and migrations are replayed: {event.why}"


@text.register
def _(event: events.StepStarted) -> str:
    return f"{event.migration} {event.phase} {event.number} of {event.total}: {event.title}"


@text.register
def _(event: events.StepEnded) -> str:
    return f"{event.migration} {event.phase} done: {event.title}, in {event.seconds:.3f} s"


@text.register
def _(event: events.StepProgress) -> str:
    part = f", {100 * event.done // event.total} %" if event.total else ""
    waits = f"; waits for {', '.join(map(str, event.blockers))}" if event.blockers else ""
    doing = f" ({event.doing}{part})" if event.doing else ""
    return f"{event.migration}: {event.title}{doing}, {event.seconds:.0f} s so far{waits}"


@text.register
def _(event: events.StepUndone) -> str:
    return f"{event.migration} undone: {event.title}"


@text.register
def _(event: events.StepRepeated) -> str:
    before = "failed in an earlier run" if event.failed else "was under way when its run ended"
    return f"{event.migration}: {event.title} {before}; it runs again from its start"


@text.register
def _(event: events.WaitsInFront) -> str:
    return (
        f"{event.migration}: {event.statement} may wait in front of others for its locks, up to "
        f"{event.longest_seconds:g} s for each: {event.why}"
    )


@text.register
def _(event: events.WorkDiffers) -> str:
    shown = "; ".join(event.what[: policy.THINGS_SHOWN])
    more = f"; and {len(event.what) - policy.THINGS_SHOWN} more" if len(event.what) > policy.THINGS_SHOWN else ""
    who = "its code that was under way has done that, or somebody: look whether it is right"
    return f"{event.migration}: {shown}{more}; {who}"


@text.register
def _(event: events.WaitingForBlockers) -> str:
    who = "; ".join(f'{each}, which holds {each.mode} on "{each.table}"' for each in event.blockers[:3])
    more = f" and {len(event.blockers) - 3} more" if len(event.blockers) > 3 else ""
    return (
        f"{event.migration} waits, out of the way of others, for {who}{more} "
        f"({event.waited_seconds:.0f} of {event.deadline_seconds:g} s)"
    )


@text.register
def _(event: events.AttemptFailed) -> str:
    why = {"55P03": "did not get its locks in time", "40P01": "met a deadlock"}.get(
        event.sqlstate, "met another's change"
    )
    limits = f"{event.waited_seconds:.0f} of {event.deadline_seconds:g} s"
    return f"{event.migration}: attempt {event.attempt} {why}; rolled back, trying again ({limits})"


@text.register
def _(event: events.Recovering) -> str:
    left = f"{event.done} of {event.total} steps done"
    what = {
        "finish": f"is applied, but not finished ({left}): finishing it",
        "carry on": f"was being prepared by a run that ended ({left}): carrying on",
        "undo": f"was being prepared by a run that ended ({left}), and is not wanted any more: undoing that",
        "abandon": f"was being prepared ({left}), and was recorded by other means: what is there stays",
        "leave": f"is open ({left}), and no migration of this release: left to the release that has it, "
        "or to manage.py lockgate repair",
        "restore": f"was being unapplied by a run that ended ({left}): applying again what was taken back",
    }[event.action]
    return f"{event.migration} {what}"


@text.register
def _(event: events.InPlace) -> str:
    return f"{event.migration} is run in place, as Django runs it: {event.reason}"


@text.register
def _(event: events.NothingPending) -> str:
    held = f"; {event.held} held" if event.held else ""
    return ("nothing left to migrate: another run has done it" if event.behind else sentences.NOTHING_PENDING) + held


@text.register
def _(event: events.WaitingForMigrations) -> str:
    more = f" and {len(event.missing) - 3} more" if len(event.missing) > 3 else ""
    return f"waiting for migrations ({event.waited_seconds:.0f} s): {', '.join(map(str, event.missing[:3]))}{more}"


@text.register
def _(event: events.Current) -> str:
    held = f" but {event.held} that are held" if event.held else ""
    return f"{sentences.ALL_APPLIED}{held} (waited {event.waited_seconds:.1f} s)"


@text.register
def _(event: events.IndexInvalid) -> str:
    return (
        f'index {event.name} of "{event.table}" is invalid: no query uses it, and every write keeps it up; '
        f"where nobody is building it, drop it, and build it again:  {event.drop}"
    )


@text.register
def _(event: events.Ended) -> str:
    held = f", {event.held} held" if event.held else ""
    count = f"{event.migrations} migration{'' if event.migrations == 1 else 's'}"
    return f"done: {count}{held}, in {event.seconds:.2f} s"


def left_open(found: Sequence[Any]) -> list[str]:
    """What runs have left half-done, for who only looks."""
    shown = [
        foreign.line(
            f"{each.step.app}.{each.step.name} is half-done ({each.step.phase}, {each.step.state}): "
            f"{each.step.title}; {each.catalog}"
        )
        for each in found[: policy.THINGS_SHOWN]
    ]
    more = [f"and {len(found) - policy.THINGS_SHOWN} more"] if len(found) > policy.THINGS_SHOWN else []
    next_step = ["the next run of its release goes on with it, or takes it back; all of it:  manage.py lockgate repair"]
    return [*shown, *more, *next_step] if found else []


def open_step(found: Any) -> str:
    """An open step of the journal, as repair lists it."""
    step = found.step
    lines = [
        f"step {step.pk}: {step.app}.{step.name}, {step.phase}, {step.state}: {step.title}",
        f"  run    {step.run_id}, release {step.run.release}, on {step.run.host}",
        f"  there  {found.catalog}",
    ]
    lines += [f"  error  {step.error}"] if step.error else []
    return "\n".join(map(foreign.line, lines))
