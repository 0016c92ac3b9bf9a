"""Django's executor with states that are rendered lazily; what it does with a migration stays Django's."""

from __future__ import annotations

import contextlib
from functools import cached_property
from typing import Any

from django.db.migrations import Migration
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.state import ProjectState

from lockgate.project_state import gc_threshold
from lockgate.project_state.eligibility import Render, render_of
from lockgate.project_state.run_state import Rendering, RunState


class LazyExecutor(MigrationExecutor):
    """lazy: whether it is so; otherwise everything is rendered as Django does."""

    lazy = True
    _backwards_as_django_does = False

    @cached_property
    def rendering(self) -> Rendering:
        return Rendering(self.loader.unmigrated_apps)

    def _create_project_state(self, with_applied_migrations: bool = False) -> ProjectState:
        """A seam: where Django begins with what is applied. Nothing of that has been rendered by then."""
        stock: Any = super()
        project_state: ProjectState = stock._create_project_state(with_applied_migrations)
        if not self.lazy or self._backwards_as_django_does:
            return project_state
        return RunState(project_state.models, self.rendering)

    def _migrate_all_backwards(self, plan: Any, full_plan: Any, fake: bool) -> ProjectState:
        """A seam: Django takes all states before it unapplies anything, and they must not share what others change."""
        self._backwards_as_django_does = any(render_of(migration) is Render.EAGER for migration, _ in full_plan)
        stock: Any = super()
        after: ProjectState = stock._migrate_all_backwards(plan, full_plan, fake)
        return after

    def migrate(self, *args: Any, **kwargs: Any) -> ProjectState:
        # Django renders so much at each migration that what waits for the collector would double the peak of memory.
        with gc_threshold.collected_in_bulk() if self.lazy else contextlib.nullcontext():
            return super().migrate(*args, **kwargs)

    def shown(self, state: ProjectState, migration: Migration) -> ProjectState:
        """The state as a migration that is applied gets it."""
        return self.rendering.shown(state, migration) if self.lazy else state

    def shown_backwards(self, state: ProjectState, migration: Migration) -> ProjectState:
        """The same for one that is unapplied: a copy, for Django goes on with its own."""
        return self.rendering.shown(state.clone(), migration) if isinstance(state, RunState) else state

    def apply_migration(
        self, state: ProjectState, migration: Migration, fake: bool = False, fake_initial: bool = False
    ) -> ProjectState:
        return super().apply_migration(self.shown(state, migration), migration, fake, fake_initial)

    def unapply_migration(self, state: ProjectState, migration: Migration, fake: bool = False) -> ProjectState:
        return super().unapply_migration(self.shown_backwards(state, migration), migration, fake)
