"""Fixtures that every test may use."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import databases
from tests.support.databases import Database
from tests.support.sites import Site


@pytest.fixture(scope="session")
def django_db_keepdb() -> bool:
    """Whether pytest-django leaves its database behind: an embedded server goes with all that is in it."""
    return "TEST_DATABASE_URL" not in os.environ


@pytest.fixture
def database(request: pytest.FixtureRequest) -> Iterator[Database]:
    """An empty database of the test's own; on the server of its module where that is marked ``own_server``."""
    own = request.node.get_closest_marker("own_server")
    made = request.getfixturevalue("cluster").database() if own else databases.create()
    yield made
    made.drop()


@pytest.fixture(scope="session")
def pgvector() -> None:
    """The extension ``vector`` can be created on the session's server: an embedded one has it, another may not."""
    with databases.admin() as connection:
        row = connection.execute("SELECT FROM pg_available_extensions WHERE name = 'vector'").fetchone()
    if row is None:
        pytest.skip("NOT TESTED: extensions, because the server of TEST_DATABASE_URL has no pgvector")


@pytest.fixture
def site(tmp_path: Path, database: Database) -> Site:
    """A project behind the gate, with an empty database."""
    return Site(tmp_path, database)
