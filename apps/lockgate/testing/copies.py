"""Has test databases created as copies of a template, by whoever creates them.

Django creates a test database with ``connection.creation.create_test_db``, and copies ``TEST["TEMPLATE"]`` where that
is set; both are public. So that setting is made for the length of one such call. What follows is Django's: ``migrate``
finds nothing to apply and sends its signals, so content types and permissions are those of every test run.
Source: https://docs.djangoproject.com/en/stable/topics/testing/advanced/#django.db.connection.creation.create_test_db
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from typing import Any

from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper

from lockgate.testing import templates


@contextlib.contextmanager
def of_templates() -> Iterator[None]:
    """For the length of the block, test databases on PostgreSQL are copies."""
    with contextlib.ExitStack() as stack:
        for connection in connections.all():
            if connection.vendor == "postgresql":
                stack.enter_context(_created_as_copies(connection))
        yield


@contextlib.contextmanager
def _created_as_copies(connection: BaseDatabaseWrapper) -> Iterator[None]:
    creation: Any = connection.creation
    original = creation.create_test_db

    def create_test_db(*args: Any, **kwargs: Any) -> Any:
        say = _say if kwargs.get("verbosity", args[0] if args else 1) >= 1 else _be_silent
        with _template_of(connection, templates.find(connection, say, keepdb=kwargs.get("keepdb", False))):
            return original(*args, **kwargs)

    creation.create_test_db = create_test_db  # on this connection alone, in front of its class's
    try:
        yield
    finally:
        del creation.create_test_db


@contextlib.contextmanager
def _template_of(connection: BaseDatabaseWrapper, name: str | None) -> Iterator[None]:
    test: dict[str, Any] = connection.settings_dict["TEST"]
    if name is None:
        yield
        return
    before = test.get("TEMPLATE")
    test["TEMPLATE"] = name
    try:
        yield
    finally:
        test["TEMPLATE"] = before


def _say(line: str) -> None:
    """Where Django's test runner says what it creates."""
    sys.stderr.write(f"{line}\n")


def _be_silent(line: str) -> None:
    """At verbosity 0."""
