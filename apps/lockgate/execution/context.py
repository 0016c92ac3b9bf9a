"""What a run wants of the executor beside running migrations, and gives it to do so."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

from django.db.backends.base.base import BaseDatabaseWrapper

from lockgate import policy
from lockgate.database.advisory_lock import Ask
from lockgate.events import Listener
from lockgate.execution.lock_retry import LockRetry
from lockgate.execution.progress import Progress
from lockgate.facts import Key
from lockgate.ledger.journal import Journal
from lockgate.ledger.records import Entry


class LockCheck(Protocol):
    """Raises unless the session still holds the lock. inside: whether a migration's transaction is open.

    lock: whether the server is asked; otherwise only the session is looked at. Returns the mark of the transaction that
    is open, where the server was asked and there is one. ask: what asks it, in place of a statement of its own.
    """

    def __call__(self, *, inside: bool, lock: bool = True, ask: Ask | None = None) -> str | None: ...


class RecordApplied(Protocol):
    """Confirms the lock and records an applied migration, by Django's row and by the ledger's, in its transaction."""

    def __call__(self, entry: Entry) -> str | None:
        """Do so with one statement; returns the mark, and where that is not the migration's, roll all of it back."""

    def as_text(self, entry: Entry) -> str:
        """The statement that records it so at the end of a transaction sent whole, by a session that has the lock."""


@dataclass(frozen=True)
class RunContext:
    """held: migrations left out of forward plans. record: writes a ledger row in the open transaction.

    record_applied: confirm and record in one, and Django's own record with them. None where there is no ledger.

    gated: whether others use this database; without it (a test runner's) nothing is online, tried again or limited.
    journaled: the journal, where its table is there; online work needs it.
    tables: those that were there when the run began, where they were read with the rest.
    begin: what must be done before the first migration, and after pre_migrate; the context from then on.
    """

    connection: BaseDatabaseWrapper
    progress: Progress
    held: Collection[Key]
    confirm: LockCheck
    record: Callable[[Entry], None]
    limits: policy.Policy
    gated: bool = True
    journaled: Journal | None = None
    record_applied: RecordApplied | None = None
    tables: frozenset[str] | None = None
    begin: Callable[[], RunContext] | None = None

    @property
    def listen(self) -> Listener:
        return self.progress.listen

    @property
    def journal(self) -> Journal:
        """The journal; only where there is one."""
        assert self.journaled is not None  # noqa: S101  online work is not begun without it
        return self.journaled

    @cached_property
    def lock_retry(self) -> LockRetry:
        return LockRetry(self.connection, self.limits, self.listen)
