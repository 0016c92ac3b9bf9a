"""The whole of an atomic migration in one transaction: its operations, what they put off, and its record."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from django.db.migrations import Migration
from django.db.migrations.state import ProjectState

from lockgate import django_seams
from lockgate.execution import current_operation
from lockgate.execution.context import RunContext
from lockgate.execution.records import MigrationRecords
from lockgate.execution.transaction_guard import TransactionGuard
from lockgate.planning.selection import key_of


class TransactionBody:
    """Forwards or backwards, as its records say. state: before it.

    A failed attempt must leave the state as it was, so each has a copy of its own.
    """

    def __init__(
        self, context: RunContext, migration: Migration, state: ProjectState, records: MigrationRecords
    ) -> None:
        self.context, self.migration, self.state, self.records = context, migration, state, records

    @contextlib.contextmanager
    def begun(self, timeout: timedelta) -> Iterator[None]:
        """One attempt, in the transaction of an editor that is open. timeout: for locks."""
        self._mine = self.state.clone() if self.context.gated else self.state
        self._one = TransactionGuard(self.context.connection, self.context.progress, key_of(self.migration))
        with self._one.begun(timeout if self.context.gated else None):
            yield

    def run(self, editor: Any) -> ProjectState:
        """The state after it. Within ``begun``."""
        step = self.migration.apply if self.records.action == "apply" else self.migration.unapply
        with current_operation.followed(self.context.progress, self.context.connection, self.migration, self._one):
            after: ProjectState = step(self._mine, editor)
            django_seams.run_deferred_sql(editor)
        self.records.conclude(self._one)
        return after
