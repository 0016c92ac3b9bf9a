"""How often a run waits for the server: each time costs a round trip of the network, whatever the server does."""

from __future__ import annotations

import pytest

from tests.support.round_trips import Counter, counting, told
from tests.support.sites import Site

TABLE = """
migrations.CreateModel("Counter", [("id", models.BigAutoField(primary_key=True)), ("n", models.IntegerField())])
"""
COLUMN = """
migrations.AddField("counter", "note", models.IntegerField(null=True))
"""
IN_ALL, UNDER_A_STRONG_LOCK, WITHOUT_WORK = 25, 6, 6


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
    [found] = [number for number, each in enumerate(trips) if text in each]
    return found


def test_one_new_column_is_a_matter_of_a_few_round_trips(begun: Site) -> None:
    with counting() as counter:
        trips = migrated(begun, counter)
    column = place(trips, "ADD COLUMN")
    committed = next(number for number, each in enumerate(trips) if number > column and each.strip() == "COMMIT")
    assert len(trips) <= IN_ALL, told(trips)
    assert committed - column + 1 <= UNDER_A_STRONG_LOCK, told(trips[column : committed + 1])


def test_a_start_without_work_is_a_matter_of_fewer(begun: Site) -> None:
    assert begun.migrate().code == 0
    with counting() as counter:
        trips = migrated(begun, counter)
    assert len(trips) <= WITHOUT_WORK, told(trips)
