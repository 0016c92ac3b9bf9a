"""What is told of an extension that the server does not have."""

from __future__ import annotations

import pytest

from lockgate.database import extensions


@pytest.mark.parametrize(
    ("name", "package"),
    [
        ("vector", "postgresql-16-pgvector"),
        ("postgis", "postgresql-16-postgis-3"),
        ("hstore", "postgresql-contrib"),
        ("pg_hint_plan", "postgresql-16-pg-hint-plan"),
    ],
)
def test_the_package_is_named(name: str, package: str) -> None:
    assert package in extensions._package(name, 16)
