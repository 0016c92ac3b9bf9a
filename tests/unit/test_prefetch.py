"""Models that code names are rendered before it runs, and are those that it gets."""

from __future__ import annotations

from typing import Any

import pytest
from django.db.migrations import Migration, RunPython
from django.db.migrations.operations import AddField
from django.db.models import IntegerField

from lockgate.project_state import prefetch
from tests.support.lazy_state_cases import library
from tests.unit.test_project_state import run_state


def in_two_words(apps: Any, schema_editor: Any) -> None:
    apps.get_model("library", "Author")


def in_one_word(apps: Any, schema_editor: Any) -> None:
    apps.get_model("library.Author")


def within(apps: Any, schema_editor: Any) -> None:
    def inner() -> None:
        apps.get_model("library", "Author")

    inner()


def elsewhere(apps: Any, schema_editor: Any) -> None:
    apps.get_model("library", "Nobody")


def migration(*given: Any) -> Migration:
    new_migration = Migration("0002", "library")
    new_migration.operations = list(given)
    return new_migration


@pytest.mark.parametrize("code", [in_two_words, in_one_word, within])
def test_what_it_names_is_there_when_it_comes(code: Any) -> None:
    state = run_state(*library())
    prefetch.render_named(migration(RunPython(code)), state)
    assert "author" in state.apps._all_models["library"]
    rendered = state.apps._all_models["library"]["author"]
    later = state.clone()
    later.clear_delayed_apps_cache()
    assert later.apps.get_model("library", "Author") is rendered


@pytest.mark.parametrize(
    "operations",
    [
        [RunPython(elsewhere)],
        [RunPython(len)],  # has no constants to be read
        [AddField("Author", "more", IntegerField(null=True)), RunPython(in_two_words)],  # it sees what follows
        [],
    ],
)
def test_nothing_else_is(operations: list[Any]) -> None:
    state = run_state(*library())
    prefetch.render_named(migration(*operations), state)
    assert not any(state.apps._all_models.values())
