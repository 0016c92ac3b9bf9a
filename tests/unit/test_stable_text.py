"""Values and settings as text that is the same in every process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.db import models

from lockgate.ledger import stable_text
from lockgate.snapshot import settings_used
from tests.support.sites import ROOT


def test_values_that_differ_read_differently() -> None:
    values = [None, 1, "1", b"1", True, [1], [[1]], {1}, {"a": 1}, {"a": 2}, int, str]
    assert len({stable_text.of(each) for each in values}) == len(values)


def test_deconstructible_objects_are_what_they_are_made_from() -> None:
    index = models.Index(fields=["a"], name="i")
    assert stable_text.of(index) == stable_text.of(models.Index(fields=["a"], name="i"))
    assert stable_text.of(index) != stable_text.of(models.Index(fields=["b"], name="i"))


def test_it_is_the_same_in_every_process() -> None:
    code = "from lockgate.ledger import stable_text; print(stable_text.of([{'a', 'b', 'c'}, object(), len, print]))"
    seen = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONPATH": str(ROOT / "apps"), "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in "1234"
    }
    assert len(seen) == 1


def test_settings_that_a_migration_names_are_found() -> None:
    source = b"from django.conf import settings\nx = settings.SHOP_SIZE\ny = getattr(settings, 'SHOP_NAME', None)\n"
    found = settings_used.names([source, b"z = 1"])
    assert {"SHOP_SIZE", "SHOP_NAME", "AUTH_USER_MODEL"} <= set(found)
    assert list(found) == sorted(found)


ENGINE = "x = settings.DATABASES['default']['ENGINE']"


@pytest.mark.parametrize(
    ("source", "where_counts"),
    [
        (ENGINE, False),
        (f"{ENGINE} == settings.DATABASES[alias]['ENGINE']", False),
        ("x = settings.DATABASES['default']['NAME']", True),
        ("x = settings.DATABASES['default'][key]", True),
        ("x = settings.DATABASES['default'].get('ENGINE')", True),
        ("x = settings.DATABASES", True),
        (f"{ENGINE}, settings.DATABASES['default']['HOST']", True),
    ],
)
def test_of_databases_whose_engine_alone_is_read_it_does_not_count_where_they_are(
    source: str, where_counts: bool
) -> None:
    """A migration that asks for it does the same on the machine that builds and on the one that runs."""
    here, there, other = (
        {"DATABASES": {"default": {"ENGINE": engine, "NAME": name}}}
        for engine, name in (("postgresql", "a"), ("postgresql", "b"), ("sqlite3", "a"))
    )
    wanted = settings_used.names([source.encode()])
    first, second, third = (settings_used.digest(wanted, each.get) for each in (here, there, other))
    assert first != third
    assert (first != second) is where_counts


@pytest.mark.parametrize("value", [None, True, False, "", [], (), {}, "auth.User", "auth.user"])
def test_a_value_that_tells_nothing_may_be_digested(value: object) -> None:
    assert settings_used.unlisted(["SHOP_THING"], {"SHOP_THING": value}.get, ()) == []


@pytest.mark.parametrize("value", ["4711", 4711, 0, b"x", ["a"], {"a": 1}, "no.Model", "a.b.c", object(), Path("/x")])
def test_of_any_other_no_digest_may_be_kept_but_by_the_projects_word(value: object) -> None:
    values = {"SHOP_THING": value, "TIME_ZONE": "UTC", "SITE_ID": 1}
    assert settings_used.unlisted(values, values.get, ()) == ["SHOP_THING"]
    assert settings_used.unlisted(values, values.get, ("SHOP_THING",)) == []


def test_passwords_of_databases_are_not_digested_but_engines_are() -> None:
    values = {"DATABASES": {"default": {"ENGINE": "postgresql", "PASSWORD": "x"}}}
    for source, hidden in ((ENGINE, []), ("x = settings.DATABASES['default']['PASSWORD']", ["DATABASES"])):
        wanted = settings_used.names([source.encode()])
        assert settings_used.unlisted(wanted, values.get, ()) == hidden


def test_another_value_is_another_digest() -> None:
    values = {"A": 1, "B": "x"}
    first = settings_used.digest(["A", "B"], values.get)
    assert settings_used.digest(["A", "B"], {**values, "B": "y"}.get) != first
    assert settings_used.digest(["A"], values.get) != first
