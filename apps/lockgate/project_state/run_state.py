"""A run's state of the project, whose ``apps`` shows as much as the migration at hand asks for."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

from django.apps import apps as installed
from django.db.migrations import AlterField, DeleteModel, Migration
from django.db.migrations.state import ModelState, ProjectState

from lockgate.project_state import relations
from lockgate.project_state.eligibility import Render, flat, render_of
from lockgate.project_state.field_copies import FieldPrototypes
from lockgate.project_state.lazy_apps import OnDemandApps
from lockgate.project_state.lazy_state import LazyState
from lockgate.project_state.relations import ModelKey, Models
from lockgate.project_state.single_model import ModelStates, SingleModels, Unsure


class Rendering:
    """What the states of one run have in common."""

    def __init__(self, real_apps: set[str]) -> None:
        self.real_apps, self.prototypes = real_apps, FieldPrototypes()
        self.single_models = SingleModels(self.prototypes)

    @cached_property
    def real_models(self) -> Sequence[ModelState]:
        """Models of apps without migrations, without their relations, as Django has them in its states."""
        real = (model for label in sorted(self.real_apps) for model in installed.get_app_config(label).get_models())
        return [ModelState.from_model(model, exclude_rels=True) for model in real]

    def on_demand(self, models: Models) -> OnDemandApps:
        return OnDemandApps(models, self.real_apps, self.real_models, self.prototypes)

    def shown(self, state: ProjectState, migration: Migration) -> ProjectState:
        """The state as a migration gets it: lazily rendered, or by Django where that is not known to do.

        Django does not see what an implicit parent makes of a change of keys, and its statements show it. Where a model
        is deleted that others still name, it goes on with the classes of these that it has rendered before: no others
        can be made.
        """
        view = render_of(migration)
        if view is not Render.EAGER and self._is_beyond_rendering(state, migration):
            view = Render.EAGER
        if view is Render.EAGER:
            return state.as_django_has_it() if isinstance(state, RunState) else state
        if not isinstance(state, RunState):
            delayed = state.is_delayed
            state = RunState({key: model.clone() for key, model in state.models.items()}, self)
            state.is_delayed = delayed
        state.show(view, _altered(migration, state.models) if view is Render.MODEL else None)
        return state

    def _is_beyond_rendering(self, state: ProjectState, migration: Migration) -> bool:
        """Whether there are models, or will be within the migration, whose classes do not follow from their states."""
        models = state.models
        if relations.any_implicit(models.values()) or self._bereaves(state, migration):
            return True
        if isinstance(state, RunState):
            return False
        there = {(model.app_label, model.name_lower) for model in self.real_models} | models.keys()
        return any(key not in there for model in models.values() for key in relations.named(model))

    def _bereaves(self, state: ProjectState, migration: Migration) -> bool:
        """Whether it deletes a model that another one names at that moment."""
        if not any(isinstance(inner, DeleteModel) for inner in flat(migration.operations)):
            return False
        walked = RunState(dict(state.models), self)
        try:
            for operation in migration.operations:
                before = set(walked.models)
                operation.state_forwards(migration.app_label, walked)
                gone = before - walked.models.keys()
                if gone and relations.names_any(gone, walked.models.values()):
                    return True
        except Exception:  # what is wrong with it is told where it is applied
            return True
        return False


def _altered(migration: Migration, models: Models) -> frozenset[str] | None:
    """The fields that a migration alters, where it does nothing else, and none of them is a primary key.

    Then of what points to their models Django's schema editor wants what refers to these fields.
    """
    names = set()
    for operation in migration.operations:
        if type(operation) is not AlterField:
            return None
        model = models.get((migration.app_label, operation.model_name_lower))
        old: Any = model.fields.get(operation.name) if model else None
        if old is None or old.primary_key or operation.field.primary_key:
            return None
        names.add(operation.name)
    return frozenset(names)


class RunState(LazyState):
    """A state that shares what it has not changed with those it was cloned from."""

    def __init__(self, models: dict[ModelKey, ModelState], rendering: Rendering) -> None:
        super().__init__(models, rendering.real_apps, shared=True)
        self.rendering, self.render = rendering, Render.ON_DEMAND
        self.referred: frozenset[str] | None = None

    def clone(self) -> RunState:
        """A state with the same models, and the same classes until one of the two is changed."""
        run_state = RunState(dict(self.models), self.rendering)
        run_state.render, run_state.referred, run_state.is_delayed = self.render, self.referred, self.is_delayed
        if "apps" in self.__dict__:
            run_state.__dict__["apps"] = self.apps
        return run_state

    def show(self, view: Render, referred: frozenset[str] | None = None) -> None:
        """How ``apps`` is to be from now on: one model, or all on demand. referred: as in
        ``single_model.ModelStates``."""
        if (view, referred) != (self.render, self.referred):
            self.render, self.referred = view, referred
            self.__dict__.pop("apps", None)

    def clear_delayed_apps_cache(self) -> None:
        """Django asks for this where code is about to see ``apps``, which is whole.

        Once a change of a model was put off, it shows classes that no code has had before: what code did to others, and
        what their managers remember of rows, is gone.
        """
        self.show(Render.ON_DEMAND)
        if self.is_delayed and self.apps.had_by_code:
            del self.__dict__["apps"]
        self.apps.had_by_code = True

    @cached_property
    def apps(self) -> Any:
        models = dict(self.models)
        if self.render is Render.ON_DEMAND:
            return self.rendering.on_demand(models)
        return SingleModelApps(models, self.rendering, self.referred)

    def as_django_has_it(self) -> ProjectState:
        """The same models in a state of Django's own, rendered: nothing is shared with this one."""
        project_state = ProjectState({key: model.clone() for key, model in self.models.items()}, self.real_apps)
        project_state.is_delayed = self.is_delayed
        project_state.apps  # noqa: B018  as Django does before the first migration; states that follow are made from it
        return project_state


class SingleModelApps:
    """Gives one class at a time; asked for anything else, it is a whole registry."""

    def __init__(
        self, models: dict[ModelKey, ModelState], rendering: Rendering, referred: frozenset[str] | None
    ) -> None:
        self._models, self._rendering = models, rendering
        real = {(model.app_label, model.name_lower): model for model in rendering.real_models}
        self._states = ModelStates({**real, **models} if real else models, referred)

    def get_model(self, app_label: str, model_name: str | None = None, require_ready: bool = True) -> Any:
        if model_name is None:
            app_label, model_name = app_label.split(".")
        key = app_label, model_name.lower()
        if key in self._states.models:
            try:
                return self._rendering.single_models.model(key, self._states)
            except Unsure:
                pass
        return self._whole.get_model(app_label, model_name, require_ready)

    @cached_property
    def _whole(self) -> OnDemandApps:
        return self._rendering.on_demand(self._models)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self._whole, name)
