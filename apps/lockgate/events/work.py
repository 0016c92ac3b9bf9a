"""What is told of migrations and their steps, while they are carried out."""

from __future__ import annotations

from typing import Literal, NamedTuple

from lockgate import policy
from lockgate.events.level import Level
from lockgate.facts.locks import Blocker
from lockgate.facts.migrations import Key

Action = Literal["apply", "unapply", "fake", "unfake"]
_DOING = {"apply": "applying", "unapply": "unapplying", "fake": "faking", "unfake": "unfaking"}
_DONE = {"apply": "applied", "unapply": "unapplied", "fake": "faked", "unfake": "unfaked"}


class MigrationStarted(NamedTuple):
    migration: Key
    action: Action
    number: int
    total: int
    kind: Literal["migration_started"] = "migration_started"
    level: Level = "info"

    @property
    def message(self) -> str:
        return f"{_DOING[self.action]} {self.migration} ({self.number} of {self.total})"


class MigrationEnded(NamedTuple):
    migration: Key
    action: Action
    seconds: float
    kind: Literal["migration_ended"] = "migration_ended"
    level: Level = "info"

    @property
    def message(self) -> str:
        return f"{_DONE[self.action]} {self.migration} in {self.seconds:.3f} s"


class StepStarted(NamedTuple):
    """A step outside a migration's transaction begins: number of total of its phase."""

    migration: Key
    phase: str
    title: str
    number: int
    total: int
    kind: Literal["step_started"] = "step_started"
    level: Level = "info"

    @property
    def message(self) -> str:
        return f"{self.migration} {self.phase} {self.number} of {self.total}: {self.title}"


class StepEnded(NamedTuple):
    migration: Key
    phase: str
    title: str
    seconds: float
    kind: Literal["step_ended"] = "step_ended"
    level: Level = "info"

    @property
    def message(self) -> str:
        return f"{self.migration} {self.phase} done: {self.title}, in {self.seconds:.3f} s"


class StepProgress(NamedTuple):
    """A step takes its time. doing: the server's own word for it. done, total: blocks; total 0 where not known."""

    migration: Key
    title: str
    doing: str
    done: int
    total: int
    blockers: tuple[Blocker, ...]
    seconds: float
    kind: Literal["step_progress"] = "step_progress"
    level: Level = "info"

    @property
    def message(self) -> str:
        part = f", {100 * self.done // self.total} %" if self.total else ""
        waits = f"; waits for {', '.join(map(str, self.blockers))}" if self.blockers else ""
        doing = f" ({self.doing}{part})" if self.doing else ""
        return f"{self.migration}: {self.title}{doing}, {self.seconds:.0f} s so far{waits}"


class StepUndone(NamedTuple):
    """What an expand step had prepared is taken back."""

    migration: Key
    title: str
    kind: Literal["step_undone"] = "step_undone"
    level: Level = "info"

    @property
    def message(self) -> str:
        return f"{self.migration} undone: {self.title}"


class StepRepeated(NamedTuple):
    """An operation outside any transaction failed, or was under way when its run died; it is run once more."""

    migration: Key
    title: str
    failed: bool = False
    kind: Literal["step_repeated"] = "step_repeated"
    level: Level = "warning"

    @property
    def message(self) -> str:
        before = "failed in an earlier run" if self.failed else "was under way when its run ended"
        return f"{self.migration}: {self.title} {before}; it runs again from its start"


class WaitsInFront(NamedTuple):
    """A statement that cannot be tried again asks for locks that others wait behind, for so long at most each."""

    migration: Key
    statement: str
    why: str
    longest_seconds: float
    kind: Literal["waits_in_front"] = "waits_in_front"
    level: Level = "warning"

    @property
    def message(self) -> str:
        return (
            f"{self.migration}: {self.statement} may wait in front of others for its locks, up to "
            f"{self.longest_seconds:g} s for each: {self.why}"
        )


