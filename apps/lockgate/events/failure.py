"""How a run that failed is told."""

from __future__ import annotations

from typing import Literal, NamedTuple

from lockgate.errors import Interrupted, LockgateError, told
from lockgate.events.level import Level


class Failed(NamedTuple):
    """The run ended with an error. error: its class. next: what to do.

    operation: of a migration, by place and class, with its statement, where the error is one of theirs.
    """

    what: str
    why: str
    state: str
    next: str
    operation: str
    statement: str
    error: str
    kind: Literal["failed"] = "failed"
    level: Level = "error"

    @property
    def message(self) -> str:
        parts = (self.what, self.why, self.state, self.next)
        return told(*parts, operation=self.operation, statement=self.statement)

    @classmethod
    def of(cls, error: LockgateError | Interrupted) -> Failed:
        if isinstance(error, Interrupted):
            parts = (f"interrupted by {error.signal_name}", "the process was asked to stop", error.state)
            next_step = "run again; it continues from there"
        else:
            parts, next_step = (error.what, error.why, error.state), error.next_step
        return cls(*parts, next_step, error.operation, error.statement, type(error).__name__)
