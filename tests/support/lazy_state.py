"""Migrations run by the same editor with states rendered by Django, and lazily: what each of them sends."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from django.db.migrations import Migration
from django.db.migrations.state import ProjectState

from lockgate.project_state.eligibility import Render, render_of
from lockgate.project_state.run_state import Rendering, RunState
from tests.support.plans import Scratch

History = Callable[[], Sequence[Migration]]
# Django's own operations change the fields that they are given, so each way gets operations of its own.
Asked = list[str]


class Sent:
    """What goes to the server, with its parameters, while it is called as a wrapper."""

    def __init__(self) -> None:
        self.statements: Asked = []

    def __call__(self, execute: Any, statement: Any, params: Any, many: bool, context: Any) -> Any:
        self.statements.append(f"{statement} {params or ''}".strip())
        return execute(statement, params, many, context)


def by_django(scratch: Scratch, history: History, *, back: bool = False) -> Asked:
    """As Django's executor does it: everything is rendered before the first migration."""
    state = ProjectState()
    _ = state.apps
    return _run(scratch, history(), state, lambda state, migration: state, back=back)


def lazily(scratch: Scratch, history: History, *, back: bool = False, views: set[Render] | None = None) -> Asked:
    """As our executor does it. views: how the migrations are allowed to be rendered."""
    rendering = Rendering(set())
    migrations = history()
    if views is not None:
        assert {render_of(migration) for migration in migrations} <= views, [
            (migration.name, render_of(migration)) for migration in migrations
        ]
    return _run(scratch, migrations, RunState({}, rendering), rendering.shown, back=back)


def _run(
    scratch: Scratch,
    migrations: Sequence[Migration],
    state: ProjectState,
    shown: Callable[[ProjectState, Migration], ProjectState],
    *,
    back: bool,
) -> Asked:
    scratch.prepare()
    sent, before = Sent(), []
    with scratch.connection.execute_wrapper(sent):
        for migration in migrations:
            state = shown(state, migration)
            before.append(state.clone())
            with scratch.connection.schema_editor(atomic=migration.atomic) as editor:
                state = migration.apply(state, editor)
        for migration, earlier in reversed(list(zip(migrations, before, strict=True))) if back else ():
            with scratch.connection.schema_editor(atomic=migration.atomic) as editor:
                migration.unapply(shown(earlier, migration), editor)
    return sent.statements


def unordered(one: Asked, other: Asked) -> list[str]:
    """What one has sent more often than the other."""
    return sorted(((Counter(one) - Counter(other)) + (Counter(other) - Counter(one))).elements())


def different(one: Asked, other: Asked) -> list[str]:
    """The first statements that differ, side by side; none where there are none."""
    pairs = itertools.zip_longest(one, other)
    return next(([f"{number}", str(a), str(b)] for number, (a, b) in enumerate(pairs) if a != b), [])
