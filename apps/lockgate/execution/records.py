"""The rows that record a migration: Django's, and the ledger's."""

from __future__ import annotations

import functools
import time

from django.db.migrations import Migration
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone

from lockgate import django_seams
from lockgate.database import rights
from lockgate.events import Action
from lockgate.execution import shutdown
from lockgate.execution.context import RunContext
from lockgate.execution.transaction_guard import TransactionGuard
from lockgate.ledger import fingerprints
from lockgate.ledger.records import Entry
from lockgate.models import MigrationRecord
from lockgate.planning.selection import key_of


class MigrationRecords:
    """Those of a migration that starts now. executor: which records it in Django's way."""

    def __init__(self, executor: MigrationExecutor, context: RunContext, migration: Migration, action: Action) -> None:
        self.executor, self.context, self.migration, self.action = executor, context, migration, action
        self.started_at, self.started = timezone.now(), time.monotonic()

    def conclude(self, one: TransactionGuard) -> None:
        """Record a migration in its transaction, where that is the one it began in, and the lock is held."""
        shutdown.raise_if_requested()
        if self.migration.app_label == MigrationRecord._meta.app_label:
            # No other transaction sees the tables before; and that of the rows is new where there are none.
            rights.take_back(self.context.connection, history=not self.executor.loader.applied_migrations)
        seal = self.context.record_applied
        if seal and self.action == "apply" and django_seams.is_recorded_unheard(self.executor, self.migration):
            one.require_mark(functools.partial(seal, self._entry()))
        else:
            one.require_mark(functools.partial(self.context.confirm, inside=True))
            self._write()

    def write(self) -> None:
        """In the transaction that is open, where the lock is held."""
        self.context.confirm(inside=True)
        self._write()

    def _write(self) -> None:
        """Where it is sure that the lock is held."""
        shutdown.raise_if_requested()
        django_seams.record(self.executor, self.migration, forwards=self.action in ("apply", "fake"))
        self.context.record(self._entry())

    def _entry(self) -> Entry:
        seconds, attempts = time.monotonic() - self.started, max(self.context.lock_retry.attempts, 1)
        key, fingerprint = key_of(self.migration), fingerprints.of(self.migration)
        return Entry(key, self.action, self.started_at, seconds, fingerprint, attempts)
