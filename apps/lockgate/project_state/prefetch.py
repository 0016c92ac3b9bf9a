"""Renders, while there is time for it, the models that a migration's code will most likely ask for.

A function that calls ``apps.get_model("shop", "Order")`` has these two words next to each other among its constants. A
wrong guess wastes some time; a missed one is rendered on demand.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from types import CodeType
from typing import Any

from django.db.migrations import Migration, RunPython

from lockgate.project_state.eligibility import Render
from lockgate.project_state.run_state import RunState


def render_named(migration: Migration, state: RunState) -> None:
    """state: as the migration gets it, before it."""
    first = next(iter(migration.operations), None)
    if state.render is not Render.ON_DEMAND or not isinstance(first, RunPython):
        return
    words = [word.lower() for word in _words(getattr(first.code, "__code__", None))]
    named = {*words, *map(".".join, itertools.pairwise(words))}
    try:
        for label, name in state.models:
            if f"{label}.{name}" in named:
                state.apps.get_model(label, name)
    except Exception:  # the code will meet it, if it asks, and finds the registry untouched
        state.reload_models([], delay=False)


def _words(code: Any) -> Iterator[str]:
    for const in code.co_consts if isinstance(code, CodeType) else ():
        if isinstance(const, str):
            yield const
        elif isinstance(const, CodeType):
            yield from _words(const)
