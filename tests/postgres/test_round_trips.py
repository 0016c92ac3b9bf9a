"""How often a run waits for the server: each time costs a round trip of the network, whatever the server does."""

from __future__ import annotations

import select
import socket
import struct
import threading
from dataclasses import dataclass, field

import pytest

from lockgate.database import advisory_lock
from tests.support import relays
from tests.support.processes import says, until
from tests.support.round_trips import Counter, counting, told
from tests.support.sites import Site, finish
from tests.support.sweep_wire import Wire, on_the_wire

TABLE = """
migrations.CreateModel("Counter", [("id", models.BigAutoField(primary_key=True)), ("n", models.IntegerField())])
"""
COLUMN = """
migrations.AddField("counter", "note", models.IntegerField(null=True))
"""
RECEIVER = """
from django.apps import AppConfig
from django.db import connections
from django.db.migrations.recorder import MigrationRecorder
from django.db.models.signals import pre_migrate

def heard(sender, using, stdout, **options):
    recorder = MigrationRecorder(connections[using])
    recorder.record_applied("elsewhere", "0001_theirs")
    found = ("elsewhere", "0001_theirs") in recorder.applied_migrations()
    stdout.write(f"the receiver finds its row: {found}")

class Shop(AppConfig):
    name = "shop"

    def ready(self):
        pre_migrate.connect(heard, sender=self)
"""


@dataclass
class Held(Wire):
    """What the server answers to the beginning of a migration's transaction comes when it is let go."""

    begun: threading.Event = field(default_factory=threading.Event)
    let_go: threading.Event = field(default_factory=threading.Event)

    def _serve(self, client: socket.socket) -> None:
        with client, self.connect() as server:
            first = relays.startup(client)
            server.sendall(struct.pack("!i", len(first) + 4) + first)
            while True:
                for source in select.select([client, server], [], [])[0]:
                    data = source.recv(relays.CHUNK)
                    if not data:
                        return
                    if source is client and b"lockgate.migration'" in data and b"SAVEPOINT" in data:
                        self.begun.set()
                    if source is server and self.begun.is_set():
                        self.let_go.wait(60)
                    (server if source is client else client).sendall(data)


IN_ALL, UNDER_A_STRONG_LOCK, WITHOUT_WORK = 25, 6, 6  # round trips


@pytest.fixture
def begun(site: Site) -> Site:
    """A database with a history, a ledger, and a table; and a release with one more migration."""
    site.apps = ("django.contrib.contenttypes", "shop")
    site.write_settings()
    site.migration("0001_initial", TABLE)
    assert site.migrate().code == 0
    site.migration("0002_note", COLUMN)
    return site


def migrated(site: Site, counter: Counter) -> list[str]:
    counter.trips.clear()
    result = site.migrate(DATABASE_URL=counter.url(site.database.name))
    assert result.code == 0, result.text
    return list(counter.trips)


def place(trips: list[str], text: str) -> int:
    [found] = [number for number, trip in enumerate(trips) if text in trip]
    return found


def test_one_new_column_is_a_matter_of_a_few_round_trips(begun: Site) -> None:
    with counting() as counter:
        trips = migrated(begun, counter)
    column = place(trips, "ADD COLUMN")
    committed = next(number for number, trip in enumerate(trips) if number > column and trip.strip() == "COMMIT")
    assert len(trips) <= IN_ALL, told(trips)
    assert committed - column + 1 <= UNDER_A_STRONG_LOCK, told(trips[column : committed + 1])


def test_a_start_without_work_is_a_matter_of_fewer(begun: Site) -> None:
    assert begun.migrate().code == 0
    with counting() as counter:
        trips = migrated(begun, counter)
    assert len(trips) <= WITHOUT_WORK, told(trips)


def test_a_table_that_goes_while_the_lock_is_waited_for_is_missed_and_made_again(begun: Site) -> None:
    with begun.database.connect() as holder:
        holder.execute("SELECT pg_advisory_lock(%s)", [advisory_lock.KEY])
        process = begun.start("migrate", "--noinput", "--log-format", "json")
        says(process, '"waiting_for_lock"')
        begun.database.execute("DROP TABLE lockgate_effect")
    result = finish(process)
    assert result.code == 0, result.text
    assert '"ledger_mended"' in result.text
    assert begun.database.value("SELECT count(*) FROM lockgate_effect") == 0
    assert ("shop", "0002_note") in begun.database.applied()


