"""Policy: flags beat environment beats settings beats defaults, and a wrong value is named with where it stands."""

from __future__ import annotations

import typing
from datetime import timedelta
from typing import Any

import pytest

from lockgate import configuration, policy
from lockgate.errors import ConfigurationError
from lockgate.policy import Policy

DURATIONS = [option for option in configuration.OPTIONS if isinstance(getattr(Policy(), option.attribute), timedelta)]


def test_nothing_given_is_the_defaults() -> None:
    assert configuration.resolve({}, {}) == Policy()


@pytest.mark.parametrize("option", DURATIONS, ids=lambda option: option.key)
def test_flags_beat_environment_beats_settings_beats_defaults(option: configuration.Option) -> None:
    def seconds(settings: dict[str, Any], environ: dict[str, str], **flags: Any) -> float:
        resolved: timedelta = getattr(configuration.resolve(settings, environ, **flags), option.attribute)
        return resolved.total_seconds()

    settings, environ, flags = {option.key: 11}, {option.variable: "22.5"}, {option.attribute: 33.0}
    assert seconds(settings, environ, **flags) == 33
    assert seconds(settings, environ) == 22.5
    assert seconds(settings, {}) == 11
    assert seconds({}, environ) == 22.5
    assert seconds({}, {}, **flags) == 33
    assert seconds(settings, environ, **{option.attribute: None}) == 22.5
    assert seconds({}, {}, **{option.attribute: 0.0}) == 0, "zero is a value"


def test_an_empty_variable_is_not_a_value() -> None:
    assert (
        configuration.resolve({"WAIT_SECONDS": 5}, {"LOCKGATE_WAIT_SECONDS": ""}).wait_for_server.total_seconds() == 5
    )


def test_choices_and_lists_are_read_too() -> None:
    resolved = configuration.resolve(
        {"EXTENSIONS": ["vector", "hstore"], "ON_AHEAD": "refuse", "RELEASE": "one"},
        {"LOCKGATE_ON_AHEAD": "allow", "LOCKGATE_ON_EDITED": "refuse", "LOCKGATE_RELEASE": "two"},
    )
    assert resolved == Policy(extensions=("vector", "hstore"), on_ahead="allow", on_edited="refuse", release="two")


@pytest.mark.parametrize("option", configuration.OPTIONS, ids=lambda option: option.key)
def test_every_option_has_a_key_a_field_and_a_variable_of_its_name(option: configuration.Option) -> None:
    assert hasattr(Policy(), option.attribute)
    assert option.variable in ("", f"LOCKGATE_{option.key}")


@pytest.mark.parametrize(
    ("settings", "environ", "flags", "what", "next_step"),
    [
        ({"WAIT": 5}, {}, {}, "LOCKGATE has unknown settings: WAIT", "WAIT_SECONDS"),
        ({"WAIT_SECONDS": "soon"}, {}, {}, "LOCKGATE[\"WAIT_SECONDS\"] is 'soon'", "a number of seconds"),
        ({"WAIT_SECONDS": None}, {}, {}, 'LOCKGATE["WAIT_SECONDS"] is None', "a number of seconds"),
        ({"WAIT_SECONDS": -1}, {}, {}, 'LOCKGATE["WAIT_SECONDS"] is -1', "0 or more"),
        ({}, {"LOCKGATE_WAIT_SECONDS": "abc"}, {}, "LOCKGATE_WAIT_SECONDS is 'abc'", "a number of seconds"),
        ({}, {"LOCKGATE_LOCK_WAIT_SECONDS": "inf"}, {}, "LOCKGATE_LOCK_WAIT_SECONDS is 'inf'", "a number of seconds"),
        ({}, {"LOCKGATE_LOCK_WAIT_SECONDS": "nan"}, {}, "LOCKGATE_LOCK_WAIT_SECONDS is 'nan'", "a number of seconds"),
        ({}, {}, {"wait_for_lock": -3.0}, "the flag for LOCK_WAIT_SECONDS is -3.0", "0 or more"),
        ({"EXTENSIONS": "vector"}, {}, {}, 'LOCKGATE["EXTENSIONS"] is not a list of names', ""),
        ({"EXTENSIONS": [1]}, {}, {}, 'LOCKGATE["EXTENSIONS"] is not a list of names', ""),
        ({"ON_AHEAD": "maybe"}, {}, {}, "LOCKGATE[\"ON_AHEAD\"] is 'maybe'", "allow-when-current"),
        ({}, {"LOCKGATE_ON_EDITED": "x"}, {}, "LOCKGATE_ON_EDITED is 'x'", "warn, refuse"),
        ({"RELEASE": 7}, {}, {}, 'LOCKGATE["RELEASE"] is not text', ""),
    ],
)
def test_a_wrong_value_is_named_with_where_it_stands(
    settings: dict[str, Any], environ: dict[str, str], flags: dict[str, Any], what: str, next_step: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        configuration.resolve(settings, environ, **flags)
    assert caught.value.what == what
    assert next_step in caught.value.next_step


def test_a_wrong_value_is_refused_even_where_a_stronger_one_is_right() -> None:
    with pytest.raises(ConfigurationError, match="WAIT_SECONDS"):
        configuration.resolve({"WAIT_SECONDS": "soon"}, {"LOCKGATE_WAIT_SECONDS": "5"})


@pytest.mark.parametrize(("seconds", "expected"), [(2.5, 2.5), (0, 0), (-4, 0)])
def test_a_policy_within_a_deadline_waits_no_longer(seconds: float, expected: float) -> None:
    limits = policy.within(Policy(), seconds)
    assert limits.wait_for_server.total_seconds() == expected
    assert limits.wait_for_lock == Policy().wait_for_lock


@pytest.mark.parametrize(
    "wrong",
    [
        None,
        ["WAIT_SECONDS"],
        {"EXTENSIONS": 5},
        {"EXTENSIONS": None},
        {"EXTENSIONS": {"vector": True}},
        {"WAIT_SECONDS": 1e15},
        {"WAIT_SECONDS": True},
        {"LARGE_TABLE_BYTES": "8 MB"},
        {"LARGE_TABLE_BYTES": True},
    ],
)
def test_whatever_is_wrong_with_the_settings_is_a_configuration_error(wrong: typing.Any) -> None:
    with pytest.raises(ConfigurationError):
        configuration.resolve(wrong, {})
