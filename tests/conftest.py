"""Fixtures that every test may use."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import databases
from tests.support.databases import Database
from tests.support.sites import Site


@pytest.fixture
def database() -> Iterator[Database]:
    """An empty database of the test's own."""
    made = databases.create()
    yield made
    made.drop()


@pytest.fixture
def site(tmp_path: Path, database: Database) -> Site:
    """A project behind the gate, with an empty database."""
    return Site(tmp_path, database)
