"""For pytest-django: ``pytest -p lockgate.testing.pytest_plugin``, or ``addopts`` in the configuration.

Whatever fixture a project has of the name ``django_db_setup``, the databases that it creates are copies of a template,
in each worker of pytest-xdist too.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import pytest


@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup(fixturedef: pytest.FixtureDef[Any]) -> Generator[None, Any, Any]:
    if fixturedef.argname != "django_db_setup":
        return (yield)
    from lockgate.testing import copies  # noqa: PLC0415  needs settings, which there are only now

    with copies.of_templates():
        return (yield)
