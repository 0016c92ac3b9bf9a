"""The ledger: who ran what, from which release and host, when, how long, and how it ended; and the journal of steps.

Ordinary models with ordinary migrations. A row of MigrationRecord is written in the transaction of the migration that
it describes, so the two cannot disagree; a row of JournalEntry is there before its step runs.

The tables are a contract between releases of Lockgate (``docs/contract.md``): an older one and a newer one work on the
same database. A column is never renamed, removed or given another meaning. A new one has a database default, since an
older release does not write it; most of those below have one, so that a newer release may stop writing them.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from django.db import DatabaseError, connections, models
from django.db.models.expressions import DatabaseDefault
from django.db.models.functions import Now


class Own(models.Model):
    """A row of Lockgate's own: written where it is told to, without a signal that the project could hear.

    A row is made, or fields of it are written, as a query: a receiver of pre_save or post_save that raises, or that
    writes elsewhere, has no say in what is recorded. Relations are given by id, so that no router is asked about them.
    """

    class Meta:
        abstract = True

    def save(self, *, using: str, update_fields: Collection[str] = (), **options: Any) -> None:  # type: ignore[override]
        """Insert it, or write these fields. Raises DatabaseError where a row that is to be written is not there."""
        rows: models.QuerySet[Own] = type(self)._base_manager.using(using)
        if self._state.adding:
            self._insert(using)
        elif not rows.filter(pk=self.pk).update(**{name: getattr(self, name) for name in update_fields}):
            raise DatabaseError(f"{self._meta.label} {self.pk} is not there any more")

    def _insert(self, using: str) -> None:
        """One statement: ``bulk_create`` puts a transaction around it, which takes two more round trips."""
        connection = connections[using]
        fields = [field for field in self._meta.local_concrete_fields if self._is_given(field)]
        names = [connection.ops.quote_name(str(field.column)) for field in fields]
        values = [field.get_db_prep_save(getattr(self, field.attname), connection) for field in fields]
        table, key = (connection.ops.quote_name(str(name)) for name in (self._meta.db_table, self._meta.pk.column))
        marks = ", ".join(["%s"] * len(fields))
        with connection.cursor() as cursor:
            cursor.execute(f"INSERT INTO {table} ({', '.join(names)}) VALUES ({marks}) RETURNING {key}", values)  # noqa: S608
            self.pk = cursor.fetchone()[0]
        self._state.adding, self._state.db = False, using

    def _is_given(self, field: models.Field[Any, Any]) -> bool:
        """Whether the row says what its field is; else the database does."""
        value = getattr(self, field.attname)
        return not (isinstance(value, DatabaseDefault) or (field.primary_key and value is None))


class Run(Own):
    """One ``migrate`` that got the lock."""

    class Outcome(models.TextChoices):
        RUNNING = "running"
        SUCCEEDED = "succeeded"
        FAILED = "failed"
        INTERRUPTED = "interrupted"

    release = models.CharField(max_length=255, help_text="name of the build that ran")
    release_digest = models.CharField(
        max_length=64,
        db_default="",
        help_text="digest of the build's migrations, models and release; empty of a run that finishes no release",
    )
    host = models.CharField(max_length=255)
    process_id = models.BigIntegerField(help_text="of the runner, on its host")
    backend_pid = models.BigIntegerField(help_text="of its session, on the server")
    command = models.TextField(db_default="", help_text="arguments, as given")
    lockgate_version = models.CharField(max_length=100, db_default="")
    django_version = models.CharField(max_length=100, db_default="")
    started_at = models.DateTimeField(db_default=Now())
    ended_at = models.DateTimeField(null=True)
    lock_wait_seconds = models.FloatField(db_default=0.0, help_text="time spent waiting for the migration lock")
    outcome = models.CharField(max_length=40, choices=Outcome, db_default=Outcome.RUNNING)
    error = models.TextField(blank=True, db_default="", help_text="what failed, without secrets")

    class Meta:
        ordering = ("-id",)
        indexes = (models.Index(fields=("release_digest", "-id"), name="lockgate_run_release"),)

    def __str__(self) -> str:
        return f"run {self.pk}: {self.outcome}"


class Checkpoint(Own):
    """Where an ordinary run left the database when nothing at all was left to do; no row where something was."""

    run = models.OneToOneField(Run, on_delete=models.CASCADE, primary_key=True, related_name="checkpoint")
    history_digest = models.CharField(
        max_length=64, help_text="sha256 over the rows of django_migrations and the syntax trees of their files"
    )

    def __str__(self) -> str:
        return f"checkpoint of run {self.pk}: {self.history_digest[:12]}"


class Failure(Own):
    """What a run failed at that would fail again: while nothing of it changes, other runners need not find out."""

    run = models.OneToOneField(Run, on_delete=models.CASCADE, primary_key=True, related_name="failure")
    work_digest = models.CharField(max_length=64, help_text="sha256 over all that is known to decide over the run")
    operation = models.TextField(
        blank=True, db_default="", help_text="the operation of a migration, or the step, that failed"
    )
    file_digests = models.JSONField(
        db_default={}, help_text="sha256 of the project's files that the error came through, by path"
    )
    failed_at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return f"failure of run {self.pk}: {self.operation}"


class MigrationRecord(Own):
    """One migration applied, unapplied or faked by a run; met as applied already (``baseline``), or loaded."""

    class Action(models.TextChoices):
        APPLY = "apply"
        UNAPPLY = "unapply"
        FAKE = "fake"
        UNFAKE = "unfake"
        BASELINE = "baseline"
        SNAPSHOT = "snapshot"

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="migrations")
    app = models.CharField(max_length=255)
    name = models.CharField(max_length=255)
    action = models.CharField(max_length=40, choices=Action)
    started_at = models.DateTimeField()
    seconds = models.FloatField(db_default=0.0, help_text="duration up to the commit")
    attempts = models.IntegerField(db_default=1)
    file_digest = models.CharField(max_length=64, blank=True, db_default="", help_text="sha256 of the migration's file")
    ast_digest = models.CharField(
        max_length=64, blank=True, db_default="", help_text="sha256 of the migration's syntax tree"
    )

    class Meta:
        ordering = ("-id",)
        indexes = (models.Index(fields=("app", "name", "-id"), name="lockgate_record_latest"),)

    def __str__(self) -> str:
        return f"{self.action} {self.app}.{self.name}"


class JournalEntry(Own):
    """One step of the journal: what a run does outside a migration's transaction, written down before it is done.

    Steps of a migration that is not atomic are here too, one for each of its operations (phase switch).
    """

    class State(models.TextChoices):
        PLANNED = "planned"
        RUNNING = "running"
        FAILED = "failed"
        DONE = "done"
        UNDONE = "undone"
        OBSOLETE = "obsolete"

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="journal_entries")
    app = models.CharField(max_length=255)
    name = models.CharField(max_length=255)
    ast_digest = models.CharField(
        max_length=64, blank=True, db_default="", help_text="sha256 of the migration's syntax tree"
    )
    ordinal = models.IntegerField(help_text="its place among the migration's steps, from 0")
    phase = models.CharField(max_length=40)
    title = models.TextField()
    kind = models.CharField(max_length=255, help_text="what it changes, or the class of its operation")
    table_name = models.CharField(max_length=255, blank=True, db_default="")
    object_name = models.CharField(
        max_length=255, blank=True, db_default="", help_text="the index, constraint or column"
    )
    sql = models.TextField(blank=True, db_default="")
    undo = models.JSONField(db_default=[], help_text="statements that bring back what was before")
    transactional = models.BooleanField(db_default=True)
    definition = models.TextField(
        blank=True,
        db_default="",
        help_text="of what it made, as the server writes it; of a contract step, the default that must still be there",
    )
    object_oid = models.BigIntegerField(null=True, help_text="of what it made, or is to drop, in the catalog")
    committed = models.BooleanField(
        db_default=False,
        help_text="whether the migration that it belongs to counts as applied or, backwards, unapplied",
    )
    state = models.CharField(max_length=40, choices=State, db_default=State.PLANNED)
    attempts = models.IntegerField(db_default=0)
    created_at = models.DateTimeField(db_default=Now())
    started_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    error = models.TextField(blank=True, db_default="", help_text="what failed last, without secrets")

    class Meta:
        ordering = ("id",)
        verbose_name_plural = "journal entries"
        indexes = (models.Index(fields=("app", "name"), name="lockgate_journal_migration"),)

    def __str__(self) -> str:
        return f"{self.app}.{self.name} {self.phase} {self.ordinal}: {self.state}"


class Effect(Own):
    """What an operation of a migration that is not atomic has made, changed or removed in the catalog;
    kept while the migration is under way.

    Without a constraint, so that rows of the journal can be deleted by hand.
    """

    entry = models.OneToOneField(
        JournalEntry, on_delete=models.DO_NOTHING, primary_key=True, related_name="effect", db_constraint=False
    )
    catalog_objects = models.JSONField(
        db_default=[], help_text="fields of each lockgate.database.table_objects.Thing, by name"
    )

    def __str__(self) -> str:
        return f"effect of step {self.pk}"


# What is written about runs, and is no part of what they bring about.
OWN = (Run, Checkpoint, Failure, MigrationRecord, JournalEntry, Effect)
