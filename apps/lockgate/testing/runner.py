"""Django's test runner, with test databases that are copies of a template."""

from __future__ import annotations

from typing import Any

from django.test.runner import DiscoverRunner

from lockgate.testing import copies


class SnapshotDatabases:
    """Mixed in before the class of a runner that a project has already."""

    def setup_databases(self, **kwargs: Any) -> Any:
        runner: Any = super()
        with copies.of_templates():
            return runner.setup_databases(**kwargs)


class SnapshotRunner(SnapshotDatabases, DiscoverRunner):
    """For projects that have no runner of their own."""
