"""Fixtures of tests that ask real servers."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import ConnectionHandler
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations.recorder import MigrationRecorder

from lockgate.database import url
from lockgate.models import OWN
from tests.support import databases, plans, servers
from tests.support.databases import Database
from tests.support.library import large
from tests.support.plans import Scratch
from tests.support.servers import Cluster
from tests.support.sites import Site


@pytest.fixture(scope="session", params=databases.several(), ids=lambda version: f"postgres{version}")
def scratch_of_session(request: pytest.FixtureRequest) -> Iterator[Scratch]:
    with plans.scratch(request.param) as new_scratch:
        yield new_scratch


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """A server of the module's own, to be stopped, filled and reached by a password."""
    with servers.running() as new_cluster:
        yield new_cluster


@pytest.fixture
def scratch(scratch_of_session: Scratch, django_db_blocker: Any) -> Iterator[Scratch]:
    """A database on each version of PostgreSQL that we test with, to be emptied and filled by ``prepare``."""
    with django_db_blocker.unblock(), plans.as_default(scratch_of_session.connection):
        yield scratch_of_session


@pytest.fixture
def connection(database: Database, django_db_blocker: Any) -> Iterator[BaseDatabaseWrapper]:
    """Django's, of this process, to the test's database; models have it too."""
    new_connection = ConnectionHandler({"default": url.parse(database.url)})["default"]
    with django_db_blocker.unblock(), plans.as_default(new_connection), contextlib.closing(new_connection):
        new_connection.ensure_connection()
        yield new_connection


@pytest.fixture
def ledger_tables(connection: BaseDatabaseWrapper) -> BaseDatabaseWrapper:
    """The connection to a database that has Lockgate's own tables, and Django's."""
    with connection.schema_editor() as editor:
        for model in (*OWN, MigrationRecorder.Migration):
            editor.create_model(model)
    return connection


@pytest.fixture
def library(site: Site) -> Site:
    """A project whose table of books counts as large, migrated and filled."""
    return large(site)
