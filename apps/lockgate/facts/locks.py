"""Sessions that stand in the way of a step."""

from __future__ import annotations

from typing import NamedTuple

MINUTES_FROM = 120  # seconds: from here on an age is said in minutes


class LockHolder(NamedTuple):
    """A lock that another session holds on a table.

    mode: as ``pg_locks`` has it. transaction: its virtual id, by which it is known again. pid: None for a prepared
    transaction, which has a gid. backend, state: empty, and transaction_seconds None, where the role may not see them.
    command: the first word of its statement, where that is one of SQL's; nobody is told more of it.
    """

    table: str
    mode: str
    pid: int | None
    transaction: str
    application: str = ""
    backend: str = ""
    state: str = ""
    transaction_seconds: float | None = None
    role: str = ""
    command: str = ""
    gid: str = ""


class Blocker(NamedTuple):
    """A session that is waited for. seconds: age of its transaction. table, mode: the lock it holds, where known.

    command: of its statement, the last one where it is idle. pid None: a prepared transaction, which gid names.
    """

    pid: int | None
    application: str
    state: str
    seconds: float | None
    table: str = ""
    mode: str = ""
    role: str = ""
    command: str = ""
    gid: str = ""

    def __str__(self) -> str:
        """Who it is, doing what, for how long."""
        role = f', role "{self.role}"' if self.role else ""
        if self.pid is None:
            name = f" {_literal(self.gid)}" if self.gid else ""
            return f"the prepared transaction{name} (prepared{_for(self.seconds)}{role})"
        name = f'"{self.application}"' if self.application else "unknown application"
        state = self.state or "state unknown"
        command = f", {'in' if self.state == 'active' else 'last'} {self.command}" if self.command else ""
        return f"pid {self.pid} ({name}, {state}{_for(self.seconds)}{role}{command})"

    @property
    def ending(self) -> str:
        """The SQL that ends it; empty where that cannot be known."""
        if self.pid is not None:
            return f"SELECT pg_terminate_backend({self.pid});"
        return f"ROLLBACK PREPARED {_literal(self.gid)};" if self.gid else ""


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _for(seconds: float | None) -> str:
    if seconds is None:
        return ""
    return f" for {seconds / 60:.0f} min" if seconds >= MINUTES_FROM else f" for {seconds:.1f} s"
