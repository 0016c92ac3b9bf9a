"""Which tables a plan will be about: what the one read of the catalog must cover."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from django.db.backends.utils import truncate_name
from django.db.migrations import Migration
from django.db.migrations.state import ModelState, ProjectState

from lockgate.planning.identifiers import NAME_LIMIT, unquoted


def concerned(state: ProjectState, migrations: Iterable[Migration]) -> set[str]:
    """Tables of the apps that pending migrations touch, and of the models that those point to or are pointed to by.

    state: before the first of them. Names only; models are not rendered.
    """
    apps = {migration.app_label for migration in migrations}
    mine = {key for key in state.models if key[0] in apps}
    related = {key for key in mine for key in _targets(state.models[key])}
    related |= {key for key, model in state.models.items() if mine & set(_targets(model))}
    return {table for key in mine | related if key in state.models for table in _tables(state.models[key])}


def _targets(model: ModelState) -> Iterator[tuple[str, str]]:
    for field in model.fields.values():
        target = getattr(getattr(field, "remote_field", None), "model", None)
        if isinstance(target, str):
            label, _, name = target.rpartition(".")
            yield (label or model.app_label, name.lower())


def _tables(model: ModelState) -> Iterator[str]:
    table = unquoted(str(model.options.get("db_table") or _shortened(f"{model.app_label}_{model.name_lower}")))
    yield table
    for name, field in model.fields.items():
        if getattr(field, "many_to_many", False):
            yield unquoted(str(getattr(field, "db_table", None) or _shortened(f"{table}_{name}")))


def _shortened(name: str) -> str:
    """A name that Django makes itself, which it shortens before PostgreSQL would."""
    return truncate_name(name, NAME_LIMIT)