def test_what_others_record_while_a_run_works_is_seen_at_its_end(begun: Site) -> None:
    begun.migration(
        "0003_theirs",
        """
        migrations.RunSQL("INSERT INTO django_migrations (app, name, applied) VALUES ('shop', '0009_theirs', now())")
    """,
    )
    result = begun.migrate()
    assert result.code == 0, result.text
    levels = "SELECT count(*) FROM lockgate_checkpoint JOIN lockgate_run AS run ON run.id = run_id"
    assert begun.database.value(levels) == 1  # the first run's: this one has not left what its release brings
    assert begun.database.value("SELECT outcome FROM lockgate_run ORDER BY id DESC LIMIT 1") == "succeeded"


def test_what_was_applied_without_lockgate_is_noted_with_its_files(begun: Site) -> None:
    begun.database.execute("DELETE FROM lockgate_migrationrecord WHERE app = 'shop'")
    assert begun.migrate().code == 0
    rows = begun.database.rows(
        "SELECT name, action, file_digest <> '' FROM lockgate_migrationrecord WHERE app = 'shop'"
    )
    assert sorted(rows) == [("0001_initial", "baseline", True), ("0002_note", "apply", True)]
    assert begun.database.value("SELECT count(*) FROM lockgate_checkpoint") == 2


def test_a_squashed_migration_that_counts_as_applied_leaves_a_checkpoint(begun: Site) -> None:
    begun.migration("0001_squashed", TABLE, after=None, replaces='[("shop", "0001_initial")]')
    result = begun.migrate()
    assert result.code == 0, result.text
    assert ("shop", "0001_squashed") in begun.database.applied()
    assert begun.database.value("SELECT count(*) FROM lockgate_checkpoint") == 2


def test_a_receiver_of_pre_migrate_finds_what_it_has_recorded_itself(begun: Site) -> None:
    (begun.path / "shop" / "apps.py").write_text(RECEIVER)
    result = begun.migrate()
    assert result.code == 0, result.text
    assert "the receiver finds its row: True" in result.out


def test_who_waits_for_the_lock_waits_on_where_what_is_written_down_is_locked(begun: Site) -> None:
    assert begun.migrate().code == 0
    begun.database.execute(
        "DELETE FROM django_migrations WHERE name = '0002_note'", "ALTER TABLE shop_counter DROP COLUMN note"
    )
    waiting = """
        SELECT waitstart FROM pg_locks
        WHERE NOT granted AND relation = 'django_migrations'::regclass AND waitstart IS NOT NULL
    """
    with begun.database.connect() as holder, begun.database.connect(autocommit=False) as other:
        holder.execute("SELECT pg_advisory_lock(%s)", [advisory_lock.KEY])
        process = begun.start("migrate", "--noinput", "--log-format", "json", LOCKGATE_LOCK_ATTEMPTS_SECONDS="1")
        says(process, '"waiting_for_lock"')
        other.execute("LOCK TABLE django_migrations")
        seen: set[object] = set()

        def again() -> bool:
            seen.update(begun.database.rows(waiting))
            return len(seen) > 1 or process.poll() is not None

        until(again, "the run has been refused the table once, and asks again")
    result = finish(process)
    assert result.code == 0, result.text
    assert ("shop", "0002_note") in begun.database.applied()


def test_a_run_that_is_stopped_as_a_transaction_begins_closes_its_row(begun: Site) -> None:
    with on_the_wire(kind=Held) as wire:
        assert isinstance(wire, Held)
        process = begun.start("migrate", "--noinput", DATABASE_URL=wire.url(begun.database.name))
        assert wire.begun.wait(60)
        process.terminate()
        wire.let_go.set()
        result = finish(process)
    assert result.code == 1, result.text
    assert begun.database.value("SELECT outcome FROM lockgate_run ORDER BY id DESC LIMIT 1") == "interrupted"
