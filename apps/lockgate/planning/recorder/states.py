"""States to plan on. What a plan asks of them is what the migrations will ask when they run, so it is rendered the same
way, and a class that both need is rendered once; nothing that is planned changes it.
"""

from __future__ import annotations

from collections.abc import Collection

from django.db.migrations import Migration
from django.db.migrations.state import ProjectState

from lockgate.project_state import relations
from lockgate.project_state.eligibility import Render, render_of, routed
from lockgate.project_state.lazy_state import LazyState
from lockgate.project_state.run_state import Rendering, RunState


def of_run(state: ProjectState, migration: Migration) -> LazyState:
    """A copy of a run's state, as it is before a migration."""
    plain = render_of(migration) is not Render.EAGER
    if plain and isinstance(state, RunState):
        return _shown(state, state.rendering)
    return LazyState.of(state, shared=plain)


def of_history(state: LazyState, migrations: Collection[Migration]) -> LazyState:
    """A copy of what a history has come to, for the migrations that come next."""
    plain = all(render_of(migration) is not Render.EAGER for migration in migrations)
    if plain and not any(relations.of(model).implicit for model in state.models.values()):
        return _shown(state, Rendering(state.real_apps))
    return LazyState.of(state, shared=plain)


def _shown(state: LazyState, rendering: Rendering) -> RunState:
    """Planning runs no code of a migration, so a router is the only one that may want whole models."""
    run_state = RunState(dict(state.models), rendering)
    run_state.show(Render.ON_DEMAND if routed() else Render.MODEL)
    return run_state
