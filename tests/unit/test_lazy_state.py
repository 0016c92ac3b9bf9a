"""Planning with states that render on demand gives the same plans as with Django's own, which render everything."""

from __future__ import annotations

import os
from collections.abc import Collection

import pytest
from django.db.migrations import Migration
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.operations import RunSQL
from django.db.migrations.state import ProjectState

from lockgate.linting.rules import ALL, Rule
from lockgate.linting.rules.example_models import MODELS
from lockgate.linting.rules.rule import OFFLINE
from lockgate.planning import history, planner
from lockgate.planning.recorder import states
from lockgate.planning.recorder.offline import offline_connection, unplugged
from lockgate.planning.recorder.schema_editor import recording
from lockgate.planning.steps import Kind, MigrationPlan
from lockgate.project_state.eligibility import Render
from lockgate.project_state.lazy_state import LazyState
from lockgate.project_state.operations import copy_of
from lockgate.project_state.run_state import Rendering, RunState
from tests.support.examples import migration
from tests.support.lazy_state_cases import library


def new_planner() -> planner.Planner:
    connection = offline_connection("default", OFFLINE.version)
    return planner.Planner(OFFLINE, lambda catalog: recording(connection, catalog), planner.Settings(8 * 1024**2))


def plans(state: ProjectState, migrations: list[Migration]) -> list[MigrationPlan]:
    made = new_planner()
    with unplugged():
        return [made.plan(one_migration, state, deployed=True) for one_migration in migrations]


def plans_of_run(migrations: list[Migration], real_apps: Collection[str] = ()) -> list[MigrationPlan]:
    """As a run makes them: each right before it would be applied, on the classes that it would be applied with."""
    made, migration_plans = new_planner(), []
    state = RunState({}, Rendering(set(real_apps)))
    state.show(Render.MODEL)
    for one_migration in migrations:
        with unplugged():
            migration_plans.append(
                made.plan(copy_of(one_migration), states.of_run(state, one_migration), deployed=True)
            )
        history.forwards(one_migration, state)
    return migration_plans


def test_the_whole_history_of_this_project_is_planned_alike() -> None:
    loader = MigrationLoader(None)
    migrations = history.in_order(loader)
    assert len(migrations) > 20
    rendered = ProjectState(real_apps=loader.unmigrated_apps)
    _ = rendered.apps
    expected = plans(rendered, migrations)
    assert plans(LazyState(real_apps=loader.unmigrated_apps), migrations) == expected
    assert plans_of_run(migrations, loader.unmigrated_apps) == expected


def test_nothing_of_this_projects_history_is_unknown() -> None:
    loader = MigrationLoader(None)
    migration_plans = plans(LazyState(real_apps=loader.unmigrated_apps), history.in_order(loader))
    unknown = [
        change
        for plan in migration_plans
        for step in plan.steps
        for change in step.changes
        if change.kind is Kind.UNKNOWN
    ]
    assert unknown == []


@pytest.mark.parametrize("rule", ALL, ids=lambda rule: rule.id)
def test_every_unsafe_example_is_planned_alike(rule: Rule, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "urandom", bytes)  # a default may be another each time it is asked for: uuid4
    migrations = [migration(MODELS, "0001_initial"), migration(rule.unsafe.source)]
    rendered = ProjectState()
    _ = rendered.apps
    expected = plans(rendered, migrations)
    assert plans(LazyState(), migrations) == expected
    assert plans(states.of_history(LazyState(), migrations), migrations) == expected
    assert plans_of_run(migrations) == expected


def test_a_plan_leaves_the_states_of_a_run_as_they_are() -> None:
    migrations = [migration(MODELS, "0001_initial")]
    state = RunState({}, Rendering(set()))
    shown = states.of_run(state, migrations[0])
    plans(shown, migrations)
    assert shown.models
    assert not state.models


def test_what_is_rendered_as_django_does_is_planned_on_classes_that_nobody_else_sees() -> None:
    class Their(RunSQL):
        pass

    state = RunState({}, Rendering(set()))
    theirs = migration(MODELS, "0001_initial")
    theirs.operations = [*theirs.operations, Their("SELECT 1")]
    assert type(states.of_run(state, theirs)) is LazyState
    assert type(states.of_history(state, [theirs])) is LazyState


def test_a_model_is_had_by_one_name_and_with_what_it_goes_through() -> None:
    state = LazyState()
    for operation in library():
        operation.state_forwards("library", state)
    book = state.apps.get_model("library.Book")
    assert book._meta.label == "library.Book"
    assert book._meta.get_field("lent").remote_field.through is state.apps.get_model("library", "Loan")