class WorkDiffers(NamedTuple):
    """What a done operation has left is of another definition, and code outside a transaction was under way when its
    run died: it may have been that, or somebody. what: each thing with both definitions, as far as they are known."""

    migration: Key
    what: tuple[str, ...]
    kind: Literal["work_differs"] = "work_differs"
    level: Level = "warning"

    @property
    def message(self) -> str:
        shown = "; ".join(self.what[: policy.THINGS_SHOWN])
        more = f"; and {len(self.what) - policy.THINGS_SHOWN} more" if len(self.what) > policy.THINGS_SHOWN else ""
        who = "interrupted code of the migration may have changed it, or somebody else: check that it is right"
        return f"{self.migration}: {shown}{more}; {who}"


class WaitingForBlockers(NamedTuple):
    """A locking step waits, without queueing, until those who hold its tables let go."""

    migration: Key
    blockers: tuple[Blocker, ...]
    attempt: int
    waited_seconds: float
    deadline_seconds: float
    kind: Literal["waiting_for_blockers"] = "waiting_for_blockers"
    level: Level = "info"

    @property
    def message(self) -> str:
        who = "; ".join(f'{blocker}, which holds {blocker.mode} on "{blocker.table}"' for blocker in self.blockers[:3])
        more = f" and {len(self.blockers) - 3} more" if len(self.blockers) > 3 else ""
        return (
            f"{self.migration} waits, out of the way of others, for {who}{more} "
            f"({self.waited_seconds:.0f} of {self.deadline_seconds:g} s)"
        )


class AttemptFailed(NamedTuple):
    """An attempt got no lock in time, or met a deadlock, and was rolled back; another follows."""

    migration: Key
    attempt: int
    sqlstate: str
    waited_seconds: float
    deadline_seconds: float
    kind: Literal["attempt_failed"] = "attempt_failed"
    level: Level = "info"

    @property
    def message(self) -> str:
        why = {"55P03": "did not get its locks in time", "40P01": "met a deadlock"}.get(
            self.sqlstate, "met another's change"
        )
        limits = f"{self.waited_seconds:.0f} of {self.deadline_seconds:g} s"
        return f"{self.migration}: attempt {self.attempt} {why}; rolled back, trying again ({limits})"


class Recovering(NamedTuple):
    """What a dead or failed run left of a migration. action: what is done about it."""

    migration: Key
    action: Literal["finish", "carry on", "undo", "abandon", "leave", "restore"]
    done: int
    total: int
    kind: Literal["recovering"] = "recovering"
    level: Level = "warning"

    @property
    def message(self) -> str:
        left = f"{self.done} of {self.total} steps done"
        what = {
            "finish": f"is applied, but not finished ({left}): finishing it",
            "carry on": f"was being prepared by a run that ended ({left}): carrying on",
            "undo": f"was being prepared by a run that ended ({left}), and is no longer needed: undoing it",
            "abandon": f"was being prepared ({left}), and was then recorded in another way: existing objects stay",
            "leave": f"is open ({left}), and no migration of this release: left to the release that has it, "
            "or to manage.py lockgate repair",
            "restore": f"was being unapplied by a run that ended ({left}): applying the undone operations again",
        }[self.action]
        return f"{self.migration} {what}"


class InPlace(NamedTuple):
    """A plan did not hold when it was carried out; the migration is run as Django runs it."""

    migration: Key
    reason: str
    kind: Literal["in_place"] = "in_place"
    level: Level = "warning"

    @property
    def message(self) -> str:
        return f"{self.migration} is run in place, as Django runs it: {self.reason}"


class IndexInvalid(NamedTuple):
    """One that no query uses, found at a run's end, whoever made it. name: with its schema, quoted. drop: SQL."""

    name: str
    table: str
    drop: str
    kind: Literal["index_invalid"] = "index_invalid"
    level: Level = "warning"

    @property
    def message(self) -> str:
        return (
            f'index {self.name} of "{self.table}" is invalid: no query uses it, and every write keeps it up; '
            f"if no session is building it, drop it and build it again:  {self.drop}"
        )
