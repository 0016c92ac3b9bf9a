"""Test databases that are copied instead of migrated, for Django's test runner and for pytest-django.

``TEST_RUNNER = "lockgate.testing.SnapshotRunner"``, or ``pytest -p lockgate.testing.pytest_plugin``. Names are loaded
when they are asked for: a plugin is imported before there are settings, and a runner must not need pytest.
"""

from __future__ import annotations

from typing import Any

__all__ = ["SnapshotDatabases", "SnapshotRunner"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from lockgate.testing import runner  # noqa: PLC0415

    return getattr(runner, name)
