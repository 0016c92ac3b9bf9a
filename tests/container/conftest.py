"""Real images on a real engine. Where none runs, these tests say loudly that they were skipped.

``LOCKGATE_REQUIRE_CONTAINERS=1`` makes that a failure. ``LOCKGATE_IMAGE`` names an image to test instead of
building one.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.container.engine import (
    ROOT,
    SERVICE,
    Compose,
    Container,
    Database,
    Engine,
    compose_command,
    docker,
    why_no_base_images,
    why_no_engine,
)
from tests.support.servers import free_port

HERE = Path(__file__).parent
skipped: list[str] = []  # the reason, once for each test that did not run


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "container: runs real containers; needs a Docker Engine")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.container)
            item.add_marker(pytest.mark.timeout(600))


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> Generator[None]:
    """The last thing a person reads, after pytest's own list of skipped tests."""
    yield
    if lines := loud_lines():
        terminalreporter.section("CONTAINER TESTS SKIPPED", sep="!", red=True, bold=True)
        terminalreporter.write_line("\n".join(lines))


def pytest_unconfigure(config: pytest.Config) -> None:
    """A worker of xdist has no terminal, and its controller does not load this file; stderr is shared."""
    if hasattr(config, "workerinput") and (lines := loud_lines()):
        os.write(2, "\n".join(["", "!!! CONTAINER TESTS SKIPPED", *lines, ""]).encode())


def loud_lines() -> list[str]:
    if not skipped:
        return []
    return [
        f"{len(skipped)} tests of the real image did not run: {skipped[0]}",
        "LOCKGATE_REQUIRE_CONTAINERS=1 makes this a failure.",
    ]


def cannot_run(reason: str) -> None:
    if os.environ.get("LOCKGATE_REQUIRE_CONTAINERS") == "1":
        pytest.fail(f"no containers: {reason}", pytrace=False)
    pytest.skip(f"no containers: {reason}")


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.skipped and isinstance(report.longrepr, tuple) and "no containers: " in report.longrepr[2]:
        skipped.append(report.longrepr[2].partition("no containers: ")[2])


@pytest.fixture(scope="session")
def engine() -> Iterator[Engine]:
    """The engine, and the base images; what is made with it is removed when the session ends."""
    if reason := why_no_engine() or why_no_base_images():
        cannot_run(reason)
    engine = Engine()
    yield engine
    engine.remove_everything()


@pytest.fixture(scope="session")
def image(engine: Engine) -> str:
    """The image under test, by its tag."""
    if given := os.environ.get("LOCKGATE_IMAGE"):
        return given
    tag = engine.build(str(ROOT), str(ROOT / "docker" / "Dockerfile"), "--build-arg", "LOCKGATE_RELEASE=under-test")
    docker("tag", tag, "lockgate-under-test")  # stays, and keeps the layers for the next build
    return tag


@pytest.fixture(scope="session")
def network(engine: Engine) -> str:
    return engine.network()


@pytest.fixture(scope="session")
def database(engine: Engine, network: str) -> Database:
    """A server for the tests that need no more of it than a database of their own."""
    return engine.database(network)


@pytest.fixture(scope="session")
def plain(engine: Engine, network: str) -> tuple[str, ...]:
    """Options of a `docker run` that is waited for."""
    return ("--rm", "--label", engine.label, "--network", network)


Run = Callable[..., Container]


def service(engine: Engine, network: str) -> Run:
    """Start the service as an operator would: read-only, without capabilities. Its port is published."""

    def start(image: str, url: str, *command: str, options: tuple[str, ...] = (), **environment: str) -> Container:
        hardened = ("--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges")
        reachable = ("--network", network, "--publish", "127.0.0.1::8000")
        settings = {**SERVICE, "DATABASE_URL": url, **environment}
        return engine.run(image, *command, options=(*hardened, *reachable, *options), **settings)

    return start


@pytest.fixture
def run(engine: Engine, network: str) -> Iterator[Run]:
    """Start the service; its containers are removed when the test ends."""
    with contextlib.ExitStack() as containers:

        def start(*arguments: Any, **options: Any) -> Container:
            container = service(engine, network)(*arguments, **options)
            containers.callback(container.remove)
            return container

        yield start


@pytest.fixture(scope="session")
def migrated(image: str, database: Database, engine: Engine, network: str) -> str:
    """A database that this release has migrated, as a template for others."""
    name = database.new_database()
    ended = service(engine, network)(image, database.url(name), "true")
    assert ended.wait(120) == 0, ended.logs()
    return name


@pytest.fixture
def up_to_date(database: Database, migrated: str) -> str:
    """A migrated database of the test's own, by name."""
    return database.new_database(template=migrated)


Project = Callable[..., Compose]


@pytest.fixture
def compose(engine: Engine, image: str, tmp_path: Path) -> Iterator[Project]:
    """Make a project of a compose file with the image under test; it is taken down afterwards."""
    command = compose_command()
    if not command:
        cannot_run("neither `docker compose` nor docker-compose is installed")
    with contextlib.ExitStack() as projects:

        def new(override: str = "", file: str = "compose.yaml") -> Compose:
            files = [ROOT / "docker" / file]
            if override:
                files.append(tmp_path / "override.yaml")
                files[-1].write_text(override)
            port = str(free_port())
            environment = {"LOCKGATE_IMAGE": image, "HTTP_PORT": port, "DB_PORT": port}
            project = Compose(command, f"{engine.name}-{port}", files, environment)
            projects.callback(project.down)
            return project

        yield new
