"""A rule's examples, run: from the source that its page shows to the hazards that are found in it."""

from __future__ import annotations

import linecache
import urllib.request
import uuid
from collections.abc import Sequence
from typing import Any

import django.contrib.postgres.constraints
import django.contrib.postgres.fields
import django.contrib.postgres.functions
import django.contrib.postgres.operations
import django.db.models.functions
from django.db import migrations, models
from django.db.migrations import Migration

from lockgate.facts.tables import DatabaseFacts
from lockgate.linting import hazards
from lockgate.linting.hazards import Hazard
from lockgate.linting.rules import Example
from lockgate.linting.rules.example_models import MODELS
from lockgate.linting.rules.rule import OFFLINE, source
from lockgate.linting.rules.rule_context import HazardSettings
from lockgate.planning import planner
from lockgate.planning.recorder.offline import offline_connection
from lockgate.planning.recorder.schema_editor import recording
from lockgate.planning.steps import MigrationPlan
from lockgate.planning.virtual_catalog import VirtualCatalog
from lockgate.project_state.lazy_state import LazyState

THRESHOLD = 8 * 1024**2
BUDGET = 10 * 1024**3
NAMES: dict[str, Any] = {
    "uuid": uuid,
    "urllib": urllib,
    "migrations": migrations,
    "models": models,
    "functions": django.db.models.functions,
    "postgres_constraints": django.contrib.postgres.constraints,
    "postgres_fields": django.contrib.postgres.fields,
    "postgres_functions": django.contrib.postgres.functions,
    "postgres_operations": django.contrib.postgres.operations,
}


def migration(text: str, name: str = "0002_example") -> Migration:
    """A migration of the app ``shop`` made from source, whose functions have theirs at hand."""
    file = f"<{name} {hash(text)}>"
    linecache.cache[file] = (len(text), None, text.splitlines(keepends=True), file)
    names = {**NAMES, "__name__": "shop.migrations"}
    exec(compile(text, file, "exec"), names)
    new_migration: Migration = names["Migration"](name, "shop")
    return new_migration


def plans(*given: Migration, facts: DatabaseFacts = OFFLINE) -> list[MigrationPlan]:
    """Their plan, as one release, on the shop's tables."""
    state = LazyState()
    history = migration(MODELS, "0001_initial")
    connection = offline_connection("default", facts.version)
    editors: list[Any] = []

    def recorder(catalog: VirtualCatalog) -> Any:
        editors.append(recording(connection, catalog))
        return editors[-1]

    planning = planner.Planner(facts, recorder, planner.Settings(THRESHOLD))
    planning.plan(history, state, deployed=True)
    for name in facts.tables:  # what the catalog has beside what the history made
        editors[0].catalog._named[name] += VirtualCatalog(facts).named(name)
    return [planning.plan(one_migration, state) for one_migration in given]


def hazards_of(*given: str | Migration, facts: DatabaseFacts = OFFLINE) -> list[Hazard]:
    """What is found in migrations that go out as one release. given: as source, or operations alone."""
    new_migrations = [
        each if isinstance(each, Migration) else migration(source(each), f"{n:04}") for n, each in enumerate(given, 2)
    ]
    return hazards.find(plans(*new_migrations, facts=facts), facts, new_migrations, HazardSettings(THRESHOLD, BUDGET))


def hazards_of_example(example: Example) -> list[Hazard]:
    """What is found in an example; migrations that follow one another are deployed each by itself."""
    if not example.later:
        return hazards_of(example.source, facts=example.facts)
    return deployed(
        [migration(one_source, f"{n:04}_example") for n, one_source in enumerate(example.sources, 2)], example.facts
    )


def deployed(given_migrations: Sequence[Migration], facts: DatabaseFacts = OFFLINE) -> list[Hazard]:
    """What is found in migrations that are deployed each by itself, after those before."""
    state, connection = LazyState(), offline_connection("default", facts.version)
    planning = planner.Planner(facts, lambda catalog: recording(connection, catalog), planner.Settings(THRESHOLD))
    planning.plan(migration(MODELS, "0001_initial"), state, deployed=True)
    found_hazards = []
    for one_migration in given_migrations:
        plan = planning.plan(one_migration, state, deployed=True)
        found_hazards += hazards.find([plan], facts, [one_migration], HazardSettings(THRESHOLD, BUDGET))
    return found_hazards
