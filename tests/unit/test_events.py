"""An event is written once, at its class: its name, its level, its sentence. Whoever tells of it says the same."""

from __future__ import annotations

import inspect
import io
import json
import sys
import typing
from typing import Any

import pytest

from lockgate import errors, events, sentences
from lockgate.boot import fast_path
from lockgate.boot.empty_database import Loaded
from lockgate.reporting.console import JsonConsole, TextConsole, describe

EVENTS: tuple[Any, ...] = typing.get_args(events.Event)
BY_KIND = {each._field_defaults["kind"]: each for each in EVENTS}
# What is said without Django: events by name, each with its fields.
WITHOUT_DJANGO = [*fast_path._OF_NOTHING.values(), *Loaded("lockgate-snapshot.sql", 17, 0.4567).events()]


def console_says(event: Any, log_format: str) -> str:
    out = io.StringIO()
    {"text": TextConsole, "json": JsonConsole}[log_format](out, out)(event)
    return out.getvalue()


def test_every_event_has_a_name_of_its_own_a_level_and_a_sentence() -> None:
    assert len(BY_KIND) == len(EVENTS)
    assert all(isinstance(each.message, property) for each in EVENTS)
    assert all(hasattr(each, "level") for each in EVENTS)


@pytest.mark.parametrize("log_format", ["text", "json"])
@pytest.mark.parametrize(("kind", "fields"), WITHOUT_DJANGO, ids=[kind for kind, _ in WITHOUT_DJANGO])
def test_a_start_without_django_says_what_the_console_would(
    kind: str, fields: dict[str, Any], log_format: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = io.StringIO()
    monkeypatch.setattr(sys, "stdout", out)
    fast_path._say(kind, fields, log_format)
    said = console_says(BY_KIND[kind](**fields), log_format)
    if log_format == "text":
        assert out.getvalue() == said
    else:
        ours, theirs = json.loads(out.getvalue()), json.loads(said)
        assert list(ours) == list(theirs)
        assert {**ours, "time": ""} == {**theirs, "time": ""}


def test_sentences_that_are_said_without_django_take_the_fields_of_their_event() -> None:
    shared = {name: var for name, var in vars(sentences).items() if inspect.isfunction(var) and name[0] != "_"}
    assert shared.keys() == {kind for kind, _ in WITHOUT_DJANGO}
    for name, sentence in shared.items():
        fields = [field for field in BY_KIND[name]._fields if field not in ("kind", "level")]
        assert list(inspect.signature(sentence).parameters) == fields


@pytest.mark.parametrize(
    ("event", "level"),
    [
        (events.ExtensionOutcome("hstore", "created"), "info"),
        (events.ExtensionOutcome("hstore", "failed", "do this"), "warning"),
        (events.HazardsFound(0, 0, 3), "info"),
        (events.HazardsFound(0, 1, 3), "warning"),
        (events.Ended(1, 0, 1.0), "info"),
    ],
)
def test_a_warning_is_one_by_what_the_event_says_of_itself(event: Any, level: str) -> None:
    assert event.level == level
    assert json.loads(console_says(event, "json"))["level"] == level
    assert console_says(event, "text").startswith("warning: ") == (level == "warning")


def test_text_and_json_say_the_same_sentence() -> None:
    event = events.Ahead((), 2)
    assert console_says(event, "text") == f"warning: {event.message}\n"
    assert json.loads(console_says(event, "json"))["message"] == event.message


def test_an_error_is_told_in_the_same_words_everywhere() -> None:
    error = errors.MigrationFailed(why="it said no", state="nothing was changed", next_step="ask again")
    error.operation = "operation 1 of 2: RunSQL"
    told = events.Failed.of(error)
    assert told.message == str(error) == describe(error)
    assert (told.kind, told.error, told.next) == ("failed", "MigrationFailed", "ask again")
