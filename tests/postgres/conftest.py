"""Fixtures of tests that plan against real servers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.support import databases, plans
from tests.support.library import large
from tests.support.plans import Scratch
from tests.support.sites import Site


@pytest.fixture(scope="session", params=databases.several(), ids=lambda version: f"postgres{version}")
def scratch_of_session(request: pytest.FixtureRequest) -> Iterator[Scratch]:
    with plans.scratch(request.param) as made:
        yield made


@pytest.fixture
def scratch(scratch_of_session: Scratch, django_db_blocker: Any) -> Iterator[Scratch]:
    """A database on each version of PostgreSQL that we test with, to be emptied and filled by ``prepare``."""
    with django_db_blocker.unblock():
        yield scratch_of_session


@pytest.fixture
def library(site: Site) -> Site:
    """A project whose table of books counts as large, migrated and filled."""
    return large(site)
