"""The transaction that is to hold all of a migration: whether it still does, after what the migration's code has sent.

Code may send COMMIT or ROLLBACK, and BEGIN another; the state of the session looks the same then. So the transaction is
known by a savepoint at its beginning. It is asked for after each operation that may have done anything, so that nothing
more runs outside it, and where something fails: only what is still in that transaction is rolled back.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations.operations.base import Operation

from lockgate.database import session
from lockgate.errors import HookFailed, Interrupted, LockgateError, SessionLost, TransactionEnded
from lockgate.execution import failures
from lockgate.execution.progress import Progress
from lockgate.facts import Key
from lockgate.project_state.operations import is_djangos_schema


@contextlib.contextmanager
def committing(connection: BaseDatabaseWrapper, key: Key, editor: Any) -> Iterator[Any]:
    """The block within an atomic editor.

    Raises HookFailed where an error comes after its commit: nothing of it is then to be done again, or undone.
    """
    committed: list[bool] = []
    try:
        with editor as opened:
            transaction.on_commit(lambda: committed.append(True), using=connection.alias)  # before those of code
            yield opened
    except Exception as error:
        if not committed:
            raise
        raise HookFailed(
            f"what {key} wanted done on commit failed",
            why=f"{failures.why(error, failures.sqlstate_of(error))}\nit came from transaction.on_commit(): what "
            "asked for it is committed, and no run does that again",
            state="",
            next_step="do by hand what is left of it, and run again: that goes on after it",
        ) from error


class TransactionGuard:
    """That of one attempt at a migration, or at an operation of one that is not atomic."""

    def __init__(self, connection: BaseDatabaseWrapper, progress: Progress, key: Key) -> None:
        self.connection, self.progress, self.key = connection, progress, key

    @contextlib.contextmanager
    def begun(self, lock_timeout: timedelta | None) -> Iterator[None]:
        """It is open, and begins here. An error that leaves the block says what is known of the transaction."""
        session.mark_transaction(self.connection, str(self.key), lock_timeout)
        try:
            yield
        except BaseException as error:
            ended = self._at_failure(error)
            if ended is None or isinstance(error, LockgateError | Interrupted):
                raise
            raise ended from error

    def after_statement(self) -> None:
        """Asks nobody: only a transaction that has ended, and has no successor, is noticed."""
        if not session.is_in_transaction(self.connection):
            raise self._ended()

    def after_operation(self, operation: Operation) -> None:
        """Whatever the code of one did. A transaction that has failed, which code can hide, fails what comes next."""
        if not is_djangos_schema(operation):
            self._require()

    def require_mark(self, ask: Callable[[], str | None]) -> None:
        """ask: for the mark of the transaction that is open. Code that resets all settings takes the mark away too."""
        if not session.is_in_transaction(self.connection) or ask() != str(self.key):
            self._require()

    def _require(self) -> None:
        if session.is_closed_by_code(self.connection):
            raise self._closed()
        if not (session.has_mark(self.connection, str(self.key)) or session.is_marked(self.connection)):
            raise self._ended()

    def _at_failure(self, error: BaseException) -> LockgateError | None:
        """What is to be said of an error, beyond what it says itself."""
        if session.is_closed_by_code(self.connection):
            return self._closed()
        return None if session.is_marked(self.connection, after_failure=True) else self._ended(error)

    def _ended(self, error: BaseException | None = None) -> TransactionEnded:
        self.progress.transaction_ended = True
        why = "its code sent a COMMIT or ROLLBACK, and all of it was to happen in that transaction, or nothing"
        return TransactionEnded(
            f"{self.key} ended its own transaction{' and then failed' if error else ''}",
            why=f"{failures.why(error, failures.sqlstate_of(error))}\nbefore that, {why}" if error else why,
            state="",
            next_step="find out what of it is in the database, and take that back by hand (its operations are told by  "
            f"manage.py sqlmigrate {self.key.app} {self.key.name}); then take COMMIT and ROLLBACK out of it, or set "
            "atomic = False, and run again",
        )

    def _closed(self) -> SessionLost:
        return SessionLost(
            f"{self.key} closed the connection",
            why="its code did (connection.close(), or close_old_connections()), and the migration's transaction and "
            "the lock live on it",
            state="",
            next_step="let the code leave the connection open, and run again",
        )
