"""Planning with states that render on demand gives the same plans as with Django's own, which render everything."""

from __future__ import annotations

import pytest
from django.db.migrations import Migration
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.state import ProjectState

from lockgate.execution.outlook import history
from lockgate.execution.recording.recording_editor import offline_connection, recording, unplugged
from lockgate.execution.rendering.lazy_states import LazyState
from lockgate.planning import build
from lockgate.planning.rules import ALL, Rule
from lockgate.planning.rules.rule import OFFLINE
from lockgate.planning.rules.shop import MODELS
from lockgate.planning.steps import Kind, MigrationPlan
from tests.support.examples import migration


def plans(state: ProjectState, migrations: list[Migration]) -> list[MigrationPlan]:
    connection = offline_connection("default", OFFLINE.version)
    planner = build.Planner(OFFLINE, lambda prospect: recording(connection, prospect), build.Settings(8 * 1024**2))
    with unplugged():
        return [planner.plan(each, state, deployed=True) for each in migrations]


def test_the_whole_history_of_this_project_is_planned_alike() -> None:
    loader = MigrationLoader(None)
    migrations = history.in_order(loader)
    assert len(migrations) > 20
    rendered = ProjectState(real_apps=loader.unmigrated_apps)
    _ = rendered.apps
    assert plans(LazyState(real_apps=loader.unmigrated_apps), migrations) == plans(rendered, migrations)


def test_nothing_of_this_projects_history_is_unknown() -> None:
    loader = MigrationLoader(None)
    made = plans(LazyState(real_apps=loader.unmigrated_apps), history.in_order(loader))
    unknown = [change for plan in made for step in plan.steps for change in step.changes if change.kind is Kind.UNKNOWN]
    assert unknown == []


@pytest.mark.parametrize("rule", ALL, ids=lambda rule: rule.id)
def test_every_unsafe_example_is_planned_alike(rule: Rule) -> None:
    given = [migration(MODELS, "0001_initial"), migration(rule.unsafe.source)]
    rendered = ProjectState()
    _ = rendered.apps
    assert plans(LazyState(), given) == plans(rendered, given)
