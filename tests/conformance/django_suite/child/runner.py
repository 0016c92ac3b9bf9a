"""Django's test runner, which keeps each test's outcome, and puts what is ours in place before tests are imported."""

from __future__ import annotations

import unittest
from typing import Any

import ours
from django.db import connections
from django.db.migrations.recorder import MigrationRecorder
from django.test.runner import DiscoverRunner

MODE = ["stock"]  # or lockgate, or words: set by ``run.py``
OUTCOMES: dict[str, dict[str, str]] = {}


class Recording(unittest.TextTestResult):
    """Keeps the outcome of each test: passed, failed, skipped; a test with a failed subtest has failed."""

    def addSuccess(self, test: Any) -> None:  # noqa: N802
        super().addSuccess(test)
        _keep(test, "passed")

    def addExpectedFailure(self, test: Any, err: Any) -> None:  # noqa: N802
        super().addExpectedFailure(test, err)
        _keep(test, "passed")

    def addSkip(self, test: Any, reason: str) -> None:  # noqa: N802
        super().addSkip(test, reason)
        _keep(test, "skipped", reason)

    def addFailure(self, test: Any, err: Any) -> None:  # noqa: N802
        super().addFailure(test, err)
        _keep(test, "failed", _first_line(err))

    def addError(self, test: Any, err: Any) -> None:  # noqa: N802
        super().addError(test, err)
        _keep(test, "failed", _first_line(err))

    def addUnexpectedSuccess(self, test: Any) -> None:  # noqa: N802
        super().addUnexpectedSuccess(test)
        _keep(test, "failed", "it was expected to fail")

    def startTestRun(self) -> None:  # noqa: N802
        super().startTestRun()
        self.tables = {connection.alias: _tables(connection) for connection in connections.all()}
        self.applied = {connection.alias: _applied(connection) for connection in connections.all()}

    def stopTest(self, test: Any) -> None:  # noqa: N802
        """Take away what a failed test left behind, lest the next ones fail of it; transactions are rolled back."""
        super().stopTest(test)
        if OUTCOMES.get(test.id(), {}).get("outcome") == "failed":
            for connection in connections.all():
                if connection.alias in getattr(test, "databases", ()) and not connection.in_atomic_block:
                    _restore(connection, self.tables[connection.alias], self.applied[connection.alias])

    def addSubTest(self, test: Any, subtest: Any, err: Any) -> None:  # noqa: N802
        super().addSubTest(test, subtest, err)
        if err is not None:
            _keep(test, "failed", _first_line(err))


def _keep(test: Any, outcome: str, why: str = "") -> None:
    if OUTCOMES.get(test.id(), {}).get("outcome") != "failed":  # a subtest's failure comes before the test's success
        OUTCOMES[test.id()] = {"outcome": outcome, "why": why}


def _tables(connection: Any) -> set[str]:
    return set(connection.introspection.table_names())


def _applied(connection: Any) -> set[tuple[str, str]]:
    return set(MigrationRecorder(connection).applied_migrations())


def _restore(connection: Any, tables: set[str], applied: set[tuple[str, str]]) -> None:
    with connection.cursor() as cursor:
        for name in _tables(connection) - tables:
            cursor.execute(f"DROP TABLE {connection.ops.quote_name(name)} CASCADE")
        for name in _tables(connection):
            if name.startswith("lockgate_"):  # what ours wrote down of it
                cursor.execute(f"TRUNCATE {connection.ops.quote_name(name)} CASCADE")
    for app, name in _applied(connection) - applied:
        MigrationRecorder(connection).record_unapplied(app, name)


def _first_line(err: Any) -> str:
    kind, error, _ = err
    lines = [line for line in str(error).splitlines() if line.strip()] or [""]
    return f"{kind.__name__}: {lines[0]}"[:300]


class Runner(DiscoverRunner):
    """Django's runner, which puts what is ours in place once apps are ready and test modules are not yet imported."""

    def build_suite(self, *args: Any, **kwargs: Any) -> Any:
        if MODE[0] != "stock":
            ours.put_in_place(in_djangos_words=MODE[0] == "words")
        return super().build_suite(*args, **kwargs)

    def get_resultclass(self) -> type[unittest.TextTestResult]:
        return Recording
