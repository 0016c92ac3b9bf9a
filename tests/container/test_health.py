"""The image's HEALTHCHECK: patient while migrations run, honest afterwards, and silent about secrets."""

from __future__ import annotations

import pytest

from tests.container.conftest import Run
from tests.container.engine import Container, Database, Engine, docker, wait_until

SLEEPING = "[migrations.RunSQL('SELECT pg_sleep({0})')]"
IMPATIENT = ("--health-interval", "1s", "--health-retries", "2")  # unhealthy after 2 s, if failures count


@pytest.fixture(scope="module")
def long(engine: Engine, image: str) -> str:
    return engine.release(image, "long", SLEEPING.format(12))


def states_until(container: Container, last: tuple[str, ...]) -> list[str]:
    """The health states it goes through, until one of these."""
    states: list[str] = []

    def reached() -> bool:
        if (state := container.health) not in states[-1:]:
            states.append(state)
        return states[-1] in last

    wait_until(reached, f"one of {last}", 90)
    return states


def test_becomes_healthy_when_it_serves(database: Database, up_to_date: str, image: str, run: Run) -> None:
    container = run(image, database.url(up_to_date))
    assert states_until(container, ("healthy", "unhealthy")) == ["starting", "healthy"]


def test_a_migration_longer_than_any_window_does_not_make_it_unhealthy(
    database: Database, up_to_date: str, long: str, run: Run
) -> None:
    container = run(long, database.url(up_to_date), options=IMPATIENT)
    assert states_until(container, ("healthy", "unhealthy")) == ["starting", "healthy"]
    assert "refused" in container.health_log() or "applied watchstats.9999_long" in container.logs()


def test_the_usual_fixed_window_would_have(
    engine: Engine, database: Database, up_to_date: str, image: str, run: Run
) -> None:
    longer = engine.release(image, "longer", SLEEPING.format(120))  # nobody waits for its end
    container = run(longer, database.url(up_to_date), options=(*IMPATIENT, "--health-start-period", "2s"))
    assert states_until(container, ("healthy", "unhealthy")) == ["starting", "unhealthy"]
    assert "applied watchstats.9999_longer" not in container.logs()


def test_a_failed_migration_ends_the_container_and_it_never_was_healthy(
    engine: Engine, database: Database, up_to_date: str, image: str, run: Run
) -> None:
    failing = engine.release(image, "failing", "[migrations.RunSQL('SELECT 1/0')]")
    container = run(failing, database.url(up_to_date), options=IMPATIENT)
    assert container.wait(60) == 1
    assert container.health != "healthy"


def test_is_unhealthy_while_the_database_is_away_and_says_why_without_secrets(
    engine: Engine, network: str, image: str, run: Run
) -> None:
    own = engine.database(network)
    container = run(image, own.url(), options=IMPATIENT)
    container.wait_for_health("healthy")
    docker("stop", "--time", "5", own.id)
    container.wait_for_health("unhealthy")
    assert container.running
    assert "/readyz: 503" in container.health_log()
    assert "database" in container.health_log()
    docker("start", own.id)
    container.wait_for_health("healthy")
    everything = container.health_log() + container.logs()
    assert "hunter2" not in everything


def test_liveness_can_be_asked_instead(database: Database, up_to_date: str, image: str, run: Run) -> None:
    container = run(image, database.url(up_to_date))
    container.wait_for_health("healthy")
    assert container.execute("python", "-I", "-S", "docker/health_probe.py", "/livez") == ""
